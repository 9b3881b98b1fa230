#include "agent/starts.h"

#include <gtest/gtest.h>

#include "cache/cache_testing.h"

namespace plume::agent {
namespace {

using cache::testing::EntryOf;
using cache::testing::FaultyRepository;
using cache::testing::ImageMaker;
using cache::testing::RandomText;
using cache::testing::Scratch;
using cache::testing::TestFile;

class TestClock final : public os::Clock {
 public:
  int64_t now = 1'000'000'000;
  int64_t NowFiletime() override { return now * 10; }
  int64_t MonotonicMicros() override { return now; }
  void SleepMillis(uint32_t milliseconds) override { now += milliseconds * 1000ll; }
};

// One client: its state, and what its guests do.
class Client {
 public:
  explicit Client(image::Store& store) : repository(std::make_shared<FaultyRepository>(store)) {
    cache::Options options;
    options.probe = false;
    options.read_ahead = 0;
    options.clock = &clock;
    auto opened = cache::Cache::Open(scratch.path(), options);
    EXPECT_TRUE(opened.ok()) << opened.error().message;
    cache = std::move(*opened);
    starts = std::make_unique<Starts>(scratch.path() / "profiles", *cache, nullptr, clock);
    std::filesystem::create_directories(workspace());
  }
  os::Path workspace() const { return scratch.path() / "w1"; }
  const cache::Image* Attach(const std::string& digest) {
    auto image = cache->Attach(repository, digest);
    EXPECT_TRUE(image.ok()) << image.error().message;
    return image.ok() ? *image : nullptr;
  }
  void WaitForPrefetch(const std::string& digest) {
    for (int i = 0; i < 20'000 && cache->Prefetched(digest).running; ++i)
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  // As a guest: notes the opening, and asks the agent if the file is not there.
  void Open(const std::string& digest, const std::string& path) {
    const uint32_t entry = EntryOf(*cache->Find(digest), path);
    auto mapped =
        os::MappedFile::OpenShared(workspace() / kStartRecordName, view::StartRecord::BytesFor(0), nullptr);
    ASSERT_TRUE(mapped.ok()) << mapped.error().message;
    view::StartRecord record;
    ASSERT_TRUE(record.Attach(mapped->data(), mapped->size()));
    record.Touch(0, entry);
    if (cache->Present(digest, entry)) return;
    const int64_t began = clock.now;
    const Status done = cache->EnsureFile(digest, entry);
    clock.now += 1000;
    starts->Missed("vm", 0, entry, began, clock.now, done.ok());
  }
  // A whole start: prefetches, opens, ends. Returns its report.
  Json Run(const std::string& digest, const std::vector<std::string>& paths) {
    Attach(digest);
    const int64_t began = clock.now;
    starts->Prefetch(digest);
    starts->Begin("vm", workspace(), {digest}, began);
    WaitForPrefetch(digest);
    for (const std::string& path : paths) Open(digest, path);
    return starts->Report("vm");
  }

  TestClock clock;
  Scratch scratch;
  std::shared_ptr<FaultyRepository> repository;
  std::unique_ptr<cache::Cache> cache;
  std::unique_ptr<Starts> starts;
};

class StartsTest : public ::testing::Test {
 protected:
  void SetUp() override {
    for (int i = 0; i < 30; ++i)
      files_.push_back(
          {"App\\f" + std::to_string(10 + i), RandomText(20'000 + 500 * static_cast<size_t>(i))});
    digest_ = maker_.Make("team/app", "1", files_);
  }
  static std::vector<std::string> Paths(const image::Profile& profile) {
    std::vector<std::string> out;
    for (const image::ProfileFile& file : image::StartUpSet(profile)) out.push_back(file.path);
    return out;
  }
  ImageMaker maker_;
  std::vector<TestFile> files_;
  std::string digest_;
  const std::vector<std::string> opened_ = {"App\\f25", "App\\f11", "App\\f12", "App\\f30"};
};

TEST_F(StartsTest, OneStartTeachesTheNextClientEverything) {
  Client first(maker_.store());
  const Json cold = first.Run(digest_, opened_);
  EXPECT_EQ(cold["misses"].size(), opened_.size());
  EXPECT_EQ(cold["touched"]["files"], opened_.size());
  EXPECT_EQ(cold["expected_bytes"], 0);
  EXPECT_EQ(cold["ahead"]["files"], 0);
  const image::Profile learned = first.starts->ProfileOf("team/app");
  EXPECT_EQ(learned.runs, 1u);
  EXPECT_EQ(Paths(learned),
            (std::vector<std::string>{"C\\App\\f25", "C\\App\\f11", "C\\App\\f12", "C\\App\\f30"}));

  Client second(maker_.store());
  ASSERT_TRUE(second.starts->Take(learned).ok());
  const Json warm = second.Run(digest_, opened_);
  EXPECT_EQ(warm["misses"].size(), 0u);
  EXPECT_EQ(warm["ahead"]["files"], opened_.size());
  EXPECT_EQ(warm["unexpected_bytes"], 0);
  EXPECT_EQ(warm["expected_bytes"], cold["unexpected_bytes"]);
  EXPECT_EQ(warm["wasted"]["bytes"], 0);
  EXPECT_EQ(second.starts->ProfileOf("team/app").runs, 2u);
}

TEST_F(StartsTest, WasteAndWhatWasNotExpectedAreCounted) {
  Client client(maker_.store());
  image::Profile other;
  other.name = "team/app";
  image::Learn({{"C\\App\\f11", {}, {}}, {"C\\App\\f39", {}, {}}}, "1", &other);
  ASSERT_TRUE(client.starts->Take(other).ok());
  const Json report = client.Run(digest_, {"App\\f11", "App\\f12"});
  const auto stored = [&](const std::string& path) {
    return client.cache->StoredBytes(digest_, EntryOf(*client.cache->Find(digest_), path));
  };
  EXPECT_EQ(report["wasted"]["files"], 1);
  EXPECT_EQ(report["wasted"]["bytes"], stored("App\\f39"));
  EXPECT_EQ(report["expected_bytes"], stored("App\\f11"));
  EXPECT_EQ(report["unexpected_bytes"], stored("App\\f12"));
  ASSERT_EQ(report["misses"].size(), 1u);
  EXPECT_EQ(report["misses"][0]["file"], "C\\App\\f12");
  EXPECT_EQ(report["misses"][0]["expected"], false);
}

TEST_F(StartsTest, AProfileHoldsForTheNextVersion) {
  Client client(maker_.store());
  client.Run(digest_, opened_);
  for (TestFile& file : files_) file.bytes = RandomText(20'000);  // every file is another one
  const std::string next = maker_.Make("team/app", "2", files_);
  const Json report = client.Run(next, opened_);
  EXPECT_EQ(report["misses"].size(), 0u);
  EXPECT_EQ(report["ahead"]["files"], opened_.size());
  EXPECT_EQ(client.starts->ProfileOf("team/app").version, "2");
}

TEST_F(StartsTest, AStartEndsWhenItIsQuietAndNothingIsFetched) {
  Client client(maker_.store());
  client.Attach(digest_);
  const auto used = [](const std::string&) { return true; };
  client.starts->Begin("vm", client.workspace(), {digest_}, client.clock.now);
  client.clock.now += 10'000'000;
  client.starts->Tend(false, used);
  EXPECT_TRUE(client.starts->Running("vm")) << "nothing was touched: its program is still coming";
  client.Open(digest_, "App\\f11");
  client.starts->Tend(false, used);
  client.clock.now += 1'900'000;
  client.starts->Tend(true, used);  // a guest waits for a file
  client.clock.now += 1'900'000;
  client.starts->Tend(false, used);
  EXPECT_TRUE(client.starts->Running("vm"));
  client.clock.now += 200'000;
  client.starts->Tend(false, used);
  EXPECT_FALSE(client.starts->Running("vm"));
  EXPECT_EQ(client.starts->ProfileOf("team/app").runs, 1u);

  // However busy it is, after a minute; and when its last process has ended.
  client.starts->Begin("vm", client.workspace(), {digest_}, client.clock.now);
  client.clock.now += 61'000'000;
  client.starts->Tend(true, used);
  EXPECT_FALSE(client.starts->Running("vm"));
  client.starts->Begin("vm", client.workspace(), {digest_}, client.clock.now);
  client.starts->Tend(false, [](const std::string&) { return false; });
  EXPECT_FALSE(client.starts->Running("vm"));
  EXPECT_EQ(client.starts->ProfileOf("team/app").runs, 1u) << "starts that touched nothing say nothing";
}

TEST_F(StartsTest, WhatIsTouchedLaterIsNotOfTheStart) {
  Client client(maker_.store());
  client.Run(digest_, {"App\\f11"});
  client.Open(digest_, "App\\f12");
  EXPECT_EQ(client.starts->Report("vm")["touched"]["files"], 1);
  EXPECT_EQ(Paths(client.starts->ProfileOf("team/app")), std::vector<std::string>{"C\\App\\f11"});
  EXPECT_TRUE(client.starts->Report("another").is_null());
}

TEST_F(StartsTest, ADamagedProfileIsLearnedAnew) {
  Client client(maker_.store());
  client.Run(digest_, opened_);
  std::ofstream(client.starts->ProfileFile("team/app")) << "{";
  EXPECT_EQ(client.starts->ProfileOf("team/app").runs, 0u);
  client.Run(digest_, opened_);
  EXPECT_EQ(client.starts->ProfileOf("team/app").runs, 1u);
}

TEST_F(StartsTest, AFullProfileIsNotWrittenForAStartLikeTheOthers) {
  Client client(maker_.store());
  for (size_t i = 0; i < image::kMaxProfileRuns; ++i) client.Run(digest_, opened_);
  const os::Path file = client.starts->ProfileFile("team/app");
  const auto before = os::SystemFiles().Stat(file);
  client.Run(digest_, opened_);
  EXPECT_EQ(os::SystemFiles().Stat(file)->times.modified, before->times.modified);
  for (size_t i = 0; i < image::kMaxProfileRuns; ++i) client.Run(digest_, {"App\\f11", "App\\f20"});
  EXPECT_EQ(Paths(client.starts->ProfileOf("team/app")),
            (std::vector<std::string>{"C\\App\\f11", "C\\App\\f20"}));
}

}  // namespace
}  // namespace plume::agent
