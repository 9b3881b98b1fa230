#include "cache/plan.h"

#include <gtest/gtest.h>

#include "cache/workers.h"

namespace plume::cache {
namespace {

Need At(uint32_t pack, uint64_t offset, uint32_t stored) { return Need{0, pack, offset, stored, {0}}; }

TEST(Plan, JoinsNeighboursAndBoundsRanges) {
  std::vector<Need> needs = {At(1, 500, 10), At(0, 100, 50), At(0, 0, 100), At(0, 160, 40), At(0, 5000, 10)};
  const auto ranges = PlanRanges(&needs, 1000, 10);
  ASSERT_EQ(ranges.size(), 3u);
  EXPECT_EQ(ranges[0].begin, 0u);
  EXPECT_EQ(ranges[0].end, 200u);
  EXPECT_EQ(ranges[0].count, 3u);
  EXPECT_EQ(ranges[1].begin, 5000u);
  EXPECT_EQ(ranges[2].pack, 1u);
  EXPECT_EQ(PlanRanges(&needs, 150, 10).size(), 4u) << "the third would make the first range too long";
}

TEST(Plan, OverlapAndOversize) {
  std::vector<Need> needs = {At(0, 0, 100), At(0, 50, 100), At(0, 150, 5000)};
  const auto ranges = PlanRanges(&needs, 1000, 10);
  ASSERT_EQ(ranges.size(), 3u);
  EXPECT_EQ(ranges[2].end - ranges[2].begin, 5000u);
  std::vector<Need> none;
  EXPECT_TRUE(PlanRanges(&none, 1, 1).empty());
}

TEST(Workers, EveryPartOnceAndTheFirstErrorStops) {
  Workers workers(3);
  for (size_t count : {0u, 1u, 2u, 100u}) {
    std::vector<std::atomic<int>> calls(count);
    EXPECT_TRUE(workers
                    .ForEach(count,
                             [&](size_t i) {
                               ++calls[i];
                               return Ok();
                             })
                    .ok());
    for (const auto& c : calls) EXPECT_EQ(c, 1);
  }
  std::atomic<int> parts{0};
  const Status failed = workers.ForEach(1000, [&](size_t i) -> Status {
    ++parts;
    if (i == 5) return Error{Errc::kNoSpace, "full"};
    return Ok();
  });
  ASSERT_FALSE(failed.ok());
  EXPECT_EQ(failed.error().code, Errc::kNoSpace);
  EXPECT_LT(parts, 1000);
}

// Jobs inside jobs and from many threads share few helpers without waiting for each other for ever.
TEST(Workers, Nested) {
  Workers workers(2);
  std::atomic<int> parts{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&] {
      EXPECT_TRUE(workers
                      .ForEach(10,
                               [&](size_t) {
                                 return workers.ForEach(10, [&](size_t) {
                                   ++parts;
                                   return Ok();
                                 });
                               })
                      .ok());
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(parts, 400);
}

}  // namespace
}  // namespace plume::cache
