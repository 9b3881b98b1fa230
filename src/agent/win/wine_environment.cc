#include "agent/win/wine_environment.h"

#include <windows.h>

#include <algorithm>
#include <mutex>
#include <optional>
#include <tuple>

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

// A key's values, read again when the key has changed: every start asks, and hardly ever is there anything
// new.
class EnvironmentKey {
 public:
  EnvironmentKey(HKEY root, const wchar_t* path) : root_(root), path_(path) {}

  void Refresh() {
    if (key_ != nullptr) {
      FILETIME now = {};
      // Fails once the key has been deleted, though there may be another of its name.
      if (Written(&now) && CompareFileTime(&now, &written_) == 0) return;
      RegCloseKey(key_);
      key_ = nullptr;
    }
    values_.clear();
    if (RegOpenKeyExW(root_, path_, 0, KEY_READ | KEY_WOW64_64KEY, &key_) != ERROR_SUCCESS) {
      key_ = nullptr;
      return;
    }
    // The time first: what changes while it is read is read again the next time.
    if (!Written(&written_)) written_ = {};
    ReadAll();
  }

  // The value as text, %NAMES% of `environment` filled in; false if there is none or it is empty.
  bool Read(const wchar_t* name, const Environment& environment, std::u16string* out) const {
    for (const Value& value : values_)
      if (_wcsicmp(name, value.name.c_str()) == 0) {
        *out = Text(value, environment);
        return true;
      }
    return false;
  }

  void AddAll(Environment* environment) const {
    for (const Value& value : values_) {
      std::u16string text = Text(value, *environment);
      // The user's part of PATH comes behind the machine's.
      const std::u16string* path =
          _wcsicmp(value.name.c_str(), L"PATH") == 0 ? environment->Find(u"PATH") : nullptr;
      if (path != nullptr) text = *path + u";" + text;
      const std::u16string name = FromWide(value.name);
      environment->Remove(name);  // it takes this spelling of the name
      environment->Set(name, text);
    }
  }

 private:
  struct Value {
    std::wstring name;
    std::u16string text;
    bool expand;
  };

  bool Written(FILETIME* out) const {
    return RegQueryInfoKeyW(key_, nullptr, nullptr, nullptr, nullptr, nullptr, nullptr, nullptr, nullptr,
                            nullptr, nullptr, out) == ERROR_SUCCESS;
  }
  void ReadAll() {
    std::wstring data(32768, 0);
    for (DWORD i = 0;; ++i) {
      wchar_t name[16384];
      DWORD units = 16384, type = 0, bytes = static_cast<DWORD>(data.size() * sizeof(wchar_t));
      const LSTATUS status =
          RegEnumValueW(key_, i, name, &units, nullptr, &type, reinterpret_cast<BYTE*>(data.data()), &bytes);
      if (status == ERROR_MORE_DATA) continue;  // longer than any variable may be
      if (status != ERROR_SUCCESS) return;
      std::u16string text = FromWide({data.data(), bytes / sizeof(wchar_t)});
      if (!text.empty() && text.back() == 0) text.pop_back();
      text.resize(std::min(text.size(), text.find(u'\0')));
      if (!text.empty()) values_.push_back({std::wstring(name, units), text, type == REG_EXPAND_SZ});
    }
  }
  static std::u16string Text(const Value& value, const Environment& environment) {
    return value.expand ? environment.Expand(value.text, {}) : value.text;
  }

  const HKEY root_;
  const wchar_t* const path_;
  HKEY key_ = nullptr;
  FILETIME written_ = {};
  std::vector<Value> values_;
};

struct RegistryPart {
  EnvironmentKey machine{HKEY_LOCAL_MACHINE,
                         L"System\\CurrentControlSet\\Control\\Session Manager\\Environment"};
  EnvironmentKey user{HKEY_CURRENT_USER, L"Environment"};
  EnvironmentKey session{HKEY_CURRENT_USER, L"Volatile Environment"};
  EnvironmentKey profiles{HKEY_LOCAL_MACHINE,
                          L"Software\\Microsoft\\Windows NT\\CurrentVersion\\ProfileList"};
  EnvironmentKey version{HKEY_LOCAL_MACHINE, L"Software\\Microsoft\\Windows\\CurrentVersion"};
  EnvironmentKey computer{HKEY_LOCAL_MACHINE,
                          L"System\\CurrentControlSet\\Control\\ComputerName\\ActiveComputerName"};
  std::mutex mutex;

  void Refresh() {
    for (EnvironmentKey* key : {&machine, &user, &session, &profiles, &version, &computer}) key->Refresh();
  }
};

void AddRegistry(const RegistryPart& registry, Environment* out) {
  const auto set = [&](const std::u16string& name, const std::u16string& value) {
    out->Remove(name);
    out->Set(name, value);
  };
  registry.machine.AddAll(out);
  registry.user.AddAll(out);
  registry.session.AddAll(out);
  std::u16string value;
  if (registry.profiles.Read(L"ProgramData", *out, &value)) {
    set(u"ALLUSERSPROFILE", value);
    set(u"ProgramData", value);
  }
  if (registry.profiles.Read(L"Public", *out, &value)) set(u"PUBLIC", value);
  for (const auto& [native, x86, plain, of_x86, of_64] :
       {std::tuple{L"ProgramFilesDir", L"ProgramFilesDir (x86)", u"ProgramFiles", u"ProgramFiles(x86)",
                   u"ProgramW6432"},
        std::tuple{L"CommonFilesDir", L"CommonFilesDir (x86)", u"CommonProgramFiles",
                   u"CommonProgramFiles(x86)", u"CommonProgramW6432"}}) {
    const bool both = registry.version.Read(x86, *out, &value);
    if (both) set(of_x86, value);
    if (!registry.version.Read(native, *out, &value)) continue;
    // A 64-bit program's own are those of 64 bits (dlls/ntdll/env.c).
    if (both) set(of_64, value);
    set(plain, value);
  }
  if (registry.computer.Read(L"ComputerName", *out, &value)) set(u"COMPUTERNAME", value);
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
  static RegistryPart registry;
  const std::lock_guard lock(registry.mutex);
  registry.Refresh();
  AddRegistry(registry, &out);
  out.Remove(u"PATH");
  if (path) out.Set(u"PATH", *path);
  AddRegistry(registry, &out);
  return out;
}

}  // namespace plume::agent
