#include "agent/vms.h"

#include <algorithm>
#include <cstring>

#include "agent/text.h"
#include "agent/win/machine.h"
#include "agent/win/network.h"
#include "agent/win/registry.h"
#include "os/clock.h"
#include "os/file.h"
#include "os/mapped_file.h"
#include "os/random.h"
#include "view/vm_index.h"
#include "wire/view_generated.h"

namespace plume::agent {
namespace {

constexpr uint32_t kStopMillis = 15000;

Status Usable(const VmRecord& vm) {
  if (vm.damage.empty()) return Ok();
  return Error{Errc::kCorrupt, "opening the VM '" + vm.name + "' failed: " + vm.damage};
}

constexpr std::string_view kViewTemporary = "view";

// Unflushed: what is written can be made again. Readers never see half of it. What is there already and the
// same stays: a VM can then be used on a disk that is full.
Status WriteReplace(const os::Path& path, os::ByteView bytes) {
  os::FileSystem& files = os::SystemFiles();
  if (const auto there = os::ReadFile(files, path, bytes.size());
      there.ok() && std::equal(there->begin(), there->end(), bytes.begin(), bytes.end()))
    return Ok();
  const os::Path temporary = os::TemporaryName(path.parent_path(), kViewTemporary);
  const auto write = [&]() -> Status {
    ASSIGN(const auto file, files.Open(temporary, os::OpenMode::kCreateNew));
    TRY(file->WriteAt(0, bytes));
    return file->Close();
  };
  Status done = write();
  if (done.ok()) done = files.Rename(temporary, path, true);
  if (!done.ok()) (void)files.Remove(temporary);
  return done;
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

Vms::Vms(const StatePaths& state, const MachineFacts& facts, ImageSource images)
    : state_(state), facts_(facts), images_(std::move(images)), trash_(state) {}

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
      if (missing && (os::Exists(files, HostPath(state_.VmFile(ToUtf16(id), kUnmade))) || !HasChanges(ToUtf16(id)))) {
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
    if (moved && vm->record.damage.empty()) (void)WriteView(vm->record);  // what cannot be written now is at the next start
    vms_[id] = std::move(vm);
  }
  for (const std::u16string& id : Subkeys(state_.VmsKey()))
    if (!os::Exists(files, HostPath(state_.Vm(id)))) trash_.TakeKey(state_.VmKey(id));
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
  do {
    wanted->id = os::RandomHex(4);
  } while (vms_.contains(wanted->id) ||
           os::Exists(os::SystemFiles(), HostPath(state_.Vm(ToUtf16(wanted->id)))));
  wanted->created = os::SystemClock().NowFiletime();
  return Ok();
}

Status Vms::MarkUnmade(const VmRecord& vm) const {
  return os::WriteAtomic(os::SystemFiles(), HostPath(state_.VmFile(ToUtf16(vm.id), kUnmade)), std::string_view());
}

void Vms::Abandon(const VmRecord& vm) {
  const std::u16string folder = state_.Vm(ToUtf16(vm.id));
  if (!trash_.Take(folder).ok()) trash_.TakeLater(folder);
  trash_.TakeKey(state_.VmKey(ToUtf16(vm.id)));
}

Result<VmRecord> Vms::Create(VmRecord wanted) {
  const std::lock_guard lock(mutex_);
  TRY(CheckNewLocked(&wanted));
  auto vm = std::make_unique<Vm>();
  vm->record = wanted;
  Status done = os::SystemFiles().MakeDirectories(HostPath(state_.Vm(ToUtf16(wanted.id))));
  if (done.ok()) done = PrepareFolder(wanted);
  if (done.ok()) done = WriteView(wanted);
  if (done.ok()) done = SaveLocked(wanted);
  if (!done.ok()) {
    Abandon(wanted);
    return Error(done.error()).In("creating the VM '" + wanted.name + "'");
  }
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

// Whether a workspace's upper layer, files or registry, has anything in it.
bool Vms::HasChanges(const std::u16string& id, uint32_t workspace) const {
  const os::Path upper = HostPath(state_.WorkspaceFile(id, workspace, u"upper"));
  os::FileSystem& files = os::SystemFiles();
  if (const auto drives = files.List(upper); drives.ok()) {
    for (const os::DirectoryEntry& drive : *drives)
      if (const auto entries = files.List(upper / drive.name); !entries.ok() || !entries->empty())
        return true;
  }
  return !Subkeys(state_.WorkspaceKey(id, workspace)).empty();
}

std::set<uint32_t> Vms::Workspaces(const std::u16string& id) const {
  std::set<uint32_t> out;
  if (const auto parts = os::SystemFiles().List(HostPath(state_.Vm(id))); parts.ok())
    for (const os::DirectoryEntry& part : *parts)
      out.insert(StatePaths::WorkspaceNumber(FromWide(part.name.wstring())));
  for (const std::u16string& key : Subkeys(state_.VmKey(id))) out.insert(StatePaths::WorkspaceNumber(key));
  out.erase(0);
  return out;
}

bool Vms::HasChanges(const std::u16string& id) const {
  const std::set<uint32_t> all = Workspaces(id);
  return std::any_of(all.begin(), all.end(), [&](uint32_t n) { return HasChanges(id, n); });
}

// The VM's name as a compiled view of it has it; empty if that is damaged too.
std::string Vms::NameInView(const std::u16string& id) const {
  for (const uint32_t n : Workspaces(id)) {
    const auto view =
        os::ReadFile(os::SystemFiles(), HostPath(state_.WorkspaceFile(id, n, u"view.plv")), 64u << 20);
    if (!view.ok()) continue;
    flatbuffers::Verifier verifier(view->data(), view->size());
    if (!wire::VerifyViewBuffer(verifier)) continue;
    const auto* name = wire::GetView(view->data())->vm_name();
    return ToUtf8(std::u16string(name->begin(), name->end()));
  }
  return {};
}

// Idempotent, and cheap when everything is there.
Status Vms::PrepareFolder(const VmRecord& vm) const {
  const std::u16string id = ToUtf16(vm.id);
  os::FileSystem& files = os::SystemFiles();
  const auto part = [&](std::u16string_view name) { return state_.WorkspaceFile(id, vm.workspace, name); };
  TRY(files.MakeDirectories(HostPath(part(u"upper\\C"))));
  TRY(files.MakeDirectories(HostPath(part(u"scratch"))));
  const Error damaged{Errc::kCorrupt, "opening the VM's index failed: it is damaged (put " +
                                          ToUtf8(part(u"index.plx")) +
                                          " back from a backup, or start afresh with plume vm discard " + vm.name +
                                          ")"};
  const auto there = files.Stat(HostPath(part(u"index.plx")));
  const bool whole = there.ok() && there->size >= view::VmIndex::kFileBytes;
  // Without its index nothing of the upper layer would be seen, and everything that was deleted would.
  if (!whole && HasChanges(id, vm.workspace)) return damaged;
  bool created = false;
  ASSIGN(os::MappedFile index,
         os::MappedFile::OpenShared(HostPath(state_.WorkspaceFile(id, vm.workspace, u"index.plx")),
                                    view::VmIndex::kFileBytes, &created, view::VmIndex::kHeaderBytes));
  // An agent killed between making the file and formatting it leaves zeros: still an empty index.
  uint32_t magic = 0;
  memcpy(&magic, index.data(), sizeof(magic));
  if (magic == 0 && whole && HasChanges(id, vm.workspace)) return damaged;
  if (magic == 0)
    view::VmIndex::Format(index.data());
  else if (!view::VmIndex::Recover(index.data(), index.size()))
    return damaged;
  return MakeKey(state_.WorkspaceKey(id, vm.workspace));
}

Result<Policy> Vms::PolicyOf(const std::string& name) const {
  ASSIGN(const VmRecord record, Find(name));
  Policy user;
  user.base = record.base;
  if (!record.policy_text.empty()) {
    ASSIGN(user, ParsePolicy(record.policy_text, record.policy_file, facts_, record.base));
  }
  return CompletePolicy(user, facts_, {});
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

Status Vms::WriteView(const VmRecord& vm, const Network& network) const {
  ViewInput input;
  input.state = &state_;
  input.facts = &facts_;
  input.vm_id = ToUtf16(vm.id);
  input.vm_name = ToUtf16(vm.name);
  input.workspace = vm.workspace;
  input.program_folder = ProgramFolder();
  input.objects = ObjectsDirectory();
  std::vector<const catalog::Reader*> catalogs;
  for (const std::string& digest : vm.images) {
    ASSIGN(LayerInput layer, images_(digest));
    catalogs.push_back(layer.catalog);
    input.layers.push_back(std::move(layer));
  }
  Policy user;
  user.base = vm.base;
  if (!vm.policy_text.empty()) {
    ASSIGN(user, ParsePolicy(vm.policy_text, vm.policy_file, facts_, vm.base));
  }
  input.policy = CompletePolicy(user, facts_, catalogs);
  input.network_allow = network.allow;
  input.real_ports = network.real_ports;
  if (input.policy.network && input.policy.network->mode != NetworkMode::kAll) {
    // The ports that guests have bound: one bit each, none to begin with.
    const std::vector<uint8_t> none(65536 / 8);
    TRY(WriteReplace(HostPath(state_.WorkspaceFile(input.vm_id, vm.workspace, u"ports.plp")), none));
  }
  ASSIGN(const std::vector<uint8_t> bytes, CompileView(input));
  return WriteReplace(HostPath(state_.WorkspaceFile(input.vm_id, vm.workspace, u"view.plv")), bytes);
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
  if (!in_use) {
    TRY(PrepareFolder(vm->record));
    if (network.policy && !network.policy->private_ports.empty())
      network.real_ports = ChooseRealPorts(*network.policy, vm->record.id, RealPortsOfOthersLocked(*vm));
    vm->real_ports = {network.real_ports.begin(), network.real_ports.end()};
    TRY(WriteView(vm->record, network));
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
  Tend();
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
  if (!vm->job) vm->job = Job::OpenExisting(state_.Job(ToUtf16(id)));
}

void Vms::Release(const std::string& id) {
  const std::lock_guard lock(mutex_);
  Vm* vm = FindIdLocked(id);
  if (vm == nullptr || vm->leases == 0) return;
  --vm->leases;
  if (vm->record.remove_when_empty && !InUseLocked(*vm)) (void)DeleteLocked(vm);
}

void Vms::Tend() {
  const std::lock_guard lock(mutex_);
  std::vector<Vm*> finished;
  for (const auto& [id, vm] : vms_) {
    if (InUseLocked(*vm)) continue;
    if (vm->record.remove_when_empty)
      finished.push_back(vm.get());
    else
      vm->job = Job();  // an idle VM costs no handle
  }
  for (Vm* vm : finished) (void)DeleteLocked(vm);
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
  const std::lock_guard lock(mutex_);
  for (const auto& [id, vm] : vms_)
    if (vm->job && vm->job.Contains(pid)) return true;
  return false;
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
