// What is attached to images: lists of referrers in folders and behind servers with and without the API.
#include "repository/artifact.h"

#include <gtest/gtest.h>

#include "image/builder.h"
#include "image/inspect.h"
#include "image/test_content.h"
#include "os/sha256.h"
#include "os/test_server.h"
#include "repository/publish.h"
#include "repository/retry.h"

namespace plume::repository {
namespace {

using image::testing::TestContent;
using os::testing::TestAnswer;
using os::testing::TestFolder;
using os::testing::TestRequest;
using os::testing::TestServer;

constexpr char kType[] = "application/vnd.plume.test.v1";

std::string DigestOf(const std::string& text) {
  return os::DigestText(os::Sha256::Of(std::string_view(text)));
}

// A registry in memory, with or without the referrers API.
class FakeRegistry {
 public:
  explicit FakeRegistry(bool api)
      : api_(api), server_([this](const TestRequest& request) { return Answer(request); }) {}
  std::string Url() { return server_.Url("/app"); }
  std::map<std::string, std::string> manifests, blobs;  // manifests by tag and digest
  std::function<void(const std::string& tag)> after_put;
  int asked_api = 0;

 private:
  TestAnswer Answer(const TestRequest& request) {
    const std::lock_guard lock(mutex_);
    const std::string& target = request.target;
    const std::string name = target.substr(target.rfind('/') + 1);
    if (target.starts_with("/v2/app/referrers/")) {
      ++asked_api;
      if (!api_) return {.status = 404, .body = "404 page not found\n"};
      std::string index = R"({"schemaVersion":2,"manifests":[]})";
      for (const auto& [digest, bytes] : manifests) {
        if (!digest.starts_with("sha256:")) continue;
        const auto attached = Describe({digest, image::kManifestMediaType, bytes});
        if (attached.ok() && target.find(attached->subject) != std::string::npos)
          index = *AddReferrer(index, attached->referrer);
      }
      return {.body = index};  // not filtered, as a server may
    }
    if (target.starts_with("/v2/app/manifests/")) {
      if (request.method == "GET")
        return manifests.contains(name) ? TestAnswer{.body = manifests[name]} : TestAnswer{.status = 404};
      manifests[name] = manifests[DigestOf(request.body)] = request.body;
      if (after_put) after_put(name);
      const auto attached = Describe({name, image::kManifestMediaType, request.body});
      return {
          .status = 201,
          .headers = api_ && attached.ok() ? "OCI-Subject: " + attached->subject + "\r\n" : std::string()};
    }
    if (request.method == "HEAD") return {.status = blobs.contains(name) ? 200 : 404};
    if (request.method == "GET")
      return blobs.contains(name) ? TestAnswer{.body = blobs[name]} : TestAnswer{.status = 404};
    if (request.method == "POST") return {.status = 202, .headers = "Location: /v2/app/blobs/uploads/1\r\n"};
    if (request.method == "PATCH") {
      blobs[DigestOf(request.body)] = request.body;
      return {.status = 202};
    }
    return {.status = 201};
  }
  const bool api_;
  std::mutex mutex_;
  TestServer server_;
};

class Artifacts : public ::testing::Test {
 protected:
  void SetUp() override {
    subject_.media_type = image::kManifestMediaType;
    subject_.bytes = R"({"schemaVersion":2,"config":{},"layers":[]})";
    subject_.digest = DigestOf(subject_.bytes);
  }
  std::unique_ptr<Repository> OpenAt(const std::string& where) {
    OpenOptions options;
    options.credentials = folder_ / "credentials.json";
    return std::move(*Open(where, options));
  }
  static Artifact Sample(const std::string& text, const std::string& type = kType) {
    return {type, {{"text/plain", text, {{"of.layer", "1"}}}}, {{"made", text}}};
  }
  // What every kind of repository must do.
  void Check(Repository& repository) {
    const auto none = repository.Referrers(subject_.digest, "");
    ASSERT_TRUE(none.ok()) << none.error().message;
    EXPECT_TRUE(none->empty());
    const auto one = Attach(repository, subject_, Sample("one"));
    ASSERT_TRUE(one.ok()) << one.error().message;
    ASSERT_TRUE(Attach(repository, subject_, Sample("two")).ok());
    ASSERT_TRUE(Attach(repository, subject_, Sample("three", "other/type")).ok());
    ASSERT_TRUE(Attach(repository, subject_, Sample("two")).ok());  // again
    EXPECT_EQ(repository.Referrers(subject_.digest, "")->size(), 3u);
    const std::vector<Referrer> ours = *repository.Referrers(subject_.digest, kType);
    ASSERT_EQ(ours.size(), 2u);
    std::vector<std::string> texts;
    for (const Referrer& referrer : ours) {
      EXPECT_EQ(referrer.artifact_type, kType);
      EXPECT_EQ(referrer.media_type, image::kManifestMediaType);
      const auto artifact = ReadArtifact(repository, referrer.digest, 100);
      ASSERT_TRUE(artifact.ok()) << artifact.error().message;
      EXPECT_EQ(artifact->type, kType);
      EXPECT_EQ(artifact->layers.at(0).annotations.at("of.layer"), "1");
      EXPECT_EQ(artifact->layers.at(0).bytes, referrer.annotations.at("made"));
      texts.push_back(artifact->layers.at(0).bytes);
    }
    std::sort(texts.begin(), texts.end());
    EXPECT_EQ(texts, (std::vector<std::string>{"one", "two"}));
    EXPECT_EQ(ReadArtifact(repository, one->digest, 2).error().code, Errc::kInvalid);
  }
  TestFolder folder_;
  ManifestBlob subject_;
};

TEST_F(Artifacts, Folder) { Check(*OpenAt("oci:" + os::Utf8(folder_ / "layout"))); }

TEST_F(Artifacts, ServerWithTheApi) {
  FakeRegistry registry(true);
  Check(*OpenAt(registry.Url()));
  EXPECT_FALSE(registry.manifests.contains(FallbackTag(subject_.digest)));
}

TEST_F(Artifacts, ServerWithoutTheApi) {
  FakeRegistry registry(false);
  Check(*OpenAt(registry.Url()));
  EXPECT_TRUE(registry.manifests.contains(FallbackTag(subject_.digest)));
  EXPECT_EQ(registry.asked_api, 1) << "what a server lacks is asked for once";
}

TEST_F(Artifacts, AnEntryThatAnotherWriterOverwroteIsAddedAgain) {
  FakeRegistry registry(false);
  const auto repository = OpenAt(registry.Url());
  ASSERT_TRUE(Attach(*repository, subject_, Sample("first")).ok());
  const std::string tag = FallbackTag(subject_.digest), before = registry.manifests[tag];
  int lost = 2;
  registry.after_put = [&](const std::string& name) {
    if (name == tag && lost-- > 0) registry.manifests[tag] = before;
  };
  ASSERT_TRUE(Attach(*repository, subject_, Sample("second")).ok());
  EXPECT_EQ(repository->Referrers(subject_.digest, "")->size(), 2u);
}

TEST_F(Artifacts, DamageIsFound) {
  FakeRegistry registry(true);
  const auto repository = OpenAt(registry.Url());
  const Referrer one = *Attach(*repository, subject_, Sample("one"));
  registry.blobs[DigestOf("one")] = "eno";
  EXPECT_EQ(ReadArtifact(*repository, one.digest, 100).error().code, Errc::kCorrupt);
  registry.blobs[DigestOf("one")] = "one and more";
  EXPECT_EQ(ReadArtifact(*repository, one.digest, 100).error().code, Errc::kCorrupt);
  registry.manifests[one.digest] += " ";
  EXPECT_EQ(ReadArtifact(*repository, one.digest, 100).error().code, Errc::kCorrupt);
}

TEST_F(Artifacts, MalformedListsAreRefused) {
  for (const char* text : {"", "[]", "{}", R"({"manifests":{}})", R"({"manifests":[1]})",
                           R"({"manifests":[{"digest":1}]})", R"({"manifests":[{"annotations":{"a":1}}]})"}) {
    EXPECT_EQ(ParseReferrers(text, "").error().code, Errc::kInvalid) << text;
  }
  EXPECT_TRUE(ParseReferrers(R"({"manifests":[{"digest":"sha256:1"}]})", "")->empty());
  EXPECT_EQ(Describe(subject_).error().code, Errc::kInvalid);
  // What other tools wrote stays.
  const std::string other =
      R"({"schemaVersion":2,"manifests":[{"digest":"sha256:)" + std::string(64, '1') + R"(","x":7}],"y":8})";
  const std::string added = *AddReferrer(other, {DigestOf("a"), "m", "t", 3});
  EXPECT_NE(added.find(R"("x":7)"), std::string::npos);
  EXPECT_NE(added.find(R"("y":8)"), std::string::npos);
  EXPECT_EQ(ParseReferrers(added, "")->size(), 2u);
}

TEST_F(Artifacts, CopiedWithTheirImage) {
  const auto from = OpenAt("oci:" + os::Utf8(folder_ / "from")),
             to = OpenAt("oci:" + os::Utf8(folder_ / "to"));
  const Referrer one = *Attach(*from, subject_, Sample("one"));
  const ManifestBlob manifest = *from->GetManifest(one.digest);
  ASSERT_TRUE(Attach(*from, manifest, Sample("about one")).ok());
  const auto copied = CopyReferrers(*from, subject_.digest, *to);
  ASSERT_TRUE(copied.ok()) << copied.error().message;
  EXPECT_EQ(*copied, 2u);
  EXPECT_EQ(to->Referrers(subject_.digest, kType)->at(0).digest, one.digest);
  EXPECT_EQ(ReadArtifact(*to, to->Referrers(one.digest, kType)->at(0).digest, 100)->layers[0].bytes,
            "about one");
}

TEST_F(Artifacts, GarbageCollectionKeepsThemAsLongAsTheirImage) {
  TestContent kept("kept", "1"), gone("gone", "1");
  kept.AddSample();
  gone.Add(u"a.txt", "gone");
  const auto store = std::move(*image::Store::Open(os::SystemFiles(), folder_ / "store"));
  const auto repository = OpenAt("oci:" + os::Utf8(folder_ / "store"));
  std::vector<std::string> digests;
  for (TestContent* content : {&kept, &gone}) {
    const image::BuiltImage built = *image::Build(content->content, *store);
    const ManifestBlob manifest = *repository->GetManifest(built.ref.digest);
    digests.push_back(Attach(*repository, manifest, Sample(built.ref.name))->digest);
    // A signature, found by its tag alone.
    const std::string text = "{\"signature\":\"" + built.ref.name + "\"}";
    ASSERT_TRUE(repository
                    ->PutManifest(FallbackTag(built.ref.digest) + ".sig",
                                  {DigestOf(text), image::kManifestMediaType, text})
                    .ok());
  }
  EXPECT_EQ(store->List()->size(), 2u);
  ASSERT_TRUE(store->layout().CollectGarbage().ok());
  EXPECT_TRUE(ReadArtifact(*repository, digests[1], 100).ok());
  ASSERT_TRUE(store->Remove(*store->Resolve("gone")).ok());
  ASSERT_TRUE(store->layout().CollectGarbage().ok());
  EXPECT_TRUE(ReadArtifact(*repository, digests[0], 100).ok());
  EXPECT_TRUE(image::VerifyImage(*store, "kept").ok());
  EXPECT_EQ(ReadArtifact(*repository, digests[1], 100).error().code, Errc::kNotFound);
  EXPECT_EQ(repository->Tags()->size(), 3u);  // the image, its referrers, its signature
}

TEST_F(Artifacts, FaultsAndRetries) {
  const std::string where = "oci:" + os::Utf8(folder_ / "layout");
  ASSERT_TRUE(Attach(*OpenAt(where), subject_, Sample("one")).ok());
  os::FaultPlan plan(0, Errc::kUnreachable, /*sticky=*/false);
  const auto faulty = MakeFaulty(OpenAt(where), plan);
  EXPECT_EQ(faulty->Referrers(subject_.digest, "").error().code, Errc::kUnreachable);
  EXPECT_EQ(faulty->Referrers(subject_.digest, "")->size(), 1u);
  os::FaultPlan again(0, Errc::kUnreachable, /*sticky=*/false);
  const auto retried = MakeRetrying(MakeFaulty(OpenAt(where), again), os::SystemClock(), 2);
  EXPECT_EQ(retried->Referrers(subject_.digest, "")->size(), 1u);
}

}  // namespace
}  // namespace plume::repository
