// What tests of the cache need: images made from texts, a repository over a store with planned faults, a
// crash helper.
#pragma once
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <map>
#include <mutex>
#include <string>
#include <thread>

#include "base/utf16.h"
#include "cache/cache.h"
#include "image/builder.h"
#include "os/random.h"

namespace plume::cache::testing {

inline std::string RandomText(size_t size) {
  std::string text(size, '\0');
  os::RandomBytes({reinterpret_cast<uint8_t*>(text.data()), text.size()});
  return text;
}

// A folder that is removed at the end.
class Scratch {
 public:
  Scratch() : path_(std::filesystem::temp_directory_path() / ("plume-cache-" + os::RandomHex(8))) {
    std::filesystem::create_directories(path_);
  }
  ~Scratch() { (void)os::RemoveTree(os::SystemFiles(), path_); }
  const os::Path& path() const { return path_; }

 private:
  os::Path path_;
};

// Serves an image store; does what a bad network or server does.
class FaultyRepository final : public repository::Repository {
 public:
  enum class Fault { kNone, kOffline, kCorrupt, kTruncate, kSwap, kExtra, kDrop, kStall, kNoSpace };
  explicit FaultyRepository(image::Store& store) : store_(store) {}

  std::atomic<Fault> fault{Fault::kNone};
  std::atomic<int> reads{0};  // ranges asked for
  std::atomic<int> manifests{0};
  std::atomic<int> at_once{0}, most_at_once{0};
  std::atomic<uint32_t> delay_millis{0};

  std::string Name() const override { return "http://test"; }
  Result<repository::ManifestBlob> GetManifest(const std::string& digest) override {
    ++manifests;
    if (fault == Fault::kOffline) return Unreachable();
    ASSIGN(const os::Bytes bytes, store_.layout().ReadBlob(digest, 1u << 22));
    std::string text(bytes.begin(), bytes.end());
    if (fault == Fault::kCorrupt) text[text.size() / 2] ^= 1;
    return repository::ManifestBlob{digest, image::kManifestMediaType, text};
  }
  Status ReadBlob(const std::string& digest, uint64_t offset, uint64_t length,
                  const repository::Sink& sink) override {
    ++reads;
    const int now = ++at_once;
    for (int most = most_at_once; now > most && !most_at_once.compare_exchange_weak(most, now);) {
    }
    Status done = Read(digest, offset, length, sink);
    --at_once;
    return done;
  }
  Result<bool> HasBlob(const std::string& digest) override { return store_.layout().HasBlob(digest); }
  Status PutBlob(const std::string&, uint64_t,
                 const std::function<Status(const repository::Sink&)>&) override {
    return Error{Errc::kUnsupported, "read only"};
  }
  Status PutManifest(const std::string&, const repository::ManifestBlob&) override {
    return Error{Errc::kUnsupported, "read only"};
  }
  Result<std::vector<std::string>> Tags() override { return std::vector<std::string>(); }
  Result<std::vector<repository::Referrer>> Referrers(const std::string&, const std::string&) override {
    return std::vector<repository::Referrer>();
  }
  Status PutReferrer(const repository::ManifestBlob&) override {
    return Error{Errc::kUnsupported, "read only"};
  }

 private:
  static Error Unreachable() { return Error{Errc::kUnreachable, "connection refused"}; }
  Status Read(const std::string& digest, uint64_t offset, uint64_t length, const repository::Sink& sink) {
    if (delay_millis != 0) std::this_thread::sleep_for(std::chrono::milliseconds(delay_millis));
    const Fault now = fault;
    if (now == Fault::kOffline) return Unreachable();
    if (length == 0) {
      ASSIGN(const uint64_t size, store_.layout().BlobSize(digest));
      length = size - offset;
    }
    ASSIGN(os::Bytes bytes, store_.layout().ReadBlobRange(digest, offset, length));
    if (now == Fault::kCorrupt) bytes[bytes.size() / 2] ^= 0x20;
    if (now == Fault::kSwap) std::reverse(bytes.begin(), bytes.end());
    if (now == Fault::kTruncate) bytes.resize(bytes.size() / 2);
    if (now == Fault::kExtra) bytes.push_back(0);
    // In small pieces, as a network gives them.
    for (size_t at = 0; at < bytes.size(); at += 1000) {
      if (now == Fault::kDrop && at > bytes.size() / 2) return Unreachable();
      if (now == Fault::kStall) std::this_thread::sleep_for(std::chrono::milliseconds(1));
      TRY(sink(os::ByteView(bytes).subspan(at, std::min<size_t>(1000, bytes.size() - at))));
    }
    return Ok();
  }
  image::Store& store_;
};

struct TestFile {
  std::string path;  // below "C", backslashes
  std::string bytes;
  uint32_t attributes = 0x20;
  int64_t modified = 132'000'000'000'000'000;
};

// Builds images from texts and remembers what each file must contain.
class ImageMaker {
 public:
  ImageMaker() {
    auto store = image::Store::Open(os::SystemFiles(), scratch_.path() / "store");
    EXPECT_TRUE(store.ok()) << store.error().message;
    store_ = std::move(*store);
  }
  image::Store& store() { return *store_; }
  // Returns the digest.
  std::string Make(const std::string& name, const std::string& version, const std::vector<TestFile>& files) {
    image::Content content;
    content.config.name = name;
    content.config.version = version;
    for (const TestFile& file : files) {
      const os::Path source = scratch_.path() / os::RandomHex(8);
      std::ofstream(source, std::ios::binary) << file.bytes;
      image::FileItem item;
      item.root = "C";
      item.path = FromUtf8Lossy(file.path);
      item.attributes = file.attributes;
      item.created = item.modified = file.modified;
      item.source = source;
      content.files.push_back(std::move(item));
    }
    auto built = image::Build(content, *store_);
    EXPECT_TRUE(built.ok()) << built.error().message;
    return built.ok() ? built->ref.digest : "";
  }

 private:
  Scratch scratch_;
  std::unique_ptr<image::Store> store_;
};

inline uint32_t EntryOf(const Image& image, const std::string& path) {
  uint32_t entry = image.catalog.RootIndex("C");
  std::u16string rest = FromUtf8Lossy(path);
  while (!rest.empty() && entry != catalog::kNone) {
    const size_t end = std::min(rest.find(u'\\'), rest.size());
    entry = image.catalog.Child(entry, std::u16string_view(rest).substr(0, end));
    rest.erase(0, end + 1);
  }
  return entry;
}

inline std::string Contents(const os::Path& path) {
  std::ifstream in(path, std::ios::binary);
  return std::string(std::istreambuf_iterator<char>(in), {});
}

// Regular files below a folder.
inline size_t FilesBelow(const os::Path& folder) {
  size_t count = 0;
  std::error_code error;
  for (const auto& item : std::filesystem::recursive_directory_iterator(folder, error)) {
    count += item.is_regular_file() ? 1 : 0;
  }
  return count;
}

}  // namespace plume::cache::testing
