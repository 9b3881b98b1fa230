#include "cache/prefetch.h"

#include <gtest/gtest.h>

#include "cache/cache_testing.h"

namespace plume::cache {
namespace {

using testing::Contents;
using testing::EntryOf;
using testing::FaultyRepository;
using testing::FilesBelow;
using testing::ImageMaker;
using testing::RandomText;
using testing::Scratch;
using testing::TestFile;
using Fault = FaultyRepository::Fault;

// Stops long transfers behind their first bytes until they are let go.
class GatedRepository final : public repository::Repository {
 public:
  explicit GatedRepository(image::Store& store) : inner(store) {}
  FaultyRepository inner;
  std::atomic<uint64_t> long_ones{UINT64_MAX};  // bytes from which on a transfer is one
  std::atomic<uint64_t> stop_at{0};             // bytes of it that come before
  std::atomic<bool> open{false};
  std::atomic<bool> break_long{false};  // they end there, once
  std::atomic<int> waiting{0}, long_reads{0};

  std::string Name() const override { return inner.Name(); }
  Result<repository::ManifestBlob> GetManifest(const std::string& digest) override {
    return inner.GetManifest(digest);
  }
  Status ReadBlob(const std::string& digest, uint64_t offset, uint64_t length,
                  const repository::Sink& sink) override {
    if (length < long_ones) return inner.ReadBlob(digest, offset, length, sink);
    ++long_reads;
    uint64_t sent = 0;
    return inner.ReadBlob(digest, offset, length, [&](os::ByteView piece) -> Status {
      if (sent >= stop_at) {
        if (break_long.exchange(false)) return Error{Errc::kUnreachable, "broken off"};
        ++waiting;
        while (!open) std::this_thread::sleep_for(std::chrono::milliseconds(1));
        --waiting;
      }
      sent += piece.size();
      return sink(piece);
    });
  }
  Result<bool> HasBlob(const std::string& digest) override { return inner.HasBlob(digest); }
  Status PutBlob(const std::string&, uint64_t,
                 const std::function<Status(const repository::Sink&)>&) override {
    return Error{Errc::kUnsupported, "read only"};
  }
  Status PutManifest(const std::string&, const repository::ManifestBlob&) override {
    return Error{Errc::kUnsupported, "read only"};
  }
  Result<std::vector<std::string>> Tags() override { return std::vector<std::string>(); }
  Result<std::vector<repository::Referrer>> Referrers(const std::string& subject,
                                                      const std::string& type) override {
    return inner.Referrers(subject, type);
  }
  Status PutReferrer(const repository::ManifestBlob&) override {
    return Error{Errc::kUnsupported, "read only"};
  }
};

// A rename has been done, but the one who did it still has the file in its hands.
class LateRename final : public os::FileSystem {
 public:
  std::atomic<bool> hold{false};
  std::atomic<int> held{0};

  Result<std::unique_ptr<os::File>> Open(const os::Path& path, os::OpenMode mode) override {
    return inner_.Open(path, mode);
  }
  Result<os::FileInfo> Stat(const os::Path& path) override { return inner_.Stat(path); }
  Result<std::vector<os::DirectoryEntry>> List(const os::Path& path) override { return inner_.List(path); }
  Status MakeDirectories(const os::Path& path) override { return inner_.MakeDirectories(path); }
  Status MakeDirectory(const os::Path& path) override { return inner_.MakeDirectory(path); }
  Status Rename(const os::Path& from, const os::Path& to, bool replace) override {
    Status done = inner_.Rename(from, to, replace);
    if (hold && to.filename().string().starts_with("f")) {
      ++held;
      while (hold) std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    return done;
  }
  Status Remove(const os::Path& path) override { return inner_.Remove(path); }
  Status HardLink(const os::Path& existing, const os::Path& link) override {
    return inner_.HardLink(existing, link);
  }
  Status SetAttributes(const os::Path& path, uint32_t attributes) override {
    return inner_.SetAttributes(path, attributes);
  }
  Status SetTimes(const os::Path& path, const os::FileTimes& times) override {
    return inner_.SetTimes(path, times);
  }
  Result<uint64_t> FreeSpace(const os::Path& path) override { return inner_.FreeSpace(path); }
  Status SyncDirectory(const os::Path& path) override { return inner_.SyncDirectory(path); }

 private:
  os::FileSystem& inner_ = os::SystemFiles();
};

class PrefetchTest : public ::testing::Test {
 protected:
  void SetUp() override {
    // Packed in the order of their paths.
    for (int i = 0; i < 40; ++i)
      files_.push_back(
          {"App\\f" + std::to_string(10 + i), RandomText(20'000 + 1000 * static_cast<size_t>(i))});
    files_.push_back({"App\\g-big", RandomText(2'000'000)});
    files_.push_back({"App\\h-empty", ""});
    files_.push_back({"App\\i-last", RandomText(30'000)});
    digest_ = maker_.Make("app", "1", files_);
    repository_ = std::make_shared<GatedRepository>(maker_.store());
    options_.probe = false;
    options_.offline_millis = 60'000;
    options_.read_ahead = 0;
    options_.overtake = 100'000;
    Reopen();
  }
  void Reopen() {
    cache_.reset();
    auto cache = Cache::Open(scratch_.path(), options_);
    ASSERT_TRUE(cache.ok()) << cache.error().message;
    cache_ = std::move(*cache);
    auto image = cache_->Attach(repository_, digest_);
    ASSERT_TRUE(image.ok()) << image.error().message;
    image_ = *image;
    repository_->inner.reads = 0;
  }
  uint32_t Entry(size_t i) const { return EntryOf(*image_, files_[i].path); }
  std::vector<uint32_t> All() const {
    std::vector<uint32_t> out;
    for (size_t i = 0; i < files_.size(); ++i) out.push_back(Entry(i));
    return out;
  }
  void WaitForEnd() {
    for (int i = 0; i < 20'000 && cache_->Prefetched(digest_).running; ++i)
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    ASSERT_FALSE(cache_->Prefetched(digest_).running);
  }
  void WaitFor(const std::atomic<int>& count) {
    for (int i = 0; i < 20'000 && count == 0; ++i) std::this_thread::sleep_for(std::chrono::milliseconds(1));
    ASSERT_GT(count, 0);
  }
  void ExpectAllRight() {
    for (size_t i = 0; i < files_.size(); ++i) {
      EXPECT_TRUE(cache_->Present(digest_, Entry(i))) << files_[i].path;
      EXPECT_EQ(Contents(*cache_->PathOf(digest_, Entry(i))), files_[i].bytes) << files_[i].path;
    }
  }

  Scratch scratch_;
  ImageMaker maker_;
  std::vector<TestFile> files_;
  std::string digest_;
  std::shared_ptr<GatedRepository> repository_;
  Options options_;
  std::unique_ptr<Cache> cache_;
  const Image* image_ = nullptr;
};

TEST_F(PrefetchTest, EverythingComesInOneRequest) {
  cache_->Prefetch(digest_, All());
  WaitForEnd();
  ExpectAllRight();
  EXPECT_EQ(repository_->inner.reads, 1);
  const PrefetchReport report = cache_->Prefetched(digest_);
  EXPECT_EQ(report.files, files_.size());
  EXPECT_EQ(report.requests, 1u);
  EXPECT_EQ(report.received, report.planned);
  uint64_t stored = 0;
  for (size_t i = 0; i < files_.size(); ++i) stored += cache_->StoredBytes(digest_, Entry(i));
  EXPECT_EQ(report.received, stored);
  // And once more is nothing at all.
  cache_->Prefetch(digest_, All());
  WaitForEnd();
  cache_->Prefetch(digest_, All());
  EXPECT_EQ(repository_->inner.reads, 1);
  // Unless somebody removed it meanwhile.
  std::filesystem::remove(*cache_->PathOf(digest_, Entry(0)));
  cache_->Prefetch(digest_, All());
  WaitForEnd();
  ExpectAllRight();
  EXPECT_EQ(repository_->inner.reads, 2);
}

TEST_F(PrefetchTest, OnlyWhatIsWantedAndMissingIsFetched) {
  ASSERT_TRUE(cache_->EnsureFile(digest_, Entry(3)).ok());
  repository_->inner.reads = 0;
  cache_->Prefetch(digest_, {Entry(3), Entry(4), Entry(30), Entry(31), 0, UINT32_MAX});
  WaitForEnd();
  EXPECT_EQ(repository_->inner.reads, 2) << "4, and 30 with 31";
  EXPECT_EQ(FilesBelow(scratch_.path() / "images" / digest_.substr(7)), 4u);
  const PrefetchReport report = cache_->Prefetched(digest_);
  EXPECT_EQ(report.entries, std::vector<uint32_t>({Entry(4), Entry(30), Entry(31)}));
  EXPECT_EQ(report.received, cache_->StoredBytes(digest_, Entry(4)) +
                                 cache_->StoredBytes(digest_, Entry(30)) +
                                 cache_->StoredBytes(digest_, Entry(31)));
}

TEST_F(PrefetchTest, AMissFarAwayOvertakesAndOneCloseByWaits) {
  repository_->long_ones = 1'000'000;
  repository_->stop_at = 60'000;  // into the third file
  cache_->Prefetch(digest_, All());
  WaitFor(repository_->waiting);
  // The last file is two megabytes away: it comes on a connection of its own while the long transfer hangs.
  ASSERT_TRUE(cache_->EnsureFile(digest_, Entry(files_.size() - 1)).ok());
  EXPECT_EQ(repository_->inner.reads, 2);
  EXPECT_EQ(repository_->waiting, 1);
  // The fourth is close: no request for it, and it is there as soon as the transfer goes on.
  std::atomic<bool> came{false};
  std::thread miss([&] { came = cache_->EnsureFile(digest_, Entry(3)).ok(); });
  std::this_thread::sleep_for(std::chrono::milliseconds(100));
  EXPECT_FALSE(came);
  EXPECT_EQ(repository_->inner.reads, 2);
  repository_->open = true;
  miss.join();
  EXPECT_TRUE(came);
  WaitForEnd();
  ExpectAllRight();
  EXPECT_EQ(repository_->inner.reads, 2);
}

TEST_F(PrefetchTest, FilesAreThereWhileLaterOnesAreStillComing) {
  repository_->long_ones = 1'000'000;
  repository_->stop_at = 200'000;
  cache_->Prefetch(digest_, All());
  WaitFor(repository_->waiting);
  for (int i = 0; i < 20'000 && !cache_->Present(digest_, Entry(4)); ++i)
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  EXPECT_TRUE(cache_->Present(digest_, Entry(4)));
  EXPECT_FALSE(cache_->Present(digest_, Entry(20)));
  repository_->open = true;
  WaitForEnd();
  ExpectAllRight();
}

TEST_F(PrefetchTest, WhatBrokeOffIsFetchedAlone) {
  repository_->long_ones = 1'000'000;
  repository_->stop_at = 300'000;
  repository_->break_long = true;
  cache_->Prefetch(digest_, All());
  WaitForEnd();
  // The line is taken to be down then; with it up again, each miss gets what is missing.
  repository_->open = true;
  Reopen();
  for (size_t i = 0; i < files_.size(); ++i) ASSERT_TRUE(cache_->EnsureFile(digest_, Entry(i)).ok());
  ExpectAllRight();
}

TEST_F(PrefetchTest, WrongBytesGetNoName) {
  for (const Fault fault : {Fault::kCorrupt, Fault::kExtra}) {
    SCOPED_TRACE(static_cast<int>(fault));
    repository_->inner.fault = fault;
    cache_->Prefetch(digest_, All());
    WaitForEnd();
    for (size_t i = 0; i < files_.size(); ++i) {
      if (!cache_->Present(digest_, Entry(i))) continue;
      EXPECT_EQ(Contents(*cache_->PathOf(digest_, Entry(i))), files_[i].bytes) << files_[i].path;
    }
    repository_->inner.fault = Fault::kNone;
    for (size_t i = 0; i < files_.size(); ++i) ASSERT_TRUE(cache_->EnsureFile(digest_, Entry(i)).ok());
    ExpectAllRight();
    ASSERT_TRUE(cache_->Remove(digest_).ok());
    Reopen();
  }
}

TEST_F(PrefetchTest, OfflineItDoesNothing) {
  repository_->inner.fault = Fault::kOffline;
  EXPECT_FALSE(cache_->EnsureFile(digest_, Entry(0)).ok());
  const int reads = repository_->inner.reads;
  cache_->Prefetch(digest_, All());
  WaitForEnd();
  EXPECT_EQ(repository_->inner.reads, reads);
}

TEST_F(PrefetchTest, TheImageOrTheCacheMayGoMeanwhile) {
  repository_->long_ones = 1'000'000;
  repository_->stop_at = 100'000;
  cache_->Prefetch(digest_, All());
  WaitFor(repository_->waiting);
  std::thread later([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
    repository_->open = true;
  });
  EXPECT_TRUE(cache_->Remove(digest_).ok());
  later.join();
  EXPECT_EQ(FilesBelow(scratch_.path() / "images" / digest_.substr(7)), 0u);
  Reopen();
  cache_->Prefetch(digest_, All());
  Reopen();  // destroys the one that fetches
  cache_->Prefetch(digest_, All());
  WaitForEnd();
  ExpectAllRight();
}

TEST_F(PrefetchTest, WhatAnotherVersionHasIsNotFetched) {
  cache_->Prefetch(digest_, All());
  WaitForEnd();
  files_[5].bytes = RandomText(25'000);
  const std::string old = digest_;
  digest_ = maker_.Make("app", "2", files_);
  auto image = cache_->Attach(repository_, digest_);
  ASSERT_TRUE(image.ok()) << image.error().message;
  image_ = *image;
  repository_->inner.reads = 0;
  cache_->Prefetch(digest_, All());
  WaitForEnd();
  ExpectAllRight();
  EXPECT_EQ(repository_->inner.reads, 1);
  EXPECT_EQ(cache_->Prefetched(digest_).received, cache_->StoredBytes(digest_, Entry(5)));
}

TEST_F(PrefetchTest, AFileThatIsGettingItsNameIsWaitedFor) {
  LateRename files;
  options_.files = &files;
  Reopen();
  files.hold = true;
  cache_->Prefetch(digest_, {Entry(0)});
  WaitFor(files.held);
  ASSERT_TRUE(cache_->Present(digest_, Entry(0)));
  std::atomic<bool> came{false};
  std::thread miss([&] { came = cache_->EnsureFile(digest_, Entry(0)).ok(); });
  std::this_thread::sleep_for(std::chrono::milliseconds(100));
  EXPECT_FALSE(came) << "a guest could not open it yet";
  files.hold = false;
  miss.join();
  EXPECT_TRUE(came);
  WaitForEnd();
  cache_.reset();
}

TEST_F(PrefetchTest, ManyMissesAtRandomWhileItRuns) {
  for (int round = 0; round < 2; ++round) {
    cache_->Prefetch(digest_, All());
    std::vector<std::thread> guests;
    std::atomic<int> failures{0};
    for (unsigned g = 0; g < 4; ++g) {
      guests.emplace_back([&, g] {
        for (size_t i = 0; i < files_.size(); ++i) {
          if (!cache_->EnsureFile(digest_, Entry((i * (2 * g + 1) + g * 7) % files_.size())).ok()) ++failures;
        }
      });
    }
    for (std::thread& guest : guests) guest.join();
    WaitForEnd();
    EXPECT_EQ(failures, 0);
    ExpectAllRight();
    ASSERT_TRUE(cache_->Remove(digest_).ok());
    Reopen();
  }
}

}  // namespace
}  // namespace plume::cache
