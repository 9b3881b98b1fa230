// A catalog's keys by their paths, their values by what they mean. For hosted code; the reader must outlive
// what is returned. Thread-safe as the reader is.
#pragma once
#include <optional>
#include <string>
#include <vector>

#include "catalog/reader.h"

namespace plume::catalog {

inline constexpr uint32_t kRegSz = 1, kRegExpandSz = 2, kRegBinary = 3, kRegDword = 4, kRegLink = 6,
                          kRegMultiSz = 7;

// The key at `path` ("a\b") below `key`, itself if the path is empty; kNone if it is absent or `key` is
// kNone.
uint32_t FindKey(const Reader& catalog, uint32_t key, WView path);

// The text of a REG_SZ or REG_EXPAND_SZ up to its first zero; empty for another type, for no such value, for
// kNone.
std::u16string Text(const Reader& catalog, const Value& value);
std::u16string Text(const Reader& catalog, uint32_t key, WView name);
// A REG_DWORD.
std::optional<uint32_t> Number(const Reader& catalog, uint32_t key, WView name);
bool HasValue(const Reader& catalog, uint32_t key, WView name);

// visit(name, index of the key), sorted; nothing for kNone.
template <typename Visit>
void ForEachSubkey(const Reader& catalog, uint32_t key, Visit&& visit) {
  if (key == kNone) return;
  const Key& k = catalog.key(key);
  for (uint32_t i = k.first_child(); i < k.first_child() + k.child_count(); ++i)
    visit(catalog.name(catalog.key(i)), i);
}

// visit(name, value), in the order they were written.
template <typename Visit>
void ForEachValue(const Reader& catalog, uint32_t key, Visit&& visit) {
  if (key == kNone) return;
  const Key& k = catalog.key(key);
  for (uint32_t i = k.first_value(); i < k.first_value() + k.value_count(); ++i)
    visit(catalog.name(catalog.value(i)), catalog.value(i));
}

// What can be done with a document of a class (HKCR\CLASS\shell\VERB).
struct Verb {
  std::u16string id;       // "open"
  std::u16string label;    // as menus show it; may be empty
  std::u16string command;  // as registered: with "%1" and %VARIABLES%
};

// The verbs of the class at `key` that can be started, the default one first: what the default value of
// "shell" names, else "open", else the first.
std::vector<Verb> ReadVerbs(const Reader& catalog, uint32_t key);

}  // namespace plume::catalog
