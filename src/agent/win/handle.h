// Owned Windows handles and error texts.
#pragma once
#include <windows.h>

#include <string>
#include <utility>

#include "base/result.h"

namespace plume::agent {

class Handle {
 public:
  Handle() = default;
  explicit Handle(HANDLE h) : h_(h == INVALID_HANDLE_VALUE ? nullptr : h) {}
  Handle(Handle&& other) noexcept : h_(std::exchange(other.h_, nullptr)) {}
  Handle& operator=(Handle&& other) noexcept {
    std::swap(h_, other.h_);
    return *this;
  }
  ~Handle() {
    if (h_ != nullptr) CloseHandle(h_);
  }
  HANDLE get() const { return h_; }
  explicit operator bool() const { return h_ != nullptr; }
  HANDLE release() { return std::exchange(h_, nullptr); }

 private:
  HANDLE h_ = nullptr;
};

// Error of a failed Win32 call: "WHAT failed: <the system's reason>". `remedy` goes in brackets at the end.
Error WindowsError(const std::string& what, DWORD code, const std::string& remedy = "");

}  // namespace plume::agent
