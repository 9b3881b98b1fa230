// A VM's own service manager: the system's services.exe as a guest, from the first use of it on, or at once
// if the VM has services that start by themselves. On Wine; on Windows that program cannot run twice.
#include <windows.h>

#include "agent/agent.h"
#include "agent/text.h"
#include "agent/win/machine.h"
#include "agent/win/nt_key.h"
#include "agent/win/service_manager.h"
#include "agent/win/thread.h"
#include "wire/messages.h"

namespace plume::agent {
namespace {

constexpr DWORD kStartMillis = 30000;
constexpr uint32_t kNotSupported = 0xC00000BB, kTimeout = 0xC00000B5, kUnsuccessful = 0xC0000001;
constexpr std::u16string_view kServicesKey = u"M\\System\\CurrentControlSet\\Services";
constexpr uint32_t kAutomaticStart = 2;

// plume.exe puts a guest into a VM and knows how; this waits for it to have done so.
bool RunPlume(const std::u16string& arguments, DWORD milliseconds) {
  const std::wstring program = Wide(ProgramFolder() + u"\\plume.exe");
  std::wstring line = L"\"" + program + L"\" " + Wide(arguments);
  STARTUPINFOW start = {};
  start.cb = sizeof(start);
  PROCESS_INFORMATION made = {};
  if (!CreateProcessW(program.c_str(), line.data(), nullptr, nullptr, FALSE, DETACHED_PROCESS, nullptr,
                      nullptr, &start, &made))
    return false;
  const Handle process(made.hProcess), thread(made.hThread);
  if (WaitForSingleObject(process.get(), milliseconds) != WAIT_OBJECT_0) {
    TerminateProcess(process.get(), 1);
    return false;
  }
  DWORD code = 1;
  return GetExitCodeProcess(process.get(), &code) && code == 0;
}

}  // namespace

bool VmSpace::StartsServices() const {
  const std::u16string below = registry_upper_ + u"\\";
  std::vector<std::u16string> names;
  if (const auto upper = NtKey::Open(below + std::u16string(kServicesKey), NtKey::kRead); upper.ok())
    if (auto own = upper->Subkeys(); own.ok()) names = std::move(*own);
  const auto services = OwnedPath::Parse(kServicesKey);
  int mount = -1;
  const uint32_t at = services.ok() ? FindInImages((*services)->path(), true, &mount) : catalog::kNone;
  if (at != catalog::kNone) {
    const catalog::Reader& reader = catalogs_[mounts_[static_cast<size_t>(mount)].layer];
    const catalog::Key& key = reader.key(at);
    for (uint32_t i = 0; i < key.child_count(); ++i)
      names.emplace_back(reader.name(reader.key(key.first_child() + i)));
  }
  for (const std::u16string& name : names) {
    const std::u16string path = std::u16string(kServicesKey) + u"\\" + name;
    const auto found = LocateKey(path);
    if (!found.ok()) continue;
    if (found->place == Place::kUpper) {
      const auto key = NtKey::Open(below + path, NtKey::kRead);
      const auto values = key.ok() ? key->Values() : Result<std::vector<NtKey::Value>>(key.error());
      if (!values.ok()) continue;
      for (const NtKey::Value& v : *values)
        if (view::EqualFolded(v.name, u"Start") && v.data.size() == 4 && v.data[0] == kAutomaticStart)
          return true;
    } else if (found->place == Place::kImage) {
      const catalog::Reader& reader = catalogs_[static_cast<size_t>(found->layer)];
      const uint32_t start = reader.FindValue(found->entry, u"Start");
      if (start == catalog::kNone) continue;
      const catalog::Value& v = reader.value(start);
      if (v.data_size() == 4 && reader.data(v)[0] == kAutomaticStart) return true;
    }
  }
  return false;
}

void Agent::StartAutomaticServices(const VmRecord& vm) {
  if (!facts_.is_wine || !vms_->FirstLookAtServices(vm.id)) return;
  // Of a VM that never had to do with services there is nothing to look at.
  if (vm.images.empty()) {
    const std::u16string key = CurrentUserKey() + u"\\" + state_.WorkspaceKey(ToUtf16(vm.id), vm.workspace) +
                               u"\\" + std::u16string(kServicesKey);
    if (!NtKey::Open(key, NtKey::kRead).ok()) return;
  }
  (void)StartThread([this, id = vm.id, name = vm.name] {
    if (!Enter()) return;
    const auto space = vms_->Space(name);
    if (space.ok() && (*space)->StartsServices()) (void)StartServices(id);
    Leave();
  });
}

// Two guests may need it at the same moment: the second one waits for what the first one began.
uint32_t Agent::StartServices(const std::string& vm_id) {
  if (!facts_.is_wine) return kNotSupported;
  std::unique_lock lock(services_);
  services_changed_.wait(lock, [&] { return !starting_services_.contains(vm_id); });
  starting_services_.insert(vm_id);
  lock.unlock();
  const uint32_t status = StartServicesNow(vm_id);
  lock.lock();
  starting_services_.erase(vm_id);
  services_changed_.notify_all();
  return status;
}

uint32_t Agent::StartServicesNow(const std::string& vm_id) {
  std::string name;
  for (const VmRecord& vm : vms_->List())
    if (vm.id == vm_id) name = vm.name;
  const auto space = name.empty() ? Result<std::unique_ptr<VmSpace>>(NoSuchVm(vm_id)) : vms_->Space(name);
  if (!space.ok()) return kUnsuccessful;
  const auto* key = (*space)->view().registry_upper();
  const view::ObjectMark mark = view::MakeObjectMark(std::u16string(key->begin(), key->end()));
  if (ManagerServes(mark)) return 0;
  vms_->BeganServices(vm_id);
  const std::u16string manager = facts_.system_root + u"\\System32\\services.exe";
  if (!RunPlume(u"vm run " + ToUtf16(name) + u" --detach --cwd " + facts_.system_root + u" -- " + manager,
                kStartMillis)) {
    spdlog::warn("vm {}: its service manager could not be started", name);
    return kUnsuccessful;
  }
  const ULONGLONG end = GetTickCount64() + kStartMillis;
  // Who asks does not come before what starts by itself, as after the boot of a machine.
  while (!ManagerHasStarted(mark)) {
    if (GetTickCount64() >= end) {
      if (ManagerServes(mark)) break;  // such a service takes long
      spdlog::warn("vm {}: its service manager does not answer", name);
      return kTimeout;
    }
    Sleep(5);
  }
  // Again: the VM may have been without guests for a moment, if the one that asked ended meanwhile.
  vms_->BeganServices(vm_id);
  return 0;
}

}  // namespace plume::agent
