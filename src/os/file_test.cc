#include "os/file.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <algorithm>

#include "os/clock.h"
#include "os/faulty.h"
#include "os/mapped_file.h"
#include "os/test_folder.h"

namespace plume::os {
namespace {

using testing::TestFolder;

ByteView View(std::string_view text) {
  return ByteView(reinterpret_cast<const uint8_t*>(text.data()), text.size());
}

TEST(File, WritesAndReadsBack) {
  TestFolder folder;
  FileSystem& files = SystemFiles();
  ASSERT_TRUE(WriteAtomic(files, folder / "a/b/c.txt", std::string_view("hello")).ok());
  EXPECT_EQ(*ReadText(files, folder / "a/b/c.txt"), "hello");
  ASSERT_TRUE(AppendFile(files, folder / "a/b/c.txt", View(", world")).ok());
  EXPECT_EQ(*ReadText(files, folder / "a/b/c.txt"), "hello, world");
  EXPECT_EQ(ReadText(files, folder / "a/b/c.txt", 5).error().code, Errc::kInvalid);
  EXPECT_EQ(files.List(folder / "a/b")->size(), 1u);  // no temporary file stays
}

TEST(File, ErrorsHaveTheirKind) {
  TestFolder folder;
  FileSystem& files = SystemFiles();
  EXPECT_EQ(files.Open(folder / "none", OpenMode::kRead).error().code, Errc::kNotFound);
  ASSERT_TRUE(WriteAtomic(files, folder / "f", std::string_view("1")).ok());
  EXPECT_EQ(files.Open(folder / "f", OpenMode::kCreateNew).error().code, Errc::kExists);
  ASSERT_TRUE(files.MakeDirectories(folder / "d/e").ok());
  EXPECT_EQ(files.Remove(folder / "d").error().code, Errc::kBusy);  // not empty
  const Status gone = files.Remove(folder / "none");
  EXPECT_EQ(gone.error().code, Errc::kNotFound);
  EXPECT_NE(gone.error().message.find("none: no such file"), std::string::npos) << gone.error().message;
}

TEST(File, RenameWithoutReplaceNeverOverwrites) {
  TestFolder folder;
  FileSystem& files = SystemFiles();
  ASSERT_TRUE(WriteAtomic(files, folder / "new", std::string_view("new")).ok());
  ASSERT_TRUE(WriteAtomic(files, folder / "old", std::string_view("old")).ok());
  EXPECT_EQ(files.Rename(folder / "new", folder / "old", false).error().code, Errc::kExists);
  EXPECT_EQ(*ReadText(files, folder / "old"), "old");
  EXPECT_TRUE(files.Rename(folder / "new", folder / "other", false).ok());
  EXPECT_TRUE(files.Rename(folder / "other", folder / "old", true).ok());
  EXPECT_EQ(*ReadText(files, folder / "old"), "new");
}

TEST(File, TimesAndAttributesSurvive) {
  TestFolder folder;
  FileSystem& files = SystemFiles();
  const Path path = folder / "f";
  ASSERT_TRUE(WriteAtomic(files, path, std::string_view("x")).ok());
  const int64_t then = FiletimeFromUnixSeconds(1'000'000'000) + 1'234'567;
  ASSERT_TRUE(files.SetTimes(path, {.modified = then}).ok());
  ASSERT_TRUE(files.SetAttributes(path, kHidden | kReadOnly).ok());
  const FileInfo info = *files.Stat(path);
  EXPECT_EQ(info.times.modified, then);
  EXPECT_TRUE(info.attributes & kReadOnly);
  EXPECT_EQ(info.size, 1u);
  EXPECT_TRUE(files.SetAttributes(path, kNormal).ok());
  EXPECT_FALSE(files.Stat(path)->attributes & kReadOnly);
}

TEST(File, ATreeIsRemovedButLinksAreNotFollowed) {
  TestFolder folder;
  FileSystem& files = SystemFiles();
  ASSERT_TRUE(WriteAtomic(files, folder / "keep/f", std::string_view("x")).ok());
  ASSERT_TRUE(WriteAtomic(files, folder / "tree/a/b/f", std::string_view("x")).ok());
  std::filesystem::create_directory_symlink(folder / "keep", folder / "tree/link");
  ASSERT_TRUE(RemoveTree(files, folder / "tree").ok());
  EXPECT_FALSE(Exists(files, folder / "tree"));
  EXPECT_TRUE(Exists(files, folder / "keep/f"));
  EXPECT_TRUE(RemoveTree(files, folder / "tree").ok());  // nothing to do
}

TEST(File, HardLinksAreCounted) {
  TestFolder folder;
  FileSystem& files = SystemFiles();
  ASSERT_TRUE(WriteAtomic(files, folder / "a", std::string_view("x")).ok());
  ASSERT_TRUE(files.HardLink(folder / "a", folder / "b").ok());
  EXPECT_EQ(files.Stat(folder / "b")->link_count, 2u);
  EXPECT_GT(*files.FreeSpace(folder.path()), 0u);
}

// Whatever step fails, the file has its old content or its new one.
TEST(File, AtomicWriteSurvivesAFaultAtEveryStep) {
  for (uint64_t step = 0;; ++step) {
    TestFolder folder;
    ASSERT_TRUE(WriteAtomic(SystemFiles(), folder / "f", std::string_view("old content")).ok());
    FaultPlan plan(step);
    const auto files = MakeFaultyFiles(SystemFiles(), plan);
    const Status status = WriteAtomic(*files, folder / "f", std::string_view("new content"));
    const std::string now = *ReadText(SystemFiles(), folder / "f");
    EXPECT_TRUE(now == "old content" || now == "new content") << now;
    if (status.ok()) {
      EXPECT_EQ(now, "new content");
      EXPECT_GT(step, 4u);
      break;
    }
  }
}

TEST(File, VirtualNamesBecomePaths) {
  EXPECT_EQ(FromUtf16(u"a\\\u00e4\\\U0001F600"), Path("a/\xc3\xa4/\xf0\x9f\x98\x80"));
  EXPECT_EQ(Utf8(FromUtf8("x/y")), "x/y");
}

TEST(MappedFile, SharesChangesAndGrowsSparsely) {
  TestFolder folder;
  bool created = false;
  Result<MappedFile> one = MappedFile::OpenShared(folder / "m", 1 << 20, &created);
  ASSERT_TRUE(one.ok());
  EXPECT_TRUE(created);
  Result<MappedFile> two = MappedFile::OpenShared(folder / "m", 1 << 20, &created);
  ASSERT_TRUE(two.ok());
  EXPECT_FALSE(created);
  one->data()[12345] = 7;
  EXPECT_EQ(two->data()[12345], 7);
  EXPECT_TRUE(one->Flush().ok());
  Result<MappedFile> read = MappedFile::OpenRead(folder / "m");
  EXPECT_EQ(read->size(), 1u << 20);
  EXPECT_EQ(read->bytes()[12345], 7);
  EXPECT_EQ(MappedFile::OpenRead(folder / "none").error().code, Errc::kNotFound);
}

TEST(MappedFile, IsMadeSparselyWithAHead) {
  TestFolder folder;
  const Bytes head(4096, 9);
  ASSERT_TRUE(MappedFile::Make(folder / "m", head, 1 << 20).ok());
  struct stat info;
  ASSERT_EQ(stat((folder / "m").c_str(), &info), 0);
  EXPECT_EQ(info.st_size, 1 << 20);
  EXPECT_GE(info.st_blocks * 512, 4096);
  EXPECT_LT(info.st_blocks * 512, 1 << 20);
  bool created = true;
  Result<MappedFile> shared = MappedFile::OpenShared(folder / "m", 1 << 20, &created, 4096);
  ASSERT_TRUE(shared.ok());
  EXPECT_FALSE(created);
  EXPECT_EQ(shared->data()[4095], 9);
  EXPECT_EQ(shared->data()[4096], 0);
  EXPECT_EQ(MappedFile::Make(folder / "m", head, 1 << 20).error().code, Errc::kExists);
}

TEST(File, MakesOneFolderThatIsNotThere) {
  TestFolder folder;
  FileSystem& files = SystemFiles();
  EXPECT_EQ(files.MakeDirectory(folder / "a/b").error().code, Errc::kNotFound);
  ASSERT_TRUE(files.MakeDirectory(folder / "a").ok());
  EXPECT_EQ(files.MakeDirectory(folder / "a").error().code, Errc::kExists);
  EXPECT_TRUE(files.MakeDirectory(folder / "a/b").ok());
}

TEST(MappedFile, ReservesTheBeginning) {
  TestFolder folder;
  Result<MappedFile> one = MappedFile::OpenShared(folder / "m", 1 << 20, nullptr, 4096);
  ASSERT_TRUE(one.ok());
  one->data()[7] = 7;
  struct stat info;
  ASSERT_EQ(stat((folder / "m").c_str(), &info), 0);
  EXPECT_GE(info.st_blocks * 512, 4096);
  EXPECT_LT(info.st_blocks * 512, 1 << 20) << "the rest is sparse";
  Result<MappedFile> two = MappedFile::OpenShared(folder / "m", 1 << 20, nullptr, 4096);
  ASSERT_TRUE(two.ok());
  EXPECT_EQ(two->data()[7], 7) << "what is there already is not touched";
}

}  // namespace
}  // namespace plume::os
