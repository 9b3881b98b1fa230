#include "agent/key_store.h"

#include <algorithm>

#include "view/path.h"

namespace plume::agent {

bool SameValue(const image::ValueItem& a, const image::ValueItem& b) {
  return a.type == b.type && a.data == b.data && view::EqualFolded(a.name, b.name);
}

bool operator==(const KeyNode& a, const KeyNode& b) {
  return a.class_name == b.class_name && a.link == b.link && a.volatile_key == b.volatile_key &&
         a.access == b.access && a.values.size() == b.values.size() &&
         std::is_permutation(a.values.begin(), a.values.end(), b.values.begin(), SameValue);
}

}  // namespace plume::agent
