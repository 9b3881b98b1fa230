// Opening processes and threads: those outside the VM only for what tells no more than that they are there.
#include "vl/calls/process_members.h"
#include "vl/low/guard.h"
#include "vl/low/hooks.h"
#include "vl/low/trace.h"

namespace plume::vl {
namespace {

// Decides on an open that succeeded with `access`: a member's handle is remembered, an outside one that could
// do more than `allowed` is closed again.
nt::NtStatus Judge(const VlState& vl, nt::Handle handle, bool thread, nt::AccessMask access) {
  const nt::AccessMask allowed = thread ? kOutsideThread : kOutsideProcess;
  if ((access & ~allowed) == 0) return nt::kSuccess;
  if ((thread ? MembershipOfThread(vl, handle) : MembershipOf(vl, handle)) == Membership::kMember)
    return nt::kSuccess;
  orig.NtClose(handle);
  return nt::kAccessDenied;
}

void TellOpen(const nt::ClientId& id, nt::AccessMask access) {
  TraceNote* note = FindNote();
  if (!note) return;
  const auto process = reinterpret_cast<uintptr_t>(id.process),
             thread = reinterpret_cast<uintptr_t>(id.thread);
  const bool member = IsMemberId(Enter(), process);
  TellProcess(process, thread, member ? Membership::kMember : Membership::kOutside);
  note->Detail(access);
}

template <typename Open>
nt::NtStatus OpenJudged(const VlState& vl, bool thread, nt::AccessMask access, nt::Handle* user, Open open) {
  nt::Handle probe;
  if (!ReadUser(&probe, user)) return nt::kAccessViolation;
  nt::Handle own = nullptr;
  nt::NtStatus s = open(access, &own);
  if (!nt::Ok(s)) return s;
  s = Judge(vl, own, thread, access);
  if (s == nt::kAccessDenied && (access & nt::kMaximumAllowed)) {
    // As much as there is to have.
    s = open(thread ? kOutsideThread : kOutsideProcess, &own);
  }
  if (!nt::Ok(s)) return s;
  if (WriteUser(user, own)) return s;
  orig.NtClose(own);
  return nt::kAccessViolation;
}

}  // namespace

nt::NtStatus PLUME_NTAPI HookNtOpenProcess(nt::Handle* process, nt::AccessMask access,
                                           nt::ObjectAttributes* attributes, nt::ClientId* client) {
  const VlState& vl = Enter();
  nt::ClientId id;
  if (!client || !ReadUser(&id, client)) return orig.NtOpenProcess(process, access, attributes, client);
  if (Tracing()) TellOpen(id, access);
  return OpenJudged(vl, false, access, process, [&](nt::AccessMask a, nt::Handle* out) {
    return orig.NtOpenProcess(out, a, attributes, &id);
  });
}

nt::NtStatus PLUME_NTAPI HookNtOpenThread(nt::Handle* thread, nt::AccessMask access,
                                          nt::ObjectAttributes* attributes, nt::ClientId* client) {
  const VlState& vl = Enter();
  nt::ClientId id;
  if (!client || !ReadUser(&id, client)) return orig.NtOpenThread(thread, access, attributes, client);
  if (Tracing()) TellOpen(id, access);
  return OpenJudged(vl, true, access, thread, [&](nt::AccessMask a, nt::Handle* out) {
    return orig.NtOpenThread(out, a, attributes, &id);
  });
}

nt::NtStatus PLUME_NTAPI HookNtGetNextProcess(nt::Handle process, nt::AccessMask access, nt::Ulong attributes,
                                              nt::Ulong flags, nt::Handle* next) {
  const VlState& vl = Enter();
  nt::Handle probe;
  if (!ReadUser(&probe, next)) return nt::kAccessViolation;
  // From one process to the next until there is one that the caller may see. What the system does not let us
  // ask about it passes over by itself.
  nt::Handle at = process;
  for (;;) {
    nt::Handle found = nullptr;
    nt::NtStatus s = orig.NtGetNextProcess(at, access, attributes, flags, &found);
    if (at != process) orig.NtClose(at);
    if (!nt::Ok(s)) return s;
    if (IsMember(vl, found) || (vl.show_all_processes && (access & ~kOutsideProcess) == 0)) {
      if (WriteUser(next, found)) return s;
      orig.NtClose(found);
      return nt::kAccessViolation;
    }
    at = found;
  }
}

nt::NtStatus PLUME_NTAPI HookNtGetNextThread(nt::Handle process, nt::Handle thread, nt::AccessMask access,
                                             nt::Ulong attributes, nt::Ulong flags, nt::Handle* next) {
  const VlState& vl = Enter();
  if ((access & ~kOutsideThread) && MembershipOf(vl, process) == Membership::kOutside)
    return nt::kAccessDenied;
  return orig.NtGetNextThread(process, thread, access, attributes, flags, next);
}

// A token would let its holder act as that process.
nt::NtStatus PLUME_NTAPI HookNtOpenProcessToken(nt::Handle process, nt::AccessMask access,
                                                nt::Handle* token) {
  if (process != nt::CurrentProcess() && MembershipOf(Enter(), process) == Membership::kOutside)
    return nt::kAccessDenied;
  return orig.NtOpenProcessToken(process, access, token);
}

nt::NtStatus PLUME_NTAPI HookNtOpenProcessTokenEx(nt::Handle process, nt::AccessMask access,
                                                  nt::Ulong attributes, nt::Handle* token) {
  if (process != nt::CurrentProcess() && MembershipOf(Enter(), process) == Membership::kOutside)
    return nt::kAccessDenied;
  return orig.NtOpenProcessTokenEx(process, access, attributes, token);
}

}  // namespace plume::vl
