#include "agent/vms.h"

#include <algorithm>
#include <cstring>
#include <thread>

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

Error Busy(const std::string& what, const VmRecord& vm) {
  return Error{Errc::kBusy, what + " the VM '" + vm.name +
                                "' failed: it is running (stop it first: plume vm stop " + vm.name + ")"};
}

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
              {"discarding", discarding}};
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
  out.discarding = OptionalBool(json, "discarding");
  return out;
}

Vms::Vms(const StatePaths& state, const MachineFacts& facts, ImageSource images)
    : state_(state), facts_(facts), images_(std::move(images)) {}

Vms::Vm* Vms::FindLocked(const std::string& name) const {
  for (const auto& [id, vm] : vms_)
    if (SameName(vm->record.name, name)) return vm.get();
  return nullptr;
}

Vms::Vm* Vms::FindIdLocked(const std::string& id) const {
  const auto it = vms_.find(id);
  return it == vms_.end() ? nullptr : it->second.get();
}

bool Vms::InUseLocked(const Vm& vm) const { return vm.leases > 0 || vm.job.Count() > 0; }

Status Vms::SaveLocked(const VmRecord& record) const {
  const std::string text = record.ToJson().dump(2, ' ', false, Json::error_handler_t::replace);
  return os::WriteAtomic(os::SystemFiles(), HostPath(state_.VmFile(ToUtf16(record.id), u"vm.json")),
                         std::string_view(text));
}

Status Vms::Recover() {
  const std::lock_guard lock(mutex_);
  os::FileSystem& files = os::SystemFiles();
  TRY(files.MakeDirectories(HostPath(state_.Vms())));
  TRY(files.MakeDirectories(HostPath(state_.Trash())));
  ASSIGN(const auto folders, files.List(HostPath(state_.Vms())));
  for (const os::DirectoryEntry& folder : folders) {
    if (!folder.info.directory) continue;
    const auto text = os::ReadText(files, HostPath(state_.Vms()) / folder.name / L"vm.json", 16u << 20);
    auto record =
        text.ok() ? VmRecord::FromJson(Json::parse(*text, nullptr, false)) : Result<VmRecord>(text.error());
    const std::string id = ToUtf8(FromWide(folder.name.wstring()));
    if (!record.ok() || record->id != id) {
      // Killed between making the folder and its record: nothing ran in it.
      const bool missing = !text.ok() && text.error().code == Errc::kNotFound;
      if (missing && !HasChanges(ToUtf16(id))) {
        (void)files.Rename(HostPath(state_.Vms()) / folder.name, HostPath(state_.Trash()) / os::RandomHex(8),
                           false);
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
    if (vm->record.discarding && !InUseLocked(*vm)) (void)FinishDiscardLocked(vm.get());
    vms_[id] = std::move(vm);
  }
  for (const std::u16string& id : Subkeys(state_.VmsKey()))
    if (!vms_.contains(ToUtf8(id))) (void)RemoveKeyTree(state_.VmKey(id));
  std::thread([this] { EmptyTrash(); }).detach();
  return Ok();
}

Result<VmRecord> Vms::Create(VmRecord wanted) {
  TRY(CheckName("VM", wanted.name));
  const std::lock_guard lock(mutex_);
  if (FindLocked(wanted.name) != nullptr) {
    return Error{Errc::kExists,
                 "creating the VM '" + wanted.name +
                     "' failed: there is one of this name already (choose another name, or plume vm delete " +
                     wanted.name + ")"};
  }
  // A policy that cannot be read must be refused now, not at the first start.
  if (!wanted.policy_text.empty()) {
    ASSIGN(const Policy policy, ParsePolicy(wanted.policy_text, wanted.policy_file, facts_, wanted.base));
    if (!policy.unenforced.empty()) {
      return Error{Errc::kInvalid, "creating the VM failed: " + wanted.policy_file + ": [" +
                                       policy.unenforced.front() +
                                       "] is not enforced by this version of Plume (leave the section out)"};
    }
    wanted.base = policy.base;
  }
  do {
    wanted.id = os::RandomHex(4);
  } while (vms_.contains(wanted.id) ||
           os::Exists(os::SystemFiles(), HostPath(state_.Vm(ToUtf16(wanted.id)))));
  wanted.created = os::SystemClock().NowFiletime();
  auto vm = std::make_unique<Vm>();
  vm->record = wanted;
  Status done = os::SystemFiles().MakeDirectories(HostPath(state_.Vm(ToUtf16(wanted.id))));
  if (done.ok()) done = PrepareFolderLocked(*vm);
  if (done.ok()) done = WriteViewLocked(*vm, {});
  if (done.ok()) done = SaveLocked(wanted);
  if (!done.ok()) {
    (void)os::RemoveTree(os::SystemFiles(), HostPath(state_.Vm(ToUtf16(wanted.id))));
    (void)RemoveKeyTree(state_.VmKey(ToUtf16(wanted.id)));
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

// Whether the upper layer, files or registry, has anything in it.
bool Vms::HasChanges(const std::u16string& id) const {
  const os::Path upper = HostPath(state_.VmFile(id, u"upper"));
  os::FileSystem& files = os::SystemFiles();
  if (const auto drives = files.List(upper); drives.ok()) {
    for (const os::DirectoryEntry& drive : *drives)
      if (const auto entries = files.List(upper / drive.name); !entries.ok() || !entries->empty())
        return true;
  }
  return !Subkeys(state_.VmKey(id)).empty();
}

// The VM's name as its compiled view has it; empty if that is damaged too.
std::string Vms::NameInView(const std::u16string& id) const {
  const auto view = os::ReadFile(os::SystemFiles(), HostPath(state_.VmFile(id, u"view.plv")), 64u << 20);
  if (!view.ok()) return {};
  flatbuffers::Verifier verifier(view->data(), view->size());
  if (!wire::VerifyViewBuffer(verifier)) return {};
  const auto* name = wire::GetView(view->data())->vm_name();
  return ToUtf8(std::u16string(name->begin(), name->end()));
}

// Idempotent, and cheap when everything is there.
Status Vms::PrepareFolderLocked(const Vm& vm) const {
  const std::u16string id = ToUtf16(vm.record.id);
  os::FileSystem& files = os::SystemFiles();
  TRY(files.MakeDirectories(HostPath(state_.VmFile(id, u"upper\\C"))));
  TRY(files.MakeDirectories(HostPath(state_.VmFile(id, u"scratch"))));
  const Error damaged{Errc::kCorrupt, "opening the VM's index failed: it is damaged (put " +
                                          ToUtf8(state_.VmFile(id, u"index.plx")) +
                                          " back from a backup, or start afresh with plume vm discard " +
                                          vm.record.name + ")"};
  const auto there = files.Stat(HostPath(state_.VmFile(id, u"index.plx")));
  const bool whole = there.ok() && there->size >= view::VmIndex::kFileBytes;
  // Without its index nothing of the upper layer would be seen, and everything that was deleted would.
  if (!whole && HasChanges(id)) return damaged;
  bool created = false;
  ASSIGN(os::MappedFile index,
         os::MappedFile::OpenShared(HostPath(state_.VmFile(id, u"index.plx")), view::VmIndex::kFileBytes,
                                    &created, view::VmIndex::kHeaderBytes));
  // An agent killed between making the file and formatting it leaves zeros: still an empty index.
  uint32_t magic = 0;
  memcpy(&magic, index.data(), sizeof(magic));
  if (magic == 0 && whole && HasChanges(id)) return damaged;
  if (magic == 0)
    view::VmIndex::Format(index.data());
  else if (!view::VmIndex::Recover(index.data(), index.size()))
    return damaged;
  return MakeKey(state_.VmKey(id));
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
  if (policy.network && policy.network->mode == NetworkMode::kList)
    out.allow = ResolveAllowed(*policy.network, &out.notes);
  return out;
}

Status Vms::WriteViewLocked(Vm& vm, const Network& network) const {
  ViewInput input;
  input.state = &state_;
  input.facts = &facts_;
  input.vm_id = ToUtf16(vm.record.id);
  input.vm_name = ToUtf16(vm.record.name);
  input.program_folder = ProgramFolder();
  input.objects = ObjectsDirectory();
  std::vector<const catalog::Reader*> catalogs;
  for (const std::string& digest : vm.record.images) {
    ASSIGN(LayerInput layer, images_(digest));
    catalogs.push_back(layer.catalog);
    input.layers.push_back(std::move(layer));
  }
  Policy user;
  user.base = vm.record.base;
  if (!vm.record.policy_text.empty()) {
    ASSIGN(user, ParsePolicy(vm.record.policy_text, vm.record.policy_file, facts_, vm.record.base));
  }
  input.policy = CompletePolicy(user, facts_, catalogs);
  input.network_allow = network.allow;
  if (const auto& wanted = input.policy.network; wanted && !wanted->private_ports.empty()) {
    std::set<uint16_t> taken;
    for (const auto& [id, other] : vms_)
      if (id != vm.record.id) taken.insert(other->real_ports.begin(), other->real_ports.end());
    input.real_ports = ChooseRealPorts(*wanted, vm.record.id, taken);
    vm.real_ports = {input.real_ports.begin(), input.real_ports.end()};
  }
  if (input.policy.network && input.policy.network->mode != NetworkMode::kAll) {
    // The ports that guests have bound: one bit each, none to begin with.
    const std::vector<uint8_t> none(65536 / 8);
    TRY(WriteReplace(HostPath(state_.VmFile(input.vm_id, u"ports.plp")), none));
  }
  ASSIGN(const std::vector<uint8_t> bytes, CompileView(input));
  return WriteReplace(HostPath(state_.VmFile(input.vm_id, u"view.plv")), bytes);
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
  const bool in_use = InUseLocked(*vm);
  VmRecord wanted = vm->record;
  if (images != nullptr && !in_use) wanted.images = *images;
  wanted.remove_when_empty = remove_when_empty;
  if (wanted.discarding && !in_use) TRY(FinishDiscardLocked(vm));
  wanted.discarding = vm->record.discarding;
  if (wanted.ToJson() != vm->record.ToJson()) {
    TRY(SaveLocked(wanted));
    vm->record = wanted;
  }
  if (!in_use) {
    TRY(PrepareFolderLocked(*vm));
    TRY(WriteViewLocked(*vm, network));
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
  if (InUseLocked(*vm)) return Busy("deleting", vm->record);
  const std::u16string id = ToUtf16(vm->record.id);
  const std::u16string trash = state_.Trash() + u"\\" + id + u"-" + ToUtf16(os::RandomHex(4));
  // One rename and it is gone; the rest needs no waiting, and is done again by Recover after a crash.
  if (Status moved = os::SystemFiles().Rename(HostPath(state_.Vm(id)), HostPath(trash), false); !moved.ok()) {
    return Error(moved.error()).In("deleting the VM '" + vm->record.name + "'");
  }
  vms_.erase(vm->record.id);
  std::thread([this, id] {
    (void)RemoveKeyTree(state_.VmKey(id));
    EmptyTrash();
  }).detach();
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
  if (InUseLocked(*vm)) return Busy("discarding the changes of", vm->record);
  vm->record.discarding = true;
  TRY(SaveLocked(vm->record));
  return FinishDiscardLocked(vm);
}

// Upper layer, registry and index belong together: with the record's flag set, the three are made empty in
// any order, again after a crash, before the VM is used again.
Status Vms::FinishDiscardLocked(Vm* vm) {
  const std::u16string id = ToUtf16(vm->record.id);
  os::FileSystem& files = os::SystemFiles();
  for (const char16_t* part : {u"upper", u"scratch", u"index.plx"}) {
    const os::Path from = HostPath(state_.VmFile(id, part));
    if (!os::Exists(files, from)) continue;
    TRY(files.Rename(from, HostPath(state_.Trash() + u"\\" + id + u"-" + ToUtf16(os::RandomHex(4))), false));
  }
  TRY(RemoveKeyTree(state_.VmKey(id)));
  TRY(PrepareFolderLocked(*vm));
  vm->record.discarding = false;
  TRY(SaveLocked(vm->record));
  std::thread([this] { EmptyTrash(); }).detach();
  return Ok();
}

void Vms::EmptyTrash() const {
  const std::lock_guard lock(trash_mutex_);
  os::FileSystem& files = os::SystemFiles();
  const auto rubbish = files.List(HostPath(state_.Trash()));
  if (!rubbish.ok()) return;
  for (const os::DirectoryEntry& e : *rubbish) (void)os::RemoveTree(files, HostPath(state_.Trash()) / e.name);
}

Result<std::unique_ptr<VmSpace>> Vms::Space(const std::string& name) const {
  std::string id;
  {
    const std::lock_guard lock(mutex_);
    const Vm* vm = FindLocked(name);
    if (vm == nullptr) return NoSuchVm(name);
    TRY(Usable(vm->record));
    id = vm->record.id;
  }
  return VmSpace::Open(state_, ToUtf16(id));
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
