// Snapshots: VM files in the VM's own folder. ADR 9.
#include <algorithm>

#include "agent/text.h"
#include "agent/vms_work.h"
#include "os/clock.h"
#include "os/random.h"

namespace plume::agent {
namespace {

constexpr std::u16string_view kSuffix = u".plvm";

Error NoSuchSnapshot(const std::string& name, const std::string& tag) {
  return Error{Errc::kNotFound, "finding the snapshot '" + tag + "' of the VM '" + name +
                                    "' failed: there is none of this name (plume vm snapshots " + name +
                                    " shows them)"};
}

}  // namespace

std::u16string Vms::SnapshotFile(const VmRecord& vm, const std::string& tag) const {
  return state_.VmFile(ToUtf16(vm.id), u"snapshots\\") + ToUtf16(tag) + std::u16string(kSuffix);
}

Result<SnapshotInfo> Vms::Snapshot(const std::string& name, const std::string& tag,
                                   const OnProgress& progress) {
  TRY(CheckName("snapshot", tag));
  ASSIGN(const auto work, Begin(name, "snapshotting", "a snapshot of it is being made"));
  os::FileSystem& files = os::SystemFiles();
  const os::Path file = HostPath(SnapshotFile(work->vm, tag)), folder = file.parent_path();
  if (os::Exists(files, file)) {
    return Error{Errc::kExists, "snapshotting the VM '" + name + "' failed: it has a snapshot '" + tag +
                                    "' already (choose another name, or plume vm snapshot " + name + " " +
                                    tag + " --delete)"};
  }
  TRY(files.MakeDirectories(folder));
  ASSIGN(const auto opened, OpenWorkspace(work->vm));
  VmFileInfo info = FileInfo(work->vm);
  info.tag = tag;
  SnapshotInfo out{tag, info.created, 0, {}};
  std::vector<std::u16string> links;
  const os::Path temporary = os::TemporaryName(folder, "snapshot");
  Status done = PackWorkspace(
      opened->parts, temporary, VmFileWriter::Kind::kSnapshot, info, Places(),
      [&](uint64_t bytes) {
        if (progress) progress({"snapshotting", bytes, 0});
      },
      &links);
  if (done.ok()) done = files.Rename(temporary, file, false);
  if (!done.ok()) {
    (void)files.Remove(temporary);
    return Error(done.error()).In("snapshotting the VM '" + name + "'");
  }
  if (const auto stat = files.Stat(file); stat.ok()) out.bytes = stat->size;
  for (const std::u16string& link : links) out.left_out.push_back(ToUtf8(link));
  return out;
}

Status Vms::Restore(const std::string& name, const std::string& tag, const OnProgress& progress) {
  ASSIGN(const auto work, Begin(name, "restoring", "a snapshot is being put back into it"));
  ASSIGN(const auto file, OpenSnapshot(work->vm, tag));
  VmRecord fresh = work->vm;
  fresh.workspace = work->fresh;
  return Fill(*work, fresh, *file, "restoring", progress);
}

Result<std::unique_ptr<os::File>> Vms::OpenSnapshot(const VmRecord& vm, const std::string& tag) const {
  TRY(CheckName("snapshot", tag));
  auto file = os::SystemFiles().Open(HostPath(SnapshotFile(vm, tag)), os::OpenMode::kRead);
  if (!file.ok() && file.error().code == Errc::kNotFound) return NoSuchSnapshot(vm.name, tag);
  return file;
}

// Makes the workspace of `fresh` out of a VM file and exchanges the VM's for it.
Status Vms::Fill(const Work& work, const VmRecord& fresh, os::File& file, const std::string& what,
                 const OnProgress& progress) {
  const auto fill = [&]() -> Status {
    TRY(PrepareFolder(fresh));
    ASSIGN(const auto opened, OpenWorkspace(fresh));
    TRY(UnpackWorkspace(file, opened->parts, Places(), [&](uint64_t bytes) {
      if (progress) progress({what, bytes, 0});
    }));
    TRY(opened->index_file.Flush());
    TRY(WriteView(fresh));
    return Exchange(work, fresh);
  };
  const Status done = fill();
  return done.ok() ? Ok() : Status(Error(done.error()).In(what + " the VM '" + fresh.name + "'"));
}

Status Vms::DeleteSnapshot(const std::string& name, const std::string& tag) {
  TRY(CheckName("snapshot", tag));
  const std::lock_guard lock(mutex_);
  const Vm* vm = FindLocked(name);
  if (vm == nullptr) return NoSuchVm(name);
  const std::u16string file = SnapshotFile(vm->record, tag);
  if (!os::Exists(os::SystemFiles(), HostPath(file))) return NoSuchSnapshot(name, tag);
  return trash_.Take(file);
}

Result<std::vector<SnapshotInfo>> Vms::Snapshots(const std::string& name) const {
  ASSIGN(const VmRecord vm, Find(name));
  std::vector<SnapshotInfo> out;
  os::FileSystem& files = os::SystemFiles();
  const os::Path folder = HostPath(state_.VmFile(ToUtf16(vm.id), u"snapshots"));
  const auto entries = files.List(folder);
  if (!entries.ok()) return out;  // none was ever made
  for (const os::DirectoryEntry& e : *entries) {
    const std::u16string file = FromWide(e.name.wstring());
    if (e.info.directory || !file.ends_with(kSuffix)) continue;
    SnapshotInfo info{
        ToUtf8(file.substr(0, file.size() - kSuffix.size())), e.info.times.modified, e.info.size, {}};
    if (const auto opened = files.Open(folder / e.name, os::OpenMode::kRead); opened.ok())
      if (const auto head = ReadVmFileInfo(**opened); head.ok()) info.created = head->created;
    out.push_back(std::move(info));
  }
  std::sort(out.begin(), out.end(), [](const auto& a, const auto& b) { return a.created < b.created; });
  return out;
}

// What a killed agent was writing.
void Vms::DropUnfinishedSnapshots(const VmRecord& vm) {
  const std::u16string folder = state_.VmFile(ToUtf16(vm.id), u"snapshots");
  const auto entries = os::SystemFiles().List(HostPath(folder));
  if (!entries.ok()) return;
  for (const os::DirectoryEntry& e : *entries) {
    const std::u16string file = FromWide(e.name.wstring());
    if (!file.ends_with(kSuffix)) (void)trash_.Take(folder + u"\\" + file);
  }
}

}  // namespace plume::agent
