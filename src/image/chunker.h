// Content-defined chunking: FastCDC (Xia et al., "FastCDC: a Fast and Efficient Content-Defined Chunking
// Approach for Data Deduplication", USENIX ATC 2016; "The Design of Fast Content-Defined Chunking ...", IEEE
// TPDS 2020).
//
// A boundary depends on the bytes just before it, so inserting a byte moves the chunks around it and no
// others. Normalised chunking: a stricter mask below the average size and a laxer one above it keep sizes
// near the average. Boundaries are part of what makes an image reproducible: never change constants or the
// gear table (docs/formats/pack.md, golden test).
#pragma once
#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>

#include "base/result.h"

namespace plume::image {

inline constexpr size_t kMinChunk = 16u << 10, kAverageChunk = 64u << 10, kMaxChunk = 256u << 10;

// 256 random words from splitmix64 seeded with kGearSeed.
inline constexpr uint64_t kGearSeed = 0x506c756d65434443;  // "PlumeCDC"
const std::array<uint64_t, 256>& GearTable();

// Length of the first chunk of `data`: at most kMaxChunk. If `data` is the whole rest of the file this is
// final; otherwise data.size() must be at least kMaxChunk. 0 for empty data. Pure.
size_t NextChunk(std::span<const uint8_t> data);

// Reads a stream through `read` (fills as much of the span as it can, 0 = end) and calls `emit` for every
// chunk in order; the span is valid during the call. Uses about 1 MiB.
using ChunkSource = std::function<Result<size_t>(std::span<uint8_t>)>;
Status ForEachChunk(const ChunkSource& read, const std::function<Status(std::span<const uint8_t>)>& emit);

}  // namespace plume::image
