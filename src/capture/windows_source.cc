// The parts of capture that ask Windows: registry trees, short names.
#include <windows.h>

#include <algorithm>

#include "capture/capture.h"
#include "capture/files.h"
#include "capture/text.h"

namespace plume::capture {
namespace {

const wchar_t* Wide(const std::u16string& text) { return reinterpret_cast<const wchar_t*>(text.c_str()); }

std::u16string FromWide(const wchar_t* text, size_t units) {
  return std::u16string(reinterpret_cast<const char16_t*>(text), units);
}

class OpenKey {
 public:
  OpenKey(HKEY root, const std::u16string& path) {
    // The 64-bit view whatever this program is: 32-bit keys are ordinary keys below Wow6432Node.
    if (RegOpenKeyExW(root, Wide(path), 0, KEY_READ | KEY_WOW64_64KEY, &key_) != ERROR_SUCCESS)
      key_ = nullptr;
  }
  OpenKey(const OpenKey&) = delete;
  OpenKey& operator=(const OpenKey&) = delete;
  ~OpenKey() {
    if (key_) RegCloseKey(key_);
  }
  HKEY get() const { return key_; }

 private:
  HKEY key_ = nullptr;
};

bool ReadKey(HKEY root, const std::u16string& path, KeyContent* out) {
  const OpenKey key(root, path);
  if (!key.get()) return false;
  *out = {};
  DWORD longest_subkey = 0, longest_name = 0, largest_data = 0;
  FILETIME written{};
  if (RegQueryInfoKeyW(key.get(), nullptr, nullptr, nullptr, nullptr, &longest_subkey, nullptr, nullptr,
                       &longest_name, &largest_data, nullptr, &written) != ERROR_SUCCESS) {
    return false;
  }
  out->modified = static_cast<int64_t>(uint64_t{written.dwHighDateTime} << 32 | written.dwLowDateTime);
  std::vector<wchar_t> name(std::max<size_t>(longest_subkey, longest_name) + 2);
  for (DWORD i = 0;; ++i) {
    DWORD units = static_cast<DWORD>(name.size());
    const LSTATUS status =
        RegEnumKeyExW(key.get(), i, name.data(), &units, nullptr, nullptr, nullptr, nullptr);
    if (status == ERROR_NO_MORE_ITEMS) break;
    if (status == ERROR_MORE_DATA) {
      name.resize(name.size() * 2);
      --i;
      continue;
    }
    if (status != ERROR_SUCCESS) return false;
    out->subkeys.push_back(FromWide(name.data(), units));
  }
  std::vector<uint8_t> data(size_t{largest_data} + 2);
  for (DWORD i = 0;; ++i) {
    DWORD units = static_cast<DWORD>(name.size()), size = static_cast<DWORD>(data.size()), type = 0;
    const LSTATUS status =
        RegEnumValueW(key.get(), i, name.data(), &units, nullptr, &type, data.data(), &size);
    if (status == ERROR_NO_MORE_ITEMS) break;
    if (status == ERROR_MORE_DATA) {
      name.resize(name.size() * 2);
      data.resize(std::max<size_t>(data.size() * 2, size_t{size} + 2));
      --i;
      continue;
    }
    if (status != ERROR_SUCCESS) return false;
    image::ValueItem value;
    value.name = FromWide(name.data(), units);
    value.type = type;
    value.data.assign(data.begin(), data.begin() + static_cast<ptrdiff_t>(size));
    out->values.push_back(std::move(value));
  }
  return true;
}

// The part of a canonical path after its root: "Software\A" of "M\Software\A".
std::u16string BelowRoot(std::u16string_view path) {
  return std::u16string(path.size() > 2 ? path.substr(2) : std::u16string_view());
}

class UpperKeys : public KeySource {
 public:
  explicit UpperKeys(std::u16string key) : key_(std::move(key)) {}
  bool Read(std::u16string_view path, KeyContent* out) const override {
    return ReadKey(HKEY_CURRENT_USER, Join(key_, path), out);
  }

 private:
  std::u16string key_;
};

class HostKeys : public KeySource {
 public:
  bool Read(std::u16string_view path, KeyContent* out) const override {
    if (path.empty()) return false;
    const bool machine = path[0] == u'M' || path[0] == u'm';
    return ReadKey(machine ? HKEY_LOCAL_MACHINE : HKEY_USERS, BelowRoot(path), out);
  }
};

}  // namespace

std::unique_ptr<KeySource> OpenUpperKeys(const std::u16string& key) {
  return std::make_unique<UpperKeys>(key);
}

std::unique_ptr<KeySource> OpenHostKeys() { return std::make_unique<HostKeys>(); }

std::filesystem::path HostFile(std::u16string_view virtual_path) {
  return std::filesystem::path(std::u16string(virtual_path));
}

std::vector<std::pair<std::u16string, std::u16string>> ShortNames(const std::filesystem::path& directory) {
  std::vector<std::pair<std::u16string, std::u16string>> out;
  std::wstring pattern = std::filesystem::absolute(directory).make_preferred().wstring();
  if (pattern.rfind(L"\\\\", 0) != 0) pattern.insert(0, L"\\\\?\\");
  pattern += L"\\*";
  WIN32_FIND_DATAW found;
  const HANDLE search =
      FindFirstFileExW(pattern.c_str(), FindExInfoStandard, &found, FindExSearchNameMatch, nullptr, 0);
  if (search == INVALID_HANDLE_VALUE) return out;
  do {
    if (found.cAlternateFileName[0] == 0) continue;
    out.emplace_back(FromWide(found.cFileName, wcslen(found.cFileName)),
                     FromWide(found.cAlternateFileName, wcslen(found.cAlternateFileName)));
  } while (FindNextFileW(search, &found));
  FindClose(search);
  return out;
}

}  // namespace plume::capture
