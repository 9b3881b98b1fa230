// FileSystem on posix: where the portable parts are tested, and where plume-server and the native verbs run.
#include <dirent.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <utility>

#include "os/clock.h"
#include "os/file.h"
#include "os/posix/errors.h"

namespace plume::os {
namespace {

// Where Samba and Wine keep DOS attributes: "0x.." in this extended attribute.
constexpr char kDosAttributes[] = "user.DOSATTRIB";
constexpr uint32_t kDosAttributeMask = kReadOnly | kHidden | kSystem | kArchive;

int64_t Filetime(const timespec& t) {
  return FiletimeFromUnixNanos(int64_t{t.tv_sec} * 1'000'000'000 + t.tv_nsec);
}

timespec UnixTime(int64_t filetime) {
  if (filetime == 0) return timespec{0, UTIME_OMIT};
  int64_t ticks = filetime - kUnixEpochFiletime;
  int64_t seconds = ticks / 10'000'000, rest = ticks % 10'000'000;
  if (rest < 0) {
    rest += 10'000'000;
    --seconds;
  }
  return timespec{static_cast<time_t>(seconds), static_cast<long>(rest * 100)};
}

std::string Doing(const char* verb, const Path& path) { return std::string(verb) + " " + Utf8(path); }

uint32_t AttributesOf(const char* path, const struct stat& info) {
  uint32_t attributes = S_ISDIR(info.st_mode) ? kDirectoryAttribute : 0;
  char text[32];
  const ssize_t n = S_ISREG(info.st_mode) || S_ISDIR(info.st_mode)
                        ? lgetxattr(path, kDosAttributes, text, sizeof text - 1)
                        : -1;
  if (n > 2 && text[0] == '0' && text[1] == 'x') {
    text[n] = 0;
    attributes |= static_cast<uint32_t>(std::strtoul(text + 2, nullptr, 16)) & kDosAttributeMask;
  } else if (S_ISREG(info.st_mode)) {
    attributes |= kArchive;
  }
  if (S_ISREG(info.st_mode) && (info.st_mode & 0200) == 0) attributes |= kReadOnly;
  return attributes ? attributes : kNormal;
}

FileInfo InfoOf(const char* path, const struct stat& info) {
  FileInfo out;
  out.directory = S_ISDIR(info.st_mode);
  out.link = S_ISLNK(info.st_mode);
  out.size = out.directory ? 0 : static_cast<uint64_t>(info.st_size);
  out.attributes = AttributesOf(path, info);
  out.times.modified = Filetime(info.st_mtim);
  out.times.accessed = Filetime(info.st_atim);
  // There is no portable creation time; like Wine, the older of the two times a file keeps stands for it.
  out.times.created = Filetime(info.st_mtim.tv_sec < info.st_ctim.tv_sec ? info.st_mtim : info.st_ctim);
  out.link_count = info.st_nlink;
  return out;
}

class PosixFile : public File {
 public:
  PosixFile(int fd, Path path) : fd_(fd), path_(std::move(path)) {}
  ~PosixFile() override {
    if (fd_ >= 0) close(fd_);
  }

  Result<size_t> ReadAt(uint64_t offset, std::span<uint8_t> out) override {
    size_t done = 0;
    while (done < out.size()) {
      const ssize_t n = pread(fd_, out.data() + done, out.size() - done, static_cast<off_t>(offset + done));
      if (n < 0 && errno == EINTR) continue;
      if (n < 0) return ErrnoError(errno, Doing("reading", path_));
      if (n == 0) break;
      done += static_cast<size_t>(n);
    }
    return done;
  }

  Status WriteAt(uint64_t offset, ByteView bytes) override {
    size_t done = 0;
    while (done < bytes.size()) {
      const ssize_t n =
          pwrite(fd_, bytes.data() + done, bytes.size() - done, static_cast<off_t>(offset + done));
      if (n < 0 && errno == EINTR) continue;
      if (n < 0) return ErrnoError(errno, Doing("writing", path_));
      done += static_cast<size_t>(n);
    }
    return Ok();
  }

  Result<uint64_t> Size() override {
    struct stat info;
    if (fstat(fd_, &info) != 0) return ErrnoError(errno, Doing("reading", path_));
    return static_cast<uint64_t>(info.st_size);
  }

  Status Truncate(uint64_t size) override {
    if (ftruncate(fd_, static_cast<off_t>(size)) != 0) return ErrnoError(errno, Doing("resizing", path_));
    return Ok();
  }

  Status Flush() override {
    if (fdatasync(fd_) != 0) return ErrnoError(errno, Doing("writing", path_));
    return Ok();
  }

  Status SetTimes(const FileTimes& times) override {
    const timespec both[2] = {UnixTime(times.accessed), UnixTime(times.modified)};
    if (futimens(fd_, both) != 0) return ErrnoError(errno, Doing("setting times of", path_));
    return Ok();
  }

  Status Close() override {
    const int fd = std::exchange(fd_, -1);
    if (fd >= 0 && close(fd) != 0 && errno != EINTR) return ErrnoError(errno, Doing("writing", path_));
    return Ok();
  }

 private:
  int fd_;
  const Path path_;
};

class PosixFiles : public FileSystem {
 public:
  Result<std::unique_ptr<File>> Open(const Path& path, OpenMode mode) override {
    int flags = O_CLOEXEC;
    switch (mode) {
      case OpenMode::kRead:
        flags |= O_RDONLY;
        break;
      case OpenMode::kCreateNew:
        flags |= O_RDWR | O_CREAT | O_EXCL;
        break;
      case OpenMode::kTruncate:
        flags |= O_RDWR | O_CREAT | O_TRUNC;
        break;
      case OpenMode::kReadWrite:
        flags |= O_RDWR | O_CREAT;
        break;
    }
    int fd;
    do {
      fd = open(path.c_str(), flags, 0666);
    } while (fd < 0 && errno == EINTR);
    if (fd < 0) return ErrnoError(errno, Doing(mode == OpenMode::kRead ? "opening" : "creating", path));
    return std::unique_ptr<File>(std::make_unique<PosixFile>(fd, path));
  }

  Result<FileInfo> Stat(const Path& path) override {
    struct stat info;
    if (lstat(path.c_str(), &info) != 0) return ErrnoError(errno, Doing("opening", path));
    return InfoOf(path.c_str(), info);
  }

  Result<std::vector<DirectoryEntry>> List(const Path& directory) override {
    DIR* dir = opendir(directory.c_str());
    if (!dir) return ErrnoError(errno, Doing("listing", directory));
    std::vector<DirectoryEntry> entries;
    int error = 0;
    while (true) {
      errno = 0;
      const dirent* entry = readdir(dir);
      if (!entry) {
        error = errno;
        break;
      }
      if (std::strcmp(entry->d_name, ".") == 0 || std::strcmp(entry->d_name, "..") == 0) continue;
      struct stat info;
      if (fstatat(dirfd(dir), entry->d_name, &info, AT_SYMLINK_NOFOLLOW) != 0) {
        if (errno == ENOENT) continue;  // removed meanwhile
        error = errno;
        break;
      }
      const Path full = directory / entry->d_name;
      entries.push_back({Path(entry->d_name), InfoOf(full.c_str(), info)});
    }
    closedir(dir);
    if (error) return ErrnoError(error, Doing("listing", directory));
    return entries;
  }

  Status MakeDirectories(const Path& path) override {
    struct stat info;
    if (path.empty() || (stat(path.c_str(), &info) == 0 && S_ISDIR(info.st_mode))) return Ok();
    if (path.has_parent_path() && path.parent_path() != path) TRY(MakeDirectories(path.parent_path()));
    if (mkdir(path.c_str(), 0777) == 0) return Ok();
    const int error = errno;
    if (error == EEXIST && stat(path.c_str(), &info) == 0 && S_ISDIR(info.st_mode)) return Ok();
    return ErrnoError(error, Doing("creating the folder", path));
  }

  Status MakeDirectory(const Path& path) override {
    if (mkdir(path.c_str(), 0777) == 0) return Ok();
    return ErrnoError(errno, Doing("creating the folder", path));
  }

  Status Rename(const Path& from, const Path& to, bool replace) override {
    if (replace) {
      if (rename(from.c_str(), to.c_str()) != 0) return ErrnoError(errno, Doing("replacing", to));
      return Ok();
    }
    // renameat2 has had no wrapper in every libc; some file systems do not know RENAME_NOREPLACE.
    if (syscall(SYS_renameat2, AT_FDCWD, from.c_str(), AT_FDCWD, to.c_str(), RENAME_NOREPLACE) == 0)
      return Ok();
    if (errno != EINVAL && errno != ENOSYS) return ErrnoError(errno, Doing("creating", to));
    if (link(from.c_str(), to.c_str()) != 0) return ErrnoError(errno, Doing("creating", to));
    unlink(from.c_str());
    return Ok();
  }

  Status Remove(const Path& path) override {
    struct stat info;
    if (lstat(path.c_str(), &info) != 0) return ErrnoError(errno, Doing("removing", path));
    const int rc = S_ISDIR(info.st_mode) ? rmdir(path.c_str()) : unlink(path.c_str());
    if (rc != 0) return ErrnoError(errno, Doing("removing", path));
    return Ok();
  }

  Status HardLink(const Path& existing, const Path& to) override {
    if (link(existing.c_str(), to.c_str()) != 0) return ErrnoError(errno, Doing("linking", to));
    return Ok();
  }

  Status SetAttributes(const Path& path, uint32_t attributes) override {
    struct stat info;
    if (lstat(path.c_str(), &info) != 0) return ErrnoError(errno, Doing("setting attributes of", path));
    // First the extended attribute: setting it needs write permission. File systems without it keep only
    // read-only.
    char text[16];
    const int n = std::snprintf(text, sizeof text, "0x%x", attributes & kDosAttributeMask);
    (void)lsetxattr(path.c_str(), kDosAttributes, text, static_cast<size_t>(n), 0);
    const mode_t mode = S_ISDIR(info.st_mode)      ? info.st_mode
                        : (attributes & kReadOnly) ? info.st_mode & ~0222u
                                                   : info.st_mode | 0200u;
    if (mode != info.st_mode && chmod(path.c_str(), mode & 07777) != 0) {
      return ErrnoError(errno, Doing("setting attributes of", path));
    }
    return Ok();
  }

  Status SetTimes(const Path& path, const FileTimes& times) override {
    const timespec both[2] = {UnixTime(times.accessed), UnixTime(times.modified)};
    if (utimensat(AT_FDCWD, path.c_str(), both, AT_SYMLINK_NOFOLLOW) != 0) {
      return ErrnoError(errno, Doing("setting times of", path));
    }
    return Ok();
  }

  Result<uint64_t> FreeSpace(const Path& path) override {
    struct statvfs info;
    if (statvfs(path.c_str(), &info) != 0) return ErrnoError(errno, Doing("reading the free space at", path));
    return static_cast<uint64_t>(info.f_bavail) * info.f_frsize;
  }

  Status SyncDirectory(const Path& directory) override {
    const Path here = directory.empty() ? Path(".") : directory;
    const int fd = open(here.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) return ErrnoError(errno, Doing("writing the folder", here));
    const int rc = fsync(fd);
    const int error = errno;
    close(fd);
    if (rc != 0 && error != EINVAL) return ErrnoError(error, Doing("writing the folder", here));
    return Ok();
  }
};

}  // namespace

FileSystem& SystemFiles() {
  static PosixFiles files;
  return files;
}

}  // namespace plume::os
