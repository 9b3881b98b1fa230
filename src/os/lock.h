// Locks between processes. A lock is a file; the operating system drops it when its holder dies, so a killed
// process never leaves a stale one. The file itself stays (removing it would race).
#pragma once
#include <cstdint>
#include <memory>

#include "base/result.h"
#include "os/file.h"

namespace plume::os {

// Held from Acquire until destruction. Also excludes other threads of this process.
class FileLock {
 public:
  enum class Mode : uint8_t { kShared, kExclusive };
  FileLock(FileLock&&) noexcept;
  FileLock& operator=(FileLock&&) noexcept;
  ~FileLock();

  // Waits up to `timeout_ms` (0 = does not wait, kForever = no limit); kBusy if another holder stays.
  // Creates the file and its parent directories.
  static constexpr uint32_t kForever = 0xffffffff;
  static Result<FileLock> Acquire(const Path& path, Mode mode, uint32_t timeout_ms);

 private:
  struct Impl;
  explicit FileLock(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace plume::os
