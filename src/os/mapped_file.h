// A file mapped into memory: catalogs, compiled views (read-only), the VM index (read-write, shared by
// processes).
#pragma once
#include <cstdint>
#include <memory>

#include "base/result.h"
#include "os/file.h"

namespace plume::os {

// Unmapped by the destructor. Movable. data() is null for an empty file.
class MappedFile {
 public:
  MappedFile() = default;
  MappedFile(MappedFile&& other) noexcept;
  MappedFile& operator=(MappedFile&& other) noexcept;
  ~MappedFile();

  static Result<MappedFile> OpenRead(const Path& path);
  // Creates the file if missing and extends it (sparsely, zero-filled) to at least `bytes`. Other processes
  // that map the same file see each other's writes at once. *created says whether it did not exist before.
  // The first `reserved` bytes have room on the disk, or the error is kNoSpace; behind them the first write
  // to a page on a full disk is a fault of the thread.
  static Result<MappedFile> OpenShared(const Path& path, uint64_t bytes, bool* created,
                                       uint64_t reserved = 0);

  // Makes a file for OpenShared, which must not exist: `head`, then zeros that take no room, to `bytes` in
  // all.
  static Status Make(const Path& path, ByteView head, uint64_t bytes);

  uint8_t* data() const { return data_; }
  uint64_t size() const { return size_; }
  ByteView bytes() const { return ByteView(data_, static_cast<size_t>(size_)); }
  // Writes changed pages back to the file (OpenShared); they are visible to other processes without it.
  Status Flush();

 private:
  uint8_t* data_ = nullptr;
  uint64_t size_ = 0;
};

}  // namespace plume::os
