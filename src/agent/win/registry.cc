#include "agent/win/registry.h"

#include "agent/text.h"
#include "agent/win/handle.h"

namespace plume::agent {

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

Status RemoveKeyTree(const std::u16string& path) {
  HKEY key = nullptr;
  LSTATUS error = RegOpenKeyExW(HKEY_CURRENT_USER, Wide(path).c_str(), 0,
                                KEY_READ | KEY_WRITE | DELETE | KEY_WOW64_64KEY, &key);
  if (error == ERROR_FILE_NOT_FOUND) return Ok();
  if (error == ERROR_SUCCESS) {
    error = RegDeleteTreeW(key, nullptr);
    RegCloseKey(key);
    if (error == ERROR_SUCCESS)
      error = RegDeleteKeyExW(HKEY_CURRENT_USER, Wide(path).c_str(), KEY_WOW64_64KEY, 0);
  }
  if (error != ERROR_SUCCESS && error != ERROR_FILE_NOT_FOUND) {
    return WindowsError("removing the registry key HKCU\\" + ToUtf8(path), static_cast<DWORD>(error));
  }
  return Ok();
}

std::vector<std::u16string> Subkeys(const std::u16string& path) {
  std::vector<std::u16string> out;
  HKEY key = nullptr;
  if (RegOpenKeyExW(HKEY_CURRENT_USER, Wide(path).c_str(), 0, KEY_READ | KEY_WOW64_64KEY, &key) !=
      ERROR_SUCCESS)
    return out;
  for (DWORD i = 0;; ++i) {
    wchar_t name[256];
    DWORD length = 256;
    if (RegEnumKeyExW(key, i, name, &length, nullptr, nullptr, nullptr, nullptr) != ERROR_SUCCESS) break;
    out.push_back(FromWide(std::wstring_view(name, length)));
  }
  RegCloseKey(key);
  return out;
}

}  // namespace plume::agent
