// Named pipes and mailslots. They are opened through the file calls (RenameFileName).
#include <atomic>
#include <cstring>

#include "vl/calls/file_resolve.h"
#include "vl/calls/file_space.h"
#include "vl/calls/object_file.h"
#include "vl/calls/object_space.h"

namespace plume::vl {

using view::WView;

nt::NtStatus RenameFileName(const VlState& vl, CallScratch& scratch, Captured* captured) {
  ObjectMeaning meaning;
  const nt::NtStatus s = RenameCaptured(vl, scratch, captured, &meaning);
  // As Wine says it for files.
  return s == nt::kObjectPathSyntaxBad && vl.is_wine ? nt::kInvalidParameter : s;
}

bool IsServiceManager(const VlState& vl, WView renamed) {
  constexpr WView kName = u"\\svcctl";
  const size_t mark = vl.object_mark.View().size();
  return vl.is_wine && renamed.size() > kName.size() + mark &&
         view::EqualFolded(view::Sub(renamed, renamed.size() - mark, mark), vl.object_mark.View()) &&
         view::EqualFolded(view::Sub(renamed, renamed.size() - mark - kName.size(), kName.size()), kName);
}

bool PipeNameToVirtual(const VlState& vl, CallScratch& scratch, WView real, WView* name) {
  size_t mark;
  if (!view::FindOwnMark(real, vl.session, vl.object_mark, &mark)) return false;
  const view::ObjectName parsed = view::ParseObjectName(real, vl.session);
  if (parsed.space != view::ObjectSpace::kPipe && parsed.space != view::ObjectSpace::kMailslot) return false;
  *name = view::Sub(real, parsed.begin - 1, mark - (parsed.begin - 1));
  return true;
}

namespace {

// The pipe of a process that serves COM objects, however deep in the name: Wine makes it before anything is
// registered by it.
bool IsObjectServer(const ObjectCall& call) {
  constexpr WView kName = u"\\OLE_";
  const WView name = call.meaning().canonical;
  if (call.meaning().action != view::ObjectAction::kMark) return false;
  for (size_t at = 0; at + kName.size() < name.size(); ++at)
    if (name[at] == u'\\' && view::EqualFolded(view::Sub(name, at, kName.size()), kName)) return true;
  return false;
}

// As long as one process of the VM serves COM objects there is an event of this name; the agent looks for it
// (agent/vms_services.cc). It is never signalled and goes with the last of them, however that ends.
void TellThatItServes(const VlState& vl, CallScratch& scratch) {
  static std::atomic<bool> told{false};
  if (told.exchange(true, std::memory_order_relaxed)) return;
  const WView name = WithMark(vl, scratch, u"\\BaseNamedObjects\\plume-com", 27);
  if (name.data() == nullptr) return;
  OwnAttributes object(name);
  object.attributes.attributes |= nt::kObjOpenIf;
  nt::Handle kept = nullptr;
  (void)orig.NtCreateEvent(&kept, nt::kEventAllAccess, &object.attributes, nt::kNotificationEvent, 0);
}

}  // namespace

nt::NtStatus PLUME_NTAPI HookNtCreateNamedPipeFile(nt::Handle* handle, nt::AccessMask access,
                                                   nt::ObjectAttributes* attributes, nt::IoStatusBlock* io,
                                                   nt::Ulong share, nt::Ulong disposition, nt::Ulong options,
                                                   nt::Ulong type, nt::Ulong read_mode, nt::Ulong completion,
                                                   nt::Ulong instances, nt::Ulong inbound, nt::Ulong outbound,
                                                   nt::LargeInteger* timeout) {
  ObjectCall call(attributes);
  if (!nt::Ok(call.status())) return call.status();
  if (call.vl().is_wine && IsObjectServer(call)) TellThatItServes(call.vl(), call.scratch());
  return orig.NtCreateNamedPipeFile(handle, access, call.attributes(), io, share, disposition, options, type,
                                    read_mode, completion, instances, inbound, outbound, timeout);
}

nt::NtStatus PLUME_NTAPI HookNtCreateMailslotFile(nt::Handle* handle, nt::AccessMask access,
                                                  nt::ObjectAttributes* attributes, nt::IoStatusBlock* io,
                                                  nt::Ulong options, nt::Ulong quota, nt::Ulong message,
                                                  nt::LargeInteger* timeout) {
  ObjectCall call(attributes);
  if (!nt::Ok(call.status())) return call.status();
  return orig.NtCreateMailslotFile(handle, access, call.attributes(), io, options, quota, message, timeout);
}

namespace {

// FILE_PIPE_WAIT_FOR_BUFFER up to its name.
struct PipeWait {
  nt::LargeInteger timeout;
  nt::Ulong name_length;
  uint8_t timeout_specified;
  char16_t name[1];
};
constexpr size_t kPipeWaitName = offsetof(PipeWait, name);
static_assert(kPipeWaitName == 14);

// The name of the pipe to wait for is inside the buffer, relative to the device. True: *in is the renamed
// copy.
nt::NtStatus RenameWait(const VlState& vl, CallScratch& scratch, void** in, nt::Ulong* length) {
  if (*length < sizeof(PipeWait) || *length > 0x20000) return nt::kSuccess;  // the system refuses it
  auto* copy = static_cast<uint8_t*>(scratch.Alloc(*length + sizeof(vl.object_mark.text)));
  if (!copy) return nt::kNoMemory;
  if (!CopyIn(copy, *in, *length)) return nt::kAccessViolation;
  nt::Ulong bytes;
  std::memcpy(&bytes, copy + offsetof(PipeWait, name_length), sizeof(bytes));
  *in = copy;
  if (bytes > *length - kPipeWaitName) return nt::kSuccess;
  constexpr WView kDevice = u"\\Device\\NamedPipe\\";
  const size_t units = bytes / 2;
  char16_t* full = scratch.Units(kDevice.size() + units);
  if (!full) return nt::kNoMemory;
  std::memcpy(full, kDevice.data(), kDevice.size() * 2);
  std::memcpy(full + kDevice.size(), copy + kPipeWaitName, units * 2);
  WView real;
  ObjectMeaning meaning;
  const nt::NtStatus s =
      RenameObject(vl, scratch, nullptr, WView(full, kDevice.size() + units), &real, &meaning);
  if (!nt::Ok(s) || meaning.action != view::ObjectAction::kMark) return s;
  // The mark of a pipe's name is at its end.
  std::memcpy(copy + kPipeWaitName + units * 2, vl.object_mark.text, sizeof(vl.object_mark.text));
  bytes = static_cast<nt::Ulong>(units * 2 + sizeof(vl.object_mark.text));
  std::memcpy(copy + offsetof(PipeWait, name_length), &bytes, sizeof(bytes));
  *length = static_cast<nt::Ulong>(kPipeWaitName + bytes);
  return nt::kSuccess;
}

}  // namespace

nt::NtStatus PLUME_NTAPI HookNtFsControlFile(nt::Handle handle, nt::Handle event, nt::ApcRoutine* apc,
                                             void* context, nt::IoStatusBlock* io, nt::Ulong code, void* in,
                                             nt::Ulong in_length, void* out, nt::Ulong out_length) {
  const VlState& vl = Enter();
  if (code != nt::kFsctlPipeWait) {
    if (const nt::NtStatus s = CheckFileControl(vl, handle, &code, in, in_length); !nt::Ok(s)) return s;
    return orig.NtFsControlFile(handle, event, apc, context, io, code, in, in_length, out, out_length);
  }
  CallScratch scratch;
  if (const nt::NtStatus s = RenameWait(vl, scratch, &in, &in_length); !nt::Ok(s)) return s;
  // The system has copied the buffer when the call returns, also if it is pending then.
  return orig.NtFsControlFile(handle, event, apc, context, io, code, in, in_length, out, out_length);
}

}  // namespace plume::vl
