// Planning of stub patches: which memory is read and written together, and the bytes of a jump. Pure.
//
// Every access to a child costs a round trip, while the stubs of ntdll lie side by side; so a span of
// neighbouring stubs is read, changed in a buffer and written at once.
#pragma once
#include <cstddef>
#include <cstdint>
#include <span>

#include "vl/low/stub_shapes.h"

namespace plume::vl {

struct PatchPoint {
  uint64_t address;  // of the stub
  uint32_t hook;     // the caller's number for it
};
struct PatchSpan {
  uint64_t begin;
  uint32_t bytes;         // covers kMaxStub bytes of the last point
  uint32_t first, count;  // points[first, first + count), in ascending order
};

// Points farther apart than this get spans of their own; no span is longer than kMaxSpan.
inline constexpr uint64_t kMaxGap = 8 << 10;
inline constexpr uint32_t kMaxSpan = 64 << 10;

// Sorts `points` by address and cuts them into `spans`. Returns the number of spans, or 0 if two points are
// closer than a jump is long or `spans` is too small.
uint32_t PlanSpans(Arch arch, std::span<PatchPoint> points, std::span<PatchSpan> spans);

// Bytes of a jump to `target`: mov rax, imm64; jmp rax / jmp rel32.
inline constexpr size_t JumpBytes(Arch arch) { return arch == Arch::kX64 ? 12 : 5; }
void EncodeJump(Arch arch, uint64_t at, uint64_t target, uint8_t* out);

}  // namespace plume::vl
