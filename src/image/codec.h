// zstd (RFC 8878), bounded: nothing here allocates what an untrusted header asks for. Thread-safe.
#pragma once
#include <cstdint>
#include <span>
#include <vector>

#include "base/result.h"
#include "os/sha256.h"

namespace plume::image {

// One zstd frame with content size, without checksum (SHA-256 is above). Deterministic for one zstd version
// and level.
Result<std::vector<uint8_t>> Compress(std::span<const uint8_t> plain, int level);

// Decompresses exactly one frame. kCorrupt if it is malformed or would be larger than `limit` bytes.
Result<std::vector<uint8_t>> Decompress(std::span<const uint8_t> frame, uint64_t limit);

// A chunk as stored in a pack: compressed alone if that is smaller, else the plain bytes (stored size ==
// plain size).
std::vector<uint8_t> EncodeChunk(std::span<const uint8_t> plain);

// The plain bytes of a stored chunk: exactly `size` bytes with the digest, else kCorrupt.
Result<std::vector<uint8_t>> DecodeChunk(std::span<const uint8_t> stored, uint32_t size,
                                         const os::Digest& digest);

// The catalog layer of an image (media type kCatalogMediaType) <-> the catalog buffer (catalog/reader.h). The
// result of UnpackCatalog is not verified: call catalog::Reader::Verify.
inline constexpr uint64_t kMaxCatalogBytes = 1ull << 30;
Result<std::vector<uint8_t>> PackCatalog(std::span<const uint8_t> catalog);
Result<std::vector<uint8_t>> UnpackCatalog(std::span<const uint8_t> layer);

}  // namespace plume::image
