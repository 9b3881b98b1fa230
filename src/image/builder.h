// Content -> image in a store: read, chunk, hash, compress, pack, catalog, config, manifest, tag.
#pragma once
#include <cstdint>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "base/result.h"
#include "image/content.h"
#include "image/store.h"

namespace plume::image {

struct BuildProgress {
  uint64_t files_done = 0, files_total = 0;
  uint64_t bytes_done = 0, bytes_total = 0;
  std::string file;  // being read, as a virtual path
};

struct BuildOptions {
  // Images whose packs may be referred to instead of storing a chunk again ("NAME:VERSION" or digest). With
  // reuse_same_name also every image of the same name that the store holds.
  std::vector<std::string> previous;
  bool reuse_same_name = true;
  // Files whose chunks come first in the packs, in this order (root, path): the start-up set of a recorded
  // profile.
  std::vector<std::pair<std::string, std::u16string>> first;
  std::function<void(const BuildProgress&)> progress;  // called on the calling thread, a few times a second
  unsigned threads = 2;                                // hashing and compression
};

struct BuildStats {
  uint64_t plain_bytes = 0;   // all files
  uint64_t unique_bytes = 0;  // plain bytes of different chunks
  uint64_t reused_bytes = 0;  // plain bytes of chunks found in earlier packs
  uint64_t stored_bytes = 0;  // bytes of new packs
  uint64_t chunks = 0, unique_chunks = 0, reused_chunks = 0, new_packs = 0;
};

struct BuiltImage {
  ImageRef ref;
  Manifest manifest;
  BuildStats stats;
};

// Builds and tags content.config.name:version. Deterministic: the same content in a store with the same
// earlier images gives the same digest. Killed at any moment it leaves the store valid. Fills the counts of
// the stored config. kInvalid: bad names, duplicate paths (folded), unknown roots; errors of source files
// name the file.
Result<BuiltImage> Build(const Content& content, Store& store, const BuildOptions& options = {});

}  // namespace plume::image
