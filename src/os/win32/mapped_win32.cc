#include <windows.h>
#include <winioctl.h>

#include <vector>

#include "os/mapped_file.h"
#include "os/win32/errors.h"

namespace plume::os {
namespace {

Result<uint8_t*> MapWhole(HANDLE file, uint64_t bytes, bool writable, const Path& path) {
  if (bytes == 0) return static_cast<uint8_t*>(nullptr);
  const Handle section(CreateFileMappingW(file, nullptr, writable ? PAGE_READWRITE : PAGE_READONLY,
                                          static_cast<DWORD>(bytes >> 32), static_cast<DWORD>(bytes),
                                          nullptr));
  if (!section) return Win32Error(GetLastError(), "mapping " + Utf8(path));
  void* at = MapViewOfFile(section.get(), writable ? FILE_MAP_WRITE : FILE_MAP_READ, 0, 0,
                           static_cast<SIZE_T>(bytes));
  if (!at) return Win32Error(GetLastError(), "mapping " + Utf8(path));
  return static_cast<uint8_t*>(at);
}

}  // namespace

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
  if (data_) UnmapViewOfFile(data_);
}

Result<MappedFile> MappedFile::OpenRead(const Path& path) {
  const Handle file(CreateFileW(LongPath(path).c_str(), GENERIC_READ,
                                FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE, nullptr,
                                OPEN_EXISTING, FILE_ATTRIBUTE_NORMAL, nullptr));
  LARGE_INTEGER size;
  if (!file || !GetFileSizeEx(file.get(), &size)) return Win32Error(GetLastError(), "opening " + Utf8(path));
  MappedFile mapped;
  mapped.size_ = static_cast<uint64_t>(size.QuadPart);
  ASSIGN(mapped.data_, MapWhole(file.get(), mapped.size_, false, path));
  return mapped;
}

Result<MappedFile> MappedFile::OpenShared(const Path& path, uint64_t bytes, bool* created,
                                          uint64_t reserved) {
  const Handle file(CreateFileW(LongPath(path).c_str(), GENERIC_READ | GENERIC_WRITE,
                                FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE, nullptr, OPEN_ALWAYS,
                                FILE_ATTRIBUTE_NORMAL, nullptr));
  const DWORD opened = GetLastError();
  LARGE_INTEGER size;
  if (!file || !GetFileSizeEx(file.get(), &size)) return Win32Error(opened, "opening " + Utf8(path));
  MappedFile mapped;
  mapped.size_ = static_cast<uint64_t>(size.QuadPart) > bytes ? static_cast<uint64_t>(size.QuadPart) : bytes;
  if (static_cast<uint64_t>(size.QuadPart) < bytes) {
    DWORD returned;
    // Where the file system has no sparse files the file just takes its full size.
    DeviceIoControl(file.get(), FSCTL_SET_SPARSE, nullptr, 0, nullptr, 0, &returned, nullptr);
    // Only what is not there yet: somebody else may have mapped it.
    const auto there = static_cast<uint64_t>(size.QuadPart);
    const std::vector<uint8_t> zeros(there < reserved ? static_cast<size_t>(reserved - there) : 0);
    OVERLAPPED at = {};
    at.Offset = static_cast<DWORD>(there);
    DWORD written = 0;
    if (!zeros.empty() &&
        !WriteFile(file.get(), zeros.data(), static_cast<DWORD>(zeros.size()), &written, &at)) {
      return Win32Error(GetLastError(), "writing " + Utf8(path));
    }
  }
  ASSIGN(mapped.data_, MapWhole(file.get(), mapped.size_, true, path));
  if (created) *created = opened != ERROR_ALREADY_EXISTS;
  return mapped;
}

Status MappedFile::Make(const Path& path, ByteView head, uint64_t bytes) {
  const Handle file(CreateFileW(LongPath(path).c_str(), GENERIC_READ | GENERIC_WRITE,
                                FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE, nullptr, CREATE_NEW,
                                FILE_ATTRIBUTE_NORMAL, nullptr));
  if (!file) return Win32Error(GetLastError(), "creating " + Utf8(path));
  DWORD returned = 0;
  // Where the file system has no sparse files the file just takes its full size.
  DeviceIoControl(file.get(), FSCTL_SET_SPARSE, nullptr, 0, nullptr, 0, &returned, nullptr);
  FILE_END_OF_FILE_INFO end;
  end.EndOfFile.QuadPart = static_cast<LONGLONG>(bytes);
  if (!WriteFile(file.get(), head.data(), static_cast<DWORD>(head.size()), &returned, nullptr) ||
      !SetFileInformationByHandle(file.get(), FileEndOfFileInfo, &end, sizeof end))
    return Win32Error(GetLastError(), "writing " + Utf8(path));
  return Ok();
}

Status MappedFile::Flush() {
  if (data_ && !FlushViewOfFile(data_, static_cast<SIZE_T>(size_))) {
    return Win32Error(GetLastError(), "writing a mapped file");
  }
  return Ok();
}

}  // namespace plume::os
