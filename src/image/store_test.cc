#include "image/store.h"

#include <gtest/gtest.h>

#include <thread>

#include "image/builder.h"
#include "image/inspect.h"
#include "image/test_content.h"
#include "os/faulty.h"

namespace plume::image {
namespace {

using os::testing::TestFolder;
using testing::TestContent;

os::ByteView View(const std::string& text) {
  return os::ByteView(reinterpret_cast<const uint8_t*>(text.data()), text.size());
}

std::unique_ptr<Store> OpenStore(const TestFolder& folder) {
  Result<std::unique_ptr<Store>> store = Store::Open(os::SystemFiles(), folder / "store");
  EXPECT_TRUE(store.ok());
  return std::move(*store);
}

ImageRef AddImage(Store& store, const std::string& name, const std::string& version) {
  TestContent content(name, version);
  content.Add(u"a.txt", name + version);
  const Result<BuiltImage> built = Build(content.content, store);
  EXPECT_TRUE(built.ok()) << built.error().message;
  return built->ref;
}

void Damage(const os::Path& path, uint64_t offset) {
  const auto file = os::SystemFiles().Open(path, os::OpenMode::kReadWrite);
  uint8_t byte = 0;
  EXPECT_EQ(*(*file)->ReadAt(offset, std::span(&byte, 1)), 1u);
  byte ^= 0x10;
  EXPECT_TRUE((*file)->WriteAt(offset, os::ByteView(&byte, 1)).ok());
}

TEST(Store, BlobsAreNamedByTheirDigestAndVerified) {
  TestFolder folder;
  const auto store = OpenStore(folder);
  Layout& layout = store->layout();
  const Descriptor blob = *layout.PutBlob(View("hello"), "text/plain");
  EXPECT_EQ(blob.digest, os::DigestText(os::Sha256::Of("hello")));
  EXPECT_EQ(blob.size, 5u);
  EXPECT_TRUE(layout.HasBlob(blob.digest));
  EXPECT_EQ(*layout.ReadBlob(blob.digest, 100), os::Bytes({'h', 'e', 'l', 'l', 'o'}));
  EXPECT_EQ(*layout.ReadBlobRange(blob.digest, 1, 3), os::Bytes({'e', 'l', 'l'}));
  EXPECT_EQ(layout.ReadBlobRange(blob.digest, 3, 3).error().code, Errc::kCorrupt);
  EXPECT_EQ(layout.ReadBlobRange(blob.digest, ~0ull, 2).error().code, Errc::kCorrupt);
  EXPECT_EQ(layout.PutBlob(View("hello"), "text/plain")->digest, blob.digest);  // again is fine
  ASSERT_TRUE(os::WriteAtomic(os::SystemFiles(), layout.BlobPath(blob.digest), std::string_view("hel")).ok());
  ASSERT_TRUE(layout.PutBlob(View("hello"), "text/plain").ok());  // a truncated one is replaced
  EXPECT_TRUE(layout.CheckBlob(blob).ok());
  Damage(layout.BlobPath(blob.digest), 2);
  EXPECT_EQ(layout.ReadBlob(blob.digest, 100).error().code, Errc::kCorrupt);
  EXPECT_EQ(layout.CheckBlob(blob).error().code, Errc::kCorrupt);
  for (const char* digest : {"sha256:../../index.json", "", "x", "sha256:abc"}) {
    EXPECT_FALSE(layout.HasBlob(digest)) << digest;
    EXPECT_EQ(layout.ReadBlob(digest, 10).error().code, Errc::kNotFound) << digest;
  }
}

TEST(Store, AWrongExpectedDigestIsNotPublished) {
  TestFolder folder;
  const auto store = OpenStore(folder);
  const std::string wanted = os::DigestText(os::Sha256::Of("wanted"));
  {
    const auto writer = std::move(*store->layout().NewBlob());
    ASSERT_TRUE(writer->Write(View("other")).ok());
    EXPECT_EQ(writer->Commit("", wanted).error().code, Errc::kCorrupt);
  }
  EXPECT_FALSE(store->layout().HasBlob(wanted));
  EXPECT_TRUE(os::SystemFiles().List(folder / "store/tmp")->empty());
}

TEST(Store, ResolvesNamesVersionsAndDigests) {
  TestFolder folder;
  const auto store = OpenStore(folder);
  EXPECT_TRUE(store->List()->empty());
  const ImageRef v9 = AddImage(*store, "app", "1.9");
  const ImageRef v10 = AddImage(*store, "app", "1.10");
  const ImageRef other = AddImage(*store, "team/app", "2");
  EXPECT_EQ(store->List()->size(), 3u);
  EXPECT_EQ(store->List()->front().version, "1.9");
  EXPECT_EQ(store->Resolve("app:1.9")->digest, v9.digest);
  EXPECT_EQ(store->Resolve("app")->digest, v10.digest);
  EXPECT_EQ(store->Resolve("team/app")->digest, other.digest);
  EXPECT_EQ(store->Resolve(v9.digest)->version, "1.9");
  EXPECT_EQ(store->Resolve(v9.digest.substr(7, 12))->version, "1.9");
  for (const char* ref : {"nothing", "app:3", "abc", ""})
    EXPECT_EQ(store->Resolve(ref).error().code, Errc::kNotFound) << ref;
}

TEST(Store, VersionsCompareAsPeopleReadThem) {
  EXPECT_LT(CompareVersions("1.9", "1.10"), 0);
  EXPECT_LT(CompareVersions("1.0-rc1", "1.0"), 0);
  EXPECT_LT(CompareVersions("1.0", "1.0.1"), 0);
  EXPECT_EQ(CompareVersions("1.02", "1.2"), 0);
  EXPECT_GT(CompareVersions("b", "a9"), 0);
  EXPECT_LT(CompareVersions("99999999999999999998", "99999999999999999999"), 0);
}

TEST(Store, RemovingAndCollecting) {
  TestFolder folder;
  const auto store = OpenStore(folder);
  const ImageRef a = AddImage(*store, "a", "1"), b = AddImage(*store, "b", "1");
  EXPECT_EQ(*store->layout().CollectGarbage(), 0u);
  ASSERT_TRUE(store->Remove(a).ok());
  EXPECT_EQ(store->Remove(a).error().code, Errc::kNotFound);
  (void)store->layout().PutBlob(View("left by a killed builder"), "");
  ASSERT_TRUE(
      os::WriteAtomic(os::SystemFiles(), folder / "store/tmp/blob.1-2.tmp", std::string_view("half")).ok());
  EXPECT_GT(*store->layout().CollectGarbage(), 0u);
  EXPECT_FALSE(store->layout().HasBlob(a.digest));
  EXPECT_TRUE(VerifyImage(*store, b.digest).ok());
  EXPECT_TRUE(os::SystemFiles().List(folder / "store/tmp")->empty());
}

TEST(Store, NothingIsCollectedWhileABuilderHoldsBlobs) {
  TestFolder folder;
  const auto store = OpenStore(folder), other = OpenStore(folder);
  {
    const auto hold = store->layout().HoldBlobs();
    (void)store->layout().PutBlob(View("not tagged yet"), "");
    EXPECT_EQ(other->layout().CollectGarbage().error().code, Errc::kBusy);
  }
  EXPECT_TRUE(other->layout().CollectGarbage().ok());
}

TEST(Store, EntriesOfOtherToolsStay) {
  TestFolder folder;
  const auto store = OpenStore(folder);
  const Descriptor layer = *store->layout().PutBlob(View("foreign layer"), "");
  const std::string manifest = "{\"schemaVersion\":2,\"layers\":[{\"digest\":\"" + layer.digest + "\"}]}";
  const Descriptor foreign = *store->layout().PutBlob(View(manifest), "application/vnd.other");
  const std::string index =
      "{\"schemaVersion\":2,\"manifests\":[{\"mediaType\":\"application/vnd.other\",\"digest\":\"" +
      foreign.digest + "\",\"size\":" + std::to_string(foreign.size) +
      ",\"annotations\":{\"x\":\"y\"}}],\"extra\":true}";
  ASSERT_TRUE(os::WriteAtomic(os::SystemFiles(), folder / "store/index.json", index).ok());
  AddImage(*store, "app", "1");
  EXPECT_EQ(store->List()->size(), 1u);
  EXPECT_EQ(*store->layout().CollectGarbage(), 0u);
  const std::string now = *os::ReadText(os::SystemFiles(), folder / "store/index.json");
  EXPECT_NE(now.find("\"x\": \"y\""), std::string::npos) << now;
  EXPECT_NE(now.find("\"extra\": true"), std::string::npos);
}

TEST(Store, AMalformedIndexIsAnErrorAndNothingIsRemoved) {
  TestFolder folder;
  const auto store = OpenStore(folder);
  const ImageRef image = AddImage(*store, "app", "1");
  for (const char* text : {"", "{}", "[1]", "{\"manifests\":5}"}) {
    ASSERT_TRUE(os::WriteAtomic(os::SystemFiles(), folder / "store/index.json", std::string_view(text)).ok());
    EXPECT_FALSE(store->List().ok()) << text;
    EXPECT_FALSE(store->layout().CollectGarbage().ok()) << text;
    EXPECT_FALSE(store->Tag(image.digest).ok()) << text;
    EXPECT_TRUE(store->layout().HasBlob(image.digest));
  }
}

TEST(Store, IncompleteImagesCannotBeTagged) {
  TestFolder folder;
  const auto store = OpenStore(folder);
  const ImageRef image = AddImage(*store, "app", "1");
  const Manifest manifest = *store->ReadManifest(image.digest);
  ASSERT_TRUE(os::SystemFiles().Remove(store->layout().BlobPath(manifest.packs[0].digest)).ok());
  EXPECT_EQ(store->Tag(image.digest).error().code, Errc::kNotFound);
  EXPECT_FALSE(VerifyImage(*store, "app:1").ok());
}

TEST(Store, ManyWritersAtOnce) {
  TestFolder folder;
  std::vector<std::thread> threads;
  for (int t = 0; t < 6; ++t) {
    threads.emplace_back([&, t] {
      const auto store = OpenStore(folder);
      for (int i = 0; i < 5; ++i) AddImage(*store, "app" + std::to_string(t), std::to_string(i));
    });
  }
  for (std::thread& thread : threads) thread.join();
  const auto store = OpenStore(folder);
  EXPECT_EQ(store->List()->size(), 30u);
  const std::vector<ImageRef> images = *store->List();
  for (const ImageRef& image : images) EXPECT_TRUE(VerifyImage(*store, image.digest).ok());
}

}  // namespace
}  // namespace plume::image
