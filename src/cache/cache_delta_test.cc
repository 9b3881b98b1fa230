// Updates by deltas: a client with an older version, a repository that has the newer one with a delta.
#include <gtest/gtest.h>

#include "cache/cache_testing.h"
#include "image/delta.h"
#include "repository/artifact.h"
#include "repository/deltas.h"
#include "repository/oci_layout.h"

namespace plume::cache {
namespace {

using testing::Contents;
using testing::EntryOf;
using testing::ImageMaker;
using testing::RandomText;
using testing::Scratch;

// Counts what is moved, and damages what it is told to.
class Watched final : public repository::Repository {
 public:
  explicit Watched(image::Store& store)
      : inner_(os::SystemFiles(), store.layout().directory(), "http://test") {}
  std::map<std::string, uint64_t> bytes;  // by blob
  std::string damaged;                    // blob whose bytes come flipped ...
  uint64_t damaged_from = 0;              // ... from here on
  std::atomic<bool> offline{false};
  uint64_t Total() {
    const std::lock_guard lock(mutex_);
    uint64_t total = 0;
    for (const auto& [blob, n] : bytes) total += n;
    return total;
  }

  std::string Name() const override { return inner_.Name(); }
  Result<repository::ManifestBlob> GetManifest(const std::string& digest) override {
    if (offline) return Gone();
    return inner_.GetManifest(digest);
  }
  Status ReadBlob(const std::string& digest, uint64_t offset, uint64_t length,
                  const repository::Sink& sink) override {
    if (offline) return Gone();
    uint64_t at = offset;
    return inner_.ReadBlob(digest, offset, length, [&](std::span<const uint8_t> piece) {
      os::Bytes copy(piece.begin(), piece.end());
      for (uint8_t& byte : copy) {
        if (digest == damaged && at >= damaged_from) byte ^= 0x5a;
        ++at;
      }
      {
        const std::lock_guard lock(mutex_);
        bytes[digest] += copy.size();
      }
      return sink(copy);
    });
  }
  Result<bool> HasBlob(const std::string& digest) override { return inner_.HasBlob(digest); }
  Status PutBlob(const std::string& digest, uint64_t size,
                 const std::function<Status(const repository::Sink&)>& read) override {
    return inner_.PutBlob(digest, size, read);
  }
  Status PutManifest(const std::string& tag, const repository::ManifestBlob& manifest) override {
    return inner_.PutManifest(tag, manifest);
  }
  Result<std::vector<std::string>> Tags() override { return inner_.Tags(); }
  Result<std::vector<repository::Referrer>> Referrers(const std::string& subject,
                                                      const std::string& type) override {
    if (offline) return Gone();
    return inner_.Referrers(subject, type);
  }
  Status PutReferrer(const repository::ManifestBlob& manifest) override {
    return inner_.PutReferrer(manifest);
  }

 private:
  static Error Gone() { return Error{Errc::kUnreachable, "connection refused"}; }
  repository::OciLayout inner_;
  std::mutex mutex_;
};

// As a compiler does it: addresses change everywhere, so no chunk stays.
std::string Rebuilt(std::string text) {
  for (size_t i = 0; i < text.size(); i += 700) text[i] = static_cast<char>(text[i] + 1);
  return text;
}

class DeltaTest : public ::testing::Test {
 protected:
  void SetUp() override {
    program_ = RandomText(400'000);
    moved_ = RandomText(90'000);
    old_ = maker_.Make("app", "1",
                       {{"A\\app.exe", program_}, {"A\\lib-1.dat", moved_}, {"A\\same.txt", "same"}});
    files_ = {{"A\\app.exe", Rebuilt(program_)},
              {"A\\B\\lib-2.dat", Rebuilt(moved_)},
              {"A\\same.txt", "same"},
              {"A\\new.txt", "new"}};
    new_ = maker_.Make("app", "2", files_);
    repository_ = std::make_shared<Watched>(maker_.store());
    Open();
  }
  void Open() {
    cache_.reset();
    Options options;
    options.probe = false;
    options.report = [this](const std::string& line) { reports_.push_back(line); };
    auto cache = Cache::Open(scratch_.path() / "state", options);
    ASSERT_TRUE(cache.ok()) << cache.error().message;
    cache_ = std::move(*cache);
  }
  void Publish() {
    const auto made = repository::PublishDeltas(maker_.store(), {"app", "2", new_}, {old_}, *repository_);
    ASSERT_TRUE(made.ok()) << made.error().message;
    stats_ = made->at(0);
    const auto attached = repository_->Referrers(new_, image::kDeltaArtifactType);
    ASSERT_TRUE(attached.ok());
    if (!attached->empty()) blob_ = attached->at(0).annotations.at(image::kDeltaBlob);
  }
  void HaveOld() {
    ASSERT_TRUE(cache_->Attach(repository_, old_).ok());
    ASSERT_TRUE(cache_->Complete(old_).ok());
    repository_->bytes.clear();
  }
  void Update() {
    const auto attached = cache_->Attach(repository_, new_);
    ASSERT_TRUE(attached.ok()) << attached.error().message;
    const Status complete = cache_->Complete(new_);
    ASSERT_TRUE(complete.ok()) << complete.error().message;
    CheckFiles();
  }
  void CheckFiles() {
    for (const testing::TestFile& file : files_) {
      const uint32_t entry = EntryOf(*cache_->Find(new_), file.path);
      EXPECT_EQ(Contents(*cache_->PathOf(new_, entry)), file.bytes) << file.path;
    }
    EXPECT_TRUE(cache_->Verify()->bad.empty());
  }

  ImageMaker maker_;
  Scratch scratch_;
  std::string program_, moved_, old_, new_, blob_;
  std::vector<testing::TestFile> files_;
  std::shared_ptr<Watched> repository_;
  std::unique_ptr<Cache> cache_;
  std::vector<std::string> reports_;
  repository::DeltaStats stats_;
};

TEST_F(DeltaTest, AnUpdateMovesPatchesInsteadOfChunks) {
  HaveOld();
  Publish();
  EXPECT_EQ(stats_.files, 2u);
  EXPECT_GT(stats_.replaced, 480'000u);
  Update();
  EXPECT_EQ(cache_->counters().files_patched, 2u);  // the changed one, and the renamed, moved and changed one
  EXPECT_EQ(cache_->counters().refused, 0u);
  const uint64_t moved = repository_->Total();
  // One changed byte in 700: some bytes of patch for each.
  EXPECT_LT(moved, 20'000u) << "the chunks are " << stats_.replaced;
  EXPECT_TRUE(reports_.empty());
}

TEST_F(DeltaTest, WithoutADeltaChunksAreMoved) {
  HaveOld();
  Update();
  EXPECT_EQ(cache_->counters().files_patched, 0u);
  EXPECT_GT(repository_->Total(), 480'000u);
}

TEST_F(DeltaTest, ThePublishedCatalogIsMadeFromTheOlderOne) {
  std::vector<testing::TestFile> many;
  for (int i = 0; i < 300; ++i) many.push_back({"M\\file" + std::to_string(i), RandomText(50)});
  const std::string first = maker_.Make("many", "1", many);
  many.push_back({"M\\one more", "x"});
  const std::string second = maker_.Make("many", "2", many);
  ASSERT_TRUE(cache_->Attach(repository_, first).ok());
  ASSERT_TRUE(cache_->Complete(first).ok());
  const auto made = repository::PublishDeltas(maker_.store(), {"many", "2", second}, {first}, *repository_);
  ASSERT_TRUE(made.ok() && made->at(0).bytes > 0);
  repository_->bytes.clear();
  ASSERT_TRUE(cache_->Attach(repository_, second).ok());
  const auto manifest = maker_.store().ReadManifest(second);
  ASSERT_TRUE(manifest.ok());
  EXPECT_FALSE(repository_->bytes.contains(manifest->catalog.digest));
  EXPECT_LT(repository_->Total(), manifest->catalog.size / 2);
  ASSERT_TRUE(cache_->Complete(second).ok());
  EXPECT_TRUE(cache_->Verify()->bad.empty());
}

TEST_F(DeltaTest, ADamagedPatchIsRefusedAndToldAndChunksAreFetched) {
  HaveOld();
  Publish();
  ASSERT_FALSE(blob_.empty());
  repository_->damaged = blob_;
  repository_->damaged_from = *image::DeltaHeadBytes(
      *maker_.store().layout().ReadBlobRange(blob_, 0, image::kDeltaHeadStart), stats_.bytes);
  Update();
  EXPECT_EQ(cache_->counters().files_patched, 0u);
  EXPECT_EQ(cache_->counters().refused, 2u);
  ASSERT_EQ(reports_.size(), 2u);
  EXPECT_NE((reports_[0] + reports_[1]).find("C:\\A\\app.exe"), std::string::npos) << reports_[0];
}

TEST_F(DeltaTest, ADamagedHeadIsToldAndNotUsed) {
  HaveOld();
  Publish();
  repository_->damaged = blob_;
  Update();
  EXPECT_EQ(cache_->counters().files_patched, 0u);
  ASSERT_EQ(reports_.size(), 1u);
  EXPECT_NE(reports_[0].find(blob_), std::string::npos);
}

TEST_F(DeltaTest, ADamagedOlderFileGivesNoWrongBytes) {
  HaveOld();
  Publish();
  const os::Path path = *cache_->PathOf(old_, EntryOf(*cache_->Find(old_), "A\\app.exe"));
  std::string wrong = program_;
  for (size_t i = 0; i < wrong.size(); i += 50'000) wrong[i] ^= 1;
  std::filesystem::permissions(path, std::filesystem::perms::owner_write, std::filesystem::perm_options::add);
  std::ofstream(path, std::ios::binary) << wrong;
  ASSERT_TRUE(cache_->Attach(repository_, new_).ok());
  ASSERT_TRUE(cache_->Complete(new_).ok());
  const uint32_t entry = EntryOf(*cache_->Find(new_), "A\\app.exe");
  EXPECT_EQ(Contents(*cache_->PathOf(new_, entry)), files_[0].bytes);
  EXPECT_EQ(cache_->counters().refused, 1u);
  EXPECT_EQ(cache_->counters().files_patched, 1u);
}

// The same file of two versions is one on the disk, and so is its damage.
TEST_F(DeltaTest, RepairHealsWhatVersionsShare) {
  HaveOld();
  Update();
  const os::Path path = *cache_->PathOf(old_, EntryOf(*cache_->Find(old_), "A\\same.txt"));
  ASSERT_EQ(os::SystemFiles().Stat(path)->link_count, 2u);
  std::ofstream(path, std::ios::binary) << "SAME";
  const auto repaired = cache_->Repair();
  ASSERT_TRUE(repaired.ok()) << repaired.error().message;
  EXPECT_EQ(repaired->bad.size(), 2u);
  CheckFiles();
}

TEST_F(DeltaTest, NothingIsFetchedForAFileThatTheOlderVersionNeverNeeded) {
  ASSERT_TRUE(cache_->Attach(repository_, old_).ok());
  ASSERT_TRUE(cache_->EnsureFile(old_, EntryOf(*cache_->Find(old_), "A\\lib-1.dat")).ok());
  Publish();
  Update();
  EXPECT_EQ(cache_->counters().files_patched, 1u);
  EXPECT_EQ(cache_->counters().refused, 0u);
}

TEST_F(DeltaTest, AClientWithoutAnOlderVersionAsksForNone) {
  Publish();
  Update();
  EXPECT_FALSE(repository_->bytes.contains(blob_));
}

TEST_F(DeltaTest, TheDeltaIsFoundAgainByTheNextAgent) {
  HaveOld();
  Publish();
  ASSERT_TRUE(cache_->Attach(repository_, new_).ok());
  Open();
  Update();
  EXPECT_EQ(cache_->counters().files_patched, 2u);
}

TEST_F(DeltaTest, OfflineIsOffline) {
  HaveOld();
  Publish();
  ASSERT_TRUE(cache_->Attach(repository_, new_).ok());
  repository_->offline = true;
  Open();
  ASSERT_TRUE(cache_->Attach(repository_, new_).ok());
  EXPECT_EQ(cache_->Complete(new_).error().code, Errc::kUnreachable);
  repository_->offline = false;
  ASSERT_TRUE(cache_->Attach(repository_, new_).ok());
  ASSERT_TRUE(cache_->Complete(new_).ok());
  CheckFiles();
}

TEST_F(DeltaTest, PublishingAgainMakesNothingTwice) {
  Publish();
  EXPECT_FALSE(stats_.was_there);
  Publish();
  EXPECT_TRUE(stats_.was_there);
  EXPECT_EQ(repository_->Referrers(new_, image::kDeltaArtifactType)->size(), 1u);
}

TEST_F(DeltaTest, BasesAreWhatTagsMeanAndTheVersionsBelow) {
  const std::string third = maker_.Make("app", "3", files_);
  repository::OciLayout at(os::SystemFiles(), scratch_.path() / "published", "oci:published");
  const auto publish = [&](const std::string& version, const std::string& digest, const std::string& tag) {
    const auto bytes = maker_.store().layout().ReadBlob(digest, 1 << 20);
    ASSERT_TRUE(
        at.PutManifest(tag, {digest, image::kManifestMediaType, std::string(bytes->begin(), bytes->end())})
            .ok());
  };
  EXPECT_TRUE(repository::DeltaBases(at, {"app", "1", old_}, {"stable"}, 3)->empty());
  publish("1", old_, "1");
  publish("1", old_, "stable");
  publish("2", new_, "2");
  using List = std::vector<std::string>;
  EXPECT_EQ(*repository::DeltaBases(at, {"app", "3", third}, {"stable"}, 3), (List{old_, new_}));
  EXPECT_EQ(*repository::DeltaBases(at, {"app", "3", third}, {}, 3), (List{new_, old_}));
  EXPECT_EQ(*repository::DeltaBases(at, {"app", "3", third}, {}, 1), List{new_});
  EXPECT_TRUE(repository::DeltaBases(at, {"app", "3", third}, {"stable"}, 0)->empty());
  EXPECT_EQ(*repository::DeltaBases(at, {"app", "2", new_}, {"2"}, 3), List{old_}) << "not itself";
}

}  // namespace
}  // namespace plume::cache
