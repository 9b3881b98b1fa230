#include "vl/low/job.h"

#include <atomic>

#include "vl/low/fail.h"
#include "vl/low/hooks.h"

namespace plume::vl {

nt::Handle VmJob(const VlState& vl) {
  static constinit std::atomic<nt::Handle> g_job{nullptr};
  if (nt::Handle job = g_job.load(std::memory_order_acquire)) return job;
  if (vl.job.empty()) return nullptr;
  nt::UnicodeString name{static_cast<uint16_t>(vl.job.size() * 2), static_cast<uint16_t>(vl.job.size() * 2),
                         const_cast<char16_t*>(vl.job.data())};
  nt::ObjectAttributes attributes{sizeof(nt::ObjectAttributes), nullptr, &name,
                                  nt::kObjCaseInsensitive,      nullptr, nullptr};
  nt::Handle job = nullptr;
  if (const nt::NtStatus s = orig.NtOpenJobObject(&job, nt::kJobQuery, &attributes); !nt::Ok(s)) {
    Log("opening the VM's job failed:", s, vl.job);
    return nullptr;
  }
  // The application must not close it by accident, with a loop over all numbers for instance.
  uint8_t flags[2] = {0, 1};  // inherit, protect from close
  orig.NtSetInformationObject(job, nt::kObjectHandleFlagInformation, flags, sizeof(flags));
  nt::Handle none = nullptr;
  if (g_job.compare_exchange_strong(none, job, std::memory_order_acq_rel)) return job;
  flags[1] = 0;
  orig.NtSetInformationObject(job, nt::kObjectHandleFlagInformation, flags, sizeof(flags));
  orig.NtClose(job);
  return none;
}

}  // namespace plume::vl
