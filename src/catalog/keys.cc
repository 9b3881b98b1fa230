#include "catalog/keys.h"

#include <algorithm>

#include "base/utf16_bytes.h"

namespace plume::catalog {

uint32_t FindKey(const Reader& catalog, uint32_t key, WView path) {
  while (!path.empty() && key != kNone) {
    const size_t end = std::min(path.find(u'\\'), path.size());
    key = catalog.Subkey(key, path.substr(0, end));
    path.remove_prefix(std::min(end + 1, path.size()));
  }
  return key;
}

std::u16string Text(const Reader& catalog, const Value& value) {
  if (value.type() != kRegSz && value.type() != kRegExpandSz) return {};
  return TextOf({catalog.data(value), value.data_size()});
}

std::u16string Text(const Reader& catalog, uint32_t key, WView name) {
  const uint32_t i = key == kNone ? kNone : catalog.FindValue(key, name);
  return i == kNone ? std::u16string() : Text(catalog, catalog.value(i));
}

std::optional<uint32_t> Number(const Reader& catalog, uint32_t key, WView name) {
  const uint32_t i = key == kNone ? kNone : catalog.FindValue(key, name);
  if (i == kNone || catalog.value(i).type() != kRegDword || catalog.value(i).data_size() != 4)
    return std::nullopt;
  const uint8_t* d = catalog.data(catalog.value(i));
  return d[0] | d[1] << 8 | d[2] << 16 | static_cast<uint32_t>(d[3]) << 24;
}

bool HasValue(const Reader& catalog, uint32_t key, WView name) {
  return key != kNone && catalog.FindValue(key, name) != kNone;
}

std::vector<Verb> ReadVerbs(const Reader& catalog, uint32_t key) {
  std::vector<Verb> out;
  const uint32_t shell = FindKey(catalog, key, u"shell");
  // The default value names the default verb, or several in their order.
  std::u16string first = Text(catalog, shell, u"");
  first.resize(std::min(first.find_first_of(u", "), first.size()));
  if (first.empty()) first = u"open";
  ForEachSubkey(catalog, shell, [&](WView id, uint32_t verb) {
    Verb v{std::u16string(id), Text(catalog, verb, u""),
           Text(catalog, FindKey(catalog, verb, u"command"), u"")};
    if (v.label.empty()) v.label = Text(catalog, verb, u"MUIVerb");
    if (!v.label.empty() && v.label[0] == u'@') v.label.clear();  // a resource of a file that is not here
    if (v.command.empty()) return;
    out.insert(view::EqualFolded(id, first) ? out.begin() : out.end(), std::move(v));
  });
  return out;
}

}  // namespace plume::catalog
