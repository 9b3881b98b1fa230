// A registry in memory, as a source of keys. Test code only.
#pragma once
#include <algorithm>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "capture/keys.h"
#include "capture/text.h"

namespace plume::capture {

class MemoryKeys : public KeySource {
 public:
  // With its parents. Names are found in any case.
  void Add(const std::u16string& path, std::vector<image::ValueItem> values = {}) {
    keys_[Folded(path)].values = std::move(values);
    for (std::u16string_view child = path; !ParentPath(child).empty(); child = ParentPath(child)) {
      auto& names = keys_[Folded(ParentPath(child))].subkeys;
      const std::u16string name(LastComponent(child));
      if (std::find(names.begin(), names.end(), name) == names.end()) names.push_back(name);
    }
  }
  bool Read(std::u16string_view path, KeyContent* out) const override {
    const auto it = keys_.find(Folded(path));
    if (it == keys_.end()) return false;
    *out = it->second;
    return true;
  }

 private:
  std::map<std::u16string, KeyContent> keys_;
};

}  // namespace plume::capture
