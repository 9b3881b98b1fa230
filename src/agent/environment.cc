#include "agent/environment.h"

#include <algorithm>

#include "agent/text.h"
#include "view/path.h"

namespace plume::agent {

Environment Environment::FromBlock(const char16_t* block) {
  Environment out;
  while (*block != 0) {
    const std::u16string_view item(block);
    const size_t eq = item.find(u'=', 1);  // "=C:=C:\x": the name starts with the sign
    if (eq != item.npos)
      out.variables_.push_back({std::u16string(item.substr(0, eq)), std::u16string(item.substr(eq + 1))});
    block += item.size() + 1;
  }
  return out;
}

const std::u16string* Environment::Find(std::u16string_view name) const {
  for (const Variable& v : variables_)
    if (view::EqualFolded(v.name, name)) return &v.value;
  return nullptr;
}

void Environment::Set(std::u16string_view name, std::u16string_view value) {
  for (Variable& v : variables_) {
    if (!view::EqualFolded(v.name, name)) continue;
    v.value = value;
    return;
  }
  variables_.push_back({std::u16string(name), std::u16string(value)});
}

void Environment::Remove(std::u16string_view name) {
  std::erase_if(variables_, [&](const Variable& v) { return view::EqualFolded(v.name, name); });
}

std::u16string Environment::Expand(
    std::u16string_view text, const std::vector<std::pair<std::u16string, std::u16string>>& variables) const {
  std::u16string out;
  for (size_t i = 0; i < text.size();) {
    const size_t close = text[i] == u'%' ? text.find(u'%', i + 1) : text.npos;
    const std::u16string* value = nullptr;
    if (close != text.npos) {
      const std::u16string_view name = text.substr(i + 1, close - i - 1);
      for (const auto& [key, known] : variables)
        if (view::EqualFolded(key, name)) value = &known;
      if (value == nullptr) value = Find(name);
    }
    if (value != nullptr) {
      out += *value;
      i = close + 1;
    } else {
      out += text[i++];
    }
  }
  return out;
}

void Environment::Apply(const image::EnvVar& variable,
                        const std::vector<std::pair<std::u16string, std::u16string>>& variables) {
  const std::u16string name = ToUtf16(variable.name);
  const std::u16string value = Expand(ToUtf16(variable.value), variables);
  if (!variable.join) {
    Set(name, value);
    return;
  }
  std::vector<std::u16string_view> items;
  const std::u16string local = Find(name) ? *Find(name) : std::u16string();
  for (const std::u16string_view list : {std::u16string_view(value), std::u16string_view(local)}) {
    for (size_t begin = 0; begin <= list.size();) {
      size_t end = list.find(u';', begin);
      if (end == list.npos) end = list.size();
      const std::u16string_view item = list.substr(begin, end - begin);
      const bool known = std::any_of(items.begin(), items.end(),
                                     [&](std::u16string_view i) { return view::EqualFolded(i, item); });
      if (!item.empty() && !known) items.push_back(item);
      begin = end + 1;
    }
  }
  std::u16string joined;
  for (const std::u16string_view item : items) {
    if (!joined.empty()) joined += u';';
    joined += item;
  }
  Set(name, joined);
}

std::u16string Environment::Block() const {
  std::vector<const Variable*> sorted;
  for (const Variable& v : variables_) sorted.push_back(&v);
  std::stable_sort(sorted.begin(), sorted.end(), [](const Variable* a, const Variable* b) {
    return view::CompareFolded(a->name, b->name) < 0;
  });
  std::u16string out;
  for (const Variable* v : sorted) {
    out += v->name + u"=" + v->value;
    out += u'\0';
  }
  if (out.empty()) out += u'\0';
  out += u'\0';
  return out;
}

}  // namespace plume::agent
