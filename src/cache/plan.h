// Which bytes of which packs a file needs, as few requests as make sense. Pure.
#pragma once
#include <cstddef>
#include <cstdint>
#include <vector>

namespace plume::cache {

// One chunk that must be fetched, and every place in the file where its bytes belong.
struct Need {
  uint32_t chunk = 0;  // index into the catalog's chunks
  uint32_t pack = 0;
  uint64_t offset = 0;                 // in the pack
  uint32_t stored = 0;                 // bytes in the pack
  std::vector<uint64_t> destinations;  // offsets in the file
};

// One request: bytes [begin, end) of a pack, holding needs [first, first + count) of the sorted list.
struct Range {
  uint32_t pack = 0;
  uint64_t begin = 0, end = 0;
  size_t first = 0, count = 0;
};

// Sorts `needs` by place and joins neighbours whose distance is at most `max_gap` into ranges of at most
// `max_range` bytes (one larger need gets a range of its own). Overlapping chunks, which no writer makes, get
// separate ranges.
std::vector<Range> PlanRanges(std::vector<Need>* needs, uint64_t max_range, uint64_t max_gap);

}  // namespace plume::cache
