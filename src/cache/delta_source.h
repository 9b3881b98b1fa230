// Deltas on the client: which one fits what is here, and what its patches give. Nothing of it is trusted: the
// results are verified against the newer image's manifest and catalog by who asked, and whatever fails here
// only means that chunks are fetched. docs/formats/delta.md
#pragma once
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "cache/cache.h"
#include "cache/image_data.h"
#include "image/delta.h"

namespace plume::cache {

// A patch, and what of the older image it needs: names instead of its catalog, which may go away meanwhile.
struct PatchRow {
  uint64_t offset = 0, length = 0;  // in the blob
  os::Path base;                    // empty: made from nothing
  uint64_t base_size = 0;
};

struct ImageDelta {
  std::string blob;  // digest
  uint64_t size = 0;
  std::string base;  // digest of the older image's manifest
  image::Delta head;
  os::Bytes start;                              // the first bytes of the blob, as they came
  std::unordered_map<uint32_t, PatchRow> rows;  // by entry of the newer image
  std::atomic<uint32_t> refused{0};             // patches that gave wrong bytes
};

class DeltaSource {
 public:
  DeltaSource(os::FileSystem& files, const Options& options, const Places& places)
      : files_(files), options_(options), places_(places) {}

  // The delta to the image `digest` of this name from one of those `here` that have files; null if the
  // repository has none. Two requests, none if nothing here is another version of it.
  std::shared_ptr<ImageDelta> Find(Source& source, const std::string& digest, const std::string& name,
                                   const std::vector<std::shared_ptr<ImageData>>& here);

  // The layer that holds the newer catalog, made from the older one: it has the digest `layer`, or nothing.
  std::optional<os::Bytes> MakeCatalogLayer(Source& source, const ImageDelta& delta,
                                            const std::string& layer);

  // What the patch makes of the older file, `size` bytes; not verified. Nothing if the older file is not
  // here. kCorrupt: the patch is damaged.
  Result<std::optional<os::Bytes>> Apply(const PatchRow& row, os::ByteView patch, uint64_t size);

  // Tells `why`; after a few a delta is not used any more.
  void Refuse(ImageDelta& delta, const std::string& why);
  static bool IsGivenUp(const ImageDelta& delta);

 private:
  std::shared_ptr<ImageDelta> Open(Source& source, const std::string& digest, const ImageData& base,
                                   const std::string& blob, uint64_t size);
  std::optional<os::Bytes> Read(Source& source, const std::string& blob, uint64_t begin, uint64_t end);

  os::FileSystem& files_;
  const Options& options_;
  const Places& places_;
  std::mutex large_;  // held while a large file is in memory: one at a time
};

}  // namespace plume::cache
