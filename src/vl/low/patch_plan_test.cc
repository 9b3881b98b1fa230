#include "vl/low/patch_plan.h"

#include <gtest/gtest.h>

#include <cstring>
#include <vector>

namespace plume::vl {
namespace {

TEST(PatchPlan, NeighboursAreOneSpan) {
  std::vector<PatchPoint> points;
  for (uint32_t i = 0; i < 100; ++i) points.push_back({0x170001000 + 32ull * ((i * 37) % 100), i});
  PatchSpan spans[8];
  ASSERT_EQ(PlanSpans(Arch::kX64, points, spans), 1u);
  EXPECT_EQ(spans[0].begin, 0x170001000u);
  EXPECT_EQ(spans[0].bytes, 3200u);
  EXPECT_EQ(spans[0].first, 0u);
  EXPECT_EQ(spans[0].count, 100u);
  for (uint32_t i = 0; i < 100; ++i) {
    EXPECT_EQ(points[i].address, 0x170001000 + 32ull * i);
    EXPECT_EQ(points[i].address, 0x170001000 + 32ull * ((points[i].hook * 37) % 100))
        << "the hook goes with its point";
  }
}

TEST(PatchPlan, FarPointsGetTheirOwnSpans) {
  std::vector<PatchPoint> points = {{0x90000, 0}, {0x10000, 1}, {0x10040, 2}, {0x90020, 3}};
  PatchSpan spans[2];
  ASSERT_EQ(PlanSpans(Arch::kX64, points, spans), 2u);
  EXPECT_EQ(spans[0].begin, 0x10000u);
  EXPECT_EQ(spans[0].bytes, 0x60u);
  EXPECT_EQ(spans[1].begin, 0x90000u);
  EXPECT_EQ(spans[1].first, 2u);
  EXPECT_EQ(spans[1].count, 2u);
  EXPECT_EQ(PlanSpans(Arch::kX64, points, std::span(spans).first(1)), 0u) << "no room";
}

TEST(PatchPlan, NoSpanIsLongerThanTheBuffer) {
  std::vector<PatchPoint> points;
  for (uint32_t i = 0; i < 40; ++i) points.push_back({0x10000 + uint64_t{kMaxGap} * i, i});
  PatchSpan spans[40];
  const uint32_t n = PlanSpans(Arch::kX64, points, spans);
  ASSERT_GT(n, 1u);
  uint32_t covered = 0;
  for (uint32_t i = 0; i < n; ++i) {
    EXPECT_LE(spans[i].bytes, kMaxSpan);
    EXPECT_EQ(spans[i].first, covered);
    covered += spans[i].count;
  }
  EXPECT_EQ(covered, 40u);
}

TEST(PatchPlan, OverlappingJumpsAreRefused) {
  std::vector<PatchPoint> points = {{0x1000, 0}, {0x100b, 1}};
  PatchSpan spans[2];
  EXPECT_EQ(PlanSpans(Arch::kX64, points, spans), 0u);
  EXPECT_EQ(PlanSpans(Arch::kX86, points, spans), 1u) << "five bytes are enough there";
}

TEST(PatchPlan, NothingToPatch) {
  PatchSpan spans[1];
  EXPECT_EQ(PlanSpans(Arch::kX64, {}, spans), 0u);
}

TEST(PatchPlan, JumpBytes) {
  uint8_t code[16] = {};
  EncodeJump(Arch::kX64, 0x170001000, 0x1122334455667788, code);
  const uint8_t x64[] = {0x48, 0xb8, 0x88, 0x77, 0x66, 0x55, 0x44, 0x33, 0x22, 0x11, 0xff, 0xe0};
  EXPECT_EQ(std::memcmp(code, x64, sizeof(x64)), 0);
  EXPECT_EQ(JumpBytes(Arch::kX64), sizeof(x64));
  EncodeJump(Arch::kX86, 0x7bc01000, 0x00500000, code);
  int32_t relative;
  std::memcpy(&relative, code + 1, 4);
  EXPECT_EQ(code[0], 0xe9);
  EXPECT_EQ(static_cast<uint32_t>(0x7bc01000 + 5 + relative), 0x00500000u);
}

}  // namespace
}  // namespace plume::vl
