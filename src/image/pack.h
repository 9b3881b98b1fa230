// Packs: blobs of many stored chunks (image/codec.h) one after another, without header or gaps. Where a chunk
// is stands in the catalog (pack, offset, stored, size), so any part can be fetched by range.
// docs/formats/pack.md
#pragma once
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "base/result.h"
#include "image/layout.h"

namespace plume::image {

inline constexpr uint64_t kPackTarget = 32u << 20;  // a new pack is begun at the first chunk beyond it

// Appends chunks to packs in a layout. One thread at a time. Hold Layout::HoldBlobs.
class PackWriter {
 public:
  explicit PackWriter(const Layout& layout) : layout_(layout) {}
  struct Place {
    uint32_t pack;  // number among this writer's packs
    uint64_t offset;
  };
  Result<Place> Add(std::span<const uint8_t> stored);
  // Publishes the last pack. The packs in order of their numbers; nothing may be added afterwards.
  Result<std::vector<Descriptor>> Finish();

 private:
  Status Close();
  const Layout& layout_;
  std::unique_ptr<BlobWriter> open_;
  std::vector<Descriptor> done_;
};

}  // namespace plume::image
