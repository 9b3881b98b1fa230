#include "agent/win/machine.h"

// windows.h must be first.
// clang-format off
#include <windows.h>
#include <sddl.h>
#include <shlobj.h>
// clang-format on

#include "agent/text.h"
#include "agent/win/handle.h"

namespace plume::agent {
namespace {

template <typename F>
F FindExport(const wchar_t* module, const char* name) {
  return reinterpret_cast<F>(reinterpret_cast<void*>(GetProcAddress(GetModuleHandleW(module), name)));
}

std::u16string EnvironmentVariable(const wchar_t* name) {
  std::wstring out(32768, 0);
  out.resize(GetEnvironmentVariableW(name, out.data(), static_cast<DWORD>(out.size())));
  return FromWide(out);
}

std::u16string KnownFolder(const KNOWNFOLDERID& id) {
  PWSTR path = nullptr;
  std::u16string out;
  if (SUCCEEDED(SHGetKnownFolderPath(id, KF_FLAG_DONT_VERIFY, nullptr, &path)) && path != nullptr)
    out = FromWide(path);
  CoTaskMemFree(path);
  auto clean = CleanPath(out);
  return clean.ok() ? *clean : std::u16string();
}

std::u16string LongPath(std::u16string_view path) {
  std::wstring out(32768, 0);
  const DWORD n = GetLongPathNameW(Wide(path).c_str(), out.data(), static_cast<DWORD>(out.size()));
  if (n == 0 || n >= out.size()) return std::u16string(path);
  out.resize(n);
  return FromWide(out);
}

Result<std::u16string> UserSid() {
  HANDLE raw = nullptr;
  if (!OpenProcessToken(GetCurrentProcess(), TOKEN_QUERY, &raw))
    return WindowsError("finding the current user", GetLastError());
  const Handle token(raw);
  alignas(TOKEN_USER) char buffer[512];
  DWORD size = 0;
  if (!GetTokenInformation(token.get(), TokenUser, buffer, sizeof(buffer), &size))
    return WindowsError("finding the current user", GetLastError());
  LPWSTR text = nullptr;
  if (!ConvertSidToStringSidW(reinterpret_cast<TOKEN_USER*>(buffer)->User.Sid, &text))
    return WindowsError("finding the current user", GetLastError());
  std::u16string out = FromWide(text);
  LocalFree(text);
  return out;
}

// The Unix name of a DOS path under Wine, else nothing.
std::optional<std::string> UnixName(std::u16string_view dos) {
  using Convert = char*(__cdecl*)(const wchar_t*);
  const auto convert = FindExport<Convert>(L"kernel32.dll", "wine_get_unix_file_name");
  if (convert == nullptr) return std::nullopt;
  char* name = convert(Wide(dos).c_str());
  if (name == nullptr) return std::nullopt;
  std::string out(name);
  HeapFree(GetProcessHeap(), 0, name);
  return out;
}

std::optional<std::u16string> DosName(const std::string& unix_path) {
  using Convert = wchar_t*(__cdecl*)(const char*);
  const auto convert = FindExport<Convert>(L"kernel32.dll", "wine_get_dos_file_name");
  if (convert == nullptr) return std::nullopt;
  wchar_t* name = convert(unix_path.c_str());
  if (name == nullptr) return std::nullopt;
  std::u16string out = FromWide(name);
  HeapFree(GetProcessHeap(), 0, name);
  return out;
}

// What is below Services that a VM may see (service_parts.h).
std::vector<SystemService> ServicesForVms() {
  std::vector<SystemService> out;
  HKEY all = nullptr;
  if (RegOpenKeyExW(HKEY_LOCAL_MACHINE, L"System\\CurrentControlSet\\Services", 0, KEY_READ, &all) != 0)
    return out;
  wchar_t name[256];
  for (DWORD i = 0, size = 256; RegEnumKeyExW(all, i, name, &size, nullptr, nullptr, nullptr, nullptr) == 0;
       ++i, size = 256) {
    const auto number = [&](const wchar_t* value) {
      DWORD data = 0, bytes = sizeof(data);
      (void)RegGetValueW(all, name, value, RRF_RT_REG_DWORD, nullptr, &data, &bytes);
      return data;
    };
    const DWORD type = number(L"Type");
    if (!MayRunTwice(type, number(L"Start"))) continue;
    SystemService service{FromWide(std::wstring_view(name, size)), u""};
    std::wstring command(32768, 0);
    DWORD bytes = static_cast<DWORD>(command.size() * sizeof(wchar_t));
    // With its variables replaced, as the service manager starts it.
    if (type != 0 &&
        RegGetValueW(all, name, L"ImagePath", RRF_RT_REG_SZ, nullptr, command.data(), &bytes) == 0)
      service.command = FromWide(std::wstring_view(command.c_str()));
    out.push_back(std::move(service));
  }
  RegCloseKey(all);
  return out;
}

}  // namespace

Error WindowsError(const std::string& what, DWORD code, const std::string& remedy) {
  Errc errc = Errc::kInternal;
  switch (code) {
    case ERROR_FILE_NOT_FOUND:
    case ERROR_PATH_NOT_FOUND:
      errc = Errc::kNotFound;
      break;
    case ERROR_ALREADY_EXISTS:
    case ERROR_FILE_EXISTS:
      errc = Errc::kExists;
      break;
    case ERROR_ACCESS_DENIED:
      errc = Errc::kDenied;
      break;
    case ERROR_SHARING_VIOLATION:
    case ERROR_PIPE_BUSY:
      errc = Errc::kBusy;
      break;
    case ERROR_DISK_FULL:
    case ERROR_HANDLE_DISK_FULL:
      errc = Errc::kNoSpace;
      break;
    case ERROR_INVALID_NAME:
    case ERROR_BAD_EXE_FORMAT:
    case ERROR_DIRECTORY:
      errc = Errc::kInvalid;
      break;
    default:
      break;
  }
  wchar_t text[512] = {};
  DWORD n = FormatMessageW(FORMAT_MESSAGE_FROM_SYSTEM | FORMAT_MESSAGE_IGNORE_INSERTS, nullptr, code, 0, text,
                           511, nullptr);
  while (n > 0 &&
         (text[n - 1] == L'\n' || text[n - 1] == L'\r' || text[n - 1] == L'.' || text[n - 1] == L' '))
    text[--n] = 0;
  std::string message =
      what + " failed: " + (n ? ToUtf8(FromWide(text)) : "system error") + " [" + std::to_string(code) + "]";
  if (!remedy.empty()) message += " (" + remedy + ")";
  return Error{errc, message};
}

bool RunningOnWine() { return GetProcAddress(GetModuleHandleW(L"ntdll.dll"), "wine_get_version") != nullptr; }

std::string SystemVersionText() {
  using GetVersion = LONG(WINAPI*)(OSVERSIONINFOW*);
  OSVERSIONINFOW info = {};
  info.dwOSVersionInfoSize = sizeof(info);
  if (const auto get = FindExport<GetVersion>(L"ntdll.dll", "RtlGetVersion")) get(&info);
  const std::string windows = "Windows " + std::to_string(info.dwMajorVersion) + "." +
                              std::to_string(info.dwMinorVersion) + "." + std::to_string(info.dwBuildNumber);
  using WineVersion = const char*(__cdecl*)();
  const auto wine = FindExport<WineVersion>(L"ntdll.dll", "wine_get_version");
  return wine ? std::string("Wine ") + wine() + " as " + windows : windows;
}

Result<std::u16string> DosPath(std::string_view user_text) {
  std::string text(user_text);
  if (text.empty()) return Error{Errc::kInvalid, "reading a path failed: it is empty"};
  if (text[0] == '/' && RunningOnWine()) {
    const auto dos = DosName(text);
    if (!dos) {
      return Error{Errc::kInvalid,
                   "reading the path '" + text +
                       "' failed: no drive of the Wine prefix leads there (give it as Z:\\...)"};
    }
    return CleanPath(*dos);
  }
  const std::wstring wide = Wide(ToUtf16(text));
  std::wstring full(32768, 0);
  const DWORD n = GetFullPathNameW(wide.c_str(), static_cast<DWORD>(full.size()), full.data(), nullptr);
  if (n == 0 || n >= full.size()) return WindowsError("reading the path '" + text + "'", GetLastError());
  full.resize(n);
  return CleanPath(FromWide(full));
}

Result<std::string> RepositoryText(std::string_view user_text) {
  for (const std::string_view prefix : {std::string_view("oci:"), std::string_view("share:")}) {
    if (user_text.substr(0, prefix.size()) != prefix) continue;
    const std::string_view rest = user_text.substr(prefix.size());
    if (rest.empty()) {
      return Error{Errc::kInvalid, "reading '" + std::string(user_text) +
                                       "' failed: it names no folder (write it like oci:/srv/images)"};
    }
    if (rest.substr(0, 2) == "\\\\") return std::string(user_text);  // a UNC share
    ASSIGN(const std::u16string path, DosPath(rest));
    return std::string(prefix) + ToUtf8(path);
  }
  return std::string(user_text);
}

Result<StatePaths> UsualState() {
  std::u16string home;
  {
    // The variable first: asking the shell loads a dozen DLLs into a command that lives for milliseconds.
    std::u16string local = EnvironmentVariable(L"LOCALAPPDATA");
    if (local.empty()) local = KnownFolder(FOLDERID_LocalAppData);
    if (local.empty()) {
      return Error{Errc::kInternal,
                   "finding the state folder failed: this user has no local application data folder "
                   "(set PLUME_HOME to a folder of your own)"};
    }
    home = local + u"\\Plume";
  }
  ASSIGN(const std::u16string path, DosPath(ToUtf8(home)));
  return StatePaths(LongPath(path));
}

Result<StatePaths> FindState(const std::string& chosen) {
  const std::string home = chosen.empty() ? ToUtf8(EnvironmentVariable(L"PLUME_HOME")) : chosen;
  if (home.empty()) return UsualState();
  ASSIGN(std::u16string path, DosPath(home));
  if (path.size() < 4) {
    return Error{Errc::kInvalid, "finding the state folder failed: '" + home +
                                     "' is the root of a drive (set PLUME_HOME to a folder below it)"};
  }
  return StatePaths(LongPath(path));
}

std::u16string ProgramFolder() {
  std::wstring path(32768, 0);
  path.resize(GetModuleFileNameW(nullptr, path.data(), static_cast<DWORD>(path.size())));
  path.resize(path.find_last_of(L'\\'));
  return FromWide(path);
}

std::u16string ObjectsDirectory() {
  DWORD session = 0;
  if (!ProcessIdToSessionId(GetCurrentProcessId(), &session) || session == 0) return u"\\BaseNamedObjects";
  return u"\\Sessions\\" + ToUtf16(std::to_string(session)) + u"\\BaseNamedObjects";
}

Result<MachineFacts> GatherFacts(const StatePaths& state) {
  MachineFacts f;
  f.state_root = state.root();
  ASSIGN(f.user_sid, UserSid());
  wchar_t windows[MAX_PATH + 1] = {};
  GetSystemWindowsDirectoryW(windows, MAX_PATH);
  ASSIGN(f.system_root, CleanPath(FromWide(windows)));
  f.profile = KnownFolder(FOLDERID_Profile);
  f.roaming = KnownFolder(FOLDERID_RoamingAppData);
  f.local = KnownFolder(FOLDERID_LocalAppData);
  f.local_low = KnownFolder(FOLDERID_LocalAppDataLow);
  f.program_data = KnownFolder(FOLDERID_ProgramData);
  f.public_folder = KnownFolder(FOLDERID_Public);
  std::wstring temp(32768, 0);
  temp.resize(GetTempPathW(static_cast<DWORD>(temp.size()), temp.data()));
  if (auto clean = CleanPath(LongPath(FromWide(temp))); clean.ok()) f.temp = *clean;
  for (const wchar_t* name : {L"ProgramW6432", L"ProgramFiles", L"ProgramFiles(x86)"}) {
    auto folder = CleanPath(EnvironmentVariable(name));
    if (folder.ok() && (f.program_folders.empty() || f.program_folders.front() != *folder))
      f.program_folders.push_back(*folder);
  }
  if (f.profile.empty()) {
    return Error{Errc::kInternal, "finding the user's profile folder failed: the system names none"};
  }
  f.is_wine = RunningOnWine();
  if (f.is_wine) {
    f.services = ServicesForVms();
    // The same folder is reachable through every drive that maps a Unix folder above it.
    if (const auto unix_name = UnixName(state.root())) {
      const DWORD drives = GetLogicalDrives();
      for (char16_t letter = u'A'; letter <= u'Z'; ++letter) {
        if ((drives & (1u << (letter - u'A'))) == 0 || letter == state.root()[0]) continue;
        const auto drive = UnixName(std::u16string{letter, u':', u'\\'});
        if (!drive) continue;
        std::string base = *drive;
        while (!base.empty() && base.back() == '/') base.pop_back();
        // "Z:" may be given as /dosdevices/z:/..; compare real locations.
        if (unix_name->compare(0, base.size() + 1, base + "/") != 0) continue;
        auto alias = CleanPath(std::u16string{letter, u':', u'\\'} + ToUtf16(unix_name->substr(base.size())));
        if (alias.ok()) f.state_aliases.push_back(*alias);
      }
    }
  }
  return f;
}

std::vector<std::pair<std::u16string, std::u16string>> ImageVariables(const MachineFacts& facts) {
  return {{u"PROFILE", facts.profile},        {u"USERPROFILE", facts.profile},
          {u"APPDATA", facts.roaming},        {u"LOCALAPPDATA", facts.local},
          {u"SystemRoot", facts.system_root}, {u"ProgramData", facts.program_data}};
}

std::vector<std::pair<std::string, std::u16string>> ImageMeanings(const MachineFacts& facts) {
  std::wstring user(257, 0), computer(257, 0), guid(64, 0);
  DWORD size = static_cast<DWORD>(user.size());
  user.resize(GetUserNameW(user.data(), &size) && size > 0 ? size - 1 : 0);
  size = static_cast<DWORD>(computer.size());
  computer.resize(GetComputerNameW(computer.data(), &size) ? size : 0);
  size = static_cast<DWORD>(guid.size() * sizeof(wchar_t));
  if (RegGetValueW(HKEY_LOCAL_MACHINE, L"Software\\Microsoft\\Cryptography", L"MachineGuid",
                   RRF_RT_REG_SZ | RRF_SUBKEY_WOW6464KEY, nullptr, guid.data(), &size) != ERROR_SUCCESS) {
    size = 0;
  }
  guid.resize(wcsnlen(guid.data(), size / sizeof(wchar_t)));
  SYSTEMTIME now;
  GetLocalTime(&now);
  const std::string date = std::to_string(now.wYear * 10000 + now.wMonth * 100 + now.wDay);
  std::u16string slashes = facts.profile;
  std::replace(slashes.begin(), slashes.end(), u'\\', u'/');
  return {{"profile", facts.profile},
          {"profile/", slashes},
          {"temp", facts.temp},
          {"user", FromWide(user)},
          {"computer", FromWide(computer)},
          {"sid", facts.user_sid},
          {"machine-guid", FromWide(guid)},
          {"date", ToUtf16(date)}};
}

}  // namespace plume::agent
