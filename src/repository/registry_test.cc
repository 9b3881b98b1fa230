// Interoperability with what companies run: Debian's docker-registry and skopeo.
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>

#include "image/builder.h"
#include "image/inspect.h"
#include "image/test_content.h"
#include "os/clock.h"
#include "os/http.h"
#include "os/test_server.h"
#include "repository/artifact.h"
#include "repository/publish.h"
#include "repository/repository.h"

namespace plume::repository {
namespace {

using image::testing::Noise;
using image::testing::TestContent;
using os::testing::TestFolder;

int FreePort() {
  const os::testing::TestServer server(
      [](const os::testing::TestRequest&) { return os::testing::TestAnswer{}; });
  const std::string url = server.Url();
  return std::stoi(url.substr(url.rfind(':') + 1));
}

// Debian's registry in a folder of its own, for the life of the object.
class DockerRegistry {
 public:
  explicit DockerRegistry(const os::Path& folder) : port_(FreePort()) {
    const std::string config =
        "version: 0.1\nlog:\n  level: error\n  accesslog:\n    disabled: true\nstorage:\n"
        "  filesystem:\n    rootdirectory: " +
        os::Utf8(folder / "data") +
        "\n  delete:\n    enabled: true\nhttp:\n  addr: 127.0.0.1:" + std::to_string(port_) + "\n";
    EXPECT_TRUE(os::WriteAtomic(os::SystemFiles(), folder / "config.yml", config).ok());
    const std::string path = os::Utf8(folder / "config.yml"), log = os::Utf8(folder / "log");
    pid_ = fork();
    if (pid_ == 0) {
      if (!std::freopen(log.c_str(), "w", stdout) || dup2(1, 2) < 0) _exit(126);
      execlp("docker-registry", "docker-registry", "serve", path.c_str(), nullptr);
      _exit(127);
    }
    const auto http = os::MakeHttpClient();
    os::HttpRequest request;
    request.url = Url("") + "/v2/";
    for (int i = 0; i < 300 && !http->Send(request).ok(); ++i) os::SystemClock().SleepMillis(100);
  }
  ~DockerRegistry() {
    kill(pid_, SIGKILL);
    waitpid(pid_, nullptr, 0);
  }
  std::string Authority() const { return "127.0.0.1:" + std::to_string(port_); }
  std::string Url(const std::string& name) const { return "http://" + Authority() + name; }

 private:
  const int port_;
  pid_t pid_ = -1;
};

// Runs a command; its output with errors, and its exit code.
std::string Shell(const std::string& command, int* code) {
  FILE* pipe = popen((command + " 2>&1 </dev/null").c_str(), "r");
  std::string out;
  char buffer[4096];
  while (const size_t n = fread(buffer, 1, sizeof buffer, pipe)) out.append(buffer, n);
  *code = pclose(pipe);
  return out;
}

class Registry : public ::testing::Test {
 protected:
  void SetUp() override {
    TestContent content;
    content.AddSample();
    content.Add(u"Program Files\\Notes\\large.bin", Noise(3, 40 << 20));  // more than one pack
    store_ = std::move(*image::Store::Open(os::SystemFiles(), folder_ / "store"));
    Result<image::BuiltImage> built = image::Build(content.content, *store_);
    ASSERT_TRUE(built.ok()) << built.error().message;
    built_ = std::move(*built);
  }
  std::unique_ptr<Repository> OpenAt(const std::string& where) {
    OpenOptions options;
    options.credentials = folder_ / "credentials.json";
    return std::move(*Open(where, options));
  }
  TestFolder folder_;
  std::unique_ptr<image::Store> store_;
  image::BuiltImage built_;
};

TEST_F(Registry, PublishUpdatePullAndRangesOnDockerRegistry) {
  const DockerRegistry registry(folder_ / "registry");
  const auto repository = OpenAt(registry.Url("/team/notes"));
  EXPECT_EQ(repository->GetManifest("1.0").error().code, Errc::kNotFound);
  EXPECT_FALSE(*repository->HasBlob(built_.manifest.catalog.digest));

  const auto published = Publish(*store_, built_.ref, *repository, {"1.0", "stable"});
  ASSERT_TRUE(published.ok()) << published.error().message;
  EXPECT_EQ(published->blobs_moved, 4u);
  EXPECT_EQ(repository->Tags()->size(), 2u);
  const ManifestBlob manifest = *repository->GetManifest("stable");
  EXPECT_EQ(manifest.digest, built_.ref.digest);
  EXPECT_EQ(manifest.media_type, image::kManifestMediaType);
  EXPECT_EQ(repository->GetManifest(built_.ref.digest)->bytes, manifest.bytes);

  // Ranges, as hydration asks for them.
  const image::Descriptor& pack = built_.manifest.packs[0];
  for (const auto& [offset, length] :
       {std::pair<uint64_t, uint64_t>{0, 1}, {12345, 99'999}, {pack.size - 10, 10}, {pack.size - 5, 0}}) {
    os::Bytes got;
    const Status read =
        repository->ReadBlob(pack.digest, offset, length, [&](std::span<const uint8_t> piece) {
          got.insert(got.end(), piece.begin(), piece.end());
          return Ok();
        });
    ASSERT_TRUE(read.ok()) << read.error().message;
    EXPECT_EQ(got, *store_->layout().ReadBlobRange(pack.digest, offset, length ? length : 5));
  }
  EXPECT_FALSE(
      repository->ReadBlob(pack.digest, pack.size + 1, 5, [](std::span<const uint8_t>) { return Ok(); })
          .ok());

  // An update moves what changed and no more.
  TestContent second("notes", "1.1");
  second.AddSample();
  second.Add(u"Program Files\\Notes\\large.bin", "X" + Noise(3, 40 << 20));
  const image::BuiltImage update = *image::Build(second.content, *store_);
  const auto updated = Publish(*store_, update.ref, *repository, {"1.1"});
  ASSERT_TRUE(updated.ok()) << updated.error().message;
  EXPECT_EQ(updated->blobs_present, 2u);  // the packs of 1.0
  EXPECT_LT(updated->bytes_moved, 1u << 20);

  const auto other = std::move(*image::Store::Open(os::SystemFiles(), folder_ / "other"));
  const auto pulled = Pull(*repository, "1.1", *other);
  ASSERT_TRUE(pulled.ok()) << pulled.error().message;
  EXPECT_TRUE(image::VerifyImage(*other, "notes:1.1").ok());
}

TEST_F(Registry, DamageInTheRegistryIsFoundByTheReader) {
  const DockerRegistry registry(folder_ / "registry");
  const auto repository = OpenAt(registry.Url("/notes"));
  ASSERT_TRUE(Publish(*store_, built_.ref, *repository, {"1.0"}).ok());
  const std::string hex = built_.manifest.catalog.digest.substr(7);
  const os::Path data =
      folder_ / "registry" / "data" / "docker/registry/v2/blobs/sha256" / hex.substr(0, 2) / hex / "data";
  os::Bytes bytes = *os::ReadFile(os::SystemFiles(), data);
  bytes[bytes.size() / 3] ^= 4;
  ASSERT_TRUE(os::WriteAtomic(os::SystemFiles(), data, os::ByteView(bytes)).ok());
  const auto other = std::move(*image::Store::Open(os::SystemFiles(), folder_ / "other"));
  const auto pulled = Pull(*repository, "1.0", *other);
  EXPECT_EQ(pulled.error().code, Errc::kCorrupt) << pulled.error().message;
  EXPECT_TRUE(other->List()->empty());
}

TEST_F(Registry, SkopeoReadsAndCopiesOurLayouts) {
  const std::string layout = os::Utf8(folder_ / "images/notes");
  ASSERT_TRUE(Publish(*store_, built_.ref, *OpenAt("oci:" + layout), {"1.0"}).ok());
  int code = 0;
  const std::string raw = Shell("skopeo inspect --raw oci:" + layout + ":1.0", &code);
  EXPECT_EQ(code, 0) << raw;
  EXPECT_EQ(os::DigestText(os::Sha256::Of(raw)), built_.ref.digest) << raw;
  const DockerRegistry registry(folder_ / "registry");
  const std::string docker = "docker://" + registry.Authority() + "/notes";
  std::string out =
      Shell("skopeo copy --insecure-policy --dest-tls-verify=false oci:" + layout + ":1.0 " + docker + ":1.0",
            &code);
  ASSERT_EQ(code, 0) << out;
  EXPECT_EQ(OpenAt(registry.Url("/notes"))->GetManifest("1.0")->digest, built_.ref.digest);

  const std::string back = os::Utf8(folder_ / "back");
  out = Shell("skopeo copy --insecure-policy --src-tls-verify=false " + docker + ":1.0 oci:" + back + ":1.0",
              &code);
  ASSERT_EQ(code, 0) << out;
  const auto other = std::move(*image::Store::Open(os::SystemFiles(), folder_ / "other"));
  const auto pulled = Pull(*OpenAt("oci:" + back), "1.0", *other);
  ASSERT_TRUE(pulled.ok()) << pulled.error().message;
  EXPECT_EQ(pulled->digest, built_.ref.digest);
  EXPECT_TRUE(image::VerifyImage(*other, "notes").ok());
}

TEST_F(Registry, WhatIsAttachedToAnImage) {
  const DockerRegistry registry(folder_ / "registry");
  const std::string layout = "oci:" + os::Utf8(folder_ / "layout");
  for (const std::string& where : {registry.Url("/notes"), layout}) {
    const auto repository = OpenAt(where);
    ASSERT_TRUE(Publish(*store_, built_.ref, *repository, {"1.0"}).ok());
    const ManifestBlob manifest = *repository->GetManifest("1.0");
    EXPECT_TRUE(repository->Referrers(manifest.digest, "")->empty());
    for (const char* text : {"one", "two"}) {
      const auto attached = Attach(*repository, manifest, {"application/vnd.test", {{"text/plain", text}}});
      ASSERT_TRUE(attached.ok()) << attached.error().message;
      EXPECT_EQ(ReadArtifact(*repository, attached->digest, 100)->layers[0].bytes, text);
    }
    EXPECT_EQ(repository->Referrers(manifest.digest, "application/vnd.test")->size(), 2u);
    EXPECT_TRUE(repository->Referrers(manifest.digest, "application/vnd.other")->empty());
  }
  EXPECT_EQ(*CopyReferrers(*OpenAt(layout), built_.ref.digest, *OpenAt(registry.Url("/notes"))), 2u);
  int code = 0;
  const std::string raw = Shell("skopeo inspect --raw " + layout + ":1.0", &code);
  EXPECT_EQ(os::DigestText(os::Sha256::Of(raw)), built_.ref.digest) << raw;
}

TEST_F(Registry, ManyReadersAtOnce) {
  const DockerRegistry registry(folder_ / "registry");
  const auto repository = OpenAt(registry.Url("/notes"));
  ASSERT_TRUE(Publish(*store_, built_.ref, *repository, {"1.0"}).ok());
  const image::Descriptor& pack = built_.manifest.packs[0];
  const os::Bytes whole = *store_->layout().ReadBlob(pack.digest, pack.size);
  std::vector<std::thread> threads;
  std::atomic<int> good{0};
  for (int t = 0; t < 8; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < 20; ++i) {
        const uint64_t offset =
            (static_cast<uint64_t>(t) * 20 + static_cast<uint64_t>(i)) * 50'000 % (pack.size - 100'000);
        os::Bytes got;
        const Status read =
            repository->ReadBlob(pack.digest, offset, 100'000, [&](std::span<const uint8_t> piece) {
              got.insert(got.end(), piece.begin(), piece.end());
              return Ok();
            });
        if (read.ok() && std::equal(got.begin(), got.end(), whole.begin() + static_cast<ptrdiff_t>(offset)))
          ++good;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(good, 160);
}

}  // namespace
}  // namespace plume::repository
