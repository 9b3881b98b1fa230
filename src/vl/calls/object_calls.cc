// Handles of any kind: closing, duplicating, asking for names.
#include "vl/calls/file_resolve.h"
#include "vl/calls/key_resolve.h"
#include "vl/calls/object_space.h"
#include "vl/calls/process_members.h"

namespace plume::vl {
namespace {

bool IsThisProcess(const VlState& vl, nt::Handle process) {
  if (process == nt::CurrentProcess()) return true;
  if (!process) return false;
  nt::ProcessBasicInformation basic{};
  return nt::Ok(orig.NtQueryInformationProcess(process, nt::kProcessBasicInformation, &basic, sizeof(basic),
                                               nullptr)) &&
         basic.process_id == vl.pid;
}

bool IsKeyName(view::WView name) {
  constexpr view::WView kRegistry = u"\\REGISTRY";
  return name.size() >= kRegistry.size() &&
         view::EqualFolded(view::Sub(name, 0, kRegistry.size()), kRegistry);
}

}  // namespace

nt::NtStatus PLUME_NTAPI HookNtClose(nt::Handle handle) {
  Enter();
  // Forgotten before it is closed: afterwards the value may already belong to another thread's new object.
  Handles().Remove(handle);
  return orig.NtClose(handle);
}

nt::NtStatus PLUME_NTAPI HookNtDuplicateObject(nt::Handle source_process, nt::Handle source,
                                               nt::Handle target_process, nt::Handle* target,
                                               nt::AccessMask access, nt::Ulong attributes,
                                               nt::Ulong options) {
  const VlState& vl = Enter();
  const bool from_us = IsThisProcess(vl, source_process);
  const bool to_us = target && IsThisProcess(vl, target_process);
  // Nothing is taken from a process outside, and nothing put into one.
  if ((!from_us && MembershipOf(vl, source_process) == Membership::kOutside) ||
      (!to_us && target_process && MembershipOf(vl, target_process) == Membership::kOutside)) {
    return nt::kAccessDenied;
  }
  HandleRef info;
  if (from_us) info = Handles().Find(source);
  if (from_us && (options & nt::kDuplicateCloseSource)) Handles().Remove(source);
  const nt::NtStatus s =
      orig.NtDuplicateObject(source_process, source, target_process, target, access, attributes, options);
  nt::Handle made;
  if (!nt::Ok(s) || !to_us || !ReadUser(&made, target)) return s;
  // Both handles are the same open file: they share listing state. With other rights the facts are copied.
  if (!info) {
    Handles().Remove(made);
  } else if ((options & nt::kDuplicateSameAccess) && info->kind != HandleKind::kKey) {
    Handles().Insert(made, info.Share());
  } else if (HandleInfo* copy = CopyHandleInfo(*info.get())) {
    // Also for keys: what is watched through a handle ends with that handle.
    if (!(options & nt::kDuplicateSameAccess)) copy->access = access;
    Handles().Insert(made, copy);
  }
  return s;
}

nt::NtStatus PLUME_NTAPI HookNtQueryObject(nt::Handle handle, nt::ObjectInformationClass information,
                                           void* buffer, nt::Ulong length, nt::Ulong* result_length) {
  const VlState& vl = Enter();
  if (information != nt::kObjectNameInformation) {
    return orig.NtQueryObject(handle, information, buffer, length, result_length);
  }
  CallScratch scratch;
  void* answer = scratch.Alloc(kNameAnswerBytes);
  if (!answer) return nt::kNoMemory;
  view::WView name, real;
  if (nt::Ok(orig.NtQueryObject(handle, information, answer, kNameAnswerBytes, nullptr)))
    real = AnsweredName(answer);
  bool ours = false, object = false;
  size_t mark;
  if (view::FindOwnMark(real, vl.session, vl.object_mark, &mark)) {
    name = WithoutMark(scratch, real, mark);
    ours = object = true;
  } else if (IsKeyName(real)) {
    if (const nt::NtStatus s = KeyHandleToVirtual(vl, scratch, handle, &ours, &name); !nt::Ok(s)) return s;
  } else if (!real.empty()) {
    ours = FileHandleToVirtual(vl, scratch, handle, &name);
    if (ours) name = LikeOriginal(vl, scratch, real, name);
  }
  if (!ours) return orig.NtQueryObject(handle, information, buffer, length, result_length);
  if (name.empty()) return nt::kNoMemory;
  if (TraceNote* note = TraceNow()) {
    note->Name(object            ? trace::Space::kObject
               : IsKeyName(real) ? trace::Space::kRegistry
                                 : trace::Space::kFile,
               name);
    note->Real(trace::Layer::kNone, real);
  }
  size_t needed;
  const nt::NtStatus s =
      WriteNameAnswer(name, buffer, length,
                      length < sizeof(nt::UnicodeString) || (object && vl.is_wine) ? nt::kInfoLengthMismatch
                                                                                   : nt::kBufferOverflow,
                      &needed);
  if (result_length && !WriteUser(result_length, static_cast<nt::Ulong>(needed))) return nt::kAccessViolation;
  return s;
}

}  // namespace plume::vl
