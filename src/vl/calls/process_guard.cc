// Using processes and threads: whatever a handle's rights and wherever it came from (inherited, given by a
// program outside), nothing is done to a process that is not in the VM.
#include "vl/calls/process_members.h"
#include "vl/low/hooks.h"
#include "vl/low/trace.h"
#ifndef PLUME_WITHOUT_WINDOW_CALLS
#include "vl/calls/window_side.h"
#endif

namespace plume::vl {
namespace {

// The caller itself passes before anything else: these are the memory calls of every allocator.

inline bool Forbidden(nt::Handle process) {
  return process != nt::CurrentProcess() && MembershipOf(Enter(), process) == Membership::kOutside;
}
inline bool ForbiddenThread(nt::Handle thread) {
  return thread != nt::CurrentThread() && MembershipOfThread(Enter(), thread) == Membership::kOutside;
}

}  // namespace

// --- Memory
// --------------------------------------------------------------------------------------------------

nt::NtStatus PLUME_NTAPI HookNtAllocateVirtualMemory(nt::Handle process, void** base, uintptr_t zero_bits,
                                                     size_t* size, nt::Ulong type, nt::Ulong protect) {
  if (Forbidden(process)) return nt::kAccessDenied;
  return orig.NtAllocateVirtualMemory(process, base, zero_bits, size, type, protect);
}
nt::NtStatus PLUME_NTAPI HookNtAllocateVirtualMemoryEx(nt::Handle process, void** base, size_t* size,
                                                       nt::Ulong type, nt::Ulong protect, void* parameters,
                                                       nt::Ulong count) {
  if (Forbidden(process)) return nt::kAccessDenied;
  return orig.NtAllocateVirtualMemoryEx(process, base, size, type, protect, parameters, count);
}
nt::NtStatus PLUME_NTAPI HookNtFreeVirtualMemory(nt::Handle process, void** base, size_t* size,
                                                 nt::Ulong type) {
  if (Forbidden(process)) return nt::kAccessDenied;
  return orig.NtFreeVirtualMemory(process, base, size, type);
}
nt::NtStatus PLUME_NTAPI HookNtReadVirtualMemory(nt::Handle process, const void* from, void* to, size_t size,
                                                 size_t* done) {
  if (Forbidden(process)) return nt::kAccessDenied;
  return orig.NtReadVirtualMemory(process, from, to, size, done);
}
nt::NtStatus PLUME_NTAPI HookNtReadVirtualMemoryEx(nt::Handle process, const void* from, void* to,
                                                   size_t size, size_t* done, nt::Ulong flags) {
  if (Forbidden(process)) return nt::kAccessDenied;
  return orig.NtReadVirtualMemoryEx(process, from, to, size, done, flags);
}
nt::NtStatus PLUME_NTAPI HookNtMapViewOfSection(nt::Handle section, nt::Handle process, void** base,
                                                uintptr_t zero_bits, size_t commit, nt::LargeInteger* offset,
                                                size_t* size, nt::Ulong inherit, nt::Ulong type,
                                                nt::Ulong protect) {
  if (Forbidden(process)) return nt::kAccessDenied;
  const nt::NtStatus s = orig.NtMapViewOfSection(section, process, base, zero_bits, commit, offset, size,
                                                 inherit, type, protect);
#ifndef PLUME_WITHOUT_WINDOW_CALLS
  if (nt::Ok(s)) OnViewMapped(process, base, protect);
#endif
  return s;
}
nt::NtStatus PLUME_NTAPI HookNtMapViewOfSectionEx(nt::Handle section, nt::Handle process, void** base,
                                                  nt::LargeInteger* offset, size_t* size, nt::Ulong type,
                                                  nt::Ulong protect, void* parameters, nt::Ulong count) {
  if (Forbidden(process)) return nt::kAccessDenied;
  return orig.NtMapViewOfSectionEx(section, process, base, offset, size, type, protect, parameters, count);
}
nt::NtStatus PLUME_NTAPI HookNtUnmapViewOfSection(nt::Handle process, void* base) {
  if (Forbidden(process)) return nt::kAccessDenied;
  return orig.NtUnmapViewOfSection(process, base);
}
nt::NtStatus PLUME_NTAPI HookNtUnmapViewOfSectionEx(nt::Handle process, void* base, nt::Ulong flags) {
  if (Forbidden(process)) return nt::kAccessDenied;
  return orig.NtUnmapViewOfSectionEx(process, base, flags);
}

// --- Processes
// -----------------------------------------------------------------------------------------------

nt::NtStatus PLUME_NTAPI HookNtSuspendProcess(nt::Handle process) {
  if (Forbidden(process)) return nt::kAccessDenied;
  return orig.NtSuspendProcess(process);
}
nt::NtStatus PLUME_NTAPI HookNtResumeProcess(nt::Handle process) {
  if (Forbidden(process)) return nt::kAccessDenied;
  return orig.NtResumeProcess(process);
}
nt::NtStatus PLUME_NTAPI HookNtSetInformationProcess(nt::Handle process, nt::Ulong information_class,
                                                     void* buffer, nt::Ulong length) {
  if (Forbidden(process)) return nt::kAccessDenied;
  return orig.NtSetInformationProcess(process, information_class, buffer, length);
}
nt::NtStatus PLUME_NTAPI HookNtDebugActiveProcess(nt::Handle process, nt::Handle debug) {
  if (Forbidden(process)) return nt::kAccessDenied;
  return orig.NtDebugActiveProcess(process, debug);
}
// A process of the VM that joins another job stays in the VM's: jobs nest.
nt::NtStatus PLUME_NTAPI HookNtAssignProcessToJobObject(nt::Handle job, nt::Handle process) {
  if (Forbidden(process)) return nt::kAccessDenied;
  return orig.NtAssignProcessToJobObject(job, process);
}

// --- Threads
// -------------------------------------------------------------------------------------------------

nt::NtStatus PLUME_NTAPI HookNtCreateThread(nt::Handle* thread, nt::AccessMask access,
                                            nt::ObjectAttributes* attributes, nt::Handle process,
                                            nt::ClientId* client, void* context, void* initial_teb,
                                            uint8_t suspended) {
  if (Forbidden(process)) return nt::kAccessDenied;
  return orig.NtCreateThread(thread, access, attributes, process, client, context, initial_teb, suspended);
}
nt::NtStatus PLUME_NTAPI HookNtCreateThreadEx(nt::Handle* thread, nt::AccessMask access,
                                              nt::ObjectAttributes* attributes, nt::Handle process,
                                              void* start, void* parameter, nt::Ulong flags,
                                              uintptr_t zero_bits, size_t stack_commit, size_t stack_reserve,
                                              nt::AttributeList* list) {
  if (Forbidden(process)) return nt::kAccessDenied;
  return orig.NtCreateThreadEx(thread, access, attributes, process, start, parameter, flags, zero_bits,
                               stack_commit, stack_reserve, list);
}
nt::NtStatus PLUME_NTAPI HookNtQueueApcThread(nt::Handle thread, void* routine, uintptr_t a, uintptr_t b,
                                              uintptr_t c) {
  if (ForbiddenThread(thread)) return nt::kAccessDenied;
  return orig.NtQueueApcThread(thread, routine, a, b, c);
}
nt::NtStatus PLUME_NTAPI HookNtQueueApcThreadEx(nt::Handle thread, nt::Handle reserve, void* routine,
                                                uintptr_t a, uintptr_t b, uintptr_t c) {
  if (ForbiddenThread(thread)) return nt::kAccessDenied;
  return orig.NtQueueApcThreadEx(thread, reserve, routine, a, b, c);
}
nt::NtStatus PLUME_NTAPI HookNtQueueApcThreadEx2(nt::Handle thread, nt::Handle reserve, nt::Ulong flags,
                                                 void* routine, uintptr_t a, uintptr_t b, uintptr_t c) {
  if (ForbiddenThread(thread)) return nt::kAccessDenied;
  return orig.NtQueueApcThreadEx2(thread, reserve, flags, routine, a, b, c);
}
nt::NtStatus PLUME_NTAPI HookNtGetContextThread(nt::Handle thread, void* context) {
  if (ForbiddenThread(thread)) return nt::kAccessDenied;
  return orig.NtGetContextThread(thread, context);
}
nt::NtStatus PLUME_NTAPI HookNtSetContextThread(nt::Handle thread, const void* context) {
  if (ForbiddenThread(thread)) return nt::kAccessDenied;
  return orig.NtSetContextThread(thread, context);
}
nt::NtStatus PLUME_NTAPI HookNtSuspendThread(nt::Handle thread, nt::Ulong* previous) {
  if (ForbiddenThread(thread)) return nt::kAccessDenied;
  return orig.NtSuspendThread(thread, previous);
}
nt::NtStatus PLUME_NTAPI HookNtResumeThread(nt::Handle thread, nt::Ulong* previous) {
  if (ForbiddenThread(thread)) return nt::kAccessDenied;
  return orig.NtResumeThread(thread, previous);
}
nt::NtStatus PLUME_NTAPI HookNtTerminateThread(nt::Handle thread, nt::NtStatus exit_code) {
  if (thread && ForbiddenThread(thread)) return nt::kAccessDenied;
  // Most threads end so.
  if (TraceNote* note = thread == nt::CurrentThread() ? TraceNow() : nullptr) note->Leave(nt::kSuccess);
  return orig.NtTerminateThread(thread, exit_code);
}
nt::NtStatus PLUME_NTAPI HookNtSetInformationThread(nt::Handle thread, nt::Ulong information_class,
                                                    void* buffer, nt::Ulong length) {
  if (ForbiddenThread(thread)) return nt::kAccessDenied;
  return orig.NtSetInformationThread(thread, information_class, buffer, length);
}

}  // namespace plume::vl
