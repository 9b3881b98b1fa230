#include "image/delta.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <iterator>

#include "image/test_content.h"

namespace plume::image {
namespace {

using Bytes = std::vector<uint8_t>;

Bytes ToBytes(const std::string& text) { return Bytes(text.begin(), text.end()); }

Delta Sample() {
  Delta delta;
  delta.base = os::Sha256::Of(std::string_view("base"));
  delta.target = os::Sha256::Of(std::string_view("target"));
  delta.catalog_length = 5;
  delta.zstd_version = 10504;
  delta.patches = {{7, 3, 0, 11}, {4, kNoBase, 0, 2}, {9, 3, 0, 1}};
  return delta;
}

TEST(Delta, HeadRoundTrip) {
  Delta delta = Sample();
  const auto head = EncodeDeltaHead(&delta);
  ASSERT_TRUE(head.ok());
  const uint64_t size = head->size() + 5 + 14;
  EXPECT_EQ(*DeltaHeadBytes(*head, size), head->size());
  const auto parsed = ParseDeltaHead(*head, size);
  ASSERT_TRUE(parsed.ok()) << parsed.error().message;
  EXPECT_EQ(parsed->base, delta.base);
  EXPECT_EQ(parsed->target, delta.target);
  EXPECT_EQ(parsed->catalog_offset, head->size());
  EXPECT_EQ(parsed->catalog_length, 5u);
  EXPECT_EQ(parsed->zstd_version, 10504u);
  EXPECT_EQ(parsed->patches, delta.patches);
  EXPECT_EQ(parsed->patches[1].offset, head->size() + 5 + 11);
}

TEST(Delta, BadHeadsAreRefused) {
  Delta delta = Sample();
  const Bytes head = *EncodeDeltaHead(&delta);
  const uint64_t size = head.size() + 5 + 14;
  EXPECT_FALSE(ParseDeltaHead(head, size - 1).ok()) << "a patch outside";
  EXPECT_FALSE(ParseDeltaHead(head, size + 1).ok()) << "bytes behind the last patch";
  for (size_t n = 0; n < head.size(); ++n)
    EXPECT_FALSE(ParseDeltaHead(std::span(head).first(n), size).ok()) << n;
  Bytes other = head;
  other[7] = 2;
  EXPECT_EQ(ParseDeltaHead(other, size).error().code, Errc::kUnsupported);
  other[0] = 'X';
  EXPECT_EQ(ParseDeltaHead(other, size).error().code, Errc::kCorrupt);
  delta = Sample();
  delta.patches[2].target = 7;
  const Bytes twice = *EncodeDeltaHead(&delta);
  EXPECT_FALSE(ParseDeltaHead(twice, twice.size() + 5 + 14).ok()) << "two patches for one file";
  delta = Sample();
  delta.patches[2].length = 0;
  const Bytes none = *EncodeDeltaHead(&delta);
  EXPECT_FALSE(ParseDeltaHead(none, none.size() + 5 + 13).ok()) << "an empty patch";
}

TEST(Delta, PatchOfAChangedFileIsSmall) {
  const std::string noise = testing::Noise(3, 3'000'000);
  Bytes target = ToBytes("inserted" + noise.substr(0, 1'000'000) + "between" + noise.substr(1'000'000));
  const auto patch = MakePatch(ToBytes(noise), target);
  ASSERT_TRUE(patch.ok());
  EXPECT_LT(patch->size(), 600u);
  const auto made = ApplyPatch(ToBytes(noise), *patch, target.size());
  ASSERT_TRUE(made.ok()) << made.error().message;
  EXPECT_EQ(*made, target);
}

TEST(Delta, PatchFromNothingAndOfNothing) {
  const Bytes target = ToBytes(std::string(1000, 'x'));
  const Bytes patch = *MakePatch({}, target);
  EXPECT_EQ(*ApplyPatch({}, patch, target.size()), target);
  EXPECT_EQ(ApplyPatch(target, *MakePatch(target, {}), 0)->size(), 0u);
}

TEST(Delta, WrongPatchesAreRefusedOrGiveOtherBytes) {
  const std::string noise = testing::Noise(4, 200'000);
  Bytes target = ToBytes(noise);
  for (size_t i = 0; i < target.size(); i += 5000) ++target[i];
  const Bytes patch = *MakePatch(ToBytes(noise), target);
  EXPECT_FALSE(ApplyPatch(ToBytes(noise), patch, target.size() + 1).ok());
  EXPECT_FALSE(ApplyPatch(ToBytes(noise), patch, uint64_t{1} << 40).ok());
  EXPECT_FALSE(ApplyPatch(ToBytes(noise), std::span(patch).first(patch.size() - 1), target.size()).ok());
  Bytes longer = patch;
  longer.push_back(0);
  EXPECT_FALSE(ApplyPatch(ToBytes(noise), longer, target.size()).ok());
  // Never more or fewer bytes than asked for, and no crash, with the wrong old file and with any bit flipped.
  const auto other = ApplyPatch(ToBytes(testing::Noise(5, 1000)), patch, target.size());
  EXPECT_TRUE(!other.ok() || *other != target);
  for (size_t i = 0; i < patch.size(); ++i) {
    Bytes flipped = patch;
    flipped[i] ^= static_cast<uint8_t>(1u << (i % 8));
    const auto made = ApplyPatch(ToBytes(noise), flipped, target.size());
    if (made.ok()) {
      EXPECT_EQ(made->size(), target.size());
    }
  }
}

// Deltas in repositories are read for ever.
TEST(Delta, GoldenFile) {
  const std::filesystem::path path = std::filesystem::path(PLUME_GOLDEN) / "delta_v1.pld";
  const Bytes base = ToBytes("the older file, of which most stays as it was");
  const std::string target = "the newer file, of which most stays as it was";
  if (std::getenv("PLUME_WRITE_GOLDEN") != nullptr) {
    const Bytes patch = *MakePatch(base, ToBytes(target));
    Delta delta = Sample();
    delta.catalog_length = 0;
    delta.patches = {{7, 3, 0, patch.size()}};
    const Bytes head = *EncodeDeltaHead(&delta);
    std::ofstream out(path, std::ios::binary);
    out.write(reinterpret_cast<const char*>(head.data()), static_cast<std::streamsize>(head.size()));
    out.write(reinterpret_cast<const char*>(patch.data()), static_cast<std::streamsize>(patch.size()));
  }
  std::ifstream in(path, std::ios::binary);
  const Bytes blob{std::istreambuf_iterator<char>(in), {}};
  const auto bytes = DeltaHeadBytes(blob, blob.size());
  ASSERT_TRUE(bytes.ok()) << bytes.error().message;
  const auto delta = ParseDeltaHead(std::span(blob).first(*bytes), blob.size());
  ASSERT_TRUE(delta.ok()) << delta.error().message;
  EXPECT_EQ(delta->base, Sample().base);
  ASSERT_EQ(delta->patches.size(), 1u);
  EXPECT_EQ(delta->patches[0].target, 7u);
  EXPECT_EQ(delta->patches[0].base, 3u);
  const auto made = ApplyPatch(base, std::span(blob).subspan(delta->patches[0].offset), target.size());
  ASSERT_TRUE(made.ok()) << made.error().message;
  EXPECT_EQ(std::string(made->begin(), made->end()), target);
}

}  // namespace
}  // namespace plume::image
