// flock(2): per open file description, so it also excludes other threads of this process, and dies with the
// process.
#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>

#include "os/clock.h"
#include "os/lock.h"
#include "os/posix/errors.h"

namespace plume::os {

struct FileLock::Impl {
  int fd = -1;
  ~Impl() {
    if (fd >= 0) close(fd);
  }
};

FileLock::FileLock(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
FileLock::FileLock(FileLock&&) noexcept = default;
FileLock& FileLock::operator=(FileLock&&) noexcept = default;
FileLock::~FileLock() = default;

Result<FileLock> FileLock::Acquire(const Path& path, Mode mode, uint32_t timeout_ms) {
  TRY(SystemFiles().MakeDirectories(path.parent_path()));
  auto impl = std::make_unique<Impl>();
  impl->fd = open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666);
  if (impl->fd < 0) return ErrnoError(errno, "locking " + Utf8(path));
  const int kind = mode == Mode::kShared ? LOCK_SH : LOCK_EX;
  if (timeout_ms == kForever) {
    while (flock(impl->fd, kind) != 0) {
      if (errno != EINTR) return ErrnoError(errno, "locking " + Utf8(path));
    }
    return FileLock(std::move(impl));
  }
  // There is no flock with a time limit; polling is fine for locks that are held for milliseconds or very
  // long.
  const int64_t end = SystemClock().MonotonicMicros() + int64_t{timeout_ms} * 1000;
  for (uint32_t pause = 1;; pause = pause < 50 ? pause * 2 : 50) {
    if (flock(impl->fd, kind | LOCK_NB) == 0) return FileLock(std::move(impl));
    if (errno != EWOULDBLOCK && errno != EINTR) return ErrnoError(errno, "locking " + Utf8(path));
    if (SystemClock().MonotonicMicros() >= end) {
      return Error{Errc::kBusy, "locking " + Utf8(path) + ": another Plume process uses it"};
    }
    SystemClock().SleepMillis(pause);
  }
}

}  // namespace plume::os
