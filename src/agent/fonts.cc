#include "agent/fonts.h"

#include <algorithm>

#include "agent/state.h"
#include "catalog/keys.h"
#include "view/path.h"

namespace plume::agent {

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
    ForEachValue(image, FindKey(image, image.RootIndex(root), kFontsKey),
                 [&](std::u16string_view, const catalog::Value& v) {
                   if (std::u16string file = FontFile(catalog::Text(image, v), facts); !file.empty())
                     AddFonts({std::move(file)}, &out);
                 });
  }
  return out;
}

void AddFonts(const std::vector<std::u16string>& more, std::vector<std::u16string>* list) {
  for (const std::u16string& font : more)
    if (std::none_of(list->begin(), list->end(),
                     [&](const auto& known) { return view::EqualFolded(known, font); }))
      list->push_back(font);
}

}  // namespace plume::agent
