// The chunks that earlier images of a store have in their packs, so that a build can refer to them.
#pragma once
#include <array>
#include <cstdint>
#include <cstring>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/result.h"
#include "image/store.h"
#include "os/sha256.h"

namespace plume::image {

// A digest is uniformly distributed: its first bytes are a hash.
struct DigestHash {
  size_t operator()(const os::Digest& digest) const {
    size_t hash;
    std::memcpy(&hash, digest.data(), sizeof hash);
    return hash;
  }
};

struct StoredChunk {
  uint32_t size = 0, stored = 0, pack = 0;  // pack: index into KnownChunks::packs()
  uint64_t offset = 0;
};

class KnownChunks {
 public:
  // Adds the chunks of an image. A chunk known already keeps its place. Images whose catalog or packs are
  // damaged or missing are refused (kCorrupt, kNotFound): nothing may be built on them.
  Status Add(const Store& store, const std::string& manifest_digest);
  const StoredChunk* Find(const os::Digest& digest) const;
  const std::vector<Descriptor>& packs() const { return packs_; }

 private:
  std::unordered_map<os::Digest, StoredChunk, DigestHash> chunks_;
  std::vector<Descriptor> packs_;
};

}  // namespace plume::image
