// Read access to a mapped catalog. Freestanding, no allocation; the buffer must outlive the reader.
// Guests trust a catalog: the agent runs Verify once, after checking its digest, before any guest maps it.
// Immutable after Attach, so one reader serves any number of threads; cheap to copy.
#pragma once
#include <cstddef>
#include <cstdint>

#include "catalog/catalog_generated.h"
#include "view/path.h"

namespace plume::catalog {

using view::WView;
inline constexpr uint32_t kNone = 0xffffffff;
inline constexpr uint16_t kDirectory = 1, kPeFile = 2;
inline constexpr uint32_t kVersion = 1;

class Reader {
 public:
  // False if the version is not one we read. REQUIRES a verified buffer, aligned to 8 bytes.
  bool Attach(const void* data, size_t size);
  // Full structural check of an untrusted buffer: FlatBuffers offsets, every index in range, trees acyclic,
  // children sorted and unique, names legal (docs/formats/catalog.md has the list). Slow (once per catalog);
  // hosted code only (verify.cc). `data` must be aligned to 8 bytes.
  static bool Verify(const void* data, size_t size);

  // All indexes below must come from this catalog (or be a verified caller's): they are not checked again.
  const Catalog& raw() const { return *catalog_; }
  const Entry& entry(uint32_t i) const { return entries_[i]; }
  WView name(const Entry& e) const { return WView(names_ + e.name(), e.name_length()); }
  WView short_name(const Entry& e) const { return WView(names_ + e.short_name(), e.short_length()); }
  const Key& key(uint32_t i) const { return keys_[i]; }
  WView name(const Key& k) const { return WView(names_ + k.name(), k.name_length()); }
  const Value& value(uint32_t i) const { return values_[i]; }
  WView name(const Value& v) const { return WView(names_ + v.name(), v.name_length()); }
  const uint8_t* data(const Value& v) const { return data_ + v.data(); }  // v.data_size() bytes
  uint32_t entry_count() const { return entry_count_; }
  uint32_t key_count() const { return key_count_; }

  // kNone if absent; also for a file's (or kNone's) children.
  uint32_t Child(uint32_t directory, WView name) const;  // by long name
  uint32_t ChildByShortName(uint32_t directory, WView name) const;
  uint32_t Subkey(uint32_t key, WView name) const;
  uint32_t FindValue(uint32_t key, WView name) const;  // "" = the default value
  // kNone if the catalog has no such root. "C", "Profile": index of an entry; "M", "CU": of a key.
  uint32_t RootIndex(const char* name) const;

 private:
  const Catalog* catalog_ = nullptr;
  const Entry* entries_ = nullptr;
  const Key* keys_ = nullptr;
  const Value* values_ = nullptr;
  const char16_t* names_ = nullptr;
  const uint8_t* data_ = nullptr;
  uint32_t entry_count_ = 0, key_count_ = 0;
};

}  // namespace plume::catalog
