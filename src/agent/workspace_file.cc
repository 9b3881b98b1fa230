#include "agent/workspace_file.h"

#include "agent/text.h"
#include "base/utf16.h"
#include "view/path.h"

namespace plume::agent {
namespace {

constexpr size_t kCopyBytes = 256u << 10;

std::u16string Join(std::u16string_view parent, std::u16string_view name) {
  return std::u16string(parent) + u"\\" + std::u16string(name);
}

// Wine calls every name with a dot in front hidden; that is no attribute of the file.
uint32_t KeptAttributes(const os::DirectoryEntry& entry) {
  constexpr uint32_t kKept = os::kReadOnly | os::kHidden | os::kSystem | os::kArchive;
  uint32_t kept = entry.info.attributes & kKept;
  if (os::Utf8(entry.name).starts_with('.')) kept &= ~os::kHidden;
  return kept;
}

class Packer {
 public:
  Packer(const WorkspaceParts& from, VmFileWriter& to, const OnBytes& progress,
         std::vector<std::u16string>* skipped)
      : from_(from), to_(to), progress_(progress), skipped_(skipped), buffer_(kCopyBytes) {}

  Status Run() {
    Status done = Ok();
    from_.index->ForEach([&](const view::VmIndex::Record& r) {
      if (done.ok())
        done = to_.Record({std::u16string(r.Text()), r.flags.load(std::memory_order_acquire),
                           r.base.load(std::memory_order_acquire)});
    });
    TRY(std::move(done));
    ASSIGN(const auto drives, from_.files->List(from_.upper));
    for (const os::DirectoryEntry& drive : drives) {
      const std::u16string name = drive.name.u16string();
      if (drive.info.directory && name.size() == 1) TRY(Directory(from_.upper / drive.name, name + u":"));
    }
    for (const char16_t* root : {u"M", u"U"}) TRY(Key(root));
    return to_.Finish();
  }

 private:
  Status Directory(const os::Path& real, const std::u16string& path) {
    ASSIGN(const auto entries, from_.files->List(real));
    for (const os::DirectoryEntry& e : entries) {
      const std::u16string child = Join(path, e.name.u16string());
      os::FileInfo info = e.info;
      info.attributes = KeptAttributes(e);
      if (e.info.link) {
        if (skipped_ != nullptr) skipped_->push_back(child);
      } else if (e.info.directory) {
        TRY(Directory(real / e.name, child));
        TRY(to_.Directory(child, info));
      } else {
        TRY(File(real / e.name, child, info));
      }
    }
    return Ok();
  }

  Status File(const os::Path& real, const std::u16string& path, os::FileInfo info) {
    ASSIGN(const auto file, from_.files->Open(real, os::OpenMode::kRead));
    ASSIGN(info.size, file->Size());
    TRY(to_.File(path, info));
    for (uint64_t at = 0; at < info.size;) {
      const size_t wanted = static_cast<size_t>(std::min<uint64_t>(buffer_.size(), info.size - at));
      ASSIGN(const size_t n, file->ReadAt(at, std::span(buffer_).first(wanted)));
      if (n == 0) return Error{Errc::kBusy, "reading " + os::Utf8(real) + " failed: it is being changed"};
      TRY(to_.Data(os::ByteView(buffer_.data(), n)));
      at += n;
      done_ += n;
      if (progress_) progress_(done_);
    }
    return Ok();
  }

  Status Key(const std::u16string& path) {
    KeyNode node;
    std::vector<std::u16string> subkeys;
    if (Status read = from_.keys->Read(path, &node, &subkeys); !read.ok())
      return read.error().code == Errc::kNotFound ? Ok() : std::move(read);
    TRY(to_.Key(path, node));
    if (node.link) return Ok();
    for (const std::u16string& name : subkeys) TRY(Key(Join(path, name)));
    return Ok();
  }

  const WorkspaceParts& from_;
  VmFileWriter& to_;
  const OnBytes& progress_;
  std::vector<std::u16string>* skipped_;
  std::vector<uint8_t> buffer_;
  uint64_t done_ = 0;
};

class Unpacker : public VmFileVisitor {
 public:
  Unpacker(const WorkspaceParts& to, const VmFilePlaces& places, const OnBytes& progress)
      : to_(to), places_(places), progress_(progress) {}
  const VmFileInfo& info() const { return info_; }

  Status Info(const VmFileInfo& info) override {
    info_ = info;
    return Ok();
  }

  Status Record(const IndexRecord& record) override {
    if (!SetFlags(record.path, record.flags, record.base)) return Bad(record.path);
    return Ok();
  }

  Status Directory(std::u16string_view path, const os::FileInfo& info) override {
    const os::Path real = Real(path);
    TRY(MakeDirectory(real, path));
    if (info.attributes & (os::kReadOnly | os::kHidden | os::kSystem))
      TRY(to_.files->SetAttributes(real, info.attributes));
    return to_.files->SetTimes(real, info.times);
  }

  Status File(std::u16string_view path, const os::FileInfo& info) override {
    real_ = Real(path);
    TRY(MakeDirectory(real_.parent_path(), path.substr(0, path.rfind(u'\\'))));
    ASSIGN(file_, to_.files->Open(real_, os::OpenMode::kCreateNew));
    file_info_ = info;
    at_ = 0;
    return info.size == 0 ? Close() : Ok();
  }

  Status Data(os::ByteView bytes) override {
    TRY(file_->WriteAt(at_, bytes));
    at_ += bytes.size();
    done_ += bytes.size();
    if (progress_) progress_(done_);
    return at_ == file_info_.size ? Close() : Ok();
  }

  Status Key(std::u16string_view path, const KeyNode& node) override {
    KeyNode own = node;
    // Another user's or machine's access list means nobody here.
    if (ToUtf16(info_.user_sid) != places_.user_sid) own.access.clear();
    Status made = to_.keys->Create(path, own);
    if (made.ok() || made.error().code != Errc::kExists) return made;
    // An ancestor of something that came earlier, made empty then.
    for (const image::ValueItem& v : own.values) TRY(to_.keys->SetValue(path, v));
    return Ok();
  }

 private:
  Error Bad(std::u16string_view path) const {
    return Error{Errc::kCorrupt, "reading the VM file failed: '" + ToUtf8(path) +
                                     "' is no name, or the index is full (the file is damaged)"};
  }

  bool SetFlags(std::u16string_view canonical, uint32_t flags, uint64_t base) {
    std::vector<char16_t> storage(view::kMaxPathUnits);
    view::VPath path;
    const view::NameKind kind = view::ParseCanonical(canonical, std::span<char16_t>(storage), &path);
    if (kind != view::NameKind::kDrivePath && kind != view::NameKind::kKeyPath) return false;
    return to_.index->Set(path, path.depth, flags, base);
  }

  os::Path Real(std::u16string_view path) const {  // "C:\x" -> upper\C\x
    os::Path out = to_.upper / os::FromUtf16(path.substr(0, 1));
    return path.size() > 3 ? out / os::FromUtf16(path.substr(3)) : out;
  }

  // Guests look at the upper layer only where the index says that something may be there: what is put there
  // for the first time, the way to this user's profile folder, is entered now.
  Status MakeDirectory(const os::Path& real, std::u16string_view path) {
    if (real == last_directory_) return Ok();
    if (!os::Exists(*to_.files, real)) {
      TRY(to_.files->MakeDirectories(real));
      for (size_t end = 2; end <= path.size(); ++end)
        if (end == path.size() || path[end] == u'\\')
          if (!SetFlags(path.substr(0, end), view::VmIndex::kUpper, 0)) return Bad(path);
    }
    last_directory_ = real;
    return Ok();
  }

  Status Close() {
    TRY(file_->SetTimes(file_info_.times));
    TRY(file_->Close());
    file_.reset();
    if (file_info_.attributes == os::kArchive) return Ok();  // what a new file has
    return to_.files->SetAttributes(real_, file_info_.attributes);
  }

  const WorkspaceParts& to_;
  const VmFilePlaces& places_;
  const OnBytes& progress_;
  VmFileInfo info_;
  os::Path real_, last_directory_;
  std::unique_ptr<os::File> file_;
  os::FileInfo file_info_;
  uint64_t at_ = 0, done_ = 0;
};

}  // namespace

Status PackWorkspace(const WorkspaceParts& from, const os::Path& path, VmFileWriter::Kind kind,
                     const VmFileInfo& info, const VmFilePlaces& places, const OnBytes& progress,
                     std::vector<std::u16string>* skipped) {
  const auto write = [&]() -> Status {
    ASSIGN(const auto writer, VmFileWriter::Create(*from.files, path, kind, info, places));
    return Packer(from, *writer, progress, skipped).Run();
  };
  Status done = write();
  if (!done.ok()) (void)from.files->Remove(path);
  return done;
}

Result<VmFileInfo> UnpackWorkspace(os::File& file, const WorkspaceParts& to, const VmFilePlaces& places,
                                   const OnBytes& progress) {
  Unpacker unpacker(to, places, progress);
  TRY(ReadVmFile(file, places, unpacker));
  return unpacker.info();
}

}  // namespace plume::agent
