// What the cache already has: files of equal content and equal chunks in the hydrated files of other images,
// so that an update or a second application fetches only what is new. Thread-safe.
#pragma once
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <unordered_map>
#include <vector>

#include "cache/image_data.h"

namespace plume::cache {

class ReuseIndex {
 public:
  explicit ReuseIndex(os::FileSystem& files) : files_(files) {}
  // Makes the files of an image known as a source (if it is not yet). Costs one pass over its catalog.
  void Add(const std::shared_ptr<ImageData>& image);
  void Drop(const ImageData* image);

  // Hard-links an equal file of another image to `to`: same content, base name, attributes and times, since
  // links share all of them. PE files only with the same virtual path: a loader that finds two modules to be
  // one file takes them for one module. False if there is none, or links do not work here.
  bool Link(const ImageData& image, uint32_t entry, const os::Path& to);

  // The plain bytes of a chunk from a hydrated file, verified; nothing if no file has it.
  std::optional<os::Bytes> ReadChunk(const catalog::Chunk& chunk, const ImageData& except);
  // Whether ReadChunk will most likely find it.
  bool Has(const catalog::Chunk& chunk, const ImageData& except);

 private:
  struct Location {
    std::shared_ptr<ImageData> image;
    uint32_t entry = 0;
    uint64_t offset = 0;
  };
  using Map = std::unordered_multimap<uint64_t, Location>;  // by the first 8 bytes of a digest
  std::vector<Location> Find(const Map& map, uint64_t key, const ImageData& except);

  os::FileSystem& files_;
  std::mutex mutex_;
  std::set<const ImageData*> known_;  // guarded by mutex_, as are the maps
  Map contents_, chunks_;
};

}  // namespace plume::cache
