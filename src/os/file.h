// Files of the host, as Plume's own state uses them: one narrow interface, so that the same code runs on
// posix, on win32 and below the fault-injecting wrapper (os/faulty.h).
//
// Paths are std::filesystem::path; on Windows every implementation adds the \\?\ prefix itself, so paths
// beyond 260 units work. Times are FILETIME (100 ns since 1601-01-01 UTC) everywhere. All functions may be
// called from any thread; a File from one thread at a time except for ReadAt. Errors name the path and the
// system's reason.
#pragma once
#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace plume::os {

using Path = std::filesystem::path;
using Bytes = std::vector<uint8_t>;
using ByteView = std::span<const uint8_t>;

// FILE_ATTRIBUTE_* as in a catalog; the values are Windows'.
inline constexpr uint32_t kReadOnly = 0x1, kHidden = 0x2, kSystem = 0x4, kDirectoryAttribute = 0x10,
                          kArchive = 0x20, kNormal = 0x80;

struct FileTimes {
  int64_t created = 0, modified = 0, accessed = 0;  // FILETIME; in SetTimes 0 = leave as it is
};

struct FileInfo {
  bool directory = false;
  bool link = false;  // symbolic link or reparse point: never followed by Plume
  uint64_t size = 0;
  uint32_t attributes =
      0;  // FILE_ATTRIBUTE_*; on posix from user.DOSATTRIB where present, else from the mode
  FileTimes times;
  uint64_t link_count = 1;
};

struct DirectoryEntry {
  Path name;  // last component
  FileInfo info;
};

enum class OpenMode : uint8_t {
  kRead,       // must exist
  kCreateNew,  // must not exist; read-write
  kTruncate,   // created or emptied; read-write
  kReadWrite,  // created if missing
};

// An open file; closed by the destructor.
class File {
 public:
  virtual ~File() = default;
  // Reads up to out.size() bytes; fewer only at the end of the file (0 = at or after the end).
  virtual Result<size_t> ReadAt(uint64_t offset, std::span<uint8_t> out) = 0;
  virtual Status WriteAt(uint64_t offset, ByteView bytes) = 0;
  virtual Result<uint64_t> Size() = 0;
  virtual Status Truncate(uint64_t size) = 0;
  // Returns once the bytes are on the medium.
  virtual Status Flush() = 0;
  virtual Status SetTimes(const FileTimes& times) = 0;
  // Reports what the destructor would have to swallow (delayed write errors). Nothing else may be called
  // after it.
  virtual Status Close() = 0;
};

class FileSystem {
 public:
  virtual ~FileSystem() = default;
  virtual Result<std::unique_ptr<File>> Open(const Path& path, OpenMode mode) = 0;
  virtual Result<FileInfo> Stat(const Path& path) = 0;  // of a link, not its target
  // Without "." and "..", in no order.
  virtual Result<std::vector<DirectoryEntry>> List(const Path& directory) = 0;
  virtual Status MakeDirectories(const Path& path) = 0;  // with parents; existing is fine
  virtual Status MakeDirectory(const Path& path) = 0;    // that one, which must not exist
  // Atomic. With replace = false an existing `to` gives kExists (never overwritten, also under a race).
  virtual Status Rename(const Path& from, const Path& to, bool replace) = 0;
  virtual Status Remove(const Path& path) = 0;  // a file or an empty directory; clears read-only first
  virtual Status HardLink(const Path& existing, const Path& link) = 0;
  virtual Status SetAttributes(const Path& path, uint32_t attributes) = 0;
  virtual Status SetTimes(const Path& path, const FileTimes& times) = 0;  // also of directories
  virtual Result<uint64_t> FreeSpace(const Path& path) = 0;               // bytes this user may still write
  // Makes renames, creations and removals in `directory` durable (nothing to do on Windows: NTFS journals
  // them).
  virtual Status SyncDirectory(const Path& directory) = 0;
};

// The real one. Lives for the whole program.
FileSystem& SystemFiles();

// --- helpers over any FileSystem
// -------------------------------------------------------------------------------

bool Exists(FileSystem& files, const Path& path);
// The whole file; kInvalid if it is larger than `limit`.
Result<Bytes> ReadFile(FileSystem& files, const Path& path, uint64_t limit = 1ull << 30);
Result<std::string> ReadText(FileSystem& files, const Path& path, uint64_t limit = 64ull << 20);
// Creates or replaces `path` so that a crash at any instant leaves the old or the new content, whole: a
// temporary file beside it, flush, rename, directory flush. Parent directories are made.
Status WriteAtomic(FileSystem& files, const Path& path, ByteView bytes);
Status WriteAtomic(FileSystem& files, const Path& path, std::string_view text);
// Appends and flushes; creates the file.
Status AppendFile(FileSystem& files, const Path& path, ByteView bytes);
Status CopyContents(FileSystem& files, const Path& from, const Path& to);  // bytes only; `to` must not exist
// Removes `path` and everything below it; links are removed, not followed. A missing `path` is success.
Status RemoveTree(FileSystem& files, const Path& path);
// A name that nobody else uses: "<stem>.<pid>-<random>.tmp" in `directory`. Nothing is created.
Path TemporaryName(const Path& directory, std::string_view stem);

// --- path text
// -------------------------------------------------------------------------------------------------

std::string Utf8(const Path& path);
Path FromUtf8(std::string_view text);
// A path component (or several, separated by backslashes) of a virtual path, as a host path.
Path FromUtf16(std::u16string_view text);
// The directory for state when none is given: PLUME_HOME, else %LOCALAPPDATA%\Plume (posix:
// ~/.local/share/plume).
Result<Path> DefaultStateFolder();

}  // namespace plume::os
