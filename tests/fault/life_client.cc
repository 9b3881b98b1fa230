// Speaks to the agent for test_life_cycle.py and test_churn.sh: one process for thousands of commands.
//
// One command a line on standard input, one line of JSON as the answer:
//   VERB {ARGS}          a verb of the control API; {"ok":...} or {"error":...,"code":...}
//   digest VM            everything the VM has: files, times, registry, index, as one number; "none" if there
//   is no such VM host FOLDER KEY      the same of a folder and a key (below HKCU) of the host put FOLDER KEY
//   SEED  makes that folder and key what SEED says, whatever they were
#include <windows.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <iostream>
#include <sstream>

#include "agent/text.h"
#include "agent/win/client.h"
#include "agent/win/machine.h"
#include "os/file.h"

namespace {

using plume::agent::Json;
namespace os = plume::os;

// FNV-1a over text that says everything.
class Digest {
 public:
  void Add(const std::string& text) {
    for (const char c : text) h_ = (h_ ^ static_cast<uint8_t>(c)) * 0x100000001b3u;
    h_ = (h_ ^ 0xff) * 0x100000001b3u;
  }
  std::string Text() const {
    std::ostringstream out;
    out << std::hex << h_;
    return out.str();
  }

 private:
  uint64_t h_ = 0xcbf29ce484222325;
};

void AddFolder(Digest& digest, const os::Path& folder) {
  auto entries = os::SystemFiles().List(folder);
  if (!entries.ok()) return digest.Add("(no folder)");
  std::sort(entries->begin(), entries->end(), [](const auto& a, const auto& b) { return a.name < b.name; });
  for (const os::DirectoryEntry& e : *entries) {
    digest.Add(os::Utf8(e.name));
    if (e.info.directory) {
      AddFolder(digest, folder / e.name);
      digest.Add("/");
      continue;
    }
    const auto bytes = os::ReadFile(os::SystemFiles(), folder / e.name);
    digest.Add(bytes.ok() ? std::string(bytes->begin(), bytes->end()) : "(unreadable)");
    digest.Add(std::to_string(e.info.times.modified) + " " + std::to_string(e.info.attributes));
  }
}

void AddKey(Digest& digest, const std::wstring& path) {
  HKEY key = nullptr;
  if (RegOpenKeyExW(HKEY_CURRENT_USER, path.c_str(), 0, KEY_READ | KEY_WOW64_64KEY, &key) != ERROR_SUCCESS)
    return digest.Add("(no key)");
  std::vector<std::string> values;
  std::vector<std::wstring> subkeys;
  wchar_t name[16384];
  for (DWORD i = 0;; ++i) {
    DWORD units = 16384, type = 0, size = 0;
    if (RegEnumValueW(key, i, name, &units, nullptr, &type, nullptr, &size) != ERROR_SUCCESS) break;
    std::string data(size, 0);
    RegQueryValueExW(key, name, nullptr, &type, reinterpret_cast<BYTE*>(data.data()), &size);
    values.push_back(plume::ToUtf8(plume::agent::FromWide(name)) + "=" + std::to_string(type) + ":" + data);
  }
  for (DWORD i = 0;; ++i) {
    DWORD units = 16384;
    if (RegEnumKeyExW(key, i, name, &units, nullptr, nullptr, nullptr, nullptr) != ERROR_SUCCESS) break;
    subkeys.emplace_back(name, units);
  }
  RegCloseKey(key);
  std::sort(values.begin(), values.end());
  std::sort(subkeys.begin(), subkeys.end());
  for (const std::string& v : values) digest.Add(v);
  for (const std::wstring& s : subkeys) {
    digest.Add(plume::ToUtf8(plume::agent::FromWide(s)));
    AddKey(digest, path + L"\\" + s);
    digest.Add("/");
  }
}

Json Ask(plume::agent::Client& client, const std::string& verb, const Json& args) {
  auto answer = client.Call(verb, args);
  if (answer.ok()) return Json{{"ok", *answer}};
  return Json{{"error", answer.error().message}, {"code", plume::agent::ErrcName(answer.error().code)}};
}

Json DigestOf(plume::agent::Client& client, const std::string& vm) {
  const Json where = Ask(client, "vm.workspace", {{"name", vm}});
  if (where.contains("error")) return where["code"] == "not-found" ? Json{{"ok", "none"}} : where;
  const Json diff = Ask(client, "vm.diff", {{"name", vm}});
  if (diff.contains("error")) return diff;
  Digest digest;
  const std::u16string key = plume::agent::ToUtf16(where["ok"]["key"].get<std::string>());
  AddFolder(digest, plume::agent::HostPath(plume::agent::ToUtf16(where["ok"]["upper"].get<std::string>())));
  for (const wchar_t* root : {L"\\M", L"\\U"}) AddKey(digest, plume::agent::Wide(key) + root);
  digest.Add(diff["ok"].dump());
  std::vector<std::string> deleted = where["ok"]["deleted"];
  std::sort(deleted.begin(), deleted.end());
  for (const std::string& path : deleted) digest.Add(path);
  return Json{{"ok", digest.Text()}};
}

Json Put(const std::wstring& folder, const std::wstring& key, const std::string& seed) {
  namespace fs = std::filesystem;
  std::error_code error;
  fs::remove_all(folder, error);
  RegDeleteTreeW(HKEY_CURRENT_USER, key.c_str());
  for (int i = 0; i < 24; ++i) {
    const fs::path file =
        fs::path(folder) / ("d" + std::to_string(i % 5)) / ("f" + std::to_string(i) + ".txt");
    fs::create_directories(file.parent_path(), error);
    const std::string text = seed + " " + std::to_string(i) + std::string(static_cast<size_t>(i) * 700, 'x');
    if (!os::WriteAtomic(os::SystemFiles(), file, text).ok())
      return Json{{"error", "cannot write"}, {"code", "internal"}};
    // The same every time: what a VM copied once it may go on knowing.
    (void)os::SystemFiles().SetTimes(file, {0, 132000000000000000 + i * 10000000ll, 132000000000000000});
  }
  for (int i = 0; i < 12; ++i) {
    HKEY made = nullptr;
    RegCreateKeyExW(HKEY_CURRENT_USER,
                    (key + L"\\k" + std::to_wstring(i % 4) + L"\\s" + std::to_wstring(i)).c_str(), 0, nullptr,
                    0, KEY_ALL_ACCESS, nullptr, &made, nullptr);
    const std::string data = seed + std::to_string(i);
    RegSetValueExA(made, "value", 0, REG_SZ, reinterpret_cast<const BYTE*>(data.c_str()),
                   static_cast<DWORD>(data.size() + 1));
    RegCloseKey(made);
  }
  return Json{{"ok", true}};
}

}  // namespace

int main() {
  const auto state = plume::agent::FindState();
  if (!state.ok()) return 1;
  plume::agent::Client client(*state);
  for (std::string line; std::getline(std::cin, line);) {
    if (!line.empty() && line.back() == '\r') line.pop_back();
    std::istringstream words(line);
    std::string verb, a, b, c;
    words >> verb;
    Json answer;
    if (verb == "digest" && words >> a) {
      answer = DigestOf(client, a);
    } else if (verb == "host" && words >> a >> b) {
      Digest digest;
      AddFolder(digest, plume::agent::HostPath(plume::agent::ToUtf16(a)));
      AddKey(digest, plume::agent::Wide(plume::agent::ToUtf16(b)));
      answer = Json{{"ok", digest.Text()}};
    } else if (verb == "put" && words >> a >> b >> c) {
      answer =
          Put(plume::agent::Wide(plume::agent::ToUtf16(a)), plume::agent::Wide(plume::agent::ToUtf16(b)), c);
    } else {
      std::string rest;
      std::getline(words, rest);
      const Json args = Json::parse(rest.empty() ? "{}" : rest, nullptr, false);
      answer =
          args.is_object() ? Ask(client, verb, args) : Json{{"error", "not understood"}, {"code", "invalid"}};
    }
    std::cout << answer.dump(-1, ' ', false, Json::error_handler_t::replace) << std::endl;
  }
}
