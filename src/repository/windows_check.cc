// The portable parts as the Windows programs use them: run on Windows (or Wine) by tests/guest/repository.sh.
// Builds the golden image, which must have the digest it has on Linux; sends it to a registry over WinHTTP
// and fetches it back; and checks what only Windows' file system does.
//   repository_check FOLDER REPOSITORY
#include <cstdio>
#include <thread>

#include "image/builder.h"
#include "image/inspect.h"
#include "image/test_content.h"
#include "os/clock.h"
#include "os/mapped_file.h"
#include "repository/publish.h"
#include "repository/repository.h"

using namespace plume;

namespace {

int passed = 0, failed = 0;

void Check(bool ok, const std::string& what) {
  ++(ok ? passed : failed);
  std::printf("%s %s\n", ok ? "ok  " : "FAIL", what.c_str());
}

template <typename T>
bool Good(const Result<T>& result) {
  if (!result.ok()) std::printf("     | %s\n", result.error().message.c_str());
  return result.ok();
}

void Files(const os::Path& folder) {
  os::FileSystem& files = os::SystemFiles();
  os::Path deep = folder;
  for (int i = 0; i < 12; ++i) deep /= os::FromUtf8(std::string(40, static_cast<char>('a' + i)));
  Check(Good(os::WriteAtomic(files, deep / "f.txt", std::string_view("deep"))), "a path of over 500 units");
  const auto text = os::ReadText(files, deep / "f.txt");
  Check(text.ok() && *text == "deep", "reading it back");
  Check(Good(os::RemoveTree(files, folder / os::FromUtf8(std::string(40, 'a')))), "removing the tree");

  const os::Path file = folder / os::FromUtf16(u"\u00e4\u4e2d\U0001F600.txt");
  Check(Good(os::WriteAtomic(files, file, std::string_view("1"))), "a name beyond ASCII");
  const os::FileTimes times{.created = 130000000000000000, .modified = 131000000000000000};
  Check(Good(files.SetTimes(file, times)) && Good(files.SetAttributes(file, os::kHidden | os::kReadOnly)),
        "times and attributes");
  const auto info = files.Stat(file);
  Check(Good(info) && info->times.modified == times.modified && (info->attributes & os::kReadOnly) != 0,
        "they are kept");
  Check(Good(files.Remove(file)), "removing a read-only file");
  Check(files.Open(file, os::OpenMode::kRead).error().code == Errc::kNotFound, "it is gone");

  const os::Path replaced = folder / "replaced";
  (void)os::WriteAtomic(files, replaced, std::string_view("old"));
  auto reader = std::move(*files.Open(replaced, os::OpenMode::kRead));
  std::thread closing([&] {
    os::SystemClock().SleepMillis(150);
    reader.reset();
  });
  Check(Good(os::WriteAtomic(files, replaced, std::string_view("new"))),
        "replacing a file that somebody reads for a moment");
  closing.join();
  (void)os::WriteAtomic(files, folder / "newcomer", std::string_view("x"));
  const auto renamed = files.Rename(folder / "newcomer", replaced, false);
  Check(!renamed.ok() && renamed.error().code == Errc::kExists, "renaming never overwrites unasked");
  Check(Good(files.FreeSpace(folder)), "free space");

  const auto lock = os::FileLock::Acquire(folder / "lock", os::FileLock::Mode::kExclusive, 0);
  const auto second = os::FileLock::Acquire(folder / "lock", os::FileLock::Mode::kShared, 20);
  Check(Good(lock) && !second.ok() && second.error().code == Errc::kBusy, "locks exclude");

  bool created = false;
  const auto one = os::MappedFile::OpenShared(folder / "map", 1u << 20, &created);
  const auto two = os::MappedFile::OpenShared(folder / "map", 1u << 20, nullptr);
  if (Good(one) && Good(two)) one->data()[77] = 5;
  Check(created && two.ok() && two->data()[77] == 5, "mapped files share their bytes");
}

void ManyReaders(repository::Repository& repository, const image::Store& store,
                 const image::Descriptor& blob) {
  std::atomic<int> good{0};
  std::vector<std::thread> threads;
  for (uint64_t t = 0; t < 6; ++t) {
    threads.emplace_back([&, t] {
      for (uint64_t i = 0; i < 10; ++i) {
        const uint64_t offset = (t * 10 + i) * blob.size / 100, length = blob.size / 100 + 1;
        os::Bytes got;
        const Status read =
            repository.ReadBlob(blob.digest, offset, length, [&](std::span<const uint8_t> piece) {
              got.insert(got.end(), piece.begin(), piece.end());
              return Ok();
            });
        const auto expected = store.layout().ReadBlobRange(blob.digest, offset, length);
        if (read.ok() && expected.ok() && got == *expected) ++good;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  Check(good == 60, "60 ranges by 6 threads: " + std::to_string(good.load()));
}

void Images(const os::Path& folder, const std::string& where) {
  const auto store = image::Store::Open(os::SystemFiles(), folder / "store");
  const auto other = image::Store::Open(os::SystemFiles(), folder / "other");
  image::testing::TestContent golden, large("large", "1");
  golden.AddGolden();
  large.Add(u"noise.bin", image::testing::Noise(9, 20 << 20));
  if (!Good(store) || !Good(other)) return Check(false, "opening stores");
  const auto built = image::Build(golden.content, **store);
  const auto big = image::Build(large.content, **store);
  Check(Good(built) && Good(big), "building");
  if (!built.ok() || !big.ok()) return;
  std::printf("digest %s\n", built->ref.digest.c_str());
  Check(Good(image::VerifyImage(**store, "notes")), "verifying");

  const auto repository = repository::Open(where);
  if (!Good(repository)) return Check(false, "opening the repository");
  const int64_t start = os::SystemClock().MonotonicMicros();
  const auto published = repository::Publish(**store, big->ref, **repository, {"1"});
  Check(Good(published) && published->blobs_moved == 3, "publishing over WinHTTP");
  const auto pulled = repository::Pull(**repository, "1", **other);
  Check(Good(pulled) && pulled->digest == big->ref.digest, "fetching over WinHTTP");
  std::printf("20 MB there and back: %lld ms\n",
              static_cast<long long>((os::SystemClock().MonotonicMicros() - start) / 1000));
  Check(Good(image::VerifyImage(**other, "large")), "verifying what was fetched");
  ManyReaders(**repository, **store, big->manifest.packs[0]);
  const auto tags = (*repository)->Tags();
  Check(Good(tags) && tags->size() == 1, "listing tags");
  const auto missing = (*repository)->GetManifest("none");
  Check(!missing.ok() && missing.error().code == Errc::kNotFound, "a tag that is not there");

  repository::OpenOptions once;
  once.tries = 1;
  const auto nobody = repository::Open("http://127.0.0.1:9/x", once);
  const auto refused = (*nobody)->GetManifest("1");
  Check(!refused.ok() && refused.error().code == Errc::kUnreachable &&
            refused.error().message.find("connection refused") != std::string::npos,
        "a server that is not there: " + (refused.ok() ? std::string() : refused.error().message));
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) {
    std::fprintf(stderr, "usage: repository_check FOLDER REPOSITORY\n");
    return 2;
  }
  const os::Path folder = os::FromUtf8(argv[1]);
  Files(folder);
  Images(folder, argv[2]);
  std::printf("%d passed, %d failed\n", passed, failed);
  return failed == 0 ? 0 : 1;
}
