// Deltas: how the files of one image are made from those of an earlier one. docs/formats/delta.md
//
// A delta is one blob: a head that says which file is made from which, then the patches. A patch is a zstd
// frame with the older file as its prefix (RFC 8878 with a raw-content dictionary; what `zstd --patch-from`
// writes). Nothing in a delta is trusted: what a patch gives is verified against the newer image's catalog.
#pragma once
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "base/result.h"
#include "os/sha256.h"

namespace plume::image {

inline constexpr char kDeltaArtifactType[] = "application/vnd.plume.delta.v1";
inline constexpr char kDeltaMediaType[] = "application/vnd.plume.delta.v1";
// Annotations of the artifact: the manifest digest of the older image; the blob and its size, so that a
// client need not read the artifact's manifest.
inline constexpr char kDeltaBase[] = "vnd.plume.delta.base";
inline constexpr char kDeltaBlob[] = "vnd.plume.delta.blob";
inline constexpr char kDeltaSize[] = "vnd.plume.delta.size";

// Files whose old and new bytes together are more than this have no patch: making and applying one keeps
// both in memory.
inline constexpr uint64_t kMaxPatchBytes = 256u << 20;
inline constexpr uint32_t kNoBase = 0xffffffff;

struct DeltaPatch {
  uint32_t target = 0;      // the file, as an entry of the newer image's catalog
  uint32_t base = kNoBase;  // what it is made from, as an entry of the older one's; kNoBase: from nothing
  uint64_t offset = 0;      // in the blob
  uint64_t length = 0;
  bool operator==(const DeltaPatch&) const = default;
};

struct Delta {
  os::Digest base{}, target{};  // of the manifests
  // The newer catalog's buffer made from the older one's, right behind the head; length 0: there is none. The
  // catalog's layer is that buffer compressed by PackCatalog of this zstd; by another it is not the layer.
  uint64_t catalog_offset = 0, catalog_length = 0;
  uint32_t zstd_version = 0;
  std::vector<DeltaPatch> patches;  // in the order of their bytes; no two for one file
};

uint32_t ZstdVersion();

// The head of the blob of a delta whose patches follow in this order without gaps: their lengths are taken,
// their offsets are set. kInvalid if it has too many.
Result<std::vector<uint8_t>> EncodeDeltaHead(Delta* delta);
// How many bytes the head has, from the first kDeltaHeadStart bytes of a blob of `blob_size`; kCorrupt if
// it is no delta, kUnsupported if it is one of a newer version.
inline constexpr size_t kDeltaHeadStart = 16;
Result<uint64_t> DeltaHeadBytes(std::span<const uint8_t> start, uint64_t blob_size);
// `head`: exactly that many bytes. kCorrupt if it is malformed or its patches do not lie in the blob.
Result<Delta> ParseDeltaHead(std::span<const uint8_t> head, uint64_t blob_size);

// REQUIRES: both together at most kMaxPatchBytes.
Result<std::vector<uint8_t>> MakePatch(std::span<const uint8_t> base, std::span<const uint8_t> target);
// How many bytes a patch says that it gives; nothing if it is malformed.
std::optional<uint64_t> PatchedSize(std::span<const uint8_t> patch);
// Exactly `size` bytes, or kCorrupt. They may be any bytes.
Result<std::vector<uint8_t>> ApplyPatch(std::span<const uint8_t> base, std::span<const uint8_t> patch,
                                        uint64_t size);

}  // namespace plume::image
