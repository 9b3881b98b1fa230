// Win32 error codes -> Error, one table; and paths as the system's wide functions take them.
#pragma once
#include <windows.h>

#include <string>

#include "base/result.h"
#include "os/file.h"

namespace plume::os {

Error Win32Error(DWORD code, const std::string& what);
// The message names the path before it, and so the disk.
inline constexpr char kDiskFull[] = "the disk is full (free some space on it, then try again)";
// Absolute, with the \\?\ prefix, so that more than 260 units work.
std::wstring LongPath(const Path& path);

// A HANDLE that is closed with its owner. INVALID_HANDLE_VALUE and null count as none.
class Handle {
 public:
  explicit Handle(HANDLE handle = nullptr) : handle_(handle == INVALID_HANDLE_VALUE ? nullptr : handle) {}
  Handle(Handle&& other) noexcept : handle_(other.handle_) { other.handle_ = nullptr; }
  Handle& operator=(Handle&& other) noexcept {
    std::swap(handle_, other.handle_);
    return *this;
  }
  ~Handle() {
    if (handle_) CloseHandle(handle_);
  }
  HANDLE get() const { return handle_; }
  explicit operator bool() const { return handle_ != nullptr; }

 private:
  HANDLE handle_;
};

}  // namespace plume::os
