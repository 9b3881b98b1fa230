// FileSystem on Windows.
#include <utility>

#include "os/file.h"
#include "os/win32/errors.h"

namespace plume::os {
namespace {

// Virus scanners and indexers hold files that were just written for a moment: renaming and removing are tried
// again.
constexpr int kBusyTries = 50;
constexpr DWORD kBusyPauseMs = 10;
constexpr DWORD kChunk = 16u << 20;  // of one ReadFile or WriteFile

std::string Doing(const char* verb, const Path& path) { return std::string(verb) + " " + Utf8(path); }

int64_t Ticks(const FILETIME& t) {
  return static_cast<int64_t>(uint64_t{t.dwHighDateTime} << 32 | t.dwLowDateTime);
}

FILETIME ToFiletime(int64_t ticks) {
  return FILETIME{static_cast<DWORD>(static_cast<uint64_t>(ticks)),
                  static_cast<DWORD>(static_cast<uint64_t>(ticks) >> 32)};
}

FileInfo InfoOf(DWORD attributes, const FILETIME& created, const FILETIME& accessed, const FILETIME& written,
                uint64_t size) {
  FileInfo info;
  info.directory = (attributes & FILE_ATTRIBUTE_DIRECTORY) != 0;
  info.link = (attributes & FILE_ATTRIBUTE_REPARSE_POINT) != 0;
  info.size = info.directory ? 0 : size;
  info.attributes = attributes;
  info.times = {Ticks(created), Ticks(written), Ticks(accessed)};
  return info;
}

Status SetHandleTimes(HANDLE handle, const FileTimes& times, const Path& path) {
  const FILETIME created = ToFiletime(times.created), modified = ToFiletime(times.modified),
                 accessed = ToFiletime(times.accessed);
  if (!SetFileTime(handle, times.created ? &created : nullptr, times.accessed ? &accessed : nullptr,
                   times.modified ? &modified : nullptr)) {
    return Win32Error(GetLastError(), Doing("setting times of", path));
  }
  return Ok();
}

class Win32File : public File {
 public:
  Win32File(HANDLE handle, Path path) : handle_(handle), path_(std::move(path)) {}

  Result<size_t> ReadAt(uint64_t offset, std::span<uint8_t> out) override {
    size_t done = 0;
    while (done < out.size()) {
      OVERLAPPED at = At(offset + done);
      const size_t left = out.size() - done;
      DWORD n = 0;
      if (!::ReadFile(handle_.get(), out.data() + done, left > kChunk ? kChunk : static_cast<DWORD>(left), &n,
                      &at)) {
        const DWORD error = GetLastError();
        if (error == ERROR_HANDLE_EOF) break;
        return Win32Error(error, Doing("reading", path_));
      }
      if (n == 0) break;
      done += n;
    }
    return done;
  }

  Status WriteAt(uint64_t offset, ByteView bytes) override {
    size_t done = 0;
    while (done < bytes.size()) {
      OVERLAPPED at = At(offset + done);
      const size_t left = bytes.size() - done;
      DWORD n = 0;
      if (!WriteFile(handle_.get(), bytes.data() + done, left > kChunk ? kChunk : static_cast<DWORD>(left),
                     &n, &at)) {
        return Win32Error(GetLastError(), Doing("writing", path_));
      }
      done += n;
    }
    return Ok();
  }

  Result<uint64_t> Size() override {
    LARGE_INTEGER size;
    if (!GetFileSizeEx(handle_.get(), &size)) return Win32Error(GetLastError(), Doing("reading", path_));
    return static_cast<uint64_t>(size.QuadPart);
  }

  Status Truncate(uint64_t size) override {
    FILE_END_OF_FILE_INFO end;
    end.EndOfFile.QuadPart = static_cast<LONGLONG>(size);
    if (!SetFileInformationByHandle(handle_.get(), FileEndOfFileInfo, &end, sizeof end)) {
      return Win32Error(GetLastError(), Doing("resizing", path_));
    }
    return Ok();
  }

  Status Flush() override {
    if (!FlushFileBuffers(handle_.get())) return Win32Error(GetLastError(), Doing("writing", path_));
    return Ok();
  }

  Status SetTimes(const FileTimes& times) override { return SetHandleTimes(handle_.get(), times, path_); }

  Status Close() override {
    handle_ = Handle();
    return Ok();
  }

 private:
  static OVERLAPPED At(uint64_t offset) {
    OVERLAPPED at = {};
    at.Offset = static_cast<DWORD>(offset);
    at.OffsetHigh = static_cast<DWORD>(offset >> 32);
    return at;
  }

  Handle handle_;
  const Path path_;
};

// `hopeless(error)` says that waiting cannot help.
template <typename Call, typename Hopeless>
Status RetryBusy(const char* verb, const Path& path, Call&& call, Hopeless&& hopeless) {
  for (int attempt = 1;; ++attempt) {
    if (call()) return Ok();
    const DWORD error = GetLastError();
    // ERROR_ACCESS_DENIED also stands for "open elsewhere" (the target of a rename) and "being deleted".
    const bool may_pass = error == ERROR_SHARING_VIOLATION || error == ERROR_ACCESS_DENIED;
    if (attempt == kBusyTries || !may_pass || hopeless()) return Win32Error(error, Doing(verb, path));
    Sleep(kBusyPauseMs);
  }
}

// Windows 10 replaces a file that others have open if it is asked to do it as posix does. FILE_RENAME_INFO of
// older headers lacks the flags.
struct RenameInfo {
  DWORD flags;
  HANDLE root;
  DWORD bytes;
  wchar_t name[1];
};
constexpr int kFileRenameInfoEx = 22;
constexpr DWORD kReplaceIfExists = 1, kPosixSemantics = 2;

bool PosixReplace(const std::wstring& from, const std::wstring& to) {
  const Handle source(CreateFileW(
      from.c_str(), DELETE | SYNCHRONIZE, FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE, nullptr,
      OPEN_EXISTING, FILE_FLAG_BACKUP_SEMANTICS | FILE_FLAG_OPEN_REPARSE_POINT, nullptr));
  if (!source) return false;
  std::vector<uint8_t> buffer(sizeof(RenameInfo) + to.size() * sizeof(wchar_t));
  auto* info = reinterpret_cast<RenameInfo*>(buffer.data());
  info->flags = kReplaceIfExists | kPosixSemantics;
  info->bytes = static_cast<DWORD>(to.size() * sizeof(wchar_t));
  to.copy(info->name, to.size());
  return SetFileInformationByHandle(source.get(), static_cast<FILE_INFO_BY_HANDLE_CLASS>(kFileRenameInfoEx),
                                    info, static_cast<DWORD>(buffer.size())) != 0;
}

class Win32Files : public FileSystem {
 public:
  Result<std::unique_ptr<File>> Open(const Path& path, OpenMode mode) override {
    DWORD access = GENERIC_READ | GENERIC_WRITE, disposition = OPEN_ALWAYS;
    switch (mode) {
      case OpenMode::kRead:
        access = GENERIC_READ;
        disposition = OPEN_EXISTING;
        break;
      case OpenMode::kCreateNew:
        disposition = CREATE_NEW;
        break;
      case OpenMode::kTruncate:
        disposition = CREATE_ALWAYS;
        break;
      case OpenMode::kReadWrite:
        break;
    }
    const HANDLE handle =
        CreateFileW(LongPath(path).c_str(), access, FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE,
                    nullptr, disposition, FILE_ATTRIBUTE_NORMAL, nullptr);
    if (handle == INVALID_HANDLE_VALUE) {
      return Win32Error(GetLastError(), Doing(mode == OpenMode::kRead ? "opening" : "creating", path));
    }
    return std::unique_ptr<File>(std::make_unique<Win32File>(handle, path));
  }

  Result<FileInfo> Stat(const Path& path) override {
    WIN32_FILE_ATTRIBUTE_DATA data;
    if (!GetFileAttributesExW(LongPath(path).c_str(), GetFileExInfoStandard, &data)) {
      return Win32Error(GetLastError(), Doing("opening", path));
    }
    FileInfo info = InfoOf(data.dwFileAttributes, data.ftCreationTime, data.ftLastAccessTime,
                           data.ftLastWriteTime, uint64_t{data.nFileSizeHigh} << 32 | data.nFileSizeLow);
    return info;
  }

  Result<std::vector<DirectoryEntry>> List(const Path& directory) override {
    std::wstring pattern = LongPath(directory);
    if (!pattern.ends_with(L'\\')) pattern += L'\\';
    pattern += L'*';
    WIN32_FIND_DATAW data;
    const HANDLE find = FindFirstFileExW(pattern.c_str(), FindExInfoBasic, &data, FindExSearchNameMatch,
                                         nullptr, FIND_FIRST_EX_LARGE_FETCH);
    std::vector<DirectoryEntry> entries;
    if (find == INVALID_HANDLE_VALUE) {
      const DWORD error = GetLastError();
      if (error == ERROR_FILE_NOT_FOUND) return entries;  // an empty root directory
      return Win32Error(error, Doing("listing", directory));
    }
    do {
      const std::wstring_view name = data.cFileName;
      if (name == L"." || name == L"..") continue;
      entries.push_back(
          {Path(name), InfoOf(data.dwFileAttributes, data.ftCreationTime, data.ftLastAccessTime,
                              data.ftLastWriteTime, uint64_t{data.nFileSizeHigh} << 32 | data.nFileSizeLow)});
    } while (FindNextFileW(find, &data));
    const DWORD error = GetLastError();
    FindClose(find);
    if (error != ERROR_NO_MORE_FILES) return Win32Error(error, Doing("listing", directory));
    return entries;
  }

  Status MakeDirectories(const Path& path) override {
    if (path.empty() || IsDirectory(path)) return Ok();
    if (path.has_parent_path() && path.parent_path() != path) TRY(MakeDirectories(path.parent_path()));
    if (CreateDirectoryW(LongPath(path).c_str(), nullptr)) return Ok();
    const DWORD error = GetLastError();
    if (error == ERROR_ALREADY_EXISTS && IsDirectory(path)) return Ok();
    return Win32Error(error, Doing("creating the folder", path));
  }

  Status MakeDirectory(const Path& path) override {
    if (CreateDirectoryW(LongPath(path).c_str(), nullptr)) return Ok();
    return Win32Error(GetLastError(), Doing("creating the folder", path));
  }

  Status Rename(const Path& from, const Path& to, bool replace) override {
    const std::wstring source = LongPath(from), target = LongPath(to);
    if (!replace) {
      if (MoveFileExW(source.c_str(), target.c_str(), 0)) return Ok();
      return Win32Error(GetLastError(), Doing("creating", to));
    }
    return RetryBusy(
        "replacing", to,
        [&] {
          if (MoveFileExW(source.c_str(), target.c_str(), MOVEFILE_REPLACE_EXISTING)) return true;
          const DWORD error = GetLastError();
          if (error == ERROR_ACCESS_DENIED && PosixReplace(source, target)) return true;
          SetLastError(error);  // what counts is why the plain way failed
          return false;
        },
        [&] {
          const DWORD attributes = GetFileAttributesW(target.c_str());
          return attributes != INVALID_FILE_ATTRIBUTES &&
                 (attributes & (FILE_ATTRIBUTE_READONLY | FILE_ATTRIBUTE_DIRECTORY)) != 0;
        });
  }

  Status Remove(const Path& path) override {
    const std::wstring name = LongPath(path);
    const DWORD attributes = GetFileAttributesW(name.c_str());
    if (attributes == INVALID_FILE_ATTRIBUTES) return Win32Error(GetLastError(), Doing("removing", path));
    if (attributes & FILE_ATTRIBUTE_READONLY)
      SetFileAttributesW(name.c_str(), attributes & ~FILE_ATTRIBUTE_READONLY);
    const bool directory = (attributes & FILE_ATTRIBUTE_DIRECTORY) != 0;
    return RetryBusy(
        "removing", path,
        [&] { return (directory ? RemoveDirectoryW(name.c_str()) : DeleteFileW(name.c_str())) != 0; },
        [] { return false; });
  }

  Status HardLink(const Path& existing, const Path& link) override {
    if (!CreateHardLinkW(LongPath(link).c_str(), LongPath(existing).c_str(), nullptr)) {
      return Win32Error(GetLastError(), Doing("linking", link));
    }
    return Ok();
  }

  Status SetAttributes(const Path& path, uint32_t attributes) override {
    const DWORD settable =
        attributes & (FILE_ATTRIBUTE_READONLY | FILE_ATTRIBUTE_HIDDEN | FILE_ATTRIBUTE_SYSTEM |
                      FILE_ATTRIBUTE_ARCHIVE | FILE_ATTRIBUTE_NOT_CONTENT_INDEXED);
    if (!SetFileAttributesW(LongPath(path).c_str(), settable ? settable : FILE_ATTRIBUTE_NORMAL)) {
      return Win32Error(GetLastError(), Doing("setting attributes of", path));
    }
    return Ok();
  }

  Status SetTimes(const Path& path, const FileTimes& times) override {
    const Handle handle(CreateFileW(
        LongPath(path).c_str(), FILE_WRITE_ATTRIBUTES, FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE,
        nullptr, OPEN_EXISTING, FILE_FLAG_BACKUP_SEMANTICS | FILE_FLAG_OPEN_REPARSE_POINT, nullptr));
    if (!handle) return Win32Error(GetLastError(), Doing("setting times of", path));
    return SetHandleTimes(handle.get(), times, path);
  }

  Result<uint64_t> FreeSpace(const Path& path) override {
    ULARGE_INTEGER free;
    if (!GetDiskFreeSpaceExW(LongPath(path).c_str(), &free, nullptr, nullptr)) {
      return Win32Error(GetLastError(), Doing("reading the free space at", path));
    }
    return free.QuadPart;
  }

  Status SyncDirectory(const Path&) override { return Ok(); }

 private:
  static bool IsDirectory(const Path& path) {
    const DWORD attributes = GetFileAttributesW(LongPath(path).c_str());
    return attributes != INVALID_FILE_ATTRIBUTES && (attributes & FILE_ATTRIBUTE_DIRECTORY) != 0;
  }
};

}  // namespace

FileSystem& SystemFiles() {
  static Win32Files files;
  return files;
}

}  // namespace plume::os
