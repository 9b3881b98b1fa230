#include "agent/win/job.h"

#include <algorithm>

#include "agent/text.h"

namespace plume::agent {

Result<Job> Job::Open(const std::u16string& name) {
  Job job;
  job.handle_ = Handle(CreateJobObjectW(nullptr, Wide(name).c_str()));
  if (!job) return WindowsError("creating the VM's job", GetLastError());
  return job;
}

Job Job::OpenExisting(const std::u16string& name) {
  Job job;
  job.handle_ = Handle(OpenJobObjectW(JOB_OBJECT_ALL_ACCESS, FALSE, Wide(name).c_str()));
  return job;
}

uint32_t Job::Count() const {
  // The list is what counts: it is right on every system, and read anyway.
  return handle_ ? static_cast<uint32_t>(Processes().size()) : 0;
}

std::vector<uint32_t> Job::Processes() const {
  std::vector<uint32_t> out;
  for (size_t room = 64; handle_ && room <= (1u << 20); room *= 4) {
    std::vector<ULONG_PTR> buffer(room + 2);  // pointer-sized units: header and list
    auto* list = reinterpret_cast<JOBOBJECT_BASIC_PROCESS_ID_LIST*>(buffer.data());
    const BOOL done =
        QueryInformationJobObject(handle_.get(), JobObjectBasicProcessIdList, list,
                                  static_cast<DWORD>(buffer.size() * sizeof(ULONG_PTR)), nullptr);
    if (!done && GetLastError() != ERROR_MORE_DATA) break;
    if (!done || list->NumberOfAssignedProcesses > list->NumberOfProcessIdsInList) continue;
    for (DWORD i = 0; i < list->NumberOfProcessIdsInList; ++i)
      out.push_back(static_cast<uint32_t>(list->ProcessIdList[i]));
    break;
  }
  return out;
}

std::vector<ProcessInfo> Job::Describe() const {
  std::vector<ProcessInfo> out;
  for (const uint32_t pid : Processes()) {
    ProcessInfo info{pid, ""};
    const Handle process(OpenProcess(PROCESS_QUERY_LIMITED_INFORMATION, FALSE, pid));
    std::wstring path(32768, 0);
    DWORD size = static_cast<DWORD>(path.size());
    if (process && QueryFullProcessImageNameW(process.get(), 0, path.data(), &size)) {
      path.resize(size);
      info.image = ToUtf8(FromWide(path));
    }
    out.push_back(std::move(info));
  }
  return out;
}

bool Job::Contains(uint32_t pid) const {
  const std::vector<uint32_t> all = Processes();
  return std::find(all.begin(), all.end(), pid) != all.end();
}

bool Job::Holds(HANDLE process) const {
  BOOL in = FALSE;
  return handle_ && IsProcessInJob(process, handle_.get(), &in) && in;
}

Status Job::Stop(uint32_t timeout_ms) {
  if (!handle_) return Ok();
  const ULONGLONG end = GetTickCount64() + timeout_ms;
  // A guest may be starting a child at this very moment, so ending them is repeated until nobody is left.
  for (DWORD wait = 1;; wait = std::min<DWORD>(wait * 2, 50)) {
    TerminateJobObject(handle_.get(), 1);
    if (Count() == 0) return Ok();
    if (GetTickCount64() >= end) {
      return Error{Errc::kBusy,
                   "stopping the VM failed: " + std::to_string(Count()) + " of its processes do not end"};
    }
    Sleep(wait);
  }
}

}  // namespace plume::agent
