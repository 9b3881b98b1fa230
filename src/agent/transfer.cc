// Export, import, and VMs made from others.
#include "agent/text.h"
#include "agent/vms_work.h"
#include "os/clock.h"
#include "os/random.h"

namespace plume::agent {
namespace {

// Writes what it reads.
class Copier : public VmFileVisitor {
 public:
  explicit Copier(VmFileWriter& to) : to_(to) {}
  Status Record(const IndexRecord& record) override { return to_.Record(record); }
  Status Directory(std::u16string_view path, const os::FileInfo& info) override {
    return to_.Directory(path, info);
  }
  Status File(std::u16string_view path, const os::FileInfo& info) override { return to_.File(path, info); }
  Status Data(os::ByteView bytes) override { return to_.Data(bytes); }
  Status Key(std::u16string_view path, const KeyNode& node) override { return to_.Key(path, node); }

 private:
  VmFileWriter& to_;
};

Status Repack(os::File& from, const os::Path& to, const VmFilePlaces& places) {
  ASSIGN(const VmFileInfo info, ReadVmFileInfo(from));
  ASSIGN(const auto writer,
         VmFileWriter::Create(os::SystemFiles(), to, VmFileWriter::Kind::kExport, info, places));
  Copier copier(*writer);
  TRY(ReadVmFile(from, places, copier));
  return writer->Finish();
}

}  // namespace

Result<SnapshotInfo> Vms::Export(const std::string& name, const std::string& tag, const std::u16string& file,
                                 bool replace, const OnProgress& progress) {
  os::FileSystem& files = os::SystemFiles();
  const os::Path to = HostPath(file);
  if (!replace && os::Exists(files, to)) {
    return Error{Errc::kExists, "exporting the VM '" + name + "' failed: " + os::Utf8(to) +
                                    " exists already (choose another name, or --force)"};
  }
  const os::Path temporary = os::TemporaryName(to.parent_path(), os::Utf8(to.filename()));
  SnapshotInfo out{tag, os::SystemClock().NowFiletime(), 0, {}};
  const auto write = [&]() -> Status {
    ASSIGN(const auto work, Begin(name, "exporting", "it is being exported"));
    if (!tag.empty()) {
      ASSIGN(const auto snapshot, OpenSnapshot(work->vm, tag));
      return Repack(*snapshot, temporary, Places());
    }
    ASSIGN(const auto opened, OpenWorkspace(work->vm));
    std::vector<std::u16string> links;
    TRY(PackWorkspace(
        opened->parts, temporary, VmFileWriter::Kind::kExport, FileInfo(work->vm), Places(),
        [&](uint64_t bytes) {
          if (progress) progress({"exporting", bytes, 0});
        },
        &links));
    for (const std::u16string& link : links) out.left_out.push_back(ToUtf8(link));
    return Ok();
  };
  Status done = write();
  if (done.ok()) done = files.Rename(temporary, to, replace);
  if (!done.ok()) {
    (void)files.Remove(temporary);
    if (done.error().code == Errc::kBusy || done.error().code == Errc::kNotFound) return done.error();
    return Error(done.error()).In("exporting the VM '" + name + "'");
  }
  if (const auto stat = files.Stat(to); stat.ok()) out.bytes = stat->size;
  return out;
}

Result<VmRecord> Vms::Import(const std::u16string& file, VmRecord wanted, const OnProgress& progress) {
  ASSIGN(const auto from, os::SystemFiles().Open(HostPath(file), os::OpenMode::kRead));
  return ImportFrom(*from, std::move(wanted), progress);
}

Result<VmRecord> Vms::ImportFrom(os::File& from, VmRecord wanted, const OnProgress& progress) {
  ASSIGN(const VmFileInfo info, ReadVmFileInfo(from));
  if (wanted.name.empty()) wanted.name = info.name;
  if (wanted.policy_text.empty()) {
    wanted.base = info.policy == "application" ? BasePolicy::kApplication : BasePolicy::kSandbox;
    wanted.policy_text = info.policy_text;
    wanted.policy_file = info.policy_file;
  }
  wanted.application = info.application;
  wanted.images = info.images;
  const std::string what = "making the VM '" + wanted.name + "'";
  for (const std::string& digest : wanted.images) {
    if (images_(digest).ok()) continue;
    return Error{Errc::kNotFound,
                 what + " failed: it needs the image " + digest +
                     ", which is not here (plume add the application, or capture it, first)"};
  }
  {
    const std::lock_guard lock(mutex_);
    TRY(CheckNewLocked(&wanted));
    if (Status made = TakeFolderLocked(&wanted); !made.ok()) return Error(made.error()).In(what);
  }
  // Marked and without vm.json a folder is no VM: until that is written, whoever dies leaves rubbish only.
  const auto make = [&]() -> Status {
    TRY(MarkUnmade(wanted));
    TRY(PrepareFolder(wanted));
    {
      ASSIGN(const auto opened, OpenWorkspace(wanted));
      TRY(UnpackWorkspace(from, opened->parts, Places(), [&](uint64_t bytes) {
        if (progress) progress({"importing", bytes, 0});
      }));
      TRY(opened->index_file.Flush());
      TRY(opened->keys->Flush());
    }
    TRY(WriteView(wanted));
    const std::lock_guard lock(mutex_);
    if (FindLocked(wanted.name) != nullptr)
      return Error{Errc::kExists, what + " failed: there is one of this name now (choose another)"};
    TRY(SaveLocked(wanted));
    (void)os::SystemFiles().Remove(HostPath(state_.VmFile(ToUtf16(wanted.id), kUnmade)));
    auto vm = std::make_unique<Vm>();
    vm->record = wanted;
    vms_[wanted.id] = std::move(vm);
    return Ok();
  };
  if (const Status done = make(); !done.ok()) {
    Abandon(wanted);
    return done.error();
  }
  return wanted;
}

Result<VmRecord> Vms::CreateFrom(const std::string& source, const std::string& tag, VmRecord wanted,
                                 const OnProgress& progress) {
  ASSIGN(const auto work, Begin(source, "copying", "it is being copied"));
  if (!tag.empty()) {
    ASSIGN(const auto snapshot, OpenSnapshot(work->vm, tag));
    return ImportFrom(*snapshot, std::move(wanted), progress);
  }
  ASSIGN(const auto opened, OpenWorkspace(work->vm));
  // In the source's own snapshots, where it is cleaned away whatever happens.
  const os::Path copy =
      os::TemporaryName(HostPath(state_.VmFile(ToUtf16(work->vm.id), u"snapshots")), "copy");
  TRY(os::SystemFiles().MakeDirectories(copy.parent_path()));
  TRY(PackWorkspace(opened->parts, copy, VmFileWriter::Kind::kSnapshot, FileInfo(work->vm), Places(), nullptr,
                    nullptr));
  const auto made = [&]() -> Result<VmRecord> {
    ASSIGN(const auto file, os::SystemFiles().Open(copy, os::OpenMode::kRead));
    return ImportFrom(*file, std::move(wanted), progress);
  }();
  (void)os::SystemFiles().Remove(copy);
  return made;
}

}  // namespace plume::agent
