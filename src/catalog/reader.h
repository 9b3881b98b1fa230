// Read access to a mapped catalog. Freestanding, no allocation; the buffer must outlive the reader.
// Guests trust a catalog: the agent runs Verify once, after checking its digest, before any guest maps it.
#pragma once
#include <cstddef>
#include <cstdint>

#include "catalog/catalog_generated.h"
#include "view/path.h"

namespace plume::catalog {

using view::WView;
inline constexpr uint32_t kNone = 0xffffffff;
inline constexpr uint16_t kDirectory = 1, kPeFile = 2;

class Reader {
 public:
  // False if the version is not one we read. REQUIRES a verified buffer.
  bool Attach(const void* data, size_t size);
  // Full structural check of an untrusted buffer: FlatBuffers offsets, every index in range, trees acyclic,
  // children sorted and unique, names legal. Slow (once per catalog). Hosted or freestanding.
  static bool Verify(const void* data, size_t size);

  const Catalog& raw() const { return *catalog_; }
  const Entry& entry(uint32_t i) const;
  WView name(const Entry& e) const;
  WView short_name(const Entry& e) const;
  const Key& key(uint32_t i) const;
  WView name(const Key& k) const;
  const Value& value(uint32_t i) const;
  WView name(const Value& v) const;
  uint32_t Child(uint32_t directory, WView name) const;      // kNone if absent; by long name
  uint32_t ChildByShortName(uint32_t directory, WView name) const;
  uint32_t Subkey(uint32_t key, WView name) const;
  uint32_t FindValue(uint32_t key, WView name) const;        // "" = the default value
  uint32_t RootIndex(const char* name) const;                // kNone if the catalog has no such root

 private:
  const Catalog* catalog_ = nullptr;
};

}  // namespace plume::catalog
