#include "vl/low/guests.h"

#include "vl/low/hooks.h"
#include "vl/low/job.h"
#include "vl/low/lock.h"
#include "vl/low/teb.h"

namespace plume::vl {
namespace {

// Enough for the processes that one guest has to do with at a time; the oldest answer makes room.
constexpr uint32_t kRemembered = 64;
struct Known {
  uint32_t pid = 0;
  bool guest = false;
  nt::Handle process = nullptr;
};
constinit Lock g_lock;
constinit Known g_known[kRemembered];
constinit uint32_t g_next = 0;

bool Find(uint32_t pid, bool* guest) {
  LockGuard guard(g_lock);
  for (const Known& k : g_known) {
    if (k.pid != pid) continue;
    *guest = k.guest;
    return true;
  }
  return false;
}

}  // namespace

bool IsGuest(const VlState& vl, uint32_t pid) {
  if (pid == vl.pid) return true;
  if (pid == 0) return false;
  bool guest = false;
  if (Find(pid, &guest)) return guest;
  nt::Handle job = VmJob(vl);
  if (!job) return false;  // a VM without a job (tools for developers): a process is alone
  nt::ObjectAttributes attributes{sizeof(nt::ObjectAttributes), nullptr, nullptr, 0, nullptr, nullptr};
  nt::ClientId id{reinterpret_cast<nt::Handle>(uintptr_t{pid}), nullptr};
  nt::Handle process = nullptr;
  const nt::AccessMask access = vl.is_wine ? nt::kProcessQueryInformation : nt::kProcessQueryLimited;
  // A process that does not exist, or may not even be asked, is nobody's guest; nothing is remembered of it.
  if (!nt::Ok(orig.NtOpenProcess(&process, access, &attributes, &id))) return false;
  guest = orig.NtIsProcessInJob(process, job) == nt::kProcessInJob;
  // A stray NtClose of the application must not set the id free while the answer is remembered.
  uint8_t flags[2] = {0, 1};  // not inherited, protected from closing
  orig.NtSetInformationObject(process, nt::kObjectHandleFlagInformation, flags, sizeof(flags));
  nt::Handle old = process;
  {
    LockGuard guard(g_lock);
    bool there = false;
    for (const Known& k : g_known) there |= k.pid == pid;
    if (!there) {
      Known& slot = g_known[g_next++ % kRemembered];
      old = slot.process;
      slot = Known{pid, guest, process};
    }
  }
  if (old) {
    flags[1] = 0;
    orig.NtSetInformationObject(old, nt::kObjectHandleFlagInformation, flags, sizeof(flags));
    orig.NtClose(old);
  }
  return guest;
}

uint32_t ProcessOfThread(const VlState& vl, uint32_t tid) {
  if (tid == 0) return 0;
  if (tid == CurrentThreadId()) return vl.pid;
  nt::ObjectAttributes attributes{sizeof(nt::ObjectAttributes), nullptr, nullptr, 0, nullptr, nullptr};
  nt::ClientId id{nullptr, reinterpret_cast<nt::Handle>(uintptr_t{tid})};
  nt::Handle thread = nullptr;
  const nt::AccessMask access = vl.is_wine ? nt::kThreadQueryInformation : nt::kThreadQueryLimited;
  if (!nt::Ok(orig.NtOpenThread(&thread, access, &attributes, &id))) return 0;
  nt::ThreadBasicInformation basic{};
  const nt::NtStatus s =
      orig.NtQueryInformationThread(thread, nt::kThreadBasicInformation, &basic, sizeof(basic), nullptr);
  orig.NtClose(thread);
  return nt::Ok(s) ? static_cast<uint32_t>(reinterpret_cast<uintptr_t>(basic.id.process)) : 0;
}

}  // namespace plume::vl
