#include "image/builder.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>

#include "image/inspect.h"
#include "image/test_content.h"
#include "os/faulty.h"

namespace plume::image {
namespace {

using os::testing::TestFolder;
using testing::Noise;
using testing::TestContent;

std::unique_ptr<Store> OpenStore(const os::Path& directory, os::FileSystem& files = os::SystemFiles()) {
  Result<std::unique_ptr<Store>> store = Store::Open(files, directory);
  EXPECT_TRUE(store.ok()) << store.error().message;
  return std::move(*store);
}

TEST(Builder, BuildsAnImageThatVerifies) {
  TestFolder folder;
  TestContent content;
  content.AddSample();
  const auto store = OpenStore(folder / "store");
  int reports = 0;
  BuildOptions options;
  options.progress = [&](const BuildProgress&) { ++reports; };
  const Result<BuiltImage> built = Build(content.content, *store, options);
  ASSERT_TRUE(built.ok()) << built.error().message;
  EXPECT_GE(reports, 1);
  EXPECT_EQ(built->ref.Text(), "notes:1.0");
  EXPECT_EQ(built->manifest.packs.size(), 1u);
  const Result<VerifyReport> report = VerifyImage(*store, "notes");
  ASSERT_TRUE(report.ok()) << report.error().message;
  EXPECT_EQ(report->files, 5u);
  const Config config = *store->ReadConfig(built->manifest);
  EXPECT_EQ(config.file_count, 5u);
  EXPECT_EQ(config.key_count, 2u);
  EXPECT_EQ(config.byte_count, report->bytes);
}

// Reproducible for ever: if this fails, the format has changed (docs/formats/), and clients would fetch
// everything anew. A new format gets a new golden folder, written by running this test with
// PLUME_WRITE_GOLDEN=1.
TEST(Builder, GoldenImage) {
  TestFolder folder;
  TestContent content;
  content.AddGolden();
  const os::Path golden_path = os::Path(PLUME_GOLDEN) / "image_v1";
  const auto store = OpenStore(std::getenv("PLUME_WRITE_GOLDEN") ? golden_path : folder / "store");
  const Result<BuiltImage> built = Build(content.content, *store);
  ASSERT_TRUE(built.ok()) << built.error().message;
  const auto golden = OpenStore(golden_path);
  ASSERT_EQ(golden->List()->size(), 1u);
  EXPECT_EQ(built->ref.digest, golden->Resolve("notes:1.0")->digest);
  const Result<VerifyReport> report = VerifyImage(*golden, "notes:1.0");
  EXPECT_TRUE(report.ok()) << report.error().message;
}

TEST(Builder, TheSameInputGivesTheSameDigest) {
  TestFolder folder;
  TestContent content;
  content.AddSample();
  const auto store = OpenStore(folder / "store"), other = OpenStore(folder / "other");
  const std::string digest = Build(content.content, *store)->ref.digest;
  std::reverse(content.content.files.begin(), content.content.files.end());
  std::reverse(content.content.keys.begin(), content.content.keys.end());
  BuildOptions options;
  options.threads = 5;
  EXPECT_EQ(Build(content.content, *other, options)->ref.digest, digest);
  // Again in the same store: everything is reused, nothing changes.
  const BuiltImage again = *Build(content.content, *store);
  EXPECT_EQ(again.ref.digest, digest);
  EXPECT_EQ(again.stats.new_packs, 0u);
}

TEST(Builder, ANewVersionStoresOnlyWhatChanged) {
  TestFolder folder;
  const auto store = OpenStore(folder / "store");
  const std::string big = Noise(5, 6'000'000);
  TestContent v1("app", "1"), v2("app", "2");
  v1.Add(u"big.bin", big);
  v1.Add(u"other.bin", Noise(6, 300'000));
  v2.Add(u"big.bin", "X" + big);  // one byte at the head
  v2.Add(u"other.bin", Noise(6, 300'000));
  const BuiltImage first = *Build(v1.content, *store);
  const BuiltImage second = *Build(v2.content, *store);
  EXPECT_LE(second.stats.unique_chunks - second.stats.reused_chunks, 3u);
  EXPECT_LT(second.stats.stored_bytes, 3u * 256 * 1024);
  EXPECT_NE(std::find(second.manifest.packs.begin(), second.manifest.packs.end(), first.manifest.packs[0]),
            second.manifest.packs.end());
  EXPECT_TRUE(VerifyImage(*store, "app:2").ok());
  // The old version may go; what the new one refers to stays.
  ASSERT_TRUE(store->Remove(first.ref).ok());
  ASSERT_TRUE(store->layout().CollectGarbage().ok());
  EXPECT_TRUE(VerifyImage(*store, "app:2").ok());
  // And building version 2 once more refers to the same packs.
  EXPECT_EQ(Build(v2.content, *store)->ref.digest, second.ref.digest);
}

TEST(Builder, RecordedFilesComeFirstInThePack) {
  TestFolder folder;
  TestContent content;
  content.Add(u"a.bin", Noise(1, 50'000));
  content.Add(u"z.bin", Noise(2, 50'000));
  const auto store = OpenStore(folder / "store"), plain = OpenStore(folder / "plain");
  BuildOptions options;
  options.first = {{"C", u"Z.BIN"}, {"C", u"missing"}};
  const BuiltImage built = *Build(content.content, *store, options);
  const os::Bytes head = *store->layout().ReadBlobRange(built.manifest.packs[0].digest, 0, 16);
  EXPECT_EQ(std::string(head.begin(), head.end()), Noise(2, 16));
  EXPECT_NE(Build(content.content, *plain)->ref.digest, built.ref.digest);
}

TEST(Builder, LargeImagesHaveSeveralPacks) {
  TestFolder folder;
  TestContent content;
  content.Add(u"a.bin", Noise(11, 40 << 20));
  content.Add(u"b.bin", Noise(12, 30 << 20));
  const auto store = OpenStore(folder / "store");
  const BuiltImage built = *Build(content.content, *store);
  EXPECT_EQ(built.manifest.packs.size(), 3u);
  for (const Descriptor& pack : built.manifest.packs) EXPECT_LE(pack.size, 32u << 20);
  EXPECT_TRUE(VerifyImage(*store, "notes").ok());
}

TEST(Builder, BadInputIsRefusedByName) {
  TestFolder folder;
  const auto store = OpenStore(folder / "store");
  TestContent upper("Notes", "1");
  EXPECT_EQ(Build(upper.content, *store).error().code, Errc::kInvalid);
  TestContent spaced("notes", "1 0");
  EXPECT_EQ(Build(spaced.content, *store).error().code, Errc::kInvalid);
  TestContent twice;
  twice.Add(u"A.txt", "1");
  twice.Add(u"a.TXT", "2");
  EXPECT_NE(Build(twice.content, *store).error().message.find("a.TXT"), std::string::npos);
  TestContent missing;
  missing.Add(u"a.txt", "1");
  missing.content.files[0].source = folder / "no such file";
  EXPECT_EQ(Build(missing.content, *store).error().code, Errc::kNotFound);
  EXPECT_TRUE(store->List()->empty());
}

// Every single file operation of a build may fail: the store stays valid, the images in it too, and the next
// build works.
TEST(Builder, SurvivesAFaultAtEveryStep) {
  TestFolder folder;
  TestContent old_content("app", "1"), content("app", "2");
  old_content.Add(u"a.bin", Noise(1, 200'000));
  content.Add(u"a.bin", Noise(1, 200'000) + "more");
  content.Add(u"b.txt", "text");
  bool finished = false;
  uint64_t steps = 0;
  for (uint64_t step = 0; !finished; step += step < 30 ? 1 : 3) {
    const os::Path directory = folder / ("store" + std::to_string(step));
    ASSERT_TRUE(Build(old_content.content, *OpenStore(directory)).ok());
    os::FaultPlan plan(step);
    const auto files = os::MakeFaultyFiles(os::SystemFiles(), plan);
    Result<std::unique_ptr<Store>> faulty = Store::Open(*files, directory);
    finished = faulty.ok() && Build(content.content, **faulty).ok();
    const auto store = OpenStore(directory);
    const std::vector<ImageRef> images = *store->List();
    for (const ImageRef& image : images) {
      const auto verified = VerifyImage(*store, image.digest);
      EXPECT_TRUE(verified.ok()) << step << ": " << verified.error().message;
    }
    EXPECT_TRUE(store->Resolve("app:1").ok());
    EXPECT_TRUE(store->layout().CollectGarbage().ok());
    EXPECT_TRUE(Build(content.content, *store).ok());
    EXPECT_TRUE(VerifyImage(*store, "app:2").ok());
    steps = step;
    (void)os::RemoveTree(os::SystemFiles(), directory);
  }
  EXPECT_GT(steps, 20u);
}

// The same with the process killed: no destructor runs.
TEST(Builder, SurvivesBeingKilledAtEveryStep) {
  TestFolder folder;
  TestContent content("app", "1");
  content.Add(u"a.bin", Noise(1, 200'000));
  content.Add(u"b.txt", "text");
  const os::Path directory = folder / "store";
  int kills = 0;
  for (uint64_t step = 0;; ++step) {
    const pid_t child = fork();
    if (child == 0) {
      os::FaultPlan plan(step);
      plan.on_fault = [](const char*, const std::string&) { raise(SIGKILL); };
      const auto files = os::MakeFaultyFiles(os::SystemFiles(), plan);
      Result<std::unique_ptr<Store>> store = Store::Open(*files, directory);
      BuildOptions options;
      options.reuse_same_name = false;
      _exit(store.ok() && Build(content.content, **store, options).ok() ? 0 : 1);
    }
    int status = 0;
    waitpid(child, &status, 0);
    const auto store = OpenStore(directory);
    const Result<std::vector<ImageRef>> images = store->List();
    ASSERT_TRUE(images.ok()) << step << ": " << images.error().message;
    for (const ImageRef& image : *images) ASSERT_TRUE(VerifyImage(*store, image.digest).ok()) << step;
    if (WIFEXITED(status)) {
      EXPECT_EQ(WEXITSTATUS(status), 0);
      EXPECT_EQ(images->size(), 1u);
      break;
    }
    ++kills;
    if (step % 4 == 0) {
      ASSERT_TRUE(store->layout().CollectGarbage().ok());
    }
  }
  EXPECT_GT(kills, 15);
}

TEST(Builder, DamageIsFoundByVerify) {
  TestFolder folder;
  TestContent content;
  content.AddSample();
  const auto store = OpenStore(folder / "store");
  const BuiltImage built = *Build(content.content, *store);
  std::vector<Descriptor> blobs = built.manifest.Blobs();
  blobs.push_back({kManifestMediaType, built.ref.digest, 100});
  for (const Descriptor& blob : blobs) {
    const os::Path path = store->layout().BlobPath(blob.digest);
    const os::Bytes good = *os::ReadFile(os::SystemFiles(), path);
    os::Bytes bad = good;
    bad[bad.size() / 2] ^= 1;
    ASSERT_TRUE(os::WriteAtomic(os::SystemFiles(), path, os::ByteView(bad)).ok());
    EXPECT_EQ(VerifyImage(*store, "notes").error().code, Errc::kCorrupt) << blob.media_type;
    bad = good;
    bad.pop_back();
    ASSERT_TRUE(os::WriteAtomic(os::SystemFiles(), path, os::ByteView(bad)).ok());
    EXPECT_EQ(VerifyImage(*store, "notes").error().code, Errc::kCorrupt) << blob.media_type;
    ASSERT_TRUE(os::WriteAtomic(os::SystemFiles(), path, os::ByteView(good)).ok());
  }
  EXPECT_TRUE(VerifyImage(*store, "notes").ok());
}

TEST(Inspect, ListsWhatIsInIt) {
  TestFolder folder;
  TestContent content;
  content.AddSample();
  const auto store = OpenStore(folder / "store");
  ASSERT_TRUE(Build(content.content, *store).ok());
  EXPECT_EQ((*ListImages(*store))[0]["name"], "notes");
  const nlohmann::json inspected = *InspectImage(*store, "notes:1.0");
  EXPECT_EQ(inspected["files"], 5);
  EXPECT_EQ(inspected["entry_points"][0]["path"], "C:\\Program Files\\Notes\\notes.exe");
  const nlohmann::json files = *ListFiles(*store, "notes");
  ASSERT_EQ(files.size(), 8u);  // 5 files in 3 directories
  EXPECT_EQ(files[0]["path"], "C:\\Program Files");
  const auto readme = std::find_if(files.begin(), files.end(), [](const nlohmann::json& f) {
    return f["path"] == "C:\\Program Files\\Notes\\readme.txt";
  });
  ASSERT_NE(readme, files.end());
  EXPECT_EQ((*readme)["size"], 9);
  EXPECT_EQ((*readme)["modified"], "2019-04-17T18:40:00Z");
  EXPECT_EQ((*readme)["sha256"], os::Hex(os::Sha256::Of("read me\r\n")));
  const nlohmann::json keys = *ListRegistry(*store, "notes");
  const auto key = std::find_if(keys.begin(), keys.end(), [](const nlohmann::json& k) {
    return k["key"] == "HKEY_LOCAL_MACHINE\\Software\\Notes";
  });
  ASSERT_NE(key, keys.end());
  EXPECT_EQ((*key)["values"][0], (nlohmann::json{{"name", ""}, {"type", "REG_SZ"}, {"data", "N"}}));
  EXPECT_EQ((*key)["values"][1]["data"], 3);
  EXPECT_EQ((*key)["values"][2]["data"], nlohmann::json({"a", "b"}));
}

}  // namespace
}  // namespace plume::image
