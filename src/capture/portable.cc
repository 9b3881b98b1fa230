#include "capture/portable.h"

#include <algorithm>

#include "base/upcase.h"
#include "base/utf16.h"
#include "base/utf16_bytes.h"
#include "capture/environment.h"
#include "capture/lnk.h"
#include "capture/rules.h"
#include "capture/text.h"
#include "catalog/keys.h"
#include "os/file.h"

namespace plume::capture {
namespace {

using catalog::kRegBinary;
using catalog::kRegExpandSz;
using catalog::kRegMultiSz;
using catalog::kRegSz;

constexpr uint64_t kMaxLnkBytes = 1 << 20;
// Shorter names than this are too likely to be something else.
constexpr size_t kMinWord = 8;

bool IsText(uint32_t type) { return type == kRegSz || type == kRegExpandSz || type == kRegMultiSz; }

std::u16string_view WithoutZeros(std::u16string_view text) {
  while (!text.empty() && text.back() == 0) text.remove_suffix(1);
  return text;
}

// A unit that goes on with a file's name: "C:\users\ann" is not in "C:\users\anna" nor in "C:\users\ann.old".
bool ContinuesName(char16_t c) {
  return (c >= u'0' && c <= u'9') || (c >= u'A' && c <= u'Z') || (c >= u'a' && c <= u'z') || c == u'_' ||
         c == u'-' || c == u'.' || c == u'~' || c >= 0x80;
}

std::u16string WithSlashes(std::u16string text) {
  std::replace(text.begin(), text.end(), u'\\', u'/');
  return text;
}

bool NameSaysPerson(std::u16string_view name) {
  return ContainsFolded(name, u"owner") || ContainsFolded(name, u"user") || ContainsFolded(name, u"person");
}

bool IsDate(std::u16string_view text) {
  return text.size() == 8 &&
         std::all_of(text.begin(), text.end(), [](char16_t c) { return c >= u'0' && c <= u'9'; });
}

// Finds `what`, folded, from `from` on.
size_t FindFolded(std::u16string_view text, std::u16string_view what, size_t from) {
  if (what.empty() || what.size() > text.size()) return text.npos;
  for (size_t i = from; i + what.size() <= text.size(); ++i) {
    if (SameFolded(text.substr(i, what.size()), what)) return i;
  }
  return text.npos;
}

}  // namespace

std::u16string Variables::Token(const char* means) {
  if (std::find(used_.begin(), used_.end(), means) == used_.end()) used_.push_back(means);
  return marker_ + FromUtf8Lossy(means) + u"}";
}

std::vector<image::Variable> Variables::Used() const {
  std::vector<image::Variable> out;
  for (const std::string& means : used_) out.push_back({ToUtf8(marker_) + means + "}", means});
  std::sort(out.begin(), out.end(),
            [](const image::Variable& a, const image::Variable& b) { return a.means < b.means; });
  return out;
}

bool Variables::ReplaceFolder(const std::u16string& folder, const char* means, std::u16string* text) {
  bool found = false;
  for (size_t at = 0; (at = FindFolded(*text, folder, at)) != text->npos;) {
    const size_t end = at + folder.size();
    if ((end < text->size() && ContinuesName((*text)[end])) || (at > 0 && ContinuesName((*text)[at - 1]))) {
      at = end;
      continue;
    }
    const std::u16string token = Token(means);
    text->replace(at, folder.size(), token);
    at += token.size();
    found = true;
  }
  return found;
}

// What lies in the folder for temporary files has a name that was made up and is gone: the folder stands for
// it.
bool Variables::ReplaceTemp(std::u16string* text) {
  bool found = false;
  for (size_t at = 0; (at = FindFolded(*text, machine_.temp, at)) != text->npos;) {
    size_t end = at + machine_.temp.size();
    if (end < text->size() && ContinuesName((*text)[end])) {
      at = end;
      continue;
    }
    end = std::min(text->find_first_of(std::u16string_view(u"\";\0", 3), end), text->size());
    const std::u16string token = Token("temp");
    text->replace(at, end - at, token);
    at += token.size();
    found = true;
  }
  return found;
}

bool Variables::ReplaceWord(const std::u16string& word, const char* means, std::u16string* text) {
  if (word.size() < kMinWord) return false;
  bool found = false;
  for (size_t at = 0; (at = FindFolded(*text, word, at)) != text->npos;) {
    const size_t end = at + word.size();
    if ((at > 0 && ContinuesName((*text)[at - 1])) || (end < text->size() && ContinuesName((*text)[end]))) {
      at = end;
      continue;
    }
    const std::u16string token = Token(means);
    text->replace(at, word.size(), token);
    at += token.size();
    found = true;
  }
  return found;
}

bool Variables::ReplaceInText(std::u16string_view value_name, std::u16string* text) {
  const std::u16string whole(WithoutZeros(*text));
  const std::u16string zeros(text->size() - whole.size(), u'\0');
  const auto all = [&](std::u16string replaced) {
    *text = std::move(replaced) + zeros;
    return true;
  };
  if (!machine_.computer.empty() && SameFolded(whole, machine_.computer)) return all(Token("computer"));
  if (!machine_.user.empty() && !machine_.computer.empty() &&
      SameFolded(whole, machine_.computer + u"\\" + machine_.user)) {
    return all(Token("computer") + u"\\" + Token("user"));
  }
  // A user's name is often a common word: it is taken for one only where the value says so.
  if (!machine_.user.empty() && SameFolded(whole, machine_.user) && NameSaysPerson(value_name))
    return all(Token("user"));
  if (SameFolded(value_name, u"InstallDate") && IsDate(whole)) return all(Token("date"));
  bool found = false;
  if (!machine_.temp.empty()) found |= ReplaceTemp(text);
  if (!machine_.profile.empty()) {
    found |= ReplaceFolder(machine_.profile, "profile", text);
    found |= ReplaceFolder(WithSlashes(machine_.profile), "profile/", text);
  }
  found |= ReplaceWord(machine_.user_sid, "sid", text);
  found |= ReplaceWord(machine_.guid, "machine-guid", text);
  return found;
}

bool Variables::ReplaceInValue(std::u16string_view value_name, uint32_t type, std::vector<uint8_t>* data) {
  if (!IsText(type) || data->size() % 2 != 0) return false;
  std::u16string text = UnitsOf(*data);
  if (!ReplaceInText(value_name, &text)) return false;
  *data = BytesOf(text);
  return true;
}

bool Variables::ReplaceInKey(std::u16string* path) {
  std::u16string out;
  bool found = false;
  for (const std::u16string_view part : SplitPath(*path)) {
    const char* means = nullptr;
    if (!machine_.user_sid.empty() && SameFolded(part, machine_.user_sid)) means = "sid";
    if (!machine_.guid.empty() && SameFolded(part, machine_.guid)) means = "machine-guid";
    found |= means != nullptr;
    out = Join(out, means != nullptr ? std::u16string_view(Token(means)) : part);
  }
  if (found) *path = std::move(out);
  return found;
}

namespace {

bool HasMarker(const std::vector<image::KeyItem>& keys, const std::u16string& marker) {
  return std::any_of(keys.begin(), keys.end(), [&](const image::KeyItem& key) {
    return key.path.find(marker) != key.path.npos ||
           std::any_of(key.values.begin(), key.values.end(), [&](const image::ValueItem& value) {
             return IsText(value.type) && UnitsOf(value.data).find(marker) != std::u16string::npos;
           });
  });
}

bool IsMarkerOf(const image::Config& config, const std::u16string& marker) {
  return std::any_of(config.variables.begin(), config.variables.end(), [&](const image::Variable& variable) {
    return FromUtf8Lossy(variable.token).starts_with(marker);
  });
}

}  // namespace

std::u16string FreeMarker(const std::vector<image::KeyItem>& keys, const image::Content* base) {
  for (int n = 0;; ++n) {
    const std::u16string marker =
        FromUtf8Lossy("%{plume" + (n == 0 ? std::string() : std::to_string(n)) + ":");
    if (HasMarker(keys, marker)) continue;
    if (base == nullptr || IsMarkerOf(base->config, marker) || !HasMarker(base->keys, marker)) return marker;
  }
}

void NamePackages(std::vector<image::FileItem>* files, std::vector<image::KeyItem>* keys) {
  for (image::KeyItem& key : *keys) {
    if (key.root != "M" || !MatchPath(u"Software\\Microsoft\\Windows\\CurrentVersion\\Installer\\UserData\\*"
                                      u"\\Products\\*\\InstallProperties",
                                      key.path)) {
      continue;
    }
    for (image::ValueItem& value : key.values) {
      if (!SameFolded(value.name, u"LocalPackage")) continue;
      const std::u16string old = ValueText(value);
      const std::u16string product(LastComponent(ParentPath(key.path)));
      if (old.size() < 4 || !SameFolded(old.substr(1, 2), u":\\") || !IsCachedPackage(old.substr(3)))
        continue;
      const std::u16string name = product.substr(0, 8) + old.substr(old.size() - 4);
      const std::u16string place = Join(ParentPath(old.substr(3)), name);
      const auto named = [&](const std::u16string& path) {
        return std::find_if(files->begin(), files->end(), [&](const image::FileItem& item) {
          return item.root == "C" && SameFolded(item.path, path);
        });
      };
      const auto file = named(old.substr(3));
      if (file == files->end() || named(place) != files->end()) continue;
      file->path = place;
      file->short_name.clear();
      value.data = BytesOf(old.substr(0, 3) + place + u'\0');
    }
  }
}

namespace {

void SetTimes(const Machine& machine, const std::function<bool(const image::FileItem&)>& on_host,
              std::vector<image::FileItem>* files) {
  for (image::FileItem& item : *files) {
    const bool own = !item.directory && (machine.begin == 0 || item.modified < machine.begin);
    if (!own) item.modified = kImageEpoch;
    if (!own || machine.begin == 0 || item.created >= machine.begin || on_host(item))
      item.created = item.modified;
  }
}

// Shortcuts hold times, serial numbers and item lists of the machine that wrote them.
Status RewriteLinks(const Machine& machine, const std::filesystem::path& scratch,
                    std::vector<image::FileItem>* files) {
  size_t number = 0;
  for (image::FileItem& item : *files) {
    if (item.directory || !EndsWithFolded(item.path, u".lnk")) continue;
    ASSIGN(const auto bytes, os::ReadFile(os::SystemFiles(), item.source, kMaxLnkBytes));
    const auto portable = PortableLnk(bytes, machine.profile);
    if (!portable.ok()) continue;  // it was noted when entry points were looked for
    const auto place = scratch / (std::to_string(number++) + ".lnk");
    TRY(os::WriteAtomic(os::SystemFiles(), place, os::ByteView(*portable)));
    item.source = place;
  }
  return Ok();
}

void NoteBinary(const Machine& machine, const image::KeyItem& key, const image::ValueItem& value,
                std::vector<std::string>* notes) {
  if (value.type != kRegBinary || machine.profile.empty()) return;
  if (FindFolded(UnitsOf(value.data), machine.profile, 0) == std::u16string::npos) return;
  notes->push_back("the value " + ToUtf8(key.path) + "\\\\" + ToUtf8(value.name) +
                   " holds this machine's profile folder in binary and was taken as it is");
}

}  // namespace

Status MakePortable(const Machine& machine, const std::filesystem::path& scratch,
                    const std::function<bool(const image::FileItem&)>& on_host, image::Content* content,
                    std::vector<std::string>* notes, const image::Content* base) {
  NamePackages(&content->files, &content->keys);
  SetTimes(machine, on_host, &content->files);
  if (!scratch.empty()) TRY(RewriteLinks(machine, scratch, &content->files));
  Variables variables(machine, FreeMarker(content->keys, base));
  for (image::KeyItem& key : content->keys) {
    key.modified = kImageEpoch;
    for (image::ValueItem& value : key.values) {
      NoteBinary(machine, key, value, notes);
      variables.ReplaceInValue(value.name, value.type, &value.data);
    }
    variables.ReplaceInKey(&key.path);
  }
  content->config.variables = variables.Used();
  for (image::EnvVar& variable : content->config.environment) {
    std::u16string text = FromUtf8Lossy(variable.value);
    for (size_t at = 0;
         !machine.profile.empty() && (at = FindFolded(text, machine.profile, at)) != text.npos;) {
      const size_t end = at + machine.profile.size();
      if (end < text.size() && ContinuesName(text[end])) {
        at = end;
        continue;
      }
      text.replace(at, machine.profile.size(), u"%USERPROFILE%");
    }
    variable.value = ToUtf8(text);
  }
  return Ok();
}

}  // namespace plume::capture
