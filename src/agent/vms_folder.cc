// A VM's folder and key: made, made ready for guests, looked at after a crash.
#include <algorithm>
#include <cstring>

#include "agent/fonts.h"
#include "agent/text.h"
#include "agent/vms.h"
#include "agent/win/machine.h"
#include "agent/win/nt_key.h"
#include "agent/win/registry.h"
#include "base/utf16_bytes.h"
#include "os/file.h"
#include "os/mapped_file.h"
#include "os/random.h"
#include "view/vm_index.h"
#include "wire/view_generated.h"

namespace plume::agent {
namespace {

constexpr std::string_view kViewTemporary = "view";

Status WriteNew(const os::Path& path, os::ByteView bytes) {
  ASSIGN(const auto file, os::SystemFiles().Open(path, os::OpenMode::kCreateNew));
  TRY(file->WriteAt(0, bytes));
  return file->Close();
}

// Unflushed: what is written can be made again. Readers never see half of it. What is there already and the
// same stays: a VM can then be used on a disk that is full.
Status WriteReplace(const os::Path& path, os::ByteView bytes) {
  os::FileSystem& files = os::SystemFiles();
  if (const auto there = os::ReadFile(files, path, bytes.size());
      there.ok() && std::equal(there->begin(), there->end(), bytes.begin(), bytes.end()))
    return Ok();
  const os::Path temporary = os::TemporaryName(path.parent_path(), kViewTemporary);
  Status done = WriteNew(temporary, bytes);
  if (done.ok()) done = files.Rename(temporary, path, true);
  if (!done.ok()) (void)files.Remove(temporary);
  return done;
}

// The pages that most VMs ever touch are there from the beginning. A first touch of a hole makes the system
// read ahead: it fills as many pages with zeros as it would have read, up to megabytes, while a guest waits.
constexpr uint64_t kFirstSlotBytes = 8192, kFirstRecordBytes = 16384;

Status MakeIndex(const os::Path& path) {
  std::vector<uint64_t> head((view::VmIndex::kHeaderBytes + kFirstSlotBytes) / sizeof(uint64_t));
  view::VmIndex::Format(head.data());
  const auto* bytes = reinterpret_cast<const uint8_t*>(head.data());
  TRY(os::MappedFile::Make(path, {bytes, head.size() * sizeof(uint64_t)}, view::VmIndex::kFileBytes));
  const uint64_t records = head[2];  // where the first one goes: docs/formats/vm-index.md
  ASSIGN(const auto file, os::SystemFiles().Open(path, os::OpenMode::kReadWrite));
  TRY(file->WriteAt(records, std::vector<uint8_t>(kFirstRecordBytes)));
  return file->Close();
}

}  // namespace

Status Vms::TakeFolderLocked(VmRecord* wanted) const {
  os::FileSystem& files = os::SystemFiles();
  for (int tries = 8;; --tries) {
    wanted->id = os::RandomHex(4);
    if (vms_.contains(wanted->id)) continue;
    Status made = files.MakeDirectory(HostPath(state_.Vm(ToUtf16(wanted->id))));
    if (made.ok() || tries == 0) return made;
    if (made.error().code == Errc::kNotFound)
      TRY(files.MakeDirectories(HostPath(state_.Vms())));
    else if (made.error().code != Errc::kExists)
      return made;
  }
}

Status Vms::MarkUnmade(const VmRecord& vm) const {
  return os::WriteAtomic(os::SystemFiles(), HostPath(state_.VmFile(ToUtf16(vm.id), kUnmade)),
                         std::string_view());
}

// Nothing is there yet, so nothing is asked: what PrepareFolder makes of an empty folder.
Status Vms::FillFolder(const VmRecord& vm) const {
  const std::u16string id = ToUtf16(vm.id);
  os::FileSystem& files = os::SystemFiles();
  const auto part = [&](std::u16string_view name) {
    return HostPath(state_.WorkspaceFile(id, vm.workspace, name));
  };
  TRY(files.MakeDirectory(HostPath(state_.Workspace(id, vm.workspace))));
  for (const std::u16string_view name : {u"upper", u"upper\\C", u"scratch"})
    TRY(files.MakeDirectory(part(name)));
  TRY(MakeIndex(part(u"index.plx")));
  if (vm.workspace > 1) TRY(ApplyTrace(vm));  // a recording goes on
  TRY(MakeKey(state_.VmKey(id)));
  return MakeKey(state_.WorkspaceKey(id, vm.workspace));
}

// Idempotent, and cheap when everything is there.
Status Vms::PrepareFolder(const VmRecord& vm) const {
  const std::u16string id = ToUtf16(vm.id);
  os::FileSystem& files = os::SystemFiles();
  const auto part = [&](std::u16string_view name) { return state_.WorkspaceFile(id, vm.workspace, name); };
  TRY(files.MakeDirectories(HostPath(part(u"upper\\C"))));
  TRY(files.MakeDirectories(HostPath(part(u"scratch"))));
  const Error damaged{Errc::kCorrupt,
                      "opening the VM's index failed: it is damaged (put " + ToUtf8(part(u"index.plx")) +
                          " back from a backup, or start afresh with plume vm discard " + vm.name + ")"};
  const auto there = files.Stat(HostPath(part(u"index.plx")));
  const bool whole = there.ok() && there->size >= view::VmIndex::kFileBytes;
  // Without its index nothing of the upper layer would be seen, and everything that was deleted would.
  if (!whole && HasChanges(id, vm.workspace)) return damaged;
  if (!there.ok() && there.error().code == Errc::kNotFound) TRY(MakeIndex(HostPath(part(u"index.plx"))));
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
  if (view::VmIndex attached; attached.Attach(index.data(), index.size()))
    attached.Trace().store(TraceWord(vm));
  return MakeKey(state_.WorkspaceKey(id, vm.workspace));
}

Status Vms::WriteView(const VmRecord& vm, const Network& network, bool is_new) const {
  ViewInput input;
  input.state = &state_;
  input.facts = &facts_;
  input.vm_id = ToUtf16(vm.id);
  input.vm_name = ToUtf16(vm.name);
  input.workspace = vm.workspace;
  input.program_folder = ProgramFolder();
  input.objects = ObjectsDirectory();
  input.trace = NtPath(TraceFolder(vm));
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
  for (const catalog::Reader* catalog : catalogs) AddFonts(FontsOf(*catalog, facts_), &input.fonts);
  AddFonts(OwnFonts(vm), &input.fonts);
  input.policy = CompletePolicy(user, facts_, catalogs, hidden_keys_());
  input.network_allow = network.allow;
  input.real_ports = network.real_ports;
  if (input.policy.network && input.policy.network->mode != NetworkMode::kAll) {
    // The ports that guests have bound: one bit each, none to begin with.
    const std::vector<uint8_t> none(65536 / 8);
    TRY(WriteReplace(HostPath(state_.WorkspaceFile(input.vm_id, vm.workspace, u"ports.plp")), none));
  }
  ASSIGN(const std::vector<uint8_t> bytes, CompileView(input));
  const os::Path path = HostPath(state_.WorkspaceFile(input.vm_id, vm.workspace, u"view.plv"));
  return is_new ? WriteNew(path, bytes) : WriteReplace(path, bytes);
}

// Fonts that were installed in the VM itself. A value that the machine has too is one that a copied key
// brought along.
std::vector<std::u16string> Vms::OwnFonts(const VmRecord& vm) const {
  std::vector<std::u16string> out;
  const std::u16string upper =
      CurrentUserKey() + u"\\" + state_.WorkspaceKey(ToUtf16(vm.id), vm.workspace) + u"\\";
  const std::pair<std::u16string, std::u16string> places[] = {
      {upper + u"M\\" + std::u16string(kFontsKey), u"\\REGISTRY\\MACHINE\\" + std::u16string(kFontsKey)},
      {upper + u"U\\" + facts_.user_sid + u"\\" + std::u16string(kFontsKey),
       CurrentUserKey() + u"\\" + std::u16string(kFontsKey)}};
  for (const auto& [own, machine] : places) {
    const auto key = NtKey::Open(own, NtKey::kRead);
    if (!key.ok()) continue;  // as a rule
    const auto values = key->Values();
    if (!values.ok()) continue;
    std::vector<NtKey::Value> known;
    if (const auto below = NtKey::Open(machine, NtKey::kRead); below.ok())
      if (auto theirs = below->Values(); theirs.ok()) known = std::move(*theirs);
    for (const NtKey::Value& v : *values) {
      if (v.type != REG_SZ && v.type != REG_EXPAND_SZ) continue;
      if (std::any_of(known.begin(), known.end(), [&](const NtKey::Value& k) {
            return view::EqualFolded(k.name, v.name) && k.data == v.data;
          }))
        continue;
      if (std::u16string file = FontFile(TextOf(v.data), facts_); !file.empty())
        AddFonts({std::move(file)}, &out);
    }
  }
  return out;
}

// Whether guests can be started in the VM as the agent left it. What a human may have removed since is looked
// for; what only this agent changes is remembered.
bool Vms::IsReadyLocked(const Vm& vm) const {
  if (vm.ready.workspace != vm.record.workspace || vm.ready.images != vm.record.images ||
      vm.ready.hidden_keys != hidden_keys_() || vm.ready.fonts != OwnFonts(vm.record))
    return false;
  const std::u16string id = ToUtf16(vm.record.id);
  os::FileSystem& files = os::SystemFiles();
  const auto stat = [&](std::u16string_view name) {
    return files.Stat(HostPath(state_.WorkspaceFile(id, vm.record.workspace, name)));
  };
  const auto view = stat(u"view.plv"), index = stat(u"index.plx"), upper = stat(u"upper\\C"),
             scratch = stat(u"scratch");
  return view.ok() && view->size == vm.ready.view_bytes && view->times.modified == vm.ready.view_time &&
         index.ok() && index->size >= view::VmIndex::kFileBytes && upper.ok() && upper->directory &&
         scratch.ok() && scratch->directory && MakeKey(state_.WorkspaceKey(id, vm.record.workspace)).ok() &&
         std::all_of(vm.record.images.begin(), vm.record.images.end(),
                     [&](const std::string& digest) { return images_(digest).ok(); });
}

void Vms::RememberReady(Vm* vm) const {
  const auto view = os::SystemFiles().Stat(
      HostPath(state_.WorkspaceFile(ToUtf16(vm->record.id), vm->record.workspace, u"view.plv")));
  if (view.ok())
    vm->ready = {vm->record.workspace, vm->record.images, view->size,
                 view->times.modified, hidden_keys_(),    OwnFonts(vm->record)};
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

}  // namespace plume::agent
