#include "cache/plan.h"

#include <algorithm>
#include <tuple>

namespace plume::cache {

std::vector<Range> PlanRanges(std::vector<Need>* needs, uint64_t max_range, uint64_t max_gap) {
  std::sort(needs->begin(), needs->end(), [](const Need& a, const Need& b) {
    return std::tie(a.pack, a.offset) < std::tie(b.pack, b.offset);
  });
  std::vector<Range> ranges;
  for (size_t i = 0; i < needs->size(); ++i) {
    const Need& need = (*needs)[i];
    const uint64_t end = need.offset + need.stored;
    if (!ranges.empty()) {
      Range& last = ranges.back();
      if (last.pack == need.pack && need.offset >= last.end && need.offset - last.end <= max_gap &&
          end - last.begin <= max_range) {
        last.end = end;
        ++last.count;
        continue;
      }
    }
    ranges.push_back(Range{need.pack, need.offset, end, i, 1});
  }
  return ranges;
}

}  // namespace plume::cache
