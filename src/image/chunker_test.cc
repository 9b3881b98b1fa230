#include "image/chunker.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <set>

#include "os/sha256.h"

namespace plume::image {
namespace {

std::vector<uint8_t> Noise(uint64_t seed, size_t size) {
  std::mt19937_64 random(seed);
  std::vector<uint8_t> bytes(size);
  for (uint8_t& byte : bytes) byte = static_cast<uint8_t>(random() >> 32);
  return bytes;
}

std::vector<size_t> Sizes(std::span<const uint8_t> data) {
  std::vector<size_t> sizes;
  while (!data.empty()) {
    const size_t n = NextChunk(data);
    sizes.push_back(n);
    data = data.subspan(n);
  }
  return sizes;
}

std::multiset<os::Digest> Digests(std::span<const uint8_t> data) {
  std::multiset<os::Digest> digests;
  while (!data.empty()) {
    const size_t n = NextChunk(data);
    digests.insert(os::Sha256::Of(data.first(n)));
    data = data.subspan(n);
  }
  return digests;
}

size_t NewChunks(const std::multiset<os::Digest>& before, const std::multiset<os::Digest>& after) {
  std::vector<os::Digest> added;
  std::set_difference(after.begin(), after.end(), before.begin(), before.end(), std::back_inserter(added));
  return added.size();
}

// Never change: images are reproducible only while boundaries stay (docs/formats/pack.md).
TEST(Chunker, GoldenBoundaries) {
  EXPECT_EQ(GearTable()[0], 12967385876554919850u);
  EXPECT_EQ(GearTable()[255], 12246381855993623772u);
  const std::vector<size_t> expected = {84102, 84985, 70423,  83310, 96197, 157385, 71901,
                                        35401, 85788, 109220, 80008, 81281, 8575};
  EXPECT_EQ(Sizes(Noise(1, 1 << 20)), expected);
}

TEST(Chunker, SizesAreBounded) {
  for (const uint64_t seed : {1, 2, 3}) {
    const std::vector<uint8_t> data = Noise(seed, 16 << 20);
    const std::vector<size_t> sizes = Sizes(data);
    for (size_t i = 0; i + 1 < sizes.size(); ++i) {
      EXPECT_GE(sizes[i], kMinChunk);
      EXPECT_LE(sizes[i], kMaxChunk);
    }
    const size_t average = data.size() / sizes.size();
    EXPECT_GT(average, kAverageChunk * 3 / 4);
    EXPECT_LT(average, kAverageChunk * 5 / 4);
  }
  // Without content there are no boundaries but the largest size.
  EXPECT_EQ(Sizes(std::vector<uint8_t>(3 * kMaxChunk + 5)),
            (std::vector<size_t>{kMaxChunk, kMaxChunk, kMaxChunk, 5}));
  EXPECT_EQ(NextChunk({}), 0u);
  EXPECT_EQ(Sizes(Noise(4, kMinChunk)), std::vector<size_t>{kMinChunk});
}

TEST(Chunker, OneByteInsertedChangesAtMostThreeChunks) {
  const std::vector<uint8_t> data = Noise(7, 4 << 20);
  const std::multiset<os::Digest> before = Digests(data);
  std::mt19937_64 random(8);
  size_t worst = 0, total = 0;
  constexpr int kTrials = 60;
  for (int trial = 0; trial < kTrials; ++trial) {
    std::vector<uint8_t> changed = data;
    const size_t at = trial == 0 ? 0 : random() % data.size();
    changed.insert(changed.begin() + static_cast<ptrdiff_t>(at), static_cast<uint8_t>(random()));
    const size_t added = NewChunks(before, Digests(changed));
    worst = std::max(worst, added);
    total += added;
  }
  EXPECT_LE(worst, 3u);
  EXPECT_LT(static_cast<double>(total) / kTrials, 1.6);
}

TEST(Chunker, StreamingGivesTheSameChunks) {
  const std::vector<uint8_t> data = Noise(9, (3 << 20) + 17);
  for (const size_t step : {size_t{1} << 12, size_t{70'001}, data.size()}) {
    size_t at = 0;
    std::vector<size_t> sizes;
    ASSERT_TRUE(ForEachChunk(
                    [&](std::span<uint8_t> out) -> Result<size_t> {
                      const size_t n = std::min({step, out.size(), data.size() - at});
                      std::copy_n(data.begin() + static_cast<ptrdiff_t>(at), n, out.begin());
                      at += n;
                      return n;
                    },
                    [&](std::span<const uint8_t> chunk) {
                      sizes.push_back(chunk.size());
                      return Ok();
                    })
                    .ok());
    EXPECT_EQ(sizes, Sizes(data));
  }
}

TEST(Chunker, ErrorsOfTheSourceComeThrough) {
  const Status status = ForEachChunk(
      [](std::span<uint8_t>) -> Result<size_t> {
        return Error{Errc::kDenied, "no"};
      },
      [](std::span<const uint8_t>) { return Ok(); });
  EXPECT_EQ(status.error().code, Errc::kDenied);
}

}  // namespace
}  // namespace plume::image
