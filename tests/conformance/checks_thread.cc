// Threads: as processes; those outside the VM are at most waited for.
#include "process_victim.h"

namespace plume::conformance {
namespace {

constexpr char kSees[] = "the machine is not kept out of its VMs";
#define CHECK_THREAD(name, probe) CHECK_WITH(thread, name, kMachineSees, kSees, HoldVictim, probe)
#define CHECK_THREAD_DONE(name, probe, look) \
  CHECK_FULL(thread, name, kMachineSees, kSees, HoldVictim, probe, look)

template <DWORD kAccess>
Finding ProbeOpen(Context& c) {
  return Done(OpenThreadOf(kAccess, Target(c)).get() != nullptr);
}
CHECK_THREAD(open_terminate, ProbeOpen<THREAD_TERMINATE>);
CHECK_THREAD(open_suspend_resume, ProbeOpen<THREAD_SUSPEND_RESUME>);
CHECK_THREAD(open_get_context, ProbeOpen<THREAD_GET_CONTEXT>);
CHECK_THREAD(open_set_context, ProbeOpen<THREAD_SET_CONTEXT>);
CHECK_THREAD(open_query_information, ProbeOpen<THREAD_QUERY_INFORMATION>);
CHECK_THREAD(open_set_information, ProbeOpen<THREAD_SET_INFORMATION>);
CHECK_THREAD(open_set_token, ProbeOpen<THREAD_SET_THREAD_TOKEN>);
CHECK_THREAD(open_impersonate, ProbeOpen<THREAD_IMPERSONATE>);
CHECK_THREAD(open_direct_impersonation, ProbeOpen<THREAD_DIRECT_IMPERSONATION>);
CHECK_THREAD(open_all_access, ProbeOpen<THREAD_ALL_ACCESS>);
CHECK_THREAD(open_generic_read, ProbeOpen<GENERIC_READ>);

Finding ProbeWait(Context& c) {
  const Owned h = OpenThreadOf(SYNCHRONIZE, Target(c));
  return Done(h.get() && WaitForSingleObject(h.get(), 0) == WAIT_TIMEOUT);
}
CHECK_WITH(thread, wait, kShared, "any thread's end may be waited for", HoldVictim, ProbeWait);

Finding ActSuspend(Context& c) {
  const Owned h = OpenThreadOf(THREAD_SUSPEND_RESUME, Target(c));
  return Done(h.get() && SuspendThread(h.get()) != static_cast<DWORD>(-1));
}
Finding SuspendedTwice(Context& c) { return Done(SuspendCount(c) > 1); }
CHECK_THREAD_DONE(suspend, ActSuspend, SuspendedTwice);

Finding ActResume(Context& c) {
  const Owned h = OpenThreadOf(THREAD_SUSPEND_RESUME, Target(c));
  return Done(h.get() && ResumeThread(h.get()) != static_cast<DWORD>(-1));
}
// Once it runs the victim may end at any time.
Finding Resumed(Context& c) {
  return Done(SuspendCount(c) == 0 || WaitForSingleObject(Held(c).thread, 0) == WAIT_OBJECT_0);
}
CHECK_THREAD_DONE(resume, ActResume, Resumed);

Finding ActTerminate(Context& c) {
  const Owned h = OpenThreadOf(THREAD_TERMINATE, Target(c));
  return Done(h.get() && TerminateThread(h.get(), 3));
}
Finding Dead(Context& c) { return Done(WaitForSingleObject(Held(c).thread, 300) == WAIT_OBJECT_0); }
CHECK_THREAD_DONE(terminate, ActTerminate, Dead);

Finding ProbeApc(Context& c) {
  const Owned h = OpenThreadOf(THREAD_SET_CONTEXT, Target(c));
  return Done(h.get() && QueueUserAPC([](ULONG_PTR) {}, h.get(), 0));
}
CHECK_THREAD(queue_apc, ProbeApc);

Finding ProbeGetContext(Context& c) {
  const Owned h = OpenThreadOf(THREAD_GET_CONTEXT | THREAD_SUSPEND_RESUME, Target(c));
  CONTEXT context{};
  context.ContextFlags = CONTEXT_CONTROL;
  return Done(h.get() && GetThreadContext(h.get(), &context));
}
CHECK_THREAD(get_context, ProbeGetContext);

Finding ActSetContext(Context& c) {
  const Owned h = OpenThreadOf(THREAD_GET_CONTEXT | THREAD_SET_CONTEXT | THREAD_SUSPEND_RESUME, Target(c));
  CONTEXT context{};
  context.ContextFlags = CONTEXT_FULL;
  if (!h.get() || !GetThreadContext(h.get(), &context)) return Isolated(LastError());
  context.Rbx = 0x1122334455667788;
  return Done(SetThreadContext(h.get(), &context));
}
Finding ContextChanged(Context& c) {
  CONTEXT context{};
  context.ContextFlags = CONTEXT_FULL;
  GetThreadContext(Held(c).thread, &context);
  return Done(context.Rbx == 0x1122334455667788);
}
CHECK_THREAD_DONE(set_context, ActSetContext, ContextChanged);

Finding ActPriority(Context& c) {
  const Owned h = OpenThreadOf(THREAD_SET_INFORMATION, Target(c));
  return Done(h.get() && SetThreadPriority(h.get(), THREAD_PRIORITY_LOWEST));
}
Finding PriorityChanged(Context& c) {
  return Done(GetThreadPriority(Held(c).thread) == THREAD_PRIORITY_LOWEST);
}
CHECK_THREAD_DONE(priority, ActPriority, PriorityChanged);

Finding ProbeAffinity(Context& c) {
  const Owned h = OpenThreadOf(THREAD_SET_INFORMATION | THREAD_QUERY_INFORMATION, Target(c));
  return Done(h.get() && SetThreadAffinityMask(h.get(), 1));
}
CHECK_THREAD(affinity, ProbeAffinity);

Finding ProbeTimes(Context& c) {
  const Owned h = OpenThreadOf(THREAD_QUERY_INFORMATION, Target(c));
  FILETIME t[4];
  return Done(h.get() && GetThreadTimes(h.get(), &t[0], &t[1], &t[2], &t[3]));
}
CHECK_THREAD(times, ProbeTimes);

Finding ProbeNextThread(Context& c) {
  const auto next =
      FromNtdll<LONG(NTAPI*)(HANDLE, HANDLE, ACCESS_MASK, ULONG, ULONG, HANDLE*)>("NtGetNextThread");
  if (!next) return Unsupported("no such call");
  Owned process = Open(PROCESS_QUERY_INFORMATION, Target(c));
  if (!process.get()) process = Open(PROCESS_QUERY_LIMITED_INFORMATION, Target(c));
  HANDLE thread = nullptr;
  const bool ok = process.get() && next(process.get(), nullptr, THREAD_SUSPEND_RESUME, 0, 0, &thread) >= 0;
  const Owned close(thread);
  return Done(ok);
}
CHECK_THREAD(next_thread, ProbeNextThread);

}  // namespace
}  // namespace plume::conformance
