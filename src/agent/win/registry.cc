#include "agent/win/registry.h"

#include "agent/text.h"
#include "agent/win/machine.h"
#include "agent/win/nt_key.h"

extern "C" NTSTATUS NTAPI RtlFormatCurrentUserKeyPath(UNICODE_STRING*);

namespace plume::agent {

std::u16string CurrentUserKey() {
  static const std::u16string key = [] {
    UNICODE_STRING text = {};
    std::u16string out;
    if (RtlFormatCurrentUserKeyPath(&text) >= 0) {
      out.assign(reinterpret_cast<const char16_t*>(text.Buffer), text.Length / 2);
      RtlFreeUnicodeString(&text);
    }
    return out;
  }();
  return key;
}

Status MakeKey(const std::u16string& path) {
  HKEY key = nullptr;
  const LSTATUS error = RegCreateKeyExW(HKEY_CURRENT_USER, Wide(path).c_str(), 0, nullptr, 0,
                                        KEY_READ | KEY_WRITE | KEY_WOW64_64KEY, nullptr, &key, nullptr);
  if (error != ERROR_SUCCESS) {
    return WindowsError("creating the registry key HKCU\\" + ToUtf8(path), static_cast<DWORD>(error));
  }
  RegCloseKey(key);
  return Ok();
}

Status RemoveKeyTree(const std::u16string& path) { return RemoveNtKeyTree(CurrentUserKey() + u"\\" + path); }

std::vector<std::u16string> Subkeys(const std::u16string& path) {
  const auto key = NtKey::Open(CurrentUserKey() + u"\\" + path, NtKey::kRead);
  if (!key.ok()) return {};
  auto names = key->Subkeys();
  return names.ok() ? std::move(*names) : std::vector<std::u16string>();
}

}  // namespace plume::agent
