#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "os/mapped_file.h"
#include "os/posix/errors.h"

namespace plume::os {

MappedFile::MappedFile(MappedFile&& other) noexcept : data_(other.data_), size_(other.size_) {
  other.data_ = nullptr;
  other.size_ = 0;
}

MappedFile& MappedFile::operator=(MappedFile&& other) noexcept {
  std::swap(data_, other.data_);
  std::swap(size_, other.size_);
  return *this;
}

MappedFile::~MappedFile() {
  if (data_) munmap(data_, static_cast<size_t>(size_));
}

Result<MappedFile> MappedFile::OpenRead(const Path& path) {
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return ErrnoError(errno, "opening " + Utf8(path));
  struct stat info;
  MappedFile mapped;
  int error = 0;
  if (fstat(fd, &info) != 0) {
    error = errno;
  } else if (info.st_size > 0) {
    mapped.size_ = static_cast<uint64_t>(info.st_size);
    void* at = mmap(nullptr, static_cast<size_t>(mapped.size_), PROT_READ, MAP_SHARED, fd, 0);
    if (at == MAP_FAILED)
      error = errno;
    else
      mapped.data_ = static_cast<uint8_t*>(at);
  }
  close(fd);
  if (error) return ErrnoError(error, "mapping " + Utf8(path));
  return mapped;
}

Result<MappedFile> MappedFile::OpenShared(const Path& path, uint64_t bytes, bool* created,
                                          uint64_t reserved) {
  bool is_new = true;
  int fd = open(path.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  if (fd < 0 && errno == EEXIST) {
    is_new = false;
    fd = open(path.c_str(), O_RDWR | O_CLOEXEC);
  }
  if (fd < 0) return ErrnoError(errno, "opening " + Utf8(path));
  MappedFile mapped;
  int error = 0;
  struct stat info;
  if (fstat(fd, &info) != 0) error = errno;
  mapped.size_ =
      error == 0 && static_cast<uint64_t>(info.st_size) > bytes ? static_cast<uint64_t>(info.st_size) : bytes;
  if (!error && static_cast<uint64_t>(info.st_size) < bytes && ftruncate(fd, static_cast<off_t>(bytes)) != 0)
    error = errno;
  if (!error && reserved > 0) error = posix_fallocate(fd, 0, static_cast<off_t>(reserved));
  if (!error && mapped.size_ > 0) {
    void* at = mmap(nullptr, static_cast<size_t>(mapped.size_), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (at == MAP_FAILED)
      error = errno;
    else
      mapped.data_ = static_cast<uint8_t*>(at);
  }
  close(fd);
  if (error) return ErrnoError(error, "mapping " + Utf8(path));
  if (created) *created = is_new;
  return mapped;
}

Status MappedFile::Make(const Path& path, ByteView head, uint64_t bytes) {
  ASSIGN(const auto file, SystemFiles().Open(path, OpenMode::kCreateNew));
  TRY(file->WriteAt(0, head));
  TRY(file->Truncate(bytes));
  return file->Close();
}

Status MappedFile::Flush() {
  if (data_ && msync(data_, static_cast<size_t>(size_), MS_SYNC) != 0)
    return ErrnoError(errno, "writing a mapped file");
  return Ok();
}

}  // namespace plume::os
