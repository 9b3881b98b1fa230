// Queries by handle. Names come out virtual; a directory's facts are those of its topmost layer, whatever
// layer the handle was opened in.
#include <cstring>

#include "vl/calls/file_resolve.h"
#include "vl/calls/file_space.h"
#include "vl/calls/object_file.h"
#include "vl/calls/object_names.h"

namespace plume::vl {
namespace {

using view::Mode;
using view::WView;

// Where each class keeps the length of its name; the text follows.
constexpr size_t NameOffset(nt::FileInformationClass kind) {
  return kind == nt::kFileAllInformation ? offsetof(nt::FileAllInformation, name) : 0;
}

WView DeviceOf(const VlState& vl, char16_t letter) {
  for (const view::NameTable::Volume& v : vl.names.volumes) {
    if (v.letter == view::Upcase(letter)) return v.device;
  }
  return WView();
}

// The original answers into a buffer of our own, so that its checks of handle, class and length are the
// system's; then the name is exchanged and cut to the caller's length by the rules of the class.
nt::NtStatus QueryWithName(CallScratch& scratch, nt::Handle handle, nt::IoStatusBlock* io, void* buffer,
                           nt::Ulong length, nt::FileInformationClass kind, WView name) {
  constexpr nt::Ulong kMost = 2 * view::kMaxPathUnits + sizeof(nt::FileAllInformation);
  const nt::Ulong size = length < kMost ? length : kMost;
  auto* answer = static_cast<uint8_t*>(scratch.Alloc(size ? size : 1));
  if (!answer) return nt::kNoMemory;
  nt::IoStatusBlock own{};
  nt::NtStatus s = orig.NtQueryInformationFile(handle, &own, answer, size, kind);
  if (!nt::Ok(s) && s != nt::kBufferOverflow) return s;
  const size_t at = NameOffset(kind);
  if (size < at + sizeof(nt::Ulong)) return nt::kInfoLengthMismatch;
  const auto bytes = static_cast<nt::Ulong>(name.size() * 2);
  const nt::Ulong room = size - static_cast<nt::Ulong>(at + sizeof(nt::Ulong));
  const nt::Ulong copied = bytes < room ? bytes : room;
  std::memcpy(answer + at, &bytes, sizeof(bytes));
  std::memcpy(answer + at + sizeof(nt::Ulong), name.data(), copied);
  s = copied < bytes ? nt::kBufferOverflow : nt::kSuccess;
  own.status = s;
  own.information = at + sizeof(nt::Ulong) + copied;
  if (!CopyOut(buffer, answer, own.information) || !WriteUser(io, own)) return nt::kAccessViolation;
  return s;
}

// Facts of a directory whose handle is one of a lower layer, if another layer knows better. Children made in
// its copy in the upper layer change that copy's times; the tree of an image is the cache's, whose times mean
// nothing.
bool DirectoryFacts(const VlState& vl, CallScratch& scratch, nt::Handle handle,
                    nt::FileNetworkOpenInformation* facts) {
  const HandleRef info = Handles().Find(handle);
  if (!info || info->kind != HandleKind::kDirectory || !IsLower(*info.get())) return false;
  const view::VPath* path = PathOfHandle(vl, scratch, handle, nullptr);
  if (!path) return false;
  const view::Lookup found = view::LookUp(vl.space, *path, false);
  if ((found.mode != Mode::kMerge && found.mode != Mode::kPrivate) || found.lower_hidden) return false;
  if (!found.upper_possible && found.mount < 0) return false;
  Located at;
  if (!nt::Ok(Locate(vl, scratch, *path, found, &at)) || at.place == Place::kHost || !at.directory())
    return false;
  *facts = at.info;
  return at.place == Place::kUpper || at.place == Place::kImage;
}

// The original's answer with the facts put in.
nt::NtStatus QueryWithFacts(nt::Handle handle, nt::IoStatusBlock* io, void* buffer, nt::Ulong length,
                            nt::FileInformationClass kind, const nt::FileNetworkOpenInformation& facts) {
  const nt::NtStatus s = orig.NtQueryInformationFile(handle, io, buffer, length, kind);
  if (!nt::Ok(s) && s != nt::kBufferOverflow) return s;
  bool ok = true;
  switch (kind) {
    case nt::kFileBasicInformation:
    case nt::kFileAllInformation: {
      const nt::FileBasicInformation basic{facts.creation_time, facts.last_access_time, facts.last_write_time,
                                           facts.change_time, facts.file_attributes};
      ok = CopyOut(buffer, &basic, offsetof(nt::FileBasicInformation, file_attributes) + sizeof(nt::Ulong));
      break;
    }
    case nt::kFileNetworkOpenInformation:
      ok = CopyOut(buffer, &facts,
                   offsetof(nt::FileNetworkOpenInformation, file_attributes) + sizeof(nt::Ulong));
      break;
    case nt::kFileAttributeTagInformation:
      ok = CopyOut(buffer, &facts.file_attributes, sizeof(nt::Ulong));
      break;
    default:
      break;
  }
  return ok ? s : nt::kAccessViolation;
}

}  // namespace

nt::NtStatus PLUME_NTAPI HookNtQueryInformationFile(nt::Handle handle, nt::IoStatusBlock* io, void* buffer,
                                                    nt::Ulong length, nt::FileInformationClass kind) {
  const VlState& vl = Enter();
  switch (kind) {
    case nt::kFileNameInformation:
    case nt::kFileNormalizedNameInformation:
    case nt::kFileVolumeNameInformation:
    case nt::kFileAllInformation:
    case nt::kFileBasicInformation:
    case nt::kFileNetworkOpenInformation:
    case nt::kFileAttributeTagInformation:
      break;
    default:
      return orig.NtQueryInformationFile(handle, io, buffer, length, kind);
  }
  CallScratch scratch;
  nt::NtStatus s = nt::kSuccess;
  WView virtual_path;
  const bool has_name = kind == nt::kFileNameInformation || kind == nt::kFileVolumeNameInformation ||
                        kind == nt::kFileNormalizedNameInformation || kind == nt::kFileAllInformation;
  const WView real = has_name ? QueryRealName(scratch, handle) : WView();
  WView pipe;
  if (has_name && FileNameToVirtual(vl, scratch, real, &virtual_path)) {
    // Volume-relative, as the system gives it; or the volume, which is that of the virtual drive.
    const bool volume = kind == nt::kFileVolumeNameInformation;
    const WView name =
        volume ? DeviceOf(vl, virtual_path[0]) : view::Sub(virtual_path, 2, virtual_path.size() - 2);
    if (name.empty() && volume) return nt::kInvalidDeviceRequest;
    s = QueryWithName(scratch, handle, io, buffer, length, kind, name);
    // A name that was cut says nothing against the facts before it.
    if (kind != nt::kFileAllInformation || (!nt::Ok(s) && s != nt::kBufferOverflow)) return s;
  } else if (has_name && PipeNameToVirtual(vl, scratch, real, &pipe)) {
    return QueryWithName(scratch, handle, io, buffer, length, kind, pipe);
  } else if (has_name && kind != nt::kFileAllInformation) {
    return orig.NtQueryInformationFile(handle, io, buffer, length, kind);
  }
  nt::FileNetworkOpenInformation facts;
  if (!DirectoryFacts(vl, scratch, handle, &facts)) {
    return virtual_path.empty() ? orig.NtQueryInformationFile(handle, io, buffer, length, kind) : s;
  }
  if (virtual_path.empty()) return QueryWithFacts(handle, io, buffer, length, kind, facts);
  // FileAllInformation with a virtual name is in the caller's buffer already; its first part is the basic
  // information.
  const nt::FileBasicInformation basic{facts.creation_time, facts.last_access_time, facts.last_write_time,
                                       facts.change_time, facts.file_attributes};
  return CopyOut(buffer, &basic, offsetof(nt::FileBasicInformation, file_attributes) + sizeof(nt::Ulong))
             ? s
             : nt::kAccessViolation;
}

}  // namespace plume::vl
