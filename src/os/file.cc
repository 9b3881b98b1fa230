#include "os/file.h"

#include <cstdlib>

#include "base/utf16.h"
#include "os/random.h"

#ifdef _WIN32
#include <process.h>
#else
#include <unistd.h>
#endif

namespace plume::os {
namespace {

constexpr size_t kCopyBuffer = 256u << 10;

int ProcessId() {
#ifdef _WIN32
  return _getpid();
#else
  return static_cast<int>(getpid());
#endif
}

}  // namespace

bool Exists(FileSystem& files, const Path& path) { return files.Stat(path).ok(); }

Result<Bytes> ReadFile(FileSystem& files, const Path& path, uint64_t limit) {
  ASSIGN(std::unique_ptr<File> file, files.Open(path, OpenMode::kRead));
  ASSIGN(const uint64_t size, file->Size());
  if (size > limit) {
    return Error{Errc::kInvalid, "reading " + Utf8(path) + ": it has " + std::to_string(size) +
                                     " bytes, more than the " + std::to_string(limit) + " expected at most"};
  }
  Bytes bytes(static_cast<size_t>(size));
  size_t done = 0;
  while (done < bytes.size()) {
    ASSIGN(const size_t n, file->ReadAt(done, std::span(bytes).subspan(done)));
    if (n == 0) break;  // it shrank meanwhile
    done += n;
  }
  bytes.resize(done);
  return bytes;
}

Result<std::string> ReadText(FileSystem& files, const Path& path, uint64_t limit) {
  ASSIGN(const Bytes bytes, ReadFile(files, path, limit));
  return std::string(bytes.begin(), bytes.end());
}

Status WriteAtomic(FileSystem& files, const Path& path, ByteView bytes) {
  const Path directory = path.parent_path();
  if (!directory.empty()) TRY(files.MakeDirectories(directory));
  const Path temporary = TemporaryName(directory, Utf8(path.filename()));
  const auto write = [&]() -> Status {
    ASSIGN(std::unique_ptr<File> file, files.Open(temporary, OpenMode::kCreateNew));
    TRY(file->WriteAt(0, bytes));
    TRY(file->Flush());
    TRY(file->Close());  // before the rename: Windows renames no open file
    return files.Rename(temporary, path, /*replace=*/true);
  };
  if (Status status = write(); !status.ok()) {
    (void)files.Remove(temporary);
    return status;
  }
  return files.SyncDirectory(directory);
}

Status WriteAtomic(FileSystem& files, const Path& path, std::string_view text) {
  return WriteAtomic(files, path, ByteView(reinterpret_cast<const uint8_t*>(text.data()), text.size()));
}

Status AppendFile(FileSystem& files, const Path& path, ByteView bytes) {
  if (path.has_parent_path()) TRY(files.MakeDirectories(path.parent_path()));
  ASSIGN(std::unique_ptr<File> file, files.Open(path, OpenMode::kReadWrite));
  ASSIGN(const uint64_t size, file->Size());
  TRY(file->WriteAt(size, bytes));
  TRY(file->Flush());
  return file->Close();
}

Status CopyContents(FileSystem& files, const Path& from, const Path& to) {
  ASSIGN(std::unique_ptr<File> in, files.Open(from, OpenMode::kRead));
  ASSIGN(std::unique_ptr<File> out, files.Open(to, OpenMode::kCreateNew));
  Bytes buffer(kCopyBuffer);
  for (uint64_t offset = 0;;) {
    ASSIGN(const size_t n, in->ReadAt(offset, buffer));
    if (n == 0) break;
    TRY(out->WriteAt(offset, ByteView(buffer.data(), n)));
    offset += n;
  }
  return out->Close();
}

Status RemoveTree(FileSystem& files, const Path& path) {
  Result<FileInfo> info = files.Stat(path);
  if (!info.ok()) return info.error().code == Errc::kNotFound ? Ok() : Status(info.error());
  if (info->directory && !info->link) {
    ASSIGN(const std::vector<DirectoryEntry> entries, files.List(path));
    for (const DirectoryEntry& entry : entries) TRY(RemoveTree(files, path / entry.name));
  }
  Status removed = files.Remove(path);
  if (!removed.ok() && removed.error().code == Errc::kNotFound) return Ok();  // somebody else was faster
  return removed;
}

Path TemporaryName(const Path& directory, std::string_view stem) {
  std::string name(stem.substr(0, 100));
  name += "." + std::to_string(ProcessId()) + "-" + RandomHex(8) + ".tmp";
  return directory / FromUtf8(name);
}

std::string Utf8(const Path& path) {
#ifdef _WIN32
  const std::wstring& native = path.native();
  return ToUtf8(std::u16string_view(reinterpret_cast<const char16_t*>(native.data()), native.size()));
#else
  return path.native();
#endif
}

Path FromUtf8(std::string_view text) {
#ifdef _WIN32
  return FromUtf16(FromUtf8Lossy(text));
#else
  return Path(std::string(text));
#endif
}

Path FromUtf16(std::u16string_view text) {
#ifdef _WIN32
  return Path(std::wstring(reinterpret_cast<const wchar_t*>(text.data()), text.size()));
#else
  std::string out = ToUtf8(text);
  for (char& c : out) c = c == '\\' ? '/' : c;
  return Path(std::move(out));
#endif
}

Result<Path> DefaultStateFolder() {
#ifdef _WIN32
  if (const wchar_t* home = _wgetenv(L"PLUME_HOME"); home && *home) return Path(home);
  if (const wchar_t* local = _wgetenv(L"LOCALAPPDATA"); local && *local) return Path(local) / L"Plume";
  return Error{Errc::kNotFound,
               "finding Plume's folder: LOCALAPPDATA is not set (set PLUME_HOME to a folder)"};
#else
  if (const char* home = std::getenv("PLUME_HOME"); home && *home) return Path(home);
  if (const char* data = std::getenv("XDG_DATA_HOME"); data && *data) return Path(data) / "plume";
  if (const char* home = std::getenv("HOME"); home && *home) return Path(home) / ".local/share/plume";
  return Error{Errc::kNotFound, "finding Plume's folder: HOME is not set (set PLUME_HOME to a folder)"};
#endif
}

}  // namespace plume::os
