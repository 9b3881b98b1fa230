// Makes deltas (image/delta.h) between images of repositories and attaches them to the newer one.
// docs/formats/delta.md
#pragma once
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "base/result.h"
#include "image/store.h"
#include "repository/repository.h"

namespace plume::repository {

struct DeltaStats {
  std::string base;        // digest of the older image
  uint64_t files = 0;      // patches in the delta
  uint64_t bytes = 0;      // of the delta; 0: it would save nothing, so there is none
  uint64_t replaced = 0;   // stored bytes of the chunks that its patches stand for
  bool was_there = false;  // attached by an earlier publish
};
// Bytes of changed files that were compared, of those there are.
using OnDelta = std::function<void(uint64_t done, uint64_t total)>;

struct DeltaBlob {
  std::vector<uint8_t> bytes;  // empty: chunks are as good
  DeltaStats stats;
};
// Both images are read from where they are; deterministic for one zstd version.
Result<DeltaBlob> MakeDelta(Repository& base_at, const std::string& base, Repository& target_at,
                            const std::string& target, const OnDelta& progress = nullptr);

// The images of `at` that clients are likely to have when they learn of `image`: what `tags` mean now, then
// the versions next below it. At most `count` digests, none of them the image itself.
Result<std::vector<std::string>> DeltaBases(Repository& at, const image::ImageRef& image,
                                            const std::vector<std::string>& tags, size_t count);

// Makes the deltas to `image`, which is in `store` and published in `to`, and attaches them there. Older
// images are read from the store, else from `to`. One that is attached already is not made again.
Result<std::vector<DeltaStats>> PublishDeltas(const image::Store& store, const image::ImageRef& image,
                                              const std::vector<std::string>& bases, Repository& to,
                                              const OnDelta& progress = nullptr);

}  // namespace plume::repository
