#include "capture/keys.h"

#include <algorithm>

#include "capture/environment.h"
#include "capture/rules.h"
#include "capture/text.h"
#include "catalog/keys.h"

namespace plume::capture {
namespace {

constexpr int kMaxKeyDepth = 512;  // Windows' own limit

bool Contains(const std::vector<image::ValueItem>& values, const image::ValueItem& wanted) {
  return std::any_of(values.begin(), values.end(), [&](const image::ValueItem& v) {
    return v.type == wanted.type && SameFolded(v.name, wanted.name) && v.data == wanted.data;
  });
}

struct Walk {
  const KeySource& upper;
  const KeySource* host;
  const std::function<bool(std::u16string_view)>& in_base;
  KeySet* out;

  Status Visit(const std::string& root, std::u16string_view base, const std::u16string& relative, int depth) {
    if (depth > kMaxKeyDepth) {
      return Error{Errc::kCorrupt, "reading the workspace's registry failed: keys are nested too deep"};
    }
    const std::u16string path = Join(base, relative);
    KeyContent content;
    if (!upper.Read(path, &content)) return Ok();  // gone meanwhile, or unreadable
    KeyContent below;
    const bool on_host = host != nullptr && host->Read(path, &below);
    // Copy-up brought the machine's own values along: they are not the application's, and another machine has
    // its own.
    if (on_host)
      std::erase_if(content.values, [&](const image::ValueItem& v) { return Contains(below.values, v); });
    if (!content.values.empty() || (!on_host && content.subkeys.empty()) || (in_base && in_base(path))) {
      if (!relative.empty()) out->changed.push_back({root, relative, content.modified, content.values});
    } else if (on_host) {
      ++out->unchanged;
    }
    // The order in which a registry lists keys is its own affair; images are reproducible.
    std::sort(content.subkeys.begin(), content.subkeys.end(),
              [](const std::u16string& a, const std::u16string& b) { return Folded(a) < Folded(b); });
    for (const auto& name : content.subkeys) TRY(Visit(root, base, Join(relative, name), depth + 1));
    return Ok();
  }
};

Scope ScopeOf(const image::KeyItem& key) { return key.root == "M" ? Scope::kMachineKey : Scope::kUserKey; }

}  // namespace

Result<KeySet> ReadKeys(const KeySource& upper, const KeySource* host, std::u16string_view user_sid,
                        const std::function<bool(std::u16string_view)>& in_base) {
  KeySet out;
  Walk walk{upper, host, in_base, &out};
  TRY(walk.Visit("M", u"M", u"", 0));
  KeyContent users;
  if (upper.Read(u"U", &users)) {
    for (const auto& sid : users.subkeys) {
      if (SameFolded(sid, user_sid)) {
        TRY(walk.Visit("CU", Join(u"U", sid), u"", 0));
      } else {
        ++out.other_users;
      }
    }
  }
  return out;
}

Sifted SiftKeys(const std::vector<image::KeyItem>& changed, const KeySource* host,
                std::u16string_view user_sid) {
  Sifted out;
  for (const auto& key : changed) {
    const Scope scope = ScopeOf(key);
    if (IsEnvironmentKey(scope, key.path)) {
      KeyContent before;
      const std::u16string base = scope == Scope::kMachineKey ? u"M" : Join(u"U", user_sid);
      if (host) host->Read(Join(base, key.path), &before);
      MergeVariables(NewVariables(key.values, before.values), &out.environment);
      continue;
    }
    if (FindResidue(scope, key.path)) {
      ++out.dropped;
      continue;
    }
    image::KeyItem kept = key;
    std::erase_if(kept.values,
                  [&](const image::ValueItem& value) { return IsResidueValue(scope, key.path, value.name); });
    if (kept.values.empty() && !key.values.empty()) {
      ++out.dropped;
      continue;
    }
    out.keys.push_back(std::move(kept));
  }
  return out;
}

bool NeedsCachedPackages(const std::vector<image::KeyItem>& keys) {
  for (const auto& key : keys) {
    for (const auto& value : key.values) {
      // Darwin descriptors: the same name as the key, of type REG_MULTI_SZ ("InprocServer32", "command").
      if (value.type == catalog::kRegMultiSz && !value.name.empty() &&
          SameFolded(value.name, LastComponent(key.path)) && ContainsFolded(key.path, u"Software\\Classes")) {
        return true;
      }
    }
  }
  return false;
}

}  // namespace plume::capture
