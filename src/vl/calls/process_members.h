// Which processes are in the VM: those in its job. A process id alone proves nothing, as it may be used
// again; so members are told by handles, which keep their process's id from being used again.
#pragma once
#include "vl/low/memory.h"
#include "vl/low/state.h"
#include "vl/nt/process.h"

namespace plume::vl {

enum class Membership : uint8_t {
  kMember,
  kOutside,  // also if it cannot be told
  kNeither,  // not a handle of a process (thread): the system will refuse it
};
// Of the process behind the handle. A member is remembered with its handle.
Membership MembershipOf(const VlState& vl, nt::Handle process);
inline bool IsMember(const VlState& vl, nt::Handle process) {
  return MembershipOf(vl, process) == Membership::kMember;
}
// Of the thread's process.
Membership MembershipOfThread(const VlState& vl, nt::Handle thread);
inline bool IsMemberThread(const VlState& vl, nt::Handle thread) {
  return MembershipOfThread(vl, thread) == Membership::kMember;
}
// Is a process of this id in the VM now?
bool IsMemberId(const VlState& vl, uintptr_t id);

// The ids of all processes in the VM, at least this one; empty when out of memory.
std::span<const uintptr_t> MemberIds(const VlState& vl, CallScratch& scratch);

// Tells the trace which process is meant, and where the border puts it; unless the call is about something
// else. REQUIRES Tracing().
void TellProcess(uintptr_t process_id, uintptr_t thread_id, Membership membership);

// Enters a handle whose process (thread) is known to be in the VM.
void RememberMember(nt::Handle handle, bool thread);

// What of an outside process or thread may be asked for: limited queries, and waiting for its end.
inline constexpr nt::AccessMask kOutsideProcess = nt::kProcessQueryLimited | nt::kSynchronize;
inline constexpr nt::AccessMask kOutsideThread = nt::kThreadQueryLimited | nt::kSynchronize;

}  // namespace plume::vl
