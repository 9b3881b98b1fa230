#include "vl/calls/process_members.h"

#include "vl/low/handles.h"
#include "vl/low/hooks.h"
#include "vl/low/job.h"
#include "vl/low/trace.h"

namespace plume::vl {
namespace {

// Rights that NtIsProcessInJob and NtQueryInformationThread need; Wine asks for the full query right.
nt::AccessMask ProbeProcess(const VlState& vl) {
  return nt::kProcessQueryLimited | (vl.is_wine ? nt::kProcessQueryInformation : 0);
}
nt::AccessMask ProbeThread(const VlState& vl) {
  return nt::kThreadQueryLimited | (vl.is_wine ? nt::kThreadQueryInformation : 0);
}

bool IsRemembered(nt::Handle handle, HandleKind kind) {
  const HandleRef known = Handles().Find(handle);
  return known && known->kind == kind;
}

// A handle with too few rights for the question is asked through a second one. Null: impossible.
nt::Handle WithAccess(nt::Handle handle, nt::AccessMask access) {
  nt::Handle own = nullptr;
  const nt::NtStatus s =
      orig.NtDuplicateObject(nt::CurrentProcess(), handle, nt::CurrentProcess(), &own, access, 0, 0);
  return nt::Ok(s) ? own : nullptr;
}

bool IsNoHandle(nt::NtStatus s) { return s == nt::kInvalidHandle || s == nt::kObjectTypeMismatch; }

// kProcessInJob, kProcessNotInJob, or why it cannot be told.
nt::NtStatus AskJob(const VlState& vl, nt::Handle process) {
  const nt::Handle job = VmJob(vl);
  if (job) return orig.NtIsProcessInJob(process, job);
  // No job to ask about: this process is in the VM in any case.
  nt::ProcessBasicInformation basic{};
  const nt::NtStatus s =
      orig.NtQueryInformationProcess(process, nt::kProcessBasicInformation, &basic, sizeof(basic), nullptr);
  if (!nt::Ok(s)) return s;
  return basic.process_id == vl.pid ? nt::kProcessInJob : nt::kProcessNotInJob;
}

nt::Handle OpenById(uintptr_t id, nt::AccessMask access) {
  nt::ObjectAttributes attributes{sizeof(nt::ObjectAttributes), nullptr, nullptr, 0, nullptr, nullptr};
  nt::ClientId client{reinterpret_cast<nt::Handle>(id), nullptr};
  nt::Handle process = nullptr;
  return nt::Ok(orig.NtOpenProcess(&process, access, &attributes, &client)) ? process : nullptr;
}

nt::NtStatus AskThread(const VlState& vl, nt::Handle thread, uintptr_t* id) {
  nt::ThreadBasicInformation basic{};
  nt::NtStatus s =
      orig.NtQueryInformationThread(thread, nt::kThreadBasicInformation, &basic, sizeof(basic), nullptr);
  if (s == nt::kAccessDenied) {
    const nt::Handle own = WithAccess(thread, ProbeThread(vl));
    if (!own) return s;
    s = orig.NtQueryInformationThread(own, nt::kThreadBasicInformation, &basic, sizeof(basic), nullptr);
    orig.NtClose(own);
  }
  *id = reinterpret_cast<uintptr_t>(basic.id.process);
  return s;
}

Membership FindMembership(const VlState& vl, nt::Handle process) {
  if (process == nt::CurrentProcess() || IsRemembered(process, HandleKind::kProcess))
    return Membership::kMember;
  nt::NtStatus s = AskJob(vl, process);
  if (s == nt::kAccessDenied) {
    const nt::Handle own = WithAccess(process, ProbeProcess(vl));
    if (!own) return Membership::kOutside;
    s = AskJob(vl, own);
    orig.NtClose(own);
  }
  if (s != nt::kProcessInJob) return IsNoHandle(s) ? Membership::kNeither : Membership::kOutside;
  RememberMember(process, false);
  return Membership::kMember;
}

}  // namespace

void RememberMember(nt::Handle handle, bool thread) {
  Handles().Insert(handle, NewHandleInfo(thread ? HandleKind::kThread : HandleKind::kProcess));
}

Membership MembershipOf(const VlState& vl, nt::Handle process) {
  const Membership m = FindMembership(vl, process);
  if (Tracing() && process != nt::CurrentProcess() && m != Membership::kNeither) {
    nt::ProcessBasicInformation basic{};
    orig.NtQueryInformationProcess(process, nt::kProcessBasicInformation, &basic, sizeof(basic), nullptr);
    TellProcess(basic.process_id, 0, m);
  }
  return m;
}

bool IsMemberId(const VlState& vl, uintptr_t id) {
  if (id == vl.pid) return true;
  const nt::Handle process = OpenById(id, ProbeProcess(vl));
  if (!process) return false;
  const nt::NtStatus s = AskJob(vl, process);
  orig.NtClose(process);
  return s == nt::kProcessInJob;
}

Membership MembershipOfThread(const VlState& vl, nt::Handle thread) {
  if (thread == nt::CurrentThread() || IsRemembered(thread, HandleKind::kThread)) return Membership::kMember;
  uintptr_t id;
  const nt::NtStatus s = AskThread(vl, thread, &id);
  if (!nt::Ok(s)) return IsNoHandle(s) ? Membership::kNeither : Membership::kOutside;
  // The thread's handle keeps its process's id from being used again.
  const bool member = IsMemberId(vl, id);
  if (Tracing()) TellProcess(id, 0, member ? Membership::kMember : Membership::kOutside);
  if (!member) return Membership::kOutside;
  RememberMember(thread, true);
  return Membership::kMember;
}

void TellProcess(uintptr_t process_id, uintptr_t thread_id, Membership membership) {
  TraceNote* note = FindNote();
  if (!note) return;
  if (!note->told()) {
    const auto number = [note](view::WView what, uintptr_t id) {
      char16_t digits[10];
      size_t at = 10;
      for (auto rest = static_cast<uint32_t>(id); at == 10 || rest; rest /= 10)
        digits[--at] = static_cast<char16_t>(u'0' + rest % 10);
      note->AppendName(what, view::WView(digits + at, 10 - at));
    };
    note->Name(trace::Space::kProcess, {});
    if (thread_id) number(u"thread ", thread_id);
    if (process_id) number(thread_id ? u" of process " : u"process ", process_id);
  } else if (!note->IsAbout(trace::Space::kProcess)) {
    return;
  }
  if (membership == Membership::kMember) return note->Real(trace::Layer::kUpper);
  note->Real(trace::Layer::kHost);
  note->Rule(view::Mode::kDeny, "system: processes outside the VM can only be looked at");
}

std::span<const uintptr_t> MemberIds(const VlState& vl, CallScratch& scratch) {
  const nt::Handle job = VmJob(vl);
  for (size_t room = 256; job && room <= (1u << 20); room *= 4) {
    const size_t bytes = sizeof(nt::JobProcessIdList) + room * sizeof(uintptr_t);
    auto* list = static_cast<nt::JobProcessIdList*>(scratch.Alloc(bytes));
    if (!list) return {};
    const nt::NtStatus s = orig.NtQueryInformationJobObject(job, nt::kJobBasicProcessIdList, list,
                                                            static_cast<nt::Ulong>(bytes), nullptr);
    if (nt::Ok(s) && s != nt::kMoreEntries && list->listed >= list->assigned)
      return {list->ids, list->listed};
    if (!nt::Ok(s) && s != nt::kBufferOverflow) break;
  }
  auto* own = scratch.New<uintptr_t>();
  if (!own) return {};
  *own = vl.pid;
  return {own, 1};
}

}  // namespace plume::vl
