#include "catalog/reader.h"

namespace plume::catalog {
namespace {

// Binary search of `name` in the sorted run [first, first + count) whose i-th name is name_of(i).
template <typename NameOf>
uint32_t Search(uint32_t first, uint32_t count, WView name, NameOf&& name_of) {
  uint32_t low = first, high = first + count;
  while (low < high) {
    const uint32_t middle = low + (high - low) / 2;
    const int order = view::CompareFolded(name, name_of(middle));
    if (order == 0) return middle;
    if (order < 0) {
      high = middle;
    } else {
      low = middle + 1;
    }
  }
  return kNone;
}

// FlatBuffers' vectors begin with their 32-bit count; struct vectors are read in place.
template <typename T, typename Vector>
const T* Array(const Vector* v) {
  return reinterpret_cast<const T*>(v->Data());
}

}  // namespace

bool Reader::Attach(const void* data, size_t size) {
  if (data == nullptr || size < 8) return false;
  catalog_ = GetCatalog(data);
  if (catalog_->version() != kVersion) {
    catalog_ = nullptr;
    return false;
  }
  entries_ = Array<Entry>(catalog_->entries());
  keys_ = Array<Key>(catalog_->keys());
  values_ = Array<Value>(catalog_->values());
  names_ = Array<char16_t>(catalog_->names());
  data_ = catalog_->data()->Data();
  entry_count_ = catalog_->entries()->size();
  key_count_ = catalog_->keys()->size();
  return true;
}

uint32_t Reader::Child(uint32_t directory, WView wanted) const {
  if (directory >= entry_count_) return kNone;
  const Entry& d = entries_[directory];
  return Search(d.first_child(), d.child_count(), wanted, [this](uint32_t i) { return name(entries_[i]); });
}

uint32_t Reader::ChildByShortName(uint32_t directory, WView wanted) const {
  if (directory >= entry_count_ || wanted.empty()) return kNone;
  const Entry& d = entries_[directory];
  for (uint32_t i = d.first_child(); i < d.first_child() + d.child_count(); ++i) {
    if (view::EqualFolded(short_name(entries_[i]), wanted)) return i;
  }
  return kNone;
}

uint32_t Reader::Subkey(uint32_t parent, WView wanted) const {
  if (parent >= key_count_) return kNone;
  const Key& k = keys_[parent];
  return Search(k.first_child(), k.child_count(), wanted, [this](uint32_t i) { return name(keys_[i]); });
}

uint32_t Reader::FindValue(uint32_t key, WView wanted) const {
  if (key >= key_count_) return kNone;
  // The format promises no order of values, so this is a scan; keys have few.
  const Key& k = keys_[key];
  for (uint32_t i = k.first_value(); i < k.first_value() + k.value_count(); ++i) {
    if (view::EqualFolded(name(values_[i]), wanted)) return i;
  }
  return kNone;
}

uint32_t Reader::RootIndex(const char* wanted) const {
  const auto* roots = catalog_->roots();
  for (uint32_t i = 0; i < roots->size(); ++i) {
    const Root* root = roots->Get(i);
    const char* a = root->name()->c_str();
    const char* b = wanted;
    while (*a != 0 && *a == *b) ++a, ++b;
    if (*a == *b) return root->index();
  }
  return kNone;
}

}  // namespace plume::catalog
