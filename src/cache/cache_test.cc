#include "cache/cache.h"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>

#include "cache/cache_testing.h"
#include "os/faulty.h"

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

class CacheTest : public ::testing::Test {
 protected:
  void SetUp() override {
    files_ = {{"App\\small.txt", "hello"},
              {"App\\empty.txt", ""},
              {"App\\big.bin", RandomText(3'000'000), 0x21},
              {"App\\sub\\\xc3\xa4.txt", std::string(200'000, 'x')}};
    digest_ = maker_.Make("app", "1", files_);
    repository_ = std::make_shared<FaultyRepository>(maker_.store());
    options_.probe = false;
    options_.offline_millis = 60'000;
    options_.max_range = 512u << 10;
    options_.read_ahead = 0;  // so that each test knows which bytes are asked for
    Reopen();
  }
  void Reopen() {
    cache_.reset();
    auto cache = Cache::Open(scratch_.path(), options_);
    ASSERT_TRUE(cache.ok()) << cache.error().message;
    cache_ = std::move(*cache);
  }
  const Image* Attach() { return Attach(digest_); }
  const Image* Attach(const std::string& digest) {
    auto image = cache_->Attach(repository_, digest);
    EXPECT_TRUE(image.ok()) << image.error().message;
    return image.ok() ? *image : nullptr;
  }
  Status Ensure(const std::string& path) {
    return cache_->EnsureFile(digest_, EntryOf(*cache_->Find(digest_), path));
  }
  os::Path PathOf(const std::string& path) {
    return *cache_->PathOf(digest_, EntryOf(*cache_->Find(digest_), path));
  }
  // Those of all images, temporary ones included; markers are no files of an image.
  size_t HydratedFiles() const {
    // Without the notes of what is to be written out: they go at any moment, so they are never counted.
    size_t count = 0;
    for (const auto& folder : std::filesystem::directory_iterator(scratch_.path() / "images"))
      if (folder.is_directory() && folder.path().filename() != "unsettled")
        count += FilesBelow(folder.path());
    return count;
  }
  os::Path Folder() const { return scratch_.path() / "images" / digest_.substr(7); }

  Scratch scratch_;
  ImageMaker maker_;
  std::vector<TestFile> files_;
  std::string digest_;
  std::shared_ptr<FaultyRepository> repository_;
  Options options_;
  std::unique_ptr<Cache> cache_;
};

TEST_F(CacheTest, HydratesExactly) {
  ASSERT_NE(Attach(), nullptr);
  EXPECT_EQ(HydratedFiles(), 0u) << "attaching fetches no file";
  for (const TestFile& file : files_) {
    const Status done = Ensure(file.path);
    ASSERT_TRUE(done.ok()) << done.error().message;
    EXPECT_EQ(Contents(PathOf(file.path)), file.bytes);
    const auto info = os::SystemFiles().Stat(PathOf(file.path));
    EXPECT_EQ(info->times.modified, file.modified);
    EXPECT_EQ(info->attributes & os::kReadOnly, file.attributes & os::kReadOnly);
  }
  EXPECT_EQ(cache_->NameOf(digest_, EntryOf(*cache_->Find(digest_), "App\\small.txt")), "C\\App\\small.txt");
  EXPECT_GT(repository_->most_at_once, 1) << "a large file comes over several connections";
  const int reads = repository_->reads;
  for (const TestFile& file : files_) EXPECT_TRUE(Ensure(file.path).ok());
  EXPECT_EQ(repository_->reads, reads) << "what is here is not fetched again";
  EXPECT_TRUE(Ensure("App\\sub").ok());
  EXPECT_FALSE(cache_->EnsureFile(digest_, 1'000'000).ok());
  EXPECT_EQ(FilesBelow(scratch_.path() / "images" / "tmp"), 0u);
}

TEST_F(CacheTest, WorksOfflineWithWhatIsHere) {
  Attach();
  ASSERT_TRUE(Ensure("App\\small.txt").ok());
  Reopen();
  EXPECT_EQ(cache_->Find(digest_), nullptr) << "not attached by this process";
  auto image = cache_->Attach(nullptr, digest_);
  ASSERT_TRUE(image.ok()) << image.error().message;
  EXPECT_TRUE(Ensure("App\\small.txt").ok());
  EXPECT_EQ(Ensure("App\\big.bin").error().code, Errc::kUnreachable);
  EXPECT_EQ(cache_->Attach(nullptr, "sha256:" + std::string(64, '0')).error().code, Errc::kNotFound);
  EXPECT_EQ(cache_->Attach(nullptr, "latest").error().code, Errc::kInvalid);
}

TEST_F(CacheTest, RefusesWrongBytes) {
  Attach();
  for (const Fault fault : {Fault::kCorrupt, Fault::kSwap, Fault::kTruncate, Fault::kExtra}) {
    repository_->fault = fault;
    for (const char* path : {"App\\big.bin", "App\\small.txt", "App\\sub\\\xc3\xa4.txt"}) {
      const int before = repository_->reads;
      const Status refused = Ensure(path);
      ASSERT_FALSE(refused.ok()) << path;
      EXPECT_EQ(refused.error().code, Errc::kCorrupt) << refused.error().message;
      EXPECT_NE(refused.error().message.find(path), std::string::npos) << refused.error().message;
      EXPECT_LE(repository_->reads - before, 7) << "not tried again";
      EXPECT_FALSE(std::filesystem::exists(PathOf(path)));
    }
  }
  EXPECT_EQ(HydratedFiles(), 0u);
  EXPECT_GT(cache_->counters().refused, 0u);
  repository_->fault = Fault::kNone;
  EXPECT_TRUE(Ensure("App\\big.bin").ok());
}

TEST_F(CacheTest, RefusesWrongImages) {
  repository_->fault = Fault::kCorrupt;
  EXPECT_EQ(cache_->Attach(repository_, digest_).error().code, Errc::kCorrupt);
  const std::string absent = "sha256:" + std::string(64, 'a');
  repository_->fault = Fault::kNone;
  EXPECT_EQ(cache_->Attach(repository_, absent).error().code, Errc::kNotFound);
  EXPECT_EQ(FilesBelow(scratch_.path() / "catalogs"), 0u);
}

TEST_F(CacheTest, OfflineFailsAtOnceAndRecovers) {
  Attach();
  repository_->fault = Fault::kOffline;
  repository_->delay_millis = 50;
  EXPECT_EQ(Ensure("App\\small.txt").error().code, Errc::kUnreachable);
  const int reads = repository_->reads;
  EXPECT_EQ(Ensure("App\\big.bin").error().code, Errc::kUnreachable);
  EXPECT_EQ(repository_->reads, reads) << "known to be offline: not even tried";
  EXPECT_TRUE((*cache_->ImageStatuses())[0].offline);
  repository_->fault = Fault::kNone;
  Attach();  // the user's way to say: try again now
  EXPECT_TRUE(Ensure("App\\big.bin").ok());
}

TEST_F(CacheTest, ProbesInTheBackground) {
  options_.probe = true;
  options_.offline_millis = 20;
  Reopen();
  Attach();
  repository_->fault = Fault::kDrop;
  EXPECT_EQ(Ensure("App\\big.bin").error().code, Errc::kUnreachable);
  EXPECT_FALSE(std::filesystem::exists(PathOf("App\\big.bin")));
  repository_->fault = Fault::kNone;
  Status done = Error{Errc::kInternal, ""};
  for (int i = 0; i < 500 && !done.ok(); ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
    done = Ensure("App\\big.bin");
  }
  EXPECT_TRUE(done.ok());
}

TEST_F(CacheTest, ConcurrentRequestsShareOneFetch) {
  Attach();
  repository_->delay_millis = 100;
  const int before = repository_->reads;
  std::atomic<int> failures{0};
  std::vector<std::thread> threads;
  for (int i = 0; i < 12; ++i) {
    threads.emplace_back([&] { failures += Ensure("App\\small.txt").ok() ? 0 : 1; });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(failures, 0);
  EXPECT_EQ(repository_->reads - before, 1);
  EXPECT_EQ(cache_->counters().joined, 11u);
}

TEST_F(CacheTest, NeighboursComeTogether) {
  options_.read_ahead = 128u << 10;
  Reopen();
  std::vector<TestFile> files;
  for (int i = 100; i < 200; ++i) files.push_back({"N\\f" + std::to_string(i), RandomText(5000)});
  const std::string digest = maker_.Make("neighbours", "1", files);
  const Image* image = Attach(digest);
  const int before = repository_->reads;
  for (const TestFile& file : files) {
    ASSERT_TRUE(cache_->EnsureFile(digest, EntryOf(*image, file.path)).ok());
    EXPECT_EQ(Contents(*cache_->PathOf(digest, EntryOf(*image, file.path))), file.bytes);
  }
  EXPECT_LE(repository_->reads - before, 4) << "500 KB in windows of 128, 256 and more KB";
}

// Wrong bytes that came ahead are refused when they are needed, and asked for again the next time.
TEST_F(CacheTest, WrongBytesAhead) {
  options_.read_ahead = 128u << 10;
  Reopen();
  std::vector<TestFile> files;
  for (int i = 100; i < 120; ++i) files.push_back({"N\\f" + std::to_string(i), RandomText(5000)});
  const std::string digest = maker_.Make("ahead", "1", files);
  const Image* image = Attach(digest);
  const auto ensure = [&](size_t i) { return cache_->EnsureFile(digest, EntryOf(*image, files[i].path)); };
  repository_->fault = Fault::kCorrupt;  // one byte in the middle of the window
  ASSERT_TRUE(ensure(0).ok());
  repository_->fault = Fault::kNone;
  size_t refused = 0;
  for (size_t i = 1; i < files.size(); ++i) {
    const Status done = ensure(i);
    if (done.ok()) continue;
    ++refused;
    EXPECT_EQ(done.error().code, Errc::kCorrupt);
    EXPECT_FALSE(std::filesystem::exists(*cache_->PathOf(digest, EntryOf(*image, files[i].path))));
    EXPECT_TRUE(ensure(i).ok());
  }
  EXPECT_EQ(refused, 1u);
  EXPECT_TRUE(cache_->Verify()->bad.empty());
}

TEST_F(CacheTest, ManyThreadsManyFiles) {
  options_.read_ahead = 64u << 10;
  Reopen();
  std::vector<TestFile> files;
  for (int i = 0; i < 60; ++i)
    files.push_back({"D\\f" + std::to_string(i), RandomText(static_cast<size_t>(i) * 3000)});
  const std::string digest = maker_.Make("many", "1", files);
  const Image* image = Attach(digest);
  std::atomic<int> failures{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < 6; ++t) {
    threads.emplace_back([&, t] {
      for (size_t i = 0; i < files.size(); ++i) {
        const size_t which = (i * 7 + static_cast<size_t>(t) * 13) % files.size();
        if (!cache_->EnsureFile(digest, EntryOf(*image, files[which].path)).ok()) ++failures;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(failures, 0);
  auto report = cache_->Verify();
  ASSERT_TRUE(report.ok());
  EXPECT_EQ(report->files, files.size());
  EXPECT_TRUE(report->bad.empty());
}

TEST_F(CacheTest, CompleteThenVerifyRepairRemove) {
  Attach();
  uint64_t last = 0;
  ASSERT_TRUE(cache_
                  ->Complete(digest_,
                             [&](uint64_t done, uint64_t) {
                               last = done;
                               return true;
                             })
                  .ok());
  EXPECT_EQ(last, files_.size());
  auto statuses = cache_->ImageStatuses();
  ASSERT_TRUE(statuses.ok());
  EXPECT_EQ(statuses->at(0).files, statuses->at(0).total_files);
  EXPECT_EQ(statuses->at(0).bytes, statuses->at(0).total_bytes);
  EXPECT_TRUE(cache_->Verify()->bad.empty());

  os::FileSystem& fs = os::SystemFiles();
  ASSERT_TRUE(fs.SetAttributes(PathOf("App\\big.bin"), 0).ok());
  {
    std::fstream(PathOf("App\\big.bin"), std::ios::in | std::ios::out | std::ios::binary)
        .seekp(2'000'000)
        .put('!')
        .put('!');
  }
  std::ofstream(PathOf("App\\small.txt"), std::ios::app) << "more";
  std::ofstream(Folder() / "C" / "stranger.txt") << "?";
  auto report = cache_->Verify();
  ASSERT_EQ(report->bad.size(), 3u);
  EXPECT_EQ(report->bad[0].path, "C\\App\\big.bin");
  EXPECT_EQ(report->bad[1].path, "C\\App\\small.txt");
  EXPECT_EQ(report->bad[2].why, "no catalog knows it");
  auto repaired = cache_->Repair();
  ASSERT_TRUE(repaired.ok()) << repaired.error().message;
  EXPECT_EQ(repaired->bad.size(), 3u);
  EXPECT_TRUE(cache_->Verify()->bad.empty());
  for (const TestFile& file : files_) EXPECT_EQ(Contents(PathOf(file.path)), file.bytes);

  ASSERT_TRUE(cache_->Remove(digest_).ok());
  EXPECT_EQ(cache_->Find(digest_), nullptr);
  EXPECT_EQ(HydratedFiles() + FilesBelow(scratch_.path() / "catalogs"), 0u);
  EXPECT_FALSE(cache_->Remove(digest_).ok());
  Attach();
  EXPECT_TRUE(Ensure("App\\small.txt").ok());
}

TEST_F(CacheTest, DamagedCatalog) {
  Attach();
  const os::Path catalog = cache_->Find(digest_)->catalog_path;
  cache_.reset();
  std::string bytes = Contents(catalog);
  bytes.resize(bytes.size() / 2);
  std::ofstream(catalog, std::ios::binary) << bytes;
  Reopen();
  auto report = cache_->Verify();
  ASSERT_EQ(report->bad.size(), 1u);
  EXPECT_EQ(report->bad[0].digest, digest_);
  ASSERT_NE(Attach(), nullptr) << "fetched again";
  EXPECT_TRUE(Ensure("App\\big.bin").ok());
  EXPECT_TRUE(cache_->Verify()->bad.empty());
}

TEST_F(CacheTest, UpdateFetchesOnlyWhatChanged) {
  Attach();
  ASSERT_TRUE(cache_->Complete(digest_).ok());
  std::vector<TestFile> changed = files_;
  changed[2].bytes.insert(0, "!");  // one byte at the head of the big file
  changed[2].modified += 10'000'000;
  const std::string next = maker_.Make("app", "2", changed);
  const Image* image = Attach(next);
  const Counters before = cache_->counters();
  ASSERT_TRUE(cache_->Complete(next).ok());
  const Counters after = cache_->counters();
  EXPECT_LE(after.bytes - before.bytes, 3u * (256u << 10)) << "at most three chunks";
  EXPECT_EQ(after.files_reused - before.files_reused, 3u) << "linked, or empty";
  EXPECT_EQ(Contents(*cache_->PathOf(next, EntryOf(*image, "App\\big.bin"))), changed[2].bytes);
  EXPECT_EQ(os::SystemFiles().Stat(*cache_->PathOf(next, EntryOf(*image, "App\\small.txt")))->link_count, 2u);
  EXPECT_TRUE(cache_->Verify()->bad.empty());
  // A repaired or removed image does not harm the other one's links.
  ASSERT_TRUE(cache_->Remove(digest_).ok());
  EXPECT_TRUE(cache_->Verify()->bad.empty());
}

TEST_F(CacheTest, ProgramFilesAreLinkedOnlyUnderTheSameName) {
  std::string program = RandomText(20'000);
  program.replace(0, 2, "MZ");
  program.replace(0x3c, 4, std::string("\x80\0\0\0", 4));
  program.replace(0x80, 4, std::string("PE\0\0", 4));
  const std::string a = maker_.Make("a", "1", {{"A\\x.dll", program}, {"A\\data", "same"}});
  const std::string b =
      maker_.Make("b", "1", {{"A\\x.dll", program}, {"B\\x.dll", program}, {"B\\data", "same"}});
  const Image* first = Attach(a);
  const Image* second = Attach(b);
  if ((first->catalog.entry(EntryOf(*first, "A\\x.dll")).flags() & catalog::kPeFile) == 0) {
    GTEST_SKIP() << "the builder wants a more complete program file";
  }
  ASSERT_TRUE(cache_->Complete(a).ok());
  ASSERT_TRUE(cache_->Complete(b).ok());
  const auto links = [&](const char* path) {
    return os::SystemFiles().Stat(*cache_->PathOf(b, EntryOf(*second, path)))->link_count;
  };
  EXPECT_EQ(links("A\\x.dll"), 2u);
  EXPECT_EQ(links("B\\x.dll"), 1u) << "another module for the loader";
  EXPECT_EQ(links("B\\data"), 2u);
  EXPECT_EQ(Contents(*cache_->PathOf(b, EntryOf(*second, "B\\x.dll"))), program);
}

// The system went down before it had written a file out: the file is there, its bytes are not.
TEST_F(CacheTest, PowerFailure) {
  Attach();
  ASSERT_TRUE(cache_->Complete(digest_).ok());
  const os::Path big = PathOf("App\\big.bin"), small = PathOf("App\\small.txt");
  const std::string entry = std::to_string(EntryOf(*cache_->Find(digest_), "App\\big.bin"));
  cache_.reset();
  ASSERT_TRUE(os::SystemFiles().SetAttributes(big, 0).ok());
  std::ofstream(big, std::ios::binary) << std::string(files_[2].bytes.size(), '\0');
  std::ofstream(scratch_.path() / "images" / "unsettled" / (digest_.substr(7) + "-" + entry)) << "1";
  Reopen();
  EXPECT_FALSE(std::filesystem::exists(big));
  EXPECT_TRUE(std::filesystem::exists(small));
  Attach();
  ASSERT_TRUE(Ensure("App\\big.bin").ok());
  EXPECT_EQ(Contents(big), files_[2].bytes);
}

TEST_F(CacheTest, OneAgentAtATime) {
  auto second = Cache::Open(scratch_.path(), options_);
  ASSERT_FALSE(second.ok());
  EXPECT_EQ(second.error().code, Errc::kBusy);
}

// Every step of the file system fails once (disk full): the hydration reports it, leaves nothing, and works
// afterwards.
TEST_F(CacheTest, EveryFailingStep) {
  Attach();
  for (uint64_t nth = 0;; ++nth) {
    cache_.reset();
    // Nothing left to do in the background, which would take steps of its own.
    std::filesystem::remove_all(scratch_.path() / "images" / "unsettled");
    os::FaultPlan plan(os::FaultPlan::kNever);
    const auto faulty_never = os::MakeFaultyFiles(os::SystemFiles(), plan);
    Options options = options_;
    options.files = faulty_never.get();
    auto cache = Cache::Open(scratch_.path(), options);
    ASSERT_TRUE(cache.ok());
    auto image = (*cache)->Attach(repository_, digest_);
    ASSERT_TRUE(image.ok());
    const uint64_t before = plan.steps();
    cache->reset();

    os::FaultPlan failing(before + nth, Errc::kNoSpace, true);
    const auto faulty = os::MakeFaultyFiles(os::SystemFiles(), failing);
    options.files = faulty.get();
    cache = Cache::Open(scratch_.path(), options);
    ASSERT_TRUE(cache.ok());
    image = (*cache)->Attach(repository_, digest_);
    ASSERT_TRUE(image.ok());
    const uint32_t entry = EntryOf(**image, "App\\sub\\\xc3\xa4.txt");
    const os::Path path = *(*cache)->PathOf(digest_, entry);
    Status done = (*cache)->EnsureFile(digest_, entry);
    const bool survived = done.ok() && failing.steps() <= before + nth;
    cache->reset();
    if (std::filesystem::exists(path)) {
      EXPECT_EQ(Contents(path), files_[3].bytes) << "step " << nth;
      std::filesystem::remove(path);
    }
    if (survived) {
      EXPECT_GT(nth, 5u);
      break;
    }
    ASSERT_LT(nth, 200u);
  }
  Reopen();
  EXPECT_EQ(HydratedFiles(), 0u) << "Open removes what was left";
}

// A process is killed at a random moment of a hydration, again and again; what is there is always right.
TEST_F(CacheTest, KilledAtRandomMoments) {
  cache_.reset();
  std::vector<TestFile> files;
  for (int i = 0; i < 40; ++i) files.push_back({"D\\f" + std::to_string(i), RandomText(100'000)});
  const std::string digest = maker_.Make("many", "1", files);
  size_t complete = 0;
  for (int round = 0; round < 25 && complete < files.size(); ++round) {
    const pid_t child = ::fork();
    if (child == 0) {
      auto cache = Cache::Open(scratch_.path(), options_);
      repository_->fault = Fault::kStall;
      if (cache.ok() && (*cache)->Attach(repository_, digest).ok()) (void)(*cache)->Complete(digest);
      ::_exit(0);
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(10 + os::RandomNumber() % 120));
    ::kill(child, SIGKILL);
    ::waitpid(child, nullptr, 0);
    Reopen();
    auto report = cache_->Verify();
    ASSERT_TRUE(report.ok()) << report.error().message;
    for (const BadFile& bad : report->bad) ADD_FAILURE() << bad.path << ": " << bad.why;
    EXPECT_EQ(FilesBelow(scratch_.path() / "images" / "tmp"), 0u);
    complete = report->files;
    cache_.reset();
  }
  Reopen();
  Attach(digest);
  ASSERT_TRUE(cache_->Complete(digest).ok());
  EXPECT_TRUE(cache_->Verify()->bad.empty());
}

}  // namespace
}  // namespace plume::cache
