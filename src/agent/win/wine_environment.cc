#include "agent/win/wine_environment.h"

#include <windows.h>

#include <algorithm>
#include <optional>

#include "agent/text.h"

namespace plume::agent {
namespace {

bool StartsWithAny(std::string_view text, std::initializer_list<std::string_view> begins) {
  return std::any_of(begins.begin(), begins.end(), [&](auto b) { return text.starts_with(b); });
}

// Windows has its own of these names; Wine's wrapper for one of them is "WINE" before the name.
bool IsSpecial(std::string_view text) {
  return StartsWithAny(text, {"PATH=", "PWD=", "HOME=", "TEMP=", "TMP=", "QT_", "VK_"});
}

// Made anew in every process.
bool IsDynamic(std::string_view text) {
  return StartsWithAny(
      text, {"WINEDLLOVERRIDES=", "WINEDATADIR=", "WINEHOMEDIR=", "WINEBUILDDIR=", "WINECONFIGDIR=",
             "WINELOADER=", "WINEDLLDIR", "WINEUNIXCP=", "WINEUSERLOCALE=", "WINEUSERNAME=",
             "WINEPRELOADRESERVE=", "WINELOADERNOEXEC=", "WINESERVERSOCKET="});
}

class EnvironmentKey {
 public:
  EnvironmentKey(HKEY root, const wchar_t* path) {
    if (RegOpenKeyExW(root, path, 0, KEY_READ | KEY_WOW64_64KEY, &key_) != ERROR_SUCCESS) key_ = nullptr;
  }
  ~EnvironmentKey() {
    if (key_ != nullptr) RegCloseKey(key_);
  }
  EnvironmentKey(const EnvironmentKey&) = delete;
  EnvironmentKey& operator=(const EnvironmentKey&) = delete;

  // The value as text, %NAMES% of `environment` filled in; false if there is none or it is empty.
  bool Read(const wchar_t* name, const Environment& environment, std::u16string* out) const {
    wchar_t data[1024];
    DWORD type = 0, bytes = sizeof(data) - sizeof(wchar_t);
    if (key_ == nullptr ||
        RegQueryValueExW(key_, name, nullptr, &type, reinterpret_cast<BYTE*>(data), &bytes) != ERROR_SUCCESS)
      return false;
    *out = Text(data, bytes, type, environment);
    return bytes > 0;
  }

  void AddAll(Environment* environment) const {
    for (DWORD i = 0; key_ != nullptr; ++i) {
      wchar_t name[1024], data[1024];
      DWORD units = 1024, type = 0, bytes = sizeof(data) - sizeof(wchar_t);
      const LSTATUS status =
          RegEnumValueW(key_, i, name, &units, nullptr, &type, reinterpret_cast<BYTE*>(data), &bytes);
      std::u16string value;
      if (status == ERROR_MORE_DATA) {
        units = 1024;
        std::wstring long_data(32768, 0);
        bytes = static_cast<DWORD>(long_data.size() * sizeof(wchar_t));
        if (RegEnumValueW(key_, i, name, &units, nullptr, &type, reinterpret_cast<BYTE*>(long_data.data()),
                          &bytes) != ERROR_SUCCESS)
          continue;
        value = Text(long_data.data(), bytes, type, *environment);
      } else if (status != ERROR_SUCCESS) {
        return;
      } else {
        value = Text(data, bytes, type, *environment);
      }
      if (bytes == 0 || value.empty()) continue;
      const std::u16string variable = FromWide({name, units});
      // The user's part of PATH comes behind the machine's.
      const std::u16string* path = _wcsicmp(name, L"PATH") == 0 ? environment->Find(u"PATH") : nullptr;
      if (path != nullptr) value = *path + u";" + value;
      environment->Remove(variable);  // it takes this spelling of the name
      environment->Set(variable, value);
    }
  }

 private:
  static std::u16string Text(const wchar_t* data, DWORD bytes, DWORD type, const Environment& environment) {
    std::u16string text = FromWide({data, bytes / sizeof(wchar_t)});
    while (!text.empty() && text.back() == 0) text.pop_back();
    return type == REG_EXPAND_SZ ? environment.Expand(text, {}) : text;
  }

  HKEY key_ = nullptr;
};

void AddRegistry(Environment* out) {
  const auto set = [&](const std::u16string& name, const std::u16string& value) {
    out->Remove(name);
    out->Set(name, value);
  };
  EnvironmentKey(HKEY_LOCAL_MACHINE, L"System\\CurrentControlSet\\Control\\Session Manager\\Environment")
      .AddAll(out);
  EnvironmentKey(HKEY_CURRENT_USER, L"Environment").AddAll(out);
  EnvironmentKey(HKEY_CURRENT_USER, L"Volatile Environment").AddAll(out);
  std::u16string value;
  const EnvironmentKey profiles(HKEY_LOCAL_MACHINE,
                                L"Software\\Microsoft\\Windows NT\\CurrentVersion\\ProfileList");
  if (profiles.Read(L"ProgramData", *out, &value)) {
    set(u"ALLUSERSPROFILE", value);
    set(u"ProgramData", value);
  }
  if (profiles.Read(L"Public", *out, &value)) set(u"PUBLIC", value);
  const EnvironmentKey version(HKEY_LOCAL_MACHINE, L"Software\\Microsoft\\Windows\\CurrentVersion");
  for (const auto& [native, x86, plain, of_x86, of_64] :
       {std::tuple{L"ProgramFilesDir", L"ProgramFilesDir (x86)", u"ProgramFiles", u"ProgramFiles(x86)",
                   u"ProgramW6432"},
        std::tuple{L"CommonFilesDir", L"CommonFilesDir (x86)", u"CommonProgramFiles",
                   u"CommonProgramFiles(x86)", u"CommonProgramW6432"}}) {
    const bool both = version.Read(x86, *out, &value);
    if (both) set(of_x86, value);
    if (!version.Read(native, *out, &value)) continue;
    // A 64-bit program's own are those of 64 bits (dlls/ntdll/env.c).
    if (both) set(of_64, value);
    set(plain, value);
  }
  const EnvironmentKey computer(HKEY_LOCAL_MACHINE,
                                L"System\\CurrentControlSet\\Control\\ComputerName\\ActiveComputerName");
  if (computer.Read(L"ComputerName", *out, &value)) set(u"COMPUTERNAME", value);
}

}  // namespace

Environment WineEnvironment(const std::vector<std::string>& unix_variables) {
  const char16_t none[] = {0, 0};
  Environment out = Environment::FromBlock(none);
  const auto set = [&](const std::u16string& name, const std::u16string& value) {
    out.Remove(name);
    out.Set(name, value);
  };
  for (std::string_view text : unix_variables) {
    if (text.starts_with("WINE") && IsSpecial(text.substr(4)))
      text.remove_prefix(4);
    else if (IsSpecial(text))
      continue;
    const size_t equals = text.find('=', 1);
    if (IsDynamic(text) || equals == text.npos) continue;
    const std::u16string name = ToUtf16(text.substr(0, equals));
    if (out.Find(name) == nullptr) out.Set(name, ToUtf16(text.substr(equals + 1)));
  }
  // Not for the guest, which gets them anyway: for %NAMES% of them below.
  for (const wchar_t* name : {L"SystemDrive", L"SystemRoot", L"WINEUSERNAME", L"WINEHOMEDIR"}) {
    wchar_t value[1024];
    const DWORD n = GetEnvironmentVariableW(name, value, 1024);
    if (n > 0 && n < 1024) set(FromWide(name), FromWide({value, n}));
  }

  // Twice, as Wine does: what the first time had no value yet has one the second time.
  const std::u16string* found = out.Find(u"PATH");
  const std::optional<std::u16string> path = found != nullptr ? std::optional(*found) : std::nullopt;
  AddRegistry(&out);
  out.Remove(u"PATH");
  if (path) out.Set(u"PATH", *path);
  AddRegistry(&out);
  return out;
}

}  // namespace plume::agent
