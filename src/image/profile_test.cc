#include "image/profile.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>

#include "base/utf16.h"
#include "image/builder.h"
#include "image/codec.h"
#include "image/config.h"
#include "image/inspect.h"
#include "image/test_content.h"

namespace plume::image {
namespace {

os::Digest ContentNamed(const std::string& text) { return os::Sha256::Of(text); }

StartRun Touched(const std::vector<std::string>& paths) {
  StartRun out;
  for (const std::string& path : paths) out.push_back({"C\\" + path, ContentNamed(path), {}});
  return out;
}

std::vector<std::string> Paths(const StartRun& run) {
  std::vector<std::string> out;
  for (const ProfileFile& file : run) out.push_back(file.path.substr(2));
  return out;
}

using Names = std::vector<std::string>;

TEST(Profile, GoldenFile) {
  Profile sample{"team/editor", "1.0", 0, {}};
  Learn(Touched({"a.exe", "b.dll", "c.txt"}), "1.0", &sample);
  Learn(Touched({"a.exe", "c.txt", "\xc3\xa4.dat"}), "1.1", &sample);
  const auto golden = os::ReadText(os::SystemFiles(), os::Path(PLUME_GOLDEN) / "profile_v1.json");
  ASSERT_TRUE(golden.ok()) << golden.error().message << "\n" << ToJson(sample);
  EXPECT_EQ(ToJson(sample) + "\n", *golden);
  const auto read = ParseProfile(*golden);
  ASSERT_TRUE(read.ok()) << read.error().message;
  EXPECT_EQ(ToJson(*read) + "\n", *golden);
}

TEST(Profile, OneRunIsItsOrder) {
  Profile profile;
  Learn(Touched({"z", "b", "m"}), "1", &profile);
  EXPECT_EQ(Paths(StartUpSet(profile)), Names({"z", "b", "m"}));
  Learn({}, "2", &profile);
  EXPECT_EQ(profile.runs, 1u);
  EXPECT_EQ(profile.version, "1");
}

TEST(Profile, OrderIsTheMedianAndRareFilesFallOut) {
  Profile profile;
  Learn(Touched({"a", "b", "c", "rare"}), "1", &profile);
  Learn(Touched({"a", "c", "b"}), "1", &profile);
  Learn(Touched({"a", "c", "b"}), "1", &profile);
  EXPECT_EQ(Paths(StartUpSet(profile)), Names({"a", "c", "b"}));  // 1 of 3 is rare, and stays known
  EXPECT_EQ(profile.files.size(), 4u);
  for (size_t i = 0; i < kMaxProfileRuns; ++i) Learn(Touched({"a"}), "1", &profile);
  EXPECT_EQ(profile.runs, kMaxProfileRuns);
  EXPECT_EQ(profile.files.size(), 1u);  // and then is forgotten
}

TEST(Profile, ARenamedFileIsTheSame) {
  Profile profile;
  Learn(Touched({"old\\a.dll", "b"}), "1", &profile);
  StartRun renamed = Touched({"x", "b"});
  renamed[0].content = ContentNamed("old\\a.dll");
  Learn(renamed, "2", &profile);
  ASSERT_EQ(profile.files.size(), 2u);
  EXPECT_EQ(profile.files[0].path, "C\\x");
  EXPECT_EQ(profile.files[0].ranks, std::vector<uint32_t>({1, 1}));
  // A copy is another file: both names are there.
  StartRun copied = Touched({"x", "y"});
  copied[0].content = copied[1].content = ContentNamed("old\\a.dll");
  Learn(copied, "3", &profile);
  EXPECT_EQ(profile.files.size(), 3u);
}

TEST(Profile, CaseOfNamesDoesNotCount) {
  Profile profile;
  Learn(Touched({"Program Files\\A.DLL"}), "1", &profile);
  Learn(Touched({"program files\\a.dll"}), "1", &profile);
  ASSERT_EQ(profile.files.size(), 1u);
  EXPECT_EQ(profile.files[0].ranks, std::vector<uint32_t>({1, 1}));
}

TEST(Profile, MergingIsAsIfTheRunsHadBeenHere) {
  Profile one, other, both;
  Learn(Touched({"a", "b"}), "1", &one);
  Learn(Touched({"a", "c"}), "1", &other);
  Learn(Touched({"d", "a"}), "2", &other);
  both = one;
  Learn(Touched({"a", "c"}), "1", &both);
  Learn(Touched({"d", "a"}), "2", &both);
  Merge(other, &one);
  EXPECT_EQ(ToJson(one), ToJson(both));
}

TEST(Profile, ManyRandomRunsStayBoundedAndReadable) {
  std::mt19937 random(7);
  Profile profile;
  for (int round = 0; round < 60; ++round) {
    Names names;
    for (int i = 0; i < 40; ++i)
      if (random() % 3 != 0) names.push_back("f" + std::to_string(random() % 60));
    std::sort(names.begin(), names.end());
    names.erase(std::unique(names.begin(), names.end()), names.end());
    std::shuffle(names.begin(), names.end(), random);
    Learn(Touched(names), std::to_string(round), &profile);
    const auto read = ParseProfile(ToJson(profile));
    ASSERT_TRUE(read.ok()) << read.error().message;
    EXPECT_EQ(ToJson(*read), ToJson(profile));
    EXPECT_LE(profile.files.size(), 60u);
    // What every kept run touched is in the start-up set.
    const Names set = Paths(StartUpSet(profile));
    for (const ProfileFile& file : profile.files) {
      const auto seen =
          std::count_if(file.ranks.begin(), file.ranks.end(), [](uint32_t rank) { return rank != 0; });
      const bool in_set = std::find(set.begin(), set.end(), file.path.substr(2)) != set.end();
      EXPECT_EQ(in_set, seen * 2 >= static_cast<long>(profile.runs)) << file.path;
    }
  }
}

TEST(Profile, BadOnesAreRefused) {
  Profile sample;
  sample.name = "a";
  Learn(Touched({"x"}), "1", &sample);
  const std::string good = ToJson(sample);
  ASSERT_TRUE(ParseProfile(good).ok());
  const auto with = [&](const std::string& from, const std::string& to) {
    std::string text = good;
    const size_t at = text.find(from);
    EXPECT_NE(at, std::string::npos) << from;
    return ParseProfile(text.replace(at, from.size(), to));
  };
  EXPECT_FALSE(with("\"plume_profile\":1", "\"plume_profile\":2").ok());
  EXPECT_FALSE(with("\"plume_profile\":1", "\"plume\":1").ok());
  EXPECT_FALSE(with("\"runs\":1", "\"runs\":2").ok());
  EXPECT_FALSE(with("\"runs\":1", "\"runs\":9").ok());
  EXPECT_FALSE(with("\"ranks\":[1]", "\"ranks\":[-1]").ok());
  EXPECT_FALSE(with("\"ranks\":[1]", "\"ranks\":[0]").ok());
  EXPECT_FALSE(with("\"ranks\":[1]", "\"ranks\":[4000000000]").ok());
  EXPECT_FALSE(with("\"sha256\":\"", "\"sha256\":\"0").ok());
  EXPECT_FALSE(with("C\\\\x", "").ok());
  EXPECT_FALSE(with("}]", "},{}]").ok());
  EXPECT_FALSE(ParseProfile("").ok());
  EXPECT_FALSE(ParseProfile("[]").ok());
}

class BuiltWithProfile : public ::testing::Test {
 protected:
  void SetUp() override {
    auto store = Store::Open(os::SystemFiles(), folder_ / "store");
    ASSERT_TRUE(store.ok()) << store.error().message;
    store_ = std::move(*store);
  }
  os::testing::TestFolder folder_;
  std::unique_ptr<Store> store_;
};

TEST_F(BuiltWithProfile, PacksBeginWithTheStartUpSetAndTheConfigNamesIt) {
  testing::TestContent sample;
  sample.AddSample();
  Profile profile;
  // One is not in the image any more, one was renamed since.
  StartRun run;
  run.push_back({"C\\Program Files\\Notes\\readme.txt", {}, {}});
  run.push_back({"C\\Program Files\\Notes\\gone.dll", ContentNamed("gone"), {}});
  run.push_back({"C\\program files\\notes\\NOTES.EXE", {}, {}});
  BuildOptions options;
  for (const ProfileFile& file : run) options.first.emplace_back("C", FromUtf8Lossy(file.path.substr(2)));
  const auto built = Build(sample.content, *store_, options);
  ASSERT_TRUE(built.ok()) << built.error().message;
  const auto config_bytes = store_->layout().ReadBlob(built->manifest.config.digest, 1u << 20);
  ASSERT_TRUE(config_bytes.ok());
  const auto config = ParseConfig(std::string(config_bytes->begin(), config_bytes->end()));
  ASSERT_TRUE(config.ok()) << config.error().message;
  const auto bytes = LoadCatalog(*store_, built->manifest);
  ASSERT_TRUE(bytes.ok());
  catalog::Reader catalog;
  ASSERT_TRUE(catalog.Attach(bytes->data(), bytes->size()));
  ASSERT_EQ(config->startup.size(), 2u);
  EXPECT_EQ(EntryName(catalog, config->startup[0]), "C\\Program Files\\Notes\\readme.txt");
  EXPECT_EQ(EntryName(catalog, config->startup[1]), "C\\Program Files\\Notes\\notes.exe");
  const auto first_chunk = [&](uint32_t e) {
    return catalog.raw().chunks()->Get(catalog.raw().chunk_refs()->Get(catalog.entry(e).first_chunk()));
  };
  EXPECT_EQ(first_chunk(config->startup[0])->offset(), 0u);
  EXPECT_EQ(first_chunk(config->startup[1])->offset(), first_chunk(config->startup[0])->stored());

  // And back: the entries as a run of files, and those of another catalog by path or content.
  const StartRun named = RunOf(config->startup, catalog);
  EXPECT_EQ(EntriesOf(named, catalog), config->startup);
  StartRun moved = named;
  moved[1].path = "C\\elsewhere.exe";
  EXPECT_EQ(EntriesOf(moved, catalog), config->startup);
  EXPECT_TRUE(EntriesOf({{"D\\x", {}, {}}, {"C", {}, {}}, {"", {}, {}}}, catalog).empty());
  EXPECT_TRUE(RunOf({0, UINT32_MAX}, catalog).empty());
}

TEST(ProfileConfig, StartUpIsReadAndWritten) {
  Config config;
  config.name = "a";
  config.version = "1";
  EXPECT_EQ(ToJson(config).find("startup"), std::string::npos);
  config.startup = {5, 0, 4000000000u};
  const auto read = ParseConfig(ToJson(config));
  ASSERT_TRUE(read.ok());
  EXPECT_EQ(read->startup, config.startup);
  std::string bad = ToJson(config);
  bad.replace(bad.find("4000000000"), 10, "9000000000");
  EXPECT_FALSE(ParseConfig(bad).ok());
}

}  // namespace
}  // namespace plume::image
