// Registry keys at the level of the system calls: names with any characters, links not followed. Windows.
#pragma once
#include <windows.h>
#include <winternl.h>

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace plume::agent {

class NtKey {
 public:
  NtKey() = default;
  NtKey(NtKey&& other) noexcept : handle_(std::exchange(other.handle_, nullptr)) {}
  NtKey& operator=(NtKey&& other) noexcept {
    std::swap(handle_, other.handle_);
    return *this;
  }
  ~NtKey();
  HANDLE get() const { return handle_; }

  // `name` is absolute ("\REGISTRY\USER\..."), or below `root`. The key itself is opened, not what it may
  // link to.
  static Result<NtKey> Open(std::u16string_view name, ACCESS_MASK access, const NtKey* root = nullptr);
  // kExists if it is there already.
  struct Options {
    std::u16string_view class_name;
    bool link = false, volatile_key = false;
  };
  static Result<NtKey> Create(std::u16string_view name, const Options& options);

  struct Info {
    std::u16string class_name;
    bool volatile_key = false;
  };
  Result<Info> Query() const;
  Result<std::vector<std::u16string>> Subkeys() const;
  struct Value {
    std::u16string name;
    uint32_t type = 0;
    std::vector<uint8_t> data;
  };
  Result<std::vector<Value>> Values() const;
  Status SetValue(std::u16string_view name, uint32_t type, const std::vector<uint8_t>& data) const;
  Status DeleteValue(std::u16string_view name) const;  // a missing one is success
  Status Rename(std::u16string_view new_name) const;
  Status Delete() const;
  Status Flush() const;
  // The security descriptor if its access list is the key's own; empty if it is inherited.
  std::vector<uint8_t> OwnAccess() const;
  Status SetAccess(const std::vector<uint8_t>& descriptor) const;

  static constexpr ACCESS_MASK kRead = KEY_READ | KEY_WOW64_64KEY;
  static constexpr ACCESS_MASK kChange = KEY_READ | KEY_WRITE | DELETE | KEY_WOW64_64KEY;

 private:
  explicit NtKey(HANDLE handle) : handle_(handle) {}
  HANDLE handle_ = nullptr;
};

// Removes the key and everything below it; a missing key is success.
Status RemoveNtKeyTree(std::u16string_view name);

}  // namespace plume::agent
