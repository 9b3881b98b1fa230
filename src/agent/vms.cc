#include "agent/vms.h"

#include <algorithm>

#include "agent/text.h"
#include "agent/win/machine.h"
#include "agent/win/network.h"
#include "agent/win/registry.h"
#include "os/clock.h"
#include "os/file.h"

namespace plume::agent {
namespace {

constexpr uint32_t kStopMillis = 15000;
constexpr int kTendedInOneCall = 256, kTendedAtATime = 16;

Status Usable(const VmRecord& vm) {
  if (vm.damage.empty()) return Ok();
  return Error{Errc::kCorrupt, "opening the VM '" + vm.name + "' failed: " + vm.damage};
}

}  // namespace

Error Vms::BusyError(const std::string& what, const Vm& vm) {
  const std::string& name = vm.record.name;
  return Error{Errc::kBusy,
               what + " the VM '" + name + "' failed: " +
                   (vm.doing.empty() ? "it is running (stop it first: plume vm stop " + name + ")"
                                     : vm.doing + " (try again when that is done)")};
}

Error NoSuchVm(const std::string& name) {
  return Error{Errc::kNotFound,
               "finding the VM '" + name + "' failed: there is none of this name (plume vm list shows them)"};
}

Json VmRecord::ToJson() const {
  return Json{{"version", 1},
              {"id", id},
              {"name", name},
              {"policy", base == BasePolicy::kSandbox ? "sandbox" : "application"},
              {"policy_text", policy_text},
              {"policy_file", policy_file},
              {"application", application},
              {"images", images},
              {"created", created},
              {"remove_when_empty", remove_when_empty},
              {"workspace", workspace}};
}

Result<VmRecord> VmRecord::FromJson(const Json& json) {
  const Error bad{Errc::kCorrupt, "reading a VM's record failed: it is damaged"};
  if (!json.is_object() || !json.contains("version") || json["version"] != 1) return bad;
  VmRecord out;
  out.id = OptionalString(json, "id");
  out.name = OptionalString(json, "name");
  if (out.id.empty() || !CheckName("VM", out.name).ok()) return bad;
  out.base =
      OptionalString(json, "policy") == "application" ? BasePolicy::kApplication : BasePolicy::kSandbox;
  out.policy_text = OptionalString(json, "policy_text");
  out.policy_file = OptionalString(json, "policy_file");
  out.application = OptionalString(json, "application");
  out.images = OptionalStrings(json, "images");
  if (const auto it = json.find("created"); it != json.end() && it->is_number_integer())
    out.created = it->get<int64_t>();
  out.remove_when_empty = OptionalBool(json, "remove_when_empty");
  if (const auto it = json.find("workspace"); it != json.end() && it->is_number_unsigned())
    out.workspace = it->get<uint32_t>();
  return out;
}

Vms::Vms(const StatePaths& state, const MachineFacts& facts, ImageSource images, HiddenKeys hidden_keys)
    : state_(state),
      facts_(facts),
      images_(std::move(images)),
      hidden_keys_(std::move(hidden_keys)),
      trash_(state) {}

Vms::Vm* Vms::FindLocked(const std::string& name) const {
  for (const auto& [id, vm] : vms_)
    if (SameName(vm->record.name, name)) return vm.get();
  return nullptr;
}

Vms::Vm* Vms::FindIdLocked(const std::string& id) const {
  const auto it = vms_.find(id);
  return it == vms_.end() ? nullptr : it->second.get();
}

bool Vms::InUseLocked(const Vm& vm) const { return vm.leases > 0 || !vm.doing.empty() || vm.job.Count() > 0; }

Status Vms::SaveLocked(const VmRecord& record) const {
  const std::string text = record.ToJson().dump(2, ' ', false, Json::error_handler_t::replace);
  return os::WriteAtomic(os::SystemFiles(), HostPath(state_.VmFile(ToUtf16(record.id), u"vm.json")),
                         std::string_view(text));
}

Status Vms::Recover(bool moved) {
  const std::lock_guard lock(mutex_);
  os::FileSystem& files = os::SystemFiles();
  TRY(files.MakeDirectories(HostPath(state_.Vms())));
  ASSIGN(const auto folders, files.List(HostPath(state_.Vms())));
  for (const os::DirectoryEntry& folder : folders) {
    if (!folder.info.directory) continue;
    const auto text = os::ReadText(files, HostPath(state_.Vms()) / folder.name / L"vm.json", 16u << 20);
    auto record =
        text.ok() ? VmRecord::FromJson(Json::parse(*text, nullptr, false)) : Result<VmRecord>(text.error());
    const std::string id = ToUtf8(FromWide(folder.name.wstring()));
    if (!record.ok() || record->id != id) {
      const bool missing = !text.ok() && text.error().code == Errc::kNotFound;
      // Killed while it was made or deleted.
      if (missing &&
          (os::Exists(files, HostPath(state_.VmFile(ToUtf16(id), kUnmade))) || !HasChanges(ToUtf16(id)))) {
        if (const std::u16string rubbish = state_.Vm(ToUtf16(id)); !trash_.Take(rubbish).ok())
          trash_.TakeLater(rubbish);
        trash_.TakeKey(state_.VmKey(ToUtf16(id)));
        continue;
      }
      // Its changes are kept, and its name is taken, until a human has decided.
      VmRecord stub;
      stub.id = id;
      stub.name = NameInView(ToUtf16(id));
      if (stub.name.empty() || FindLocked(stub.name) != nullptr) stub.name = id;
      stub.damage = std::string("its record is ") + (missing ? "missing" : "damaged") + " (put " +
                    ToUtf8(state_.VmFile(ToUtf16(id), u"vm.json")) + " back from a backup; plume vm delete " +
                    stub.name + " forgets it with its changes)";
      record = std::move(stub);
    }
    auto vm = std::make_unique<Vm>();
    vm->record = std::move(*record);
    vm->job = Job::OpenExisting(state_.Job(ToUtf16(id)));
    if (vm->record.damage.empty()) {
      CheckCommitLocked(vm.get());
      DropOldWorkspacesLocked(vm.get());
      DropUnfinishedSnapshots(vm->record);
      (void)files.Remove(HostPath(state_.VmFile(ToUtf16(id), kUnmade)));
    }
    if (moved && vm->record.damage.empty())
      (void)WriteView(vm->record);  // what cannot be written now is at the next start
    vms_[id] = std::move(vm);
  }
  for (const std::u16string& id : Subkeys(state_.VmsKey()))
    if (!os::Exists(files, HostPath(state_.Vm(id)))) {
      trash_.TakeKey(state_.VmKey(id));
      trash_.TakeAtoms(id);
    }
  trash_.Empty();
  return Ok();
}

Status Vms::CheckNewLocked(VmRecord* wanted) const {
  TRY(CheckName("VM", wanted->name));
  if (FindLocked(wanted->name) != nullptr) {
    return Error{Errc::kExists,
                 "creating the VM '" + wanted->name +
                     "' failed: there is one of this name already (choose another name, or plume vm delete " +
                     wanted->name + ")"};
  }
  // A policy that cannot be read must be refused now, not at the first start.
  if (!wanted->policy_text.empty()) {
    ASSIGN(const Policy policy, ParsePolicy(wanted->policy_text, wanted->policy_file, facts_, wanted->base));
    wanted->base = policy.base;
  }
  wanted->created = os::SystemClock().NowFiletime();
  return Ok();
}

void Vms::Abandon(const VmRecord& vm) {
  const std::u16string folder = state_.Vm(ToUtf16(vm.id));
  if (!trash_.Take(folder).ok()) trash_.TakeLater(folder);
  trash_.TakeKey(state_.VmKey(ToUtf16(vm.id)));
}

Result<VmRecord> Vms::Create(VmRecord wanted) {
  const std::lock_guard lock(mutex_);
  TRY(CheckNewLocked(&wanted));
  const std::string what = "creating the VM '" + wanted.name + "'";
  if (Status made = TakeFolderLocked(&wanted); !made.ok()) return Error(made.error()).In(what);
  auto vm = std::make_unique<Vm>();
  vm->record = wanted;
  Status done = FillFolder(wanted);
  if (done.ok()) done = WriteView(wanted, {}, true);
  if (done.ok()) done = SaveLocked(wanted);
  if (!done.ok()) {
    Abandon(wanted);
    return Error(done.error()).In(what);
  }
  // What its policy says about the network is looked up when it starts.
  if (wanted.policy_text.empty()) RememberReady(vm.get());
  vms_[wanted.id] = std::move(vm);
  return wanted;
}

Result<VmRecord> Vms::Find(const std::string& name) const {
  const std::lock_guard lock(mutex_);
  const Vm* vm = FindLocked(name);
  if (vm == nullptr) return NoSuchVm(name);
  return vm->record;
}

std::vector<VmRecord> Vms::List() const {
  const std::lock_guard lock(mutex_);
  std::vector<VmRecord> out;
  for (const auto& [id, vm] : vms_) out.push_back(vm->record);
  std::sort(out.begin(), out.end(), [](const VmRecord& a, const VmRecord& b) { return a.name < b.name; });
  return out;
}

Result<Policy> Vms::PolicyOf(const std::string& name) const {
  ASSIGN(const VmRecord record, Find(name));
  Policy user;
  user.base = record.base;
  if (!record.policy_text.empty()) {
    ASSIGN(user, ParsePolicy(record.policy_text, record.policy_file, facts_, record.base));
  }
  return CompletePolicy(user, facts_, {}, hidden_keys_());
}

Result<Vms::Network> Vms::LookUpNetwork(const std::string& name) const {
  Network out;
  ASSIGN(const Policy policy, PolicyOf(name));
  out.policy = policy.network;
  if (policy.network && policy.network->mode == NetworkMode::kList)
    out.allow = ResolveAllowed(*policy.network, &out.notes);
  return out;
}

std::set<uint16_t> Vms::RealPortsOfOthersLocked(const Vm& vm) const {
  std::set<uint16_t> taken;
  for (const auto& [id, other] : vms_)
    if (id != vm.record.id) taken.insert(other->real_ports.begin(), other->real_ports.end());
  return taken;
}

Result<VmRecord> Vms::Prepare(const std::string& name, const std::vector<std::string>* images,
                              bool remove_when_empty) {
  Network network;
  if (const auto known = Find(name); known.ok() && !known->policy_text.empty() && !InUse(known->id)) {
    ASSIGN(network, LookUpNetwork(name));
  }
  const std::lock_guard lock(mutex_);
  Vm* vm = FindLocked(name);
  if (vm == nullptr) return NoSuchVm(name);
  TRY(Usable(vm->record));
  if (!vm->doing.empty()) return BusyError("starting a program in", *vm);
  const bool in_use = InUseLocked(*vm);
  VmRecord wanted = vm->record;
  if (images != nullptr && !in_use) wanted.images = *images;
  wanted.remove_when_empty = remove_when_empty;
  if (wanted.ToJson() != vm->record.ToJson()) {
    TRY(SaveLocked(wanted));
    vm->record = wanted;
  }
  if (!in_use && !network.policy && IsReadyLocked(*vm)) {
    vm->real_ports.clear();
    vm->notes.clear();
  } else if (!in_use) {
    vm->ready = Ready();
    TRY(PrepareFolder(vm->record));
    if (network.policy && !network.policy->private_ports.empty())
      network.real_ports = ChooseRealPorts(*network.policy, vm->record.id, RealPortsOfOthersLocked(*vm));
    vm->real_ports = {network.real_ports.begin(), network.real_ports.end()};
    TRY(WriteView(vm->record, network));
    if (!network.policy) RememberReady(vm);
    vm->notes.clear();
    vm->notes.insert(network.notes.begin(), network.notes.end());
  }
  if (!vm->job) {
    ASSIGN(vm->job, Job::Open(state_.Job(ToUtf16(vm->record.id))));
  }
  ++vm->leases;  // at once: Tend takes the job away from a VM that nobody uses
  return vm->record;
}

uint32_t Vms::GuestCount(const std::string& id) const {
  const std::lock_guard lock(mutex_);
  const Vm* vm = FindIdLocked(id);
  return vm ? vm->job.Count() : 0;
}

bool Vms::InUse(const std::string& id) const {
  const std::lock_guard lock(mutex_);
  const Vm* vm = FindIdLocked(id);
  return vm != nullptr && InUseLocked(*vm);
}

std::vector<ProcessInfo> Vms::Processes(const std::string& name, Status* status) const {
  const std::lock_guard lock(mutex_);
  const Vm* vm = FindLocked(name);
  if (vm == nullptr) {
    *status = NoSuchVm(name);
    return {};
  }
  return vm->job.Describe();
}

Status Vms::Stop(const std::string& name) {
  std::string id;
  Job job;
  {
    const std::lock_guard lock(mutex_);
    const Vm* vm = FindLocked(name);
    if (vm == nullptr) return NoSuchVm(name);
    id = vm->record.id;
    job = Job::OpenExisting(state_.Job(ToUtf16(id)));  // an own handle: waiting must not hold the lock
  }
  TRY(job.Stop(kStopMillis));
  const std::lock_guard lock(mutex_);
  if (Vm* vm = FindIdLocked(id)) TendLocked(vm);
  return Ok();
}

Status Vms::DeleteLocked(Vm* vm) {
  if (InUseLocked(*vm)) return BusyError("deleting", *vm);
  const std::u16string id = ToUtf16(vm->record.id);
  // Marked and without vm.json a folder is no VM, whatever becomes of the rest. So a file that somebody has
  // open keeps nothing but itself.
  if (!trash_.Take(state_.Vm(id)).ok()) {
    TRY(MarkUnmade(vm->record));
    if (Status gone = trash_.Take(state_.VmFile(id, u"vm.json")); !gone.ok())
      return Error(gone.error()).In("deleting the VM '" + vm->record.name + "'");
    trash_.TakeLater(state_.Vm(id));
  }
  trash_.TakeKey(state_.VmKey(id));
  trash_.TakeAtoms(id);
  vms_.erase(vm->record.id);
  return Ok();
}

Status Vms::Delete(const std::string& name) {
  const std::lock_guard lock(mutex_);
  Vm* vm = FindLocked(name);
  if (vm == nullptr) return NoSuchVm(name);
  return DeleteLocked(vm);
}

Status Vms::Discard(const std::string& name) {
  const std::lock_guard lock(mutex_);
  Vm* vm = FindLocked(name);
  if (vm == nullptr) return NoSuchVm(name);
  TRY(Usable(vm->record));
  if (InUseLocked(*vm)) return BusyError("discarding the changes of", *vm);
  VmRecord fresh = vm->record;
  fresh.workspace = ++vm->last_workspace;
  TRY(PrepareFolder(fresh));
  TRY(WriteView(fresh));
  TRY(SaveLocked(fresh));
  vm->record = fresh;
  DropOldWorkspacesLocked(vm);
  return Ok();
}

// What a killed agent made and did not come to use goes the same way as what was replaced.
void Vms::DropOldWorkspacesLocked(Vm* vm) {
  const std::u16string id = ToUtf16(vm->record.id);
  vm->last_workspace = std::max(vm->last_workspace, vm->record.workspace);
  const auto is_old = [vm](const std::u16string& name) {
    const uint32_t number = StatePaths::WorkspaceNumber(name);
    vm->last_workspace = std::max(vm->last_workspace, number);
    return number != 0 && number != vm->record.workspace;
  };
  if (const auto parts = os::SystemFiles().List(HostPath(state_.Vm(id))); parts.ok()) {
    for (const os::DirectoryEntry& part : *parts) {
      const std::u16string name = FromWide(part.name.wstring());
      if (is_old(name) && !trash_.Take(state_.VmFile(id, name)).ok())
        trash_.TakeLater(state_.VmFile(id, name));
    }
  }
  for (const std::u16string& name : Subkeys(state_.VmKey(id)))
    if (is_old(name)) trash_.TakeKey(state_.VmKey(id) + u"\\" + name);
}

Result<std::unique_ptr<VmSpace>> Vms::Space(const std::string& name) const {
  ASSIGN(const VmRecord vm, Find(name));
  TRY(Usable(vm));
  return VmSpace::Open(state_, ToUtf16(vm.id), vm.workspace);
}

void Vms::Lease(const std::string& id) {
  const std::lock_guard lock(mutex_);
  Vm* vm = FindIdLocked(id);
  if (vm == nullptr) return;
  ++vm->leases;
  if (!vm->job) {
    vm->job = Job::OpenExisting(state_.Job(ToUtf16(id)));
    vm->services = facts_.is_wine ? Services::kMayRun : Services::kUnknown;  // of an earlier agent
  }
}

void Vms::Release(const std::string& id) {
  const std::lock_guard lock(mutex_);
  Vm* vm = FindIdLocked(id);
  if (vm == nullptr || vm->leases == 0) return;
  --vm->leases;
  EndIdleServicesLocked(vm);
  if (facts_.is_wine && vm->leases == 0 && vm->job.Count() == 0) vm->services = Services::kUnknown;
  if (vm->record.remove_when_empty && !InUseLocked(*vm)) (void)DeleteLocked(vm);
}

void Vms::TendLocked(Vm* vm) {
  ForgetDeadServersLocked(vm);
  EndIdleServicesLocked(vm);
  if (InUseLocked(*vm)) return;
  if (vm->record.remove_when_empty) {
    (void)DeleteLocked(vm);
    return;
  }
  vm->job = Job();  // an idle VM costs no handle
  vm->services = Services::kUnknown;
  vm->kept_services.clear();
  vm->served_objects = false;
}

// Every VM that has a job is a question to the system. So of a thousand only some are looked at in one call,
// and the lock is given back in between: no request waits for more than a few of them.
void Vms::Tend() {
  for (int asked = 0, more = 1; more != 0 && asked < kTendedInOneCall;) {
    const std::lock_guard lock(mutex_);
    auto at = vms_.upper_bound(tended_);
    for (int held = 0; at != vms_.end() && held < kTendedAtATime;) {
      Vm* vm = (at++)->second.get();
      tended_ = vm->record.id;
      if (!vm->job && !vm->record.remove_when_empty) continue;
      TendLocked(vm);
      ++held, ++asked;
    }
    if (at == vms_.end()) {
      tended_.clear();
      more = 0;
    }
  }
  const std::lock_guard lock(mutex_);
  RetryCommitsLocked();
  trash_.RetryNow();
}

bool Vms::AnyInUse() const {
  const std::lock_guard lock(mutex_);
  for (const auto& [id, vm] : vms_)
    if (InUseLocked(*vm)) return true;
  return false;
}

bool Vms::IsGuest(uint32_t pid) const {
  const Handle process(OpenProcess(
      RunningOnWine() ? PROCESS_QUERY_INFORMATION : PROCESS_QUERY_LIMITED_INFORMATION, FALSE, pid));
  // Most processes are in no job at all: one question, however many VMs there are. One that cannot be opened
  // may be a guest that does not want to be.
  BOOL in_a_job = FALSE;
  if (process && IsProcessInJob(process.get(), nullptr, &in_a_job) && !in_a_job) return false;
  const std::lock_guard lock(mutex_);
  return std::any_of(vms_.begin(), vms_.end(),
                     [&](const auto& vm) { return vm.second->job && vm.second->job.Contains(pid); });
}

bool Vms::IsGuestOf(const std::string& id, HANDLE process) const {
  const std::lock_guard lock(mutex_);
  const Vm* vm = FindIdLocked(id);
  return vm != nullptr && vm->job.Holds(process);
}

std::string Vms::LayerDigest(const std::string& id, uint32_t layer, std::string* name) const {
  const std::lock_guard lock(mutex_);
  const Vm* vm = FindIdLocked(id);
  if (vm == nullptr || layer >= vm->record.images.size()) return {};
  *name = vm->record.name;
  return vm->record.images[layer];
}

void Vms::Note(const std::string& id, const std::string& text) {
  const std::lock_guard lock(mutex_);
  Vm* vm = FindIdLocked(id);
  if (vm != nullptr && vm->notes.size() < 100) vm->notes.insert(text);
}

std::vector<std::string> Vms::TakeNotes(const std::string& id) {
  const std::lock_guard lock(mutex_);
  Vm* vm = FindIdLocked(id);
  if (vm == nullptr) return {};
  std::vector<std::string> out(vm->notes.begin(), vm->notes.end());
  vm->notes.clear();
  return out;
}

}  // namespace plume::agent
