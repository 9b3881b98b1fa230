// LockFileEx on one byte: the system drops it when the handle closes, also when the process dies.
#include "os/clock.h"
#include "os/lock.h"
#include "os/win32/errors.h"

namespace plume::os {

struct FileLock::Impl {
  Handle handle;
};

FileLock::FileLock(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
FileLock::FileLock(FileLock&&) noexcept = default;
FileLock& FileLock::operator=(FileLock&&) noexcept = default;
FileLock::~FileLock() = default;

Result<FileLock> FileLock::Acquire(const Path& path, Mode mode, uint32_t timeout_ms) {
  TRY(SystemFiles().MakeDirectories(path.parent_path()));
  auto impl = std::make_unique<Impl>();
  impl->handle = Handle(CreateFileW(LongPath(path).c_str(), GENERIC_READ | GENERIC_WRITE,
                                    FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE, nullptr,
                                    OPEN_ALWAYS, FILE_ATTRIBUTE_NORMAL, nullptr));
  if (!impl->handle) return Win32Error(GetLastError(), "locking " + Utf8(path));
  const DWORD kind = mode == Mode::kExclusive ? LOCKFILE_EXCLUSIVE_LOCK : 0;
  // A waiting LockFileEx cannot be given a time limit without overlapped handles; polling is fine for locks
  // that are held for milliseconds or very long.
  const int64_t end = SystemClock().MonotonicMicros() + int64_t{timeout_ms} * 1000;
  for (DWORD pause = 1;; pause = pause < 50 ? pause * 2 : 50) {
    OVERLAPPED at = {};
    if (LockFileEx(impl->handle.get(), kind | LOCKFILE_FAIL_IMMEDIATELY, 0, 1, 0, &at))
      return FileLock(std::move(impl));
    const DWORD error = GetLastError();
    if (error != ERROR_LOCK_VIOLATION && error != ERROR_IO_PENDING)
      return Win32Error(error, "locking " + Utf8(path));
    if (timeout_ms != kForever && SystemClock().MonotonicMicros() >= end) {
      return Error{Errc::kBusy, "locking " + Utf8(path) + ": another Plume process uses it"};
    }
    Sleep(pause);
  }
}

}  // namespace plume::os
