// NtQuerySystemInformation: the lists of processes and handles show those of the VM.
#include <cstring>

#include "view/system_lists.h"
#include "vl/calls/file_resolve.h"
#include "vl/calls/object_names.h"
#include "vl/calls/process_members.h"
#include "vl/low/guard.h"
#include "vl/low/hooks.h"
#include "vl/low/trace.h"

namespace plume::vl {
namespace {

bool IsProcessList(nt::Ulong c) {
  return c == nt::kSystemProcessInformation || c == nt::kSystemExtendedProcessInformation ||
         c == nt::kSystemFullProcessInformation;
}
bool IsHandleList(nt::Ulong c) {
  return c == nt::kSystemHandleInformation || c == nt::kSystemExtendedHandleInformation;
}

// The system's whole answer in memory of the layer.
nt::NtStatus WholeAnswer(CallScratch& scratch, nt::Ulong information_class, nt::Ulong session,
                         std::span<uint8_t>* out) {
  nt::Ulong size = 96 << 10;
  for (int round = 0; round < 8; ++round) {
    auto* buffer = static_cast<uint8_t*>(scratch.Alloc(size));
    if (!buffer) return nt::kNoMemory;
    nt::SystemSessionProcesses of_session{session, size, buffer};
    const bool whole = information_class != nt::kSystemSessionProcessInformation;
    nt::Ulong needed = 0;
    const nt::NtStatus s =
        orig.NtQuerySystemInformation(information_class, whole ? static_cast<void*>(buffer) : &of_session,
                                      whole ? size : static_cast<nt::Ulong>(sizeof(of_session)), &needed);
    if (nt::Ok(s)) {
      *out = {buffer, needed && needed <= size ? needed : size};
      return s;
    }
    if (s != nt::kInfoLengthMismatch || size > (256u << 20)) return s;
    // Processes come and go between the two questions.
    size = (needed > size ? needed : size * 2) + (32 << 10);
  }
  return nt::kInfoLengthMismatch;
}

nt::NtStatus AnswerList(const VlState& vl, nt::Ulong information_class, nt::Ulong session, void* buffer,
                        nt::Ulong length, nt::Ulong* result_length) {
  CallScratch scratch;
  std::span<uint8_t> list;
  nt::NtStatus s = WholeAnswer(scratch, information_class, session, &list);
  if (!nt::Ok(s)) return s;
  // Asked after the list was made: who is in it and in the VM is in both.
  const view::ProcessSet members{MemberIds(vl, scratch)};
  const size_t bytes =
      IsHandleList(information_class)
          ? view::FilterHandleList(list, information_class == nt::kSystemExtendedHandleInformation,
                                   !vl.is_wine, members)
          : view::FilterProcessList(list, members, reinterpret_cast<uintptr_t>(buffer));
  if (bytes == 0) return nt::kUnsuccessful;
  if (result_length && !WriteUser(result_length, static_cast<nt::Ulong>(bytes))) return nt::kAccessViolation;
  if (length < bytes) return nt::kInfoLengthMismatch;
  return CopyOut(buffer, list.data(), bytes) ? nt::kSuccess : nt::kAccessViolation;
}

nt::NtStatus AnswerSession(const VlState& vl, void* buffer, nt::Ulong length, nt::Ulong* result_length) {
  nt::SystemSessionProcesses wanted;
  if (length != sizeof(wanted)) return nt::kInfoLengthMismatch;
  if (!ReadUser(&wanted, static_cast<nt::SystemSessionProcesses*>(buffer))) return nt::kAccessViolation;
  return AnswerList(vl, nt::kSystemSessionProcessInformation, wanted.session, wanted.buffer, wanted.length,
                    result_length);
}

// The program of a process by its id: its virtual name.
nt::NtStatus AnswerImage(const VlState& vl, void* buffer, nt::Ulong length, nt::Ulong* result_length) {
  nt::SystemProcessIdInformation asked;
  if (length < sizeof(asked))
    return orig.NtQuerySystemInformation(nt::kSystemProcessIdInformation, buffer, length, result_length);
  if (!ReadUser(&asked, static_cast<nt::SystemProcessIdInformation*>(buffer))) return nt::kAccessViolation;
  const bool member = IsMemberId(vl, asked.process_id);
  if (!member && !vl.show_all_processes) return nt::kInvalidCid;
  CallScratch scratch;
  char16_t* text = scratch.Units(0x8000);
  if (!text) return nt::kNoMemory;
  nt::SystemProcessIdInformation own{asked.process_id, {0, 0xfffe, text}};
  const nt::NtStatus s =
      orig.NtQuerySystemInformation(nt::kSystemProcessIdInformation, &own, sizeof(own), nullptr);
  if (!nt::Ok(s)) return s;
  view::WView name(own.image_name.buffer, own.image_name.length / 2), mapped;
  if (member && FileNameToVirtual(vl, scratch, name, &mapped)) name = LikeOriginal(vl, scratch, name, mapped);
  const size_t bytes = name.size() * 2;
  const bool fits = asked.image_name.maximum_length >= bytes;
  asked.image_name.length = static_cast<uint16_t>(fits ? bytes : 0);
  if (!fits) asked.image_name.maximum_length = static_cast<uint16_t>(bytes + 2);
  if (fits && !CopyOut(asked.image_name.buffer, name.data(), bytes)) return nt::kAccessViolation;
  if (!WriteUser(static_cast<nt::SystemProcessIdInformation*>(buffer), asked)) return nt::kAccessViolation;
  if (result_length && !WriteUser(result_length, static_cast<nt::Ulong>(sizeof(asked))))
    return nt::kAccessViolation;
  return fits ? nt::kSuccess : nt::kInfoLengthMismatch;
}

}  // namespace

nt::NtStatus PLUME_NTAPI HookNtQuerySystemInformation(nt::Ulong information_class, void* buffer,
                                                      nt::Ulong length, nt::Ulong* result_length) {
  const bool list = IsProcessList(information_class) || IsHandleList(information_class);
  const bool session = information_class == nt::kSystemSessionProcessInformation;
  if (!list && !session && information_class != nt::kSystemProcessIdInformation)
    return orig.NtQuerySystemInformation(information_class, buffer, length, result_length);
  const VlState& vl = Enter();
  if (TraceNote* note = TraceNow()) {
    note->Name(trace::Space::kProcess, IsHandleList(information_class) ? view::WView(u"list of handles")
                                                                       : view::WView(u"list of processes"));
    note->Detail(information_class);
  }
  if (vl.show_all_processes && information_class != nt::kSystemProcessIdInformation)
    return orig.NtQuerySystemInformation(information_class, buffer, length, result_length);
  return session ? AnswerSession(vl, buffer, length, result_length)
         : list  ? AnswerList(vl, information_class, 0, buffer, length, result_length)
                 : AnswerImage(vl, buffer, length, result_length);
}

}  // namespace plume::vl
