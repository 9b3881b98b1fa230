#include "image/known_chunks.h"

#include <algorithm>

#include "catalog/reader.h"
#include "image/inspect.h"

namespace plume::image {

Status KnownChunks::Add(const Store& store, const std::string& manifest_digest) {
  ASSIGN(const Manifest manifest, store.ReadManifest(manifest_digest));
  ASSIGN(const os::Bytes bytes, LoadCatalog(store, manifest));
  catalog::Reader reader;
  if (!reader.Attach(bytes.data(), bytes.size())) {
    return Error{Errc::kUnsupported,
                 "reading the catalog of " + manifest_digest + ": it was made by another version of Plume"};
  }
  std::vector<uint32_t> pack_numbers;
  for (const Descriptor& pack : manifest.packs) {
    ASSIGN(const uint64_t size, store.layout().BlobSize(pack.digest));
    if (size != pack.size)
      return Error{Errc::kCorrupt, "reading the pack " + pack.digest + ": its size is wrong"};
    const auto found = std::find(packs_.begin(), packs_.end(), pack);
    pack_numbers.push_back(static_cast<uint32_t>(found - packs_.begin()));
    if (found == packs_.end()) packs_.push_back(pack);
  }
  for (const catalog::Chunk* chunk : *reader.raw().chunks()) {
    os::Digest digest;
    std::copy(chunk->digest().bytes()->begin(), chunk->digest().bytes()->end(), digest.begin());
    chunks_.try_emplace(
        digest, StoredChunk{chunk->size(), chunk->stored(), pack_numbers[chunk->pack()], chunk->offset()});
  }
  return Ok();
}

const StoredChunk* KnownChunks::Find(const os::Digest& digest) const {
  const auto found = chunks_.find(digest);
  return found == chunks_.end() ? nullptr : &found->second;
}

}  // namespace plume::image
