#include "image/manifest.h"

#include <gtest/gtest.h>

#include "image/codec.h"
#include "image/config.h"
#include "os/file.h"
#include "os/random.h"

namespace plume::image {
namespace {

std::string Digest(char c) { return "sha256:" + std::string(64, c); }

Manifest Sample() {
  Manifest manifest;
  manifest.config = {kConfigMediaType, Digest('a'), 100};
  manifest.catalog = {kCatalogMediaType, Digest('b'), 2000};
  manifest.packs = {{kPackMediaType, Digest('c'), 33554432}, {kPackMediaType, Digest('d'), 17}};
  manifest.name = "team/editor";
  manifest.version = "1.2.3";
  return manifest;
}

Config SampleConfig() {
  Config config;
  config.name = "team/editor";
  config.version = "1.2.3";
  config.display_name = "Editor \"x\" \xc3\xa4";
  config.publisher = "Team";
  config.entry_points = {
      {"editor", "Editor", "C:\\Program Files\\Editor\\editor.exe", "/a \"%1\"", "%PROFILE%"}};
  config.environment = {{"PATH", "C:\\Program Files\\Editor", true}, {"EDITOR_HOME", "C:\\x", false}};
  config.file_count = 3;
  config.byte_count = 1ull << 40;
  config.key_count = 2;
  return config;
}

std::string Replaced(std::string text, const std::string& from, const std::string& to) {
  const size_t at = text.find(from);
  EXPECT_NE(at, std::string::npos) << from;
  return text.replace(at, from.size(), to);
}

TEST(Manifest, GoldenFile) {
  const auto golden = os::ReadText(os::SystemFiles(), os::Path(PLUME_GOLDEN) / "manifest_v1.json");
  ASSERT_TRUE(golden.ok()) << golden.error().message;
  EXPECT_EQ(ToJson(Sample()) + "\n", *golden);
  const Result<Manifest> read = ParseManifest(*golden);
  ASSERT_TRUE(read.ok()) << read.error().message;
  EXPECT_EQ(read->packs, Sample().packs);
  EXPECT_EQ(read->name, "team/editor");
  EXPECT_EQ(read->version, "1.2.3");
  EXPECT_EQ(read->TotalBytes(), 100u + 2000 + 33554432 + 17);
  EXPECT_EQ(read->Blobs().size(), 4u);
}

TEST(Manifest, OthersAndMalformedOnesAreRefused) {
  const std::string good = ToJson(Sample());
  const std::string bad[] = {
      "",
      "{",
      "[]",
      "null",
      good + "x",
      good.substr(0, good.size() / 2),
      Replaced(good, kArtifactType, "application/vnd.plume.image.v2"),
      Replaced(good, kManifestMediaType, "application/vnd.oci.image.index.v1+json"),
      Replaced(good, "\"schemaVersion\":2", "\"schemaVersion\":1"),
      Replaced(good, kConfigMediaType, "application/vnd.oci.image.config_v1.json"),
      Replaced(good, kCatalogMediaType, kPackMediaType),
      Replaced(good, kPackMediaType, "application/octet-stream"),
      Replaced(good, Digest('c'), "sha256:" + std::string(63, 'c')),
      Replaced(good, Digest('c'), "sha512:" + std::string(64, 'c')),
      Replaced(good, "33554432", "-1"),
      Replaced(good, "33554432", "1e99"),
      Replaced(good, "33554432", "\"5\""),
      Replaced(good, "\"size\":100", "\"size\":99999999"),
      Replaced(good, "team/editor", "Team/Editor"),
      Replaced(good, "team/editor", "../x"),
      Replaced(good, "1.2.3", "a:b"),
  };
  for (const std::string& text : bad) {
    const Result<Manifest> read = ParseManifest(text);
    ASSERT_FALSE(read.ok()) << text;
    EXPECT_EQ(read.error().code, Errc::kInvalid) << text;
  }
  std::string deep = "{\"x\":";
  deep.append(100'000, '[');
  EXPECT_EQ(ParseManifest(deep).error().code, Errc::kInvalid);
}

TEST(Manifest, Names) {
  for (const char* name : {"a", "7zip", "team/editor-2", "a.b_c__d---e", "x/y/z"})
    EXPECT_TRUE(IsImageName(name)) << name;
  for (const char* name :
       {"", "A", "-a", "a-", "a..b", "a/", "/a", "a//b", "a___b", "a b", "a:b", "..", "a/../b"}) {
    EXPECT_FALSE(IsImageName(name)) << name;
  }
  for (const char* version : {"1", "1.0-rc1", "_x", "v2", "20.1.0_beta"})
    EXPECT_TRUE(IsImageVersion(version)) << version;
  for (const char* version : {"", ".1", "-1", "a b", "1/2", "1:2"})
    EXPECT_FALSE(IsImageVersion(version)) << version;
}

TEST(Config, GoldenFile) {
  const auto golden = os::ReadText(os::SystemFiles(), os::Path(PLUME_GOLDEN) / "config_v1.json");
  ASSERT_TRUE(golden.ok()) << golden.error().message;
  EXPECT_EQ(ToJson(SampleConfig()) + "\n", *golden);
  const Result<Config> read = ParseConfig(*golden);
  ASSERT_TRUE(read.ok()) << read.error().message;
  EXPECT_EQ(ToJson(*read), ToJson(SampleConfig()));
}

TEST(Config, GoldenFileWithVariables) {
  Config config = SampleConfig();
  config.variables = {{"%{plume:profile}", "profile"}, {"%{plume:sid}", "sid"}};
  const auto golden = os::ReadText(os::SystemFiles(), os::Path(PLUME_GOLDEN) / "config_v2.json");
  ASSERT_TRUE(golden.ok()) << golden.error().message;
  EXPECT_EQ(ToJson(config) + "\n", *golden);
  const Result<Config> read = ParseConfig(*golden);
  ASSERT_TRUE(read.ok()) << read.error().message;
  EXPECT_EQ(ToJson(*read), ToJson(config));
  EXPECT_FALSE(ParseConfig(Replaced(*golden, "\"means\":\"sid\"", "\"means\":\"\"")).ok());
}

TEST(Config, PlacesInTextsAreTold) {
  Config config = SampleConfig();
  config.machine_texts = {{"C:\\A\\a.ini", 7, "profile"}};
  const std::string json = ToJson(config);
  const Result<Config> read = ParseConfig(json);
  ASSERT_TRUE(read.ok()) << read.error().message;
  EXPECT_EQ(ToJson(*read), json);
  ASSERT_EQ(read->machine_texts.size(), 1u);
  EXPECT_EQ(read->machine_texts[0].line, 7u);
  EXPECT_FALSE(ParseConfig(Replaced(json, "\"line\":7", "\"line\":\"7\"")).ok());
}

TEST(Config, NewerAndMalformedOnesAreRefusedUnknownMembersAreNot) {
  const std::string good = ToJson(SampleConfig());
  EXPECT_TRUE(ParseConfig(Replaced(good, "\"publisher\"", "\"future\":{\"a\":[1]},\"publisher\"")).ok());
  for (const std::string& bad :
       {Replaced(good, "\"plume\":1", "\"plume\":3"), Replaced(good, "\"plume\":1", "\"plume\":\"1\""),
        Replaced(good, "\"id\":\"editor\"", "\"id\":\"\""), Replaced(good, "\"join\":true", "\"join\":1"),
        Replaced(good, "\"EDITOR_HOME\"", "\"A=B\""), Replaced(good, "\"file_count\":3", "\"file_count\":-3"),
        std::string("{}"), std::string("x")}) {
    EXPECT_EQ(ParseConfig(bad).error().code, Errc::kInvalid) << bad;
  }
}

TEST(Codec, ChunksComeBackOrAreRefused) {
  std::vector<uint8_t> text(100'000, 'x'), noise(5000);
  os::RandomBytes(noise);
  for (const std::vector<uint8_t>& plain : {text, noise, std::vector<uint8_t>{1}}) {
    const std::vector<uint8_t> stored = EncodeChunk(plain);
    EXPECT_LE(stored.size(), plain.size());
    const os::Digest digest = os::Sha256::Of(plain);
    const uint32_t size = static_cast<uint32_t>(plain.size());
    EXPECT_EQ(*DecodeChunk(stored, size, digest), plain);
    std::vector<uint8_t> damaged = stored;
    damaged[damaged.size() / 2] ^= 1;
    EXPECT_EQ(DecodeChunk(damaged, size, digest).error().code, Errc::kCorrupt);
    damaged = stored;
    damaged.pop_back();
    EXPECT_EQ(DecodeChunk(damaged, size, digest).error().code, Errc::kCorrupt);
    EXPECT_EQ(DecodeChunk(stored, size + 1, digest).error().code, Errc::kCorrupt);
    EXPECT_EQ(DecodeChunk(stored, size, os::Sha256::Of("another chunk")).error().code, Errc::kCorrupt);
  }
}

TEST(Codec, ABombIsNotUnpacked) {
  const std::vector<uint8_t> frame = *Compress(std::vector<uint8_t>(10 << 20), 3);
  EXPECT_LT(frame.size(), 10'000u);
  EXPECT_EQ(Decompress(frame, 1 << 20).error().code, Errc::kCorrupt);
  EXPECT_EQ(DecodeChunk(frame, 100, os::Digest{}).error().code, Errc::kCorrupt);
}

}  // namespace
}  // namespace plume::image
