#include "capture/environment.h"

#include <algorithm>
#include <string_view>

#include "base/utf16.h"
#include "base/utf16_bytes.h"
#include "capture/text.h"
#include "catalog/keys.h"

namespace plume::capture {
namespace {

using catalog::kRegExpandSz;
using catalog::kRegMultiSz;
using catalog::kRegSz;

// Variables that hold lists by their nature, even with one item.
constexpr std::u16string_view kLists[] = {
    u"Path",     u"PATHEXT",         u"PSModulePath",    u"INCLUDE",           u"LIB",
    u"LIBPATH",  u"CLASSPATH",       u"PYTHONPATH",      u"PERL5LIB",          u"MANPATH",
    u"INFOPATH", u"PKG_CONFIG_PATH", u"XDG_DATA_DIRS",   u"CMAKE_PREFIX_PATH", u"NODE_PATH",
    u"GOPATH",   u"_NT_SYMBOL_PATH", u"OPENSSL_MODULES", u"QT_PLUGIN_PATH",    u"VST3_PATH",
};

std::vector<std::u16string_view> Items(std::u16string_view list) {
  std::vector<std::u16string_view> out;
  while (!list.empty()) {
    // A semicolon inside quotes belongs to the item.
    size_t end = 0;
    for (bool quoted = false; end < list.size() && (quoted || list[end] != u';'); ++end) {
      if (list[end] == u'"') quoted = !quoted;
    }
    if (end > 0) out.push_back(list.substr(0, end));
    list.remove_prefix(std::min(end + 1, list.size()));
  }
  return out;
}

std::u16string_view WithoutEndSlash(std::u16string_view item) {
  while (item.size() > 3 && (item.back() == u'\\' || item.back() == u'/')) item.remove_suffix(1);
  return item;
}

bool Has(const std::vector<std::u16string_view>& items, std::u16string_view wanted) {
  return std::any_of(items.begin(), items.end(), [&](std::u16string_view item) {
    return SameFolded(WithoutEndSlash(item), WithoutEndSlash(wanted));
  });
}

std::u16string JoinNew(std::u16string_view after, std::u16string_view before) {
  std::u16string out;
  const auto old = Items(before);
  std::vector<std::u16string_view> seen;
  for (const auto item : Items(after)) {
    if (Has(old, item) || Has(seen, item)) continue;
    seen.push_back(item);
    if (!out.empty()) out.push_back(u';');
    out.append(item);
  }
  return out;
}

bool IsList(std::u16string_view name, std::u16string_view after, std::u16string_view before) {
  for (const auto list : kLists) {
    if (SameFolded(name, list)) return true;
  }
  if (before.empty() || after.find(u';') == std::u16string_view::npos) return false;
  const auto now = Items(after);
  const auto old = Items(before);
  return std::all_of(old.begin(), old.end(), [&](std::u16string_view item) { return Has(now, item); });
}

}  // namespace

std::u16string ValueText(const image::ValueItem& value) {
  if (value.type != kRegSz && value.type != kRegExpandSz && value.type != kRegMultiSz) return {};
  return TextOf(value.data);
}

std::vector<image::EnvVar> NewVariables(const std::vector<image::ValueItem>& after,
                                        const std::vector<image::ValueItem>& before) {
  std::vector<image::EnvVar> out;
  for (const auto& value : after) {
    if (value.name.empty() || (value.type != kRegSz && value.type != kRegExpandSz)) continue;
    const std::u16string now = ValueText(value);
    std::u16string old;
    bool existed = false;
    for (const auto& candidate : before) {
      if (!SameFolded(candidate.name, value.name)) continue;
      old = ValueText(candidate);
      existed = true;
    }
    if (existed && old == now) continue;
    const bool list = IsList(value.name, now, old);
    const std::u16string text = list ? JoinNew(now, old) : now;
    if (list && text.empty()) continue;
    out.push_back({ToUtf8(value.name), ToUtf8(text), list});
  }
  return out;
}

void MergeVariables(const std::vector<image::EnvVar>& more, std::vector<image::EnvVar>* all) {
  for (const auto& variable : more) {
    auto same = std::find_if(all->begin(), all->end(), [&](const image::EnvVar& v) {
      return SameFolded(FromUtf8Lossy(v.name), FromUtf8Lossy(variable.name));
    });
    if (same == all->end()) {
      all->push_back(variable);
    } else if (same->join && variable.join) {
      const std::u16string both = FromUtf8Lossy(same->value + ";" + variable.value);
      same->value = ToUtf8(JoinNew(both, u""));
    } else {
      *same = variable;  // the user's variable hides the machine's
    }
  }
}

}  // namespace plume::capture
