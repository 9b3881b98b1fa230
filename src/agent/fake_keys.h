// A registry for tests: keys in memory, with the same answers as the real one.
#pragma once
#include <map>

#include "agent/key_store.h"
#include "view/path.h"

namespace plume::agent::testing {

struct FoldedLess {
  bool operator()(const std::u16string& a, const std::u16string& b) const {
    return view::CompareFolded(a, b) < 0;
  }
};

class FakeKeys : public KeyStore {
 public:
  std::map<std::u16string, KeyNode, FoldedLess> all;
  // Called before every change; a failure is passed on and nothing is changed.
  std::function<Status(const char* step, std::u16string_view path)> before;

  Status Read(std::u16string_view path, KeyNode* node, std::vector<std::u16string>* subkeys) override {
    const auto it = all.find(std::u16string(path));
    if (it == all.end()) return Missing();
    if (node != nullptr) *node = it->second;
    if (subkeys != nullptr) {
      subkeys->clear();
      for (const auto& [other, unused] : all) {
        if (other.size() <= path.size() || !Under(other, path)) continue;
        const std::u16string name = other.substr(path.size() + 1);
        if (name.find(u'\\') == name.npos && !IsTemporaryKey(name)) subkeys->push_back(name);
      }
    }
    return Ok();
  }
  Status Create(std::u16string_view path, const KeyNode& node) override {
    TRY(Step("create", path));
    if (all.contains(std::u16string(path))) return Error{Errc::kExists, "creating a key failed: it is there"};
    for (size_t slash = path.find(u'\\'); slash != path.npos; slash = path.find(u'\\', slash + 1))
      all.try_emplace(std::u16string(path.substr(0, slash)));
    all[std::u16string(path)] = node;
    return Ok();
  }
  Status SetValue(std::u16string_view path, const image::ValueItem& value) override {
    TRY(Step("set value", path));
    const auto it = all.find(std::u16string(path));
    if (it == all.end()) return Missing();
    std::erase_if(it->second.values, [&](const auto& v) { return view::EqualFolded(v.name, value.name); });
    it->second.values.push_back(value);
    return Ok();
  }
  Status DeleteValue(std::u16string_view path, std::u16string_view name) override {
    TRY(Step("delete value", path));
    const auto it = all.find(std::u16string(path));
    if (it == all.end()) return Missing();
    std::erase_if(it->second.values, [&](const auto& v) { return view::EqualFolded(v.name, name); });
    return Ok();
  }
  Status Rename(std::u16string_view path, std::u16string_view new_name) override {
    TRY(Step("rename", path));
    if (!all.contains(std::u16string(path))) return Missing();
    const std::u16string to =
        std::u16string(path.substr(0, path.rfind(u'\\') + 1)) + std::u16string(new_name);
    if (all.contains(to)) return Error{Errc::kExists, "renaming a key failed: the name is taken"};
    std::map<std::u16string, KeyNode, FoldedLess> moved;
    for (auto it = all.begin(); it != all.end();) {
      if (!Under(it->first, path)) {
        ++it;
        continue;
      }
      moved[to + it->first.substr(path.size())] = std::move(it->second);
      it = all.erase(it);
    }
    all.merge(moved);
    return Ok();
  }
  Status RemoveTree(std::u16string_view path) override {
    TRY(Step("remove", path));
    std::erase_if(all, [&](const auto& item) { return Under(item.first, path); });
    return Ok();
  }
  Status Flush() override { return Step("flush", u""); }

  void Add(const std::u16string& path, std::vector<image::ValueItem> values = {}) {
    KeyNode node;
    node.values = std::move(values);
    (void)Create(path, node);
  }

 private:
  static bool Under(std::u16string_view path, std::u16string_view of) {
    return path.size() >= of.size() && view::EqualFolded(path.substr(0, of.size()), of) &&
           (path.size() == of.size() || path[of.size()] == u'\\');
  }
  static Status Missing() { return Error{Errc::kNotFound, "opening a key failed: there is none"}; }
  Status Step(const char* step, std::u16string_view path) { return before ? before(step, path) : Ok(); }
};

}  // namespace plume::agent::testing
