#include "agent/fonts.h"

#include <algorithm>
#include <cstring>

#include "agent/state.h"
#include "view/path.h"

namespace plume::agent {
namespace {

constexpr uint32_t kRegSz = 1, kRegExpandSz = 2;

uint32_t Walk(const catalog::Reader& c, uint32_t key, std::u16string_view path) {
  while (!path.empty() && key != catalog::kNone) {
    const size_t end = std::min(path.find(u'\\'), path.size());
    key = c.Subkey(key, path.substr(0, end));
    path.remove_prefix(std::min(end + 1, path.size()));
  }
  return key;
}

}  // namespace

std::u16string FontFile(std::u16string_view registered, const MachineFacts& facts) {
  if (registered.empty() || registered.find_first_of(u"|*?\"<>") != std::u16string_view::npos) return {};
  std::u16string path(registered);
  if (path.find(u'%') != path.npos) {
    for (const auto& [name, value] : {std::pair{std::u16string_view(u"%SystemRoot%"), facts.system_root},
                                      {std::u16string_view(u"%windir%"), facts.system_root},
                                      {std::u16string_view(u"%LOCALAPPDATA%"), facts.local},
                                      {std::u16string_view(u"%USERPROFILE%"), facts.profile},
                                      {std::u16string_view(u"%PROFILE%"), facts.profile}}) {
      if (BeginsFolded(path, name)) path = value + path.substr(name.size());
    }
  }
  if (path.find(u'\\') == path.npos) path = facts.system_root + u"\\Fonts\\" + path;
  const auto clean = CleanPath(path);
  return clean.ok() ? *clean : std::u16string();
}

std::vector<std::u16string> FontsOf(const catalog::Reader& image, const MachineFacts& facts) {
  std::vector<std::u16string> out;
  for (const char* root : {"M", "CU"}) {
    const uint32_t key = Walk(image, image.RootIndex(root), kFontsKey);
    if (key == catalog::kNone) continue;
    const catalog::Key& k = image.key(key);
    for (uint32_t i = 0; i < k.value_count(); ++i) {
      const catalog::Value& v = image.value(k.first_value() + i);
      if (v.type() != kRegSz && v.type() != kRegExpandSz) continue;
      std::u16string text(v.data_size() / 2, u'\0');
      memcpy(text.data(), image.data(v), text.size() * 2);
      text.resize(std::min(text.find(u'\0'), text.size()));
      if (std::u16string file = FontFile(text, facts); !file.empty()) AddFonts({std::move(file)}, &out);
    }
  }
  return out;
}

void AddFonts(const std::vector<std::u16string>& more, std::vector<std::u16string>* list) {
  for (const std::u16string& font : more)
    if (std::none_of(list->begin(), list->end(), [&](const auto& known) { return view::EqualFolded(known, font); }))
      list->push_back(font);
}

}  // namespace plume::agent
