// What Plume attaches to images of its own server.
#include <gtest/gtest.h>

#include <filesystem>

#include "os/random.h"
#include "os/sha256.h"
#include "repository/artifact.h"
#include "server/server.h"

namespace plume::server {
namespace {

TEST(Attached, IsListedByTheServerAndNeedsNoTag) {
  ServerOptions options;
  options.root = std::filesystem::temp_directory_path() / ("plume-attach-" + os::RandomHex(8));
  options.port = 0;
  auto server = Server::Start(options);
  ASSERT_TRUE(server.ok()) << server.error().message;
  repository::OpenOptions open;
  open.credentials = options.root / "none.json";
  const auto repository =
      std::move(*repository::Open("http://127.0.0.1:" + std::to_string((*server)->port()) + "/a", open));
  const std::string empty = os::DigestText(os::Sha256::Of(std::string_view("{}")));
  ASSERT_TRUE(repository::PutSmallBlob(*repository, empty, "{}").ok());
  repository::ManifestBlob image;
  image.media_type = "application/vnd.oci.image.manifest.v1+json";
  image.bytes = R"({"schemaVersion":2,"config":{"mediaType":"application/x","digest":")" + empty +
                R"(","size":2},"layers":[]})";
  image.digest = os::DigestText(os::Sha256::Of(std::string_view(image.bytes)));
  ASSERT_TRUE(repository->PutManifest("v1", image).ok());
  EXPECT_TRUE(repository->Referrers(image.digest, "")->empty());
  const auto attached =
      repository::Attach(*repository, image, {"application/x.profile", {{"text/plain", "x"}}});
  ASSERT_TRUE(attached.ok()) << attached.error().message;
  ASSERT_EQ(repository->Referrers(image.digest, "application/x.profile")->size(), 1u);
  EXPECT_EQ(repository->Referrers(image.digest, "")->at(0).digest, attached->digest);
  EXPECT_EQ(repository->Referrers(image.digest, "application/x.other")->size(), 0u);
  EXPECT_EQ(*repository->Tags(), std::vector<std::string>{"v1"});
  server->reset();
  std::filesystem::remove_all(options.root);
}

}  // namespace
}  // namespace plume::server
