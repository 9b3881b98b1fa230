#include "vl/low/patch_plan.h"

namespace plume::vl {

uint32_t PlanSpans(Arch arch, std::span<PatchPoint> points, std::span<PatchSpan> spans) {
  // Insertion sort: a hundred points, no library.
  for (size_t i = 1; i < points.size(); ++i) {
    const PatchPoint p = points[i];
    size_t at = i;
    for (; at > 0 && points[at - 1].address > p.address; --at) points[at] = points[at - 1];
    points[at] = p;
  }
  uint32_t n = 0;
  for (size_t i = 0; i < points.size(); ++i) {
    const uint64_t end = points[i].address + kMaxStub;
    if (i > 0) {
      const uint64_t gap = points[i].address - points[i - 1].address;
      if (gap < JumpBytes(arch)) return 0;
      PatchSpan& last = spans[n - 1];
      if (gap <= kMaxGap && end - last.begin <= kMaxSpan) {
        last.bytes = static_cast<uint32_t>(end - last.begin);
        ++last.count;
        continue;
      }
    }
    if (n == spans.size()) return 0;
    spans[n++] = PatchSpan{points[i].address, static_cast<uint32_t>(kMaxStub), static_cast<uint32_t>(i), 1};
  }
  return n;
}

void EncodeJump(Arch arch, uint64_t at, uint64_t target, uint8_t* out) {
  if (arch == Arch::kX64) {
    out[0] = 0x48;
    out[1] = 0xb8;
    for (int i = 0; i < 8; ++i) out[2 + i] = static_cast<uint8_t>(target >> (8 * i));
    out[10] = 0xff;
    out[11] = 0xe0;
    return;
  }
  const uint32_t relative = static_cast<uint32_t>(target) - static_cast<uint32_t>(at) - 5;
  out[0] = 0xe9;
  for (int i = 0; i < 4; ++i) out[1 + i] = static_cast<uint8_t>(relative >> (8 * i));
}

}  // namespace plume::vl
