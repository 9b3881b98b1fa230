#include "agent/win/desktop.h"

#include <shlobj.h>
#include <shobjidl.h>
#include <windows.h>

#include <algorithm>
#include <mutex>

#include "agent/text.h"
#include "agent/win/machine.h"
#include "integrate/icon.h"
#include "os/file.h"
#include "view/path.h"

namespace plume::agent {
namespace {

constexpr REGSAM kRead = KEY_READ | KEY_WOW64_64KEY, kWrite = KEY_READ | KEY_WRITE | KEY_WOW64_64KEY;

// "HKLM\\Software\\X" -> the root and "Software\\X".
std::pair<HKEY, std::u16string> SplitRoot(const std::u16string& key) {
  const size_t slash = std::min(key.find(u'\\'), key.size());
  return {key.starts_with(u"HKLM") ? HKEY_LOCAL_MACHINE : HKEY_CURRENT_USER,
          key.substr(std::min(slash + 1, key.size()))};
}

class Key {
 public:
  Key(const std::pair<HKEY, std::u16string>& at, REGSAM access, bool make = false)
      : Key(at.first, at.second, access, make) {}
  Key(HKEY root, const std::u16string& path, REGSAM access, bool make = false) {
    if (make)
      error_ = RegCreateKeyExW(root, Wide(path).c_str(), 0, nullptr, 0, access, nullptr, &key_, nullptr);
    else
      error_ = RegOpenKeyExW(root, Wide(path).c_str(), 0, access, &key_);
  }
  ~Key() {
    if (key_ != nullptr) RegCloseKey(key_);
  }
  Key(const Key&) = delete;
  Key& operator=(const Key&) = delete;
  explicit operator bool() const { return error_ == ERROR_SUCCESS; }
  LSTATUS error() const { return error_; }
  HKEY get() const { return key_; }

  std::optional<std::u16string> Text(const std::u16string& name, DWORD* type = nullptr) const {
    DWORD kind = 0, bytes = 0;
    if (key_ == nullptr ||
        RegQueryValueExW(key_, Wide(name).c_str(), nullptr, &kind, nullptr, &bytes) != ERROR_SUCCESS)
      return std::nullopt;
    if (type != nullptr) *type = kind;
    if (kind != REG_SZ && kind != REG_EXPAND_SZ) return std::u16string();
    std::wstring out(bytes / 2 + 1, L'\0');
    bytes = static_cast<DWORD>(out.size() * 2);
    if (RegQueryValueExW(key_, Wide(name).c_str(), nullptr, &kind, reinterpret_cast<BYTE*>(out.data()),
                         &bytes) != ERROR_SUCCESS)
      return std::nullopt;
    out.resize(std::min(out.find(L'\0'), out.size()));
    return FromWide(out);
  }

 private:
  HKEY key_ = nullptr;
  LSTATUS error_ = ERROR_SUCCESS;
};

LSTATUS SetText(HKEY key, const std::u16string& name, DWORD type, const std::u16string& text) {
  const std::wstring wide = Wide(text);
  return RegSetValueExW(key, Wide(name).c_str(), 0, type, reinterpret_cast<const BYTE*>(wide.c_str()),
                        static_cast<DWORD>((wide.size() + 1) * sizeof(wchar_t)));
}

// Of a class: the user's own, else the machine's. (Not through HKEY_CLASSES_ROOT: Wine 8 shows there only the
// latter.)
std::optional<std::u16string> FindClassText(const std::u16string& key, const std::u16string& name) {
  for (const HKEY root : {HKEY_CURRENT_USER, HKEY_LOCAL_MACHINE})
    if (auto text = Key(root, u"Software\\Classes\\" + key, kRead).Text(name)) return text;
  return std::nullopt;
}
std::u16string ClassText(const std::u16string& key, const std::u16string& name) {
  return FindClassText(key, name).value_or(u"");
}
bool ClassExists(const std::u16string& key) {
  return Key(HKEY_CURRENT_USER, u"Software\\Classes\\" + key, kRead) ||
         Key(HKEY_LOCAL_MACHINE, u"Software\\Classes\\" + key, kRead);
}

std::u16string KnownFolder(REFKNOWNFOLDERID id) {
  PWSTR path = nullptr;
  std::u16string out;
  if (SUCCEEDED(SHGetKnownFolderPath(id, 0, nullptr, &path))) out = FromWide(path);
  CoTaskMemFree(path);
  return out;
}

template <typename T>
struct Com {
  T* p = nullptr;
  ~Com() {
    if (p != nullptr) p->Release();
  }
  T* operator->() const { return p; }
  void** out() { return reinterpret_cast<void**>(&p); }
};

struct Apartment {
  Apartment() : entered(SUCCEEDED(CoInitializeEx(nullptr, COINIT_APARTMENTTHREADED))) {}
  ~Apartment() {
    if (entered) CoUninitialize();
  }
  bool entered;
};

// Wine would make menu entries of its own for what we tell the shell, which know nothing of Plume and outlive
// it. One at a time: the environment is the whole process's.
class NoMenuBuilder {
 public:
  NoMenuBuilder() : lock_(Mutex()) {
    if (!RunningOnWine()) return;
    had_ = GetEnvironmentVariableW(kName, before_, kUnits);
    SetEnvironmentVariableW(kName, L"winemenubuilder.exe=d");
  }
  ~NoMenuBuilder() {
    if (RunningOnWine()) SetEnvironmentVariableW(kName, had_ > 0 && had_ < kUnits ? before_ : nullptr);
  }

 private:
  static constexpr wchar_t kName[] = L"WINEDLLOVERRIDES";
  static constexpr DWORD kUnits = 1024;
  static std::mutex& Mutex() {
    static std::mutex mutex;
    return mutex;
  }
  const std::lock_guard<std::mutex> lock_;
  wchar_t before_[kUnits] = {};
  DWORD had_ = 0;
};

struct Library {
  explicit Library(const std::u16string& file)
      : module(LoadLibraryExW(Wide(file).c_str(), nullptr,
                              LOAD_LIBRARY_AS_DATAFILE | LOAD_LIBRARY_AS_IMAGE_RESOURCE)) {}
  ~Library() {
    if (module != nullptr) FreeLibrary(module);
  }
  std::span<const uint8_t> Resource(LPCWSTR type, LPCWSTR name) const {
    const HRSRC found = FindResourceW(module, name, type);
    if (found == nullptr) return {};
    const HGLOBAL loaded = LoadResource(module, found);
    const void* bytes = loaded == nullptr ? nullptr : LockResource(loaded);
    if (bytes == nullptr) return {};
    return {static_cast<const uint8_t*>(bytes), SizeofResource(module, found)};
  }
  HMODULE module;
};

// The n-th group of icons.
struct Search {
  int left;
  std::vector<uint8_t> group;
  const Library* library;
};
BOOL CALLBACK OnGroup(HMODULE, LPCWSTR type, LPWSTR name, LONG_PTR data) {
  auto* search = reinterpret_cast<Search*>(data);
  if (search->left-- > 0) return TRUE;
  const auto bytes = search->library->Resource(type, name);
  search->group.assign(bytes.begin(), bytes.end());
  return FALSE;
}

}  // namespace

std::optional<std::u16string> ReadKeyText(const std::u16string& key, const std::u16string& name) {
  return Key(SplitRoot(key), kRead).Text(name);
}

Status WriteKeyText(const std::u16string& key, const std::u16string& name, const std::u16string& text) {
  const Key made(SplitRoot(key), kWrite, true);
  LSTATUS error = made.error();
  if (error == ERROR_SUCCESS) error = SetText(made.get(), name, REG_SZ, text);
  if (error != ERROR_SUCCESS)
    return WindowsError("writing the registry key " + ToUtf8(key), static_cast<DWORD>(error));
  return Ok();
}

void RemoveKeyValue(const std::u16string& key, const std::u16string& name) {
  const Key open(SplitRoot(key), kWrite);
  if (open) RegDeleteValueW(open.get(), Wide(name).c_str());
}

bool KeyExists(const std::u16string& key) { return static_cast<bool>(Key(SplitRoot(key), kRead)); }

void RemoveKeyIfEmpty(const std::u16string& key) {
  {
    const Key open(SplitRoot(key), kRead);
    DWORD keys = 1, values = 1;
    if (!open ||
        RegQueryInfoKeyW(open.get(), nullptr, nullptr, nullptr, &keys, nullptr, nullptr, &values, nullptr,
                         nullptr, nullptr, nullptr) != ERROR_SUCCESS ||
        keys != 0 || values != 0)
      return;
  }
  const auto [root, path] = SplitRoot(key);
  RegDeleteKeyExW(root, Wide(path).c_str(), KEY_WOW64_64KEY, 0);
}

bool ShellSeesUserClasses() {
  static constexpr std::u16string_view kProbe = u"Plume.probe";
  const std::u16string path = u"Software\\Classes\\" + std::u16string(kProbe);
  const bool had_classes = static_cast<bool>(Key(HKEY_CURRENT_USER, u"Software\\Classes", kRead));
  if (!Key(HKEY_CURRENT_USER, path, kWrite, true)) return true;
  const bool sees = static_cast<bool>(Key(HKEY_CLASSES_ROOT, std::u16string(kProbe), kRead));
  RemoveKeyIfEmpty(u"HKCU\\" + path);
  if (!had_classes) RemoveKeyIfEmpty(u"HKCU\\Software\\Classes");
  return sees;
}

integrate::Machine ClientMachine() {
  integrate::Machine m;
  m.type_owner = [](std::u16string_view extension) {
    const std::u16string cls = ClassText(std::u16string(extension), u"");
    // A class that is not there opens nothing.
    return cls.empty() || !ClassExists(cls) ? std::u16string() : cls;
  };
  m.protocol_owner = [](std::u16string_view scheme) {
    const std::u16string key(scheme);
    if (!FindClassText(key, u"URL Protocol")) return std::u16string();
    if (const std::u16string app = ClassText(key, u"Plume"); !app.empty()) return app;
    const std::u16string command = ClassText(key + u"\\shell\\open\\command", u"");
    return command.empty() ? std::u16string(u"this machine") : command;
  };
  m.app_path_owner = [](std::u16string_view name) {
    const std::u16string key =
        u"Software\\Microsoft\\Windows\\CurrentVersion\\App Paths\\" + std::u16string(name);
    for (const HKEY root : {HKEY_CURRENT_USER, HKEY_LOCAL_MACHINE})
      if (const auto text = Key(root, key, kRead).Text(u""); text && !text->empty()) return *text;
    return std::u16string();
  };
  return m;
}

std::u16string StartMenuPrograms() { return KnownFolder(FOLDERID_Programs); }
std::u16string DesktopFolder() { return KnownFolder(FOLDERID_Desktop); }

Status WriteShortcut(const ShortcutFile& s) {
  const Apartment apartment;
  Com<IShellLinkW> link;
  Com<IPersistFile> file;
  HRESULT result =
      CoCreateInstance(CLSID_ShellLink, nullptr, CLSCTX_INPROC_SERVER, IID_IShellLinkW, link.out());
  if (SUCCEEDED(result)) result = link->SetPath(Wide(s.target).c_str());
  if (SUCCEEDED(result)) result = link->SetArguments(Wide(s.arguments).c_str());
  if (SUCCEEDED(result) && !s.icon.empty()) result = link->SetIconLocation(Wide(s.icon).c_str(), 0);
  if (SUCCEEDED(result)) result = link->SetDescription(Wide(s.description).c_str());
  if (SUCCEEDED(result)) result = link->QueryInterface(IID_IPersistFile, file.out());
  if (SUCCEEDED(result)) {
    const NoMenuBuilder quiet;
    result = file->Save(Wide(s.file).c_str(), TRUE);
  }
  if (FAILED(result))
    return WindowsError("writing the shortcut " + ToUtf8(s.file), static_cast<DWORD>(result));
  return Ok();
}

std::vector<uint8_t> ReadIcon(const std::u16string& real_file, int index) {
  static constexpr std::u16string_view kIco = u".ico";
  if (real_file.size() > kIco.size() &&
      view::EqualFolded(std::u16string_view(real_file).substr(real_file.size() - kIco.size()), kIco)) {
    auto bytes = os::ReadFile(os::SystemFiles(), HostPath(real_file), 16u << 20);
    return bytes.ok() ? std::vector<uint8_t>(bytes->begin(), bytes->end()) : std::vector<uint8_t>();
  }
  const Library library(real_file);
  if (library.module == nullptr) return {};
  Search search{index, {}, &library};
  if (index < 0) {
    const auto bytes = library.Resource(RT_GROUP_ICON, MAKEINTRESOURCEW(-index));
    search.group.assign(bytes.begin(), bytes.end());
  } else {
    EnumResourceNamesW(library.module, RT_GROUP_ICON, OnGroup, reinterpret_cast<LONG_PTR>(&search));
  }
  return integrate::MakeIconFile(
      search.group, [&](uint16_t id) { return library.Resource(RT_ICON, MAKEINTRESOURCEW(id)); });
}

Status SetInSearchPath(const std::u16string& folder, bool present) {
  const Key key(HKEY_CURRENT_USER, u"Environment", kWrite, true);
  DWORD type = REG_EXPAND_SZ;
  const auto before = key.Text(u"Path", &type);
  const std::u16string text = before.value_or(u"");
  if (before && type != REG_SZ && type != REG_EXPAND_SZ)
    return Error{Errc::kInvalid,
                 "adding commands to the search path failed: HKCU\\Environment\\Path is no text (mend it)"};
  std::u16string out;
  bool found = false;
  for (size_t at = 0; at < text.size();) {
    const size_t end = std::min(text.find(u';', at), text.size());
    const std::u16string item = text.substr(at, end - at);
    at = end + 1;
    if (view::EqualFolded(item, folder)) {
      found = true;
      if (!present) continue;
    }
    if (!out.empty()) out += u';';
    out += item;
  }
  if (found == present) return Ok();
  if (present) out += (out.empty() ? u"" : u";") + folder;
  // A value that only we made goes again.
  const LSTATUS error =
      out.empty() && !present ? RegDeleteValueW(key.get(), L"Path") : SetText(key.get(), u"Path", type, out);
  if (error != ERROR_SUCCESS)
    return WindowsError("adding commands to the search path", static_cast<DWORD>(error));
  return Ok();
}

void AnnounceDesktopChange() {
  const NoMenuBuilder quiet;
  SHChangeNotify(SHCNE_ASSOCCHANGED, SHCNF_IDLIST, nullptr, nullptr);
  DWORD_PTR ignored = 0;
  SendMessageTimeoutW(HWND_BROADCAST, WM_SETTINGCHANGE, 0, reinterpret_cast<LPARAM>(L"Environment"),
                      SMTO_ABORTIFHUNG, 200, &ignored);
}

}  // namespace plume::agent
