// A VM's own service manager, as far as it decides how long the VM runs.
#include <windows.h>
#include <winternl.h>

#include "agent/text.h"
#include "agent/vms.h"
#include "agent/win/registry.h"
#include "agent/win/service_manager.h"

namespace plume::agent {
namespace {

constexpr uint64_t kJudgeAgainMillis = 2000;

// The process that started it, and its command line, from its own memory.
void ReadOrigin(HANDLE process, GuestProcess* guest) {
  PROCESS_BASIC_INFORMATION basic = {};
  if (NtQueryInformationProcess(process, ProcessBasicInformation, &basic, sizeof(basic), nullptr) < 0) return;
  guest->parent = static_cast<uint32_t>(basic.InheritedFromUniqueProcessId);
  PEB peb = {};
  RTL_USER_PROCESS_PARAMETERS parameters = {};
  const auto read = [&](const void* from, void* to, size_t bytes) {
    return from != nullptr && ReadProcessMemory(process, from, to, bytes, nullptr);
  };
  if (!read(basic.PebBaseAddress, &peb, sizeof(peb)) ||
      !read(peb.ProcessParameters, &parameters, sizeof(parameters)))
    return;
  std::wstring line(parameters.CommandLine.Length / sizeof(wchar_t), 0);
  if (read(parameters.CommandLine.Buffer, line.data(), line.size() * sizeof(wchar_t)))
    guest->command = FromWide(line);
}

GuestProcess Describe(uint32_t pid) {
  GuestProcess guest{pid, 0, u"", u""};
  const Handle process(OpenProcess(PROCESS_QUERY_INFORMATION | PROCESS_VM_READ, FALSE, pid));
  std::wstring path(32768, 0);
  DWORD size = static_cast<DWORD>(path.size());
  if (process && QueryFullProcessImageNameW(process.get(), 0, path.data(), &size))
    guest.image = FromWide(path.substr(0, size));
  if (process) ReadOrigin(process.get(), &guest);
  return guest;
}

std::vector<GuestProcess> Describe(const std::vector<uint32_t>& pids) {
  std::vector<GuestProcess> out;
  for (const uint32_t pid : pids) out.push_back(Describe(pid));
  return out;
}

std::u16string Manager(const MachineFacts& facts) { return facts.system_root + u"\\System32\\services.exe"; }

}  // namespace

bool Vms::FirstLookAtServices(const std::string& id) {
  const std::lock_guard lock(mutex_);
  Vm* vm = FindIdLocked(id);
  if (vm == nullptr || vm->services != Services::kUnknown) return false;
  vm->services = Services::kNone;
  return true;
}

void Vms::BeganServices(const std::string& id) {
  const std::lock_guard lock(mutex_);
  if (Vm* vm = FindIdLocked(id)) vm->services = Services::kMayRun;
}

Result<bool> Vms::OnlyServicesRun(const std::string& name) const {
  ASSIGN(const VmRecord vm, Find(name));
  // Asked of the system without the lock held.
  const Job job = Job::OpenExisting(state_.Job(ToUtf16(vm.id)));
  return job && OnlyServices(Describe(job.Processes()), Manager(facts_));
}

// RpcSs keeps the classes and running objects of servers that were killed, and goes on handing them out. Once
// no guest serves objects any more all it keeps is of such: it is ended, and COM starts it anew at its next
// use.
void Vms::ForgetDeadServersLocked(Vm* vm) const {
  if (vm->services != Services::kMayRun || !vm->job) return;
  const bool serves = GuestsServeObjects(MarkOf(*vm));
  const bool ended = vm->served_objects && !serves;
  vm->served_objects = serves;
  if (!ended) return;
  for (const uint32_t pid :
       ProcessesOf(Describe(vm->job.Processes()), Manager(facts_), facts_.services, u"RpcSs")) {
    const Handle process(OpenProcess(PROCESS_TERMINATE, FALSE, pid));
    // Who began to serve meanwhile has told so before it registers anything.
    if (process && !GuestsServeObjects(MarkOf(*vm))) TerminateProcess(process.get(), 0);
  }
}

view::ObjectMark Vms::MarkOf(const Vm& vm) const {
  return view::MakeObjectMark(CurrentUserKey() + u"\\" +
                              state_.WorkspaceKey(ToUtf16(vm.record.id), vm.record.workspace));
}

void Vms::EndIdleServicesLocked(Vm* vm) const {
  if (vm->services != Services::kMayRun || !vm->job) return;
  const std::vector<uint32_t> pids = vm->job.Processes();
  // The same guests are judged again now and then only: what cannot be asked now may be a moment later.
  if (pids.empty() || (pids == vm->kept_services && GetTickCount64() < vm->judge_services_at)) return;
  // Not before it has started what starts by itself.
  if (!ManagerHasStarted(MarkOf(*vm))) return;
  if (!OnlyManager(Describe(pids), Manager(facts_), facts_.services)) {
    vm->kept_services = pids;
    vm->judge_services_at = GetTickCount64() + kJudgeAgainMillis;
    return;
  }
  // One by one: a guest that joins at this moment is none of them.
  for (const uint32_t pid : pids) {
    const Handle process(OpenProcess(PROCESS_TERMINATE | SYNCHRONIZE, FALSE, pid));
    if (process && TerminateProcess(process.get(), 0)) WaitForSingleObject(process.get(), 1000);
  }
  vm->kept_services.clear();
  if (vm->job.Count() == 0) vm->services = Services::kUnknown;  // the next guest is the VM's first one
}

}  // namespace plume::agent
