// Signatures in a repository, in cosign's layout, and what hostile ones do.
#include "trust/signatures.h"

#include <gtest/gtest.h>

#include <cstdio>

#include "image/manifest.h"
#include "os/test_folder.h"
#include "repository/artifact.h"
#include "repository/credentials.h"

namespace plume::trust {
namespace {

using os::testing::TestFolder;

constexpr int64_t kNow = 1'800'000'000;
const std::string kDigest = "sha256:" + std::string(64, 'a'), kOther = "sha256:" + std::string(64, 'b');

class Signatures : public ::testing::Test {
 protected:
  void SetUp() override {
    repository_ = std::move(*repository::Open("oci:" + os::Utf8(folder_ / "repo/app")));
  }
  SignRequest Request(const std::string& tag, int64_t now = kNow, const std::string& digest = kDigest) {
    return {digest, "app", "1.0", {tag}, now, 0};
  }
  Payload PayloadOf(size_t i) { return *ParsePayload(ReadSignatures(*repository_, kDigest)->at(i).payload); }
  TestFolder folder_;
  std::unique_ptr<repository::Repository> repository_;
  const PrivateKey key_{*os::GenerateP256()}, second_{*os::GenerateP256()};
};

TEST_F(Signatures, OneForEachKeyRenewedByEach) {
  EXPECT_TRUE(ReadSignatures(*repository_, kDigest)->empty());
  ASSERT_TRUE(SignImage(*repository_, key_, Request("1.0")).ok());
  ASSERT_TRUE(SignImage(*repository_, second_, Request("1.0")).ok());
  ASSERT_TRUE(SignImage(*repository_, key_, Request("stable", kNow + 5)).ok());
  const auto all = ReadSignatures(*repository_, kDigest);
  ASSERT_EQ(all->size(), 2u);
  EXPECT_TRUE(Verify(second_.Public(), all->at(0).payload, all->at(0).der));
  EXPECT_TRUE(Verify(key_.Public(), all->at(1).payload, all->at(1).der));
  EXPECT_EQ(PayloadOf(1).statement->tags, (std::vector<std::string>{"1.0", "stable"}));
  EXPECT_EQ(PayloadOf(1).statement->issued, kNow + 5);
  EXPECT_EQ(PayloadOf(1).statement->key, key_.Public().Id());
  // Never older than before, whatever the clock says.
  ASSERT_TRUE(SignImage(*repository_, key_, Request("1.0", kNow - 100)).ok());
  EXPECT_EQ(PayloadOf(1).statement->issued, kNow + 6);
}

// What tools/verify in a shell would do: the layout as the documents of cosign describe it, and openssl.
TEST_F(Signatures, ThePublishedLayoutIsVerifiedWithOpenssl) {
  ASSERT_TRUE(GenerateKeyFiles(os::SystemFiles(), folder_ / "keys").ok());
  const PrivateKey key =
      *ParsePrivateKey(*os::ReadText(os::SystemFiles(), folder_ / "keys/key.pem"), "key.pem");
  ASSERT_TRUE(SignImage(*repository_, key, Request("1.0")).ok());
  const std::string script = R"(set -e; cd )" + os::Utf8(folder_.path()) + R"(
python3 - <<'PY'
import base64, hashlib, json
blob = lambda digest: open("repo/app/blobs/sha256/" + digest[7:], "rb").read()
index = json.load(open("repo/app/index.json"))
name = "org.opencontainers.image.ref.name"
entry, = [m for m in index["manifests"] if m["annotations"][name] == "sha256-" + 64 * "a" + ".sig"]
manifest = json.loads(blob(entry["digest"]))
assert manifest["mediaType"] == "application/vnd.oci.image.manifest.v1+json"
layer, = manifest["layers"]
assert layer["mediaType"] == "application/vnd.dev.cosign.simplesigning.v1+json"
payload = blob(layer["digest"])
assert len(payload) == layer["size"] and base64.b64decode(layer["data"]) == payload
assert json.loads(blob(manifest["config"]["digest"]))["rootfs"]["diff_ids"] == [layer["digest"]]
critical = json.loads(payload)["critical"]
assert critical["image"]["docker-manifest-digest"] == "sha256:" + 64 * "a"
assert critical["type"] == "cosign container image signature"
open("payload", "wb").write(payload)
open("signature", "wb").write(base64.b64decode(layer["annotations"]["dev.cosignproject.cosign/signature"]))
PY
openssl dgst -sha256 -verify keys/key.pub -signature signature payload)";
  EXPECT_EQ(std::system(script.c_str()), 0);
}

TEST_F(Signatures, WhatOpensslSignedInCosignsLayoutIsAccepted) {
  const std::string script = R"(set -e; cd )" + os::Utf8(folder_.path()) + R"(
openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out key.pem 2>/dev/null
openssl pkey -in key.pem -pubout -out key.pub
printf '{"critical":{"identity":{"docker-reference":"example.org/app"},"image":{"docker-manifest-digest":"sha256:%s"},"type":"cosign container image signature"},"optional":null}' )" +
                             std::string(64, 'a') + R"( >payload
openssl dgst -sha256 -sign key.pem -out signature payload
python3 - <<'PY'
import base64, hashlib, json, os
os.makedirs("repo/app/blobs/sha256")
def put(data, **more):
    name = hashlib.sha256(data).hexdigest()
    open("repo/app/blobs/sha256/" + name, "wb").write(data)
    return {**more, "digest": "sha256:" + name, "size": len(data)}
layer = put(open("payload", "rb").read(), mediaType="application/vnd.dev.cosign.simplesigning.v1+json")
layer["annotations"] = {"dev.cosignproject.cosign/signature": base64.b64encode(open("signature", "rb").read()).decode()}
config = put(b"{}", mediaType="application/vnd.oci.image.config.v1+json")
kind = "application/vnd.oci.image.manifest.v1+json"
manifest = put(json.dumps({"schemaVersion": 2, "mediaType": kind, "config": config, "layers": [layer]}).encode(), mediaType=kind)
manifest["annotations"] = {"org.opencontainers.image.ref.name": "sha256-" + 64 * "a" + ".sig"}
json.dump({"schemaVersion": 2, "manifests": [manifest]}, open("repo/app/index.json", "w"))
json.dump({"imageLayoutVersion": "1.0.0"}, open("repo/app/oci-layout", "w"))
PY
)";
  ASSERT_EQ(std::system(script.c_str()), 0);
  const PublicKey key = *ParsePublicKey(*os::ReadText(os::SystemFiles(), folder_ / "key.pub"), "key.pub");
  const auto all = ReadSignatures(*repository_, kDigest);
  ASSERT_EQ(all->size(), 1u);
  EXPECT_TRUE(Verify(key, all->at(0).payload, all->at(0).der));
  EXPECT_EQ(PayloadOf(0).digest, kDigest);
  EXPECT_FALSE(PayloadOf(0).statement.has_value());
}

TEST_F(Signatures, MalformedLayersAreLeftOutAndGoodOnesFound) {
  ASSERT_TRUE(SignImage(*repository_, key_, Request("1.0")).ok());
  const std::string tag = SignatureTag(kDigest);
  const repository::ManifestBlob good = *repository_->GetManifest(tag);
  const auto put = [&](std::string bytes) {
    repository::ManifestBlob blob{os::DigestText(os::Sha256::Of(std::string_view(bytes))),
                                  image::kManifestMediaType, bytes};
    ASSERT_TRUE(repository_->PutManifest(tag, blob).ok());
  };
  const size_t at = good.bytes.find("\"layers\":[") + 10;
  const std::string junk = R"(1,{},{"mediaType":"application/vnd.dev.cosign.simplesigning.v1+json"},)"
                           R"({"mediaType":"application/vnd.dev.cosign.simplesigning.v1+json","digest":")" +
                           kOther +
                           R"(","size":3,"annotations":{"dev.cosignproject.cosign/signature":"AAAA"}},)"
                           R"({"mediaType":"application/vnd.dev.cosign.simplesigning.v1+json","digest":")" +
                           kOther +
                           R"(","size":"x","annotations":{"dev.cosignproject.cosign/signature":7}},)";
  put(good.bytes.substr(0, at) + junk + good.bytes.substr(at));
  ASSERT_EQ(ReadSignatures(*repository_, kDigest)->size(), 1u);
  // Inline bytes that are not those of the digest count for nothing; the blob does.
  std::string swapped = good.bytes;
  const std::string inline_payload = repository::Base64(ReadSignatures(*repository_, kDigest)->at(0).payload);
  swapped.replace(swapped.find(inline_payload), inline_payload.size(), repository::Base64("{}"));
  put(swapped);
  ASSERT_EQ(ReadSignatures(*repository_, kDigest)->size(), 1u);
  EXPECT_EQ(PayloadOf(0).digest, kDigest);
  put("{}");
  EXPECT_EQ(ReadSignatures(*repository_, kDigest).error().code, Errc::kInvalid);
  std::string many = good.bytes.substr(0, at);
  for (int i = 0; i < 200; ++i) many += "{},";
  put(many + good.bytes.substr(at));
  EXPECT_EQ(ReadSignatures(*repository_, kDigest).error().code, Errc::kInvalid);
}

TEST_F(Signatures, RefreshSignsAnewWhatStillHasItsTag) {
  const auto image = [&](const std::string& text, const std::vector<std::string>& tags) {
    repository::ManifestBlob blob{os::DigestText(os::Sha256::Of(std::string_view(text))), "x/y", text};
    for (const std::string& tag : tags) EXPECT_TRUE(repository_->PutManifest(tag, blob).ok());
    EXPECT_TRUE(SignImage(*repository_, key_, {blob.digest, "app", tags[0], tags, kNow, 0}).ok());
    return blob.digest;
  };
  const std::string one = image("{\"n\":1}", {"1", "stable"}), two = image("{\"n\":2}", {"2", "stable"});
  repository::ManifestBlob unsigned_one{os::DigestText(os::Sha256::Of(std::string_view("{}"))), "x/y", "{}"};
  ASSERT_TRUE(repository_->PutManifest("3", unsigned_one).ok());
  const auto done = RefreshRepository(*repository_, key_, kNow + 50, 100);
  ASSERT_TRUE(done.ok()) << done.error().message;
  EXPECT_EQ(done->images, 2u);
  EXPECT_EQ(done->tags, 3u);
  const auto statement = [&](const std::string& digest) {
    return *ParsePayload(ReadSignatures(*repository_, digest)->at(0).payload)->statement;
  };
  EXPECT_EQ(statement(one).tags, std::vector<std::string>{"1"});
  EXPECT_EQ(statement(two).tags, (std::vector<std::string>{"2", "stable"}));
  EXPECT_EQ(statement(two).issued, kNow + 50);
  EXPECT_EQ(statement(two).expires, kNow + 150);
  EXPECT_TRUE(ReadSignatures(*repository_, unsigned_one.digest)->empty());
  EXPECT_EQ(RefreshRepository(*repository_, second_, kNow, 0)->images, 0u);
}

TEST(Payloads, Golden) {
  Payload payload;
  payload.reference = "server:5000/apps/editor";
  payload.digest = "sha256:" + std::string(64, '7');
  payload.statement =
      Statement{"editor", "1.2", std::string(64, 'c'), {"1.2", "stable"}, 1'800'000'000, 1'802'592'000};
  const std::string golden = *os::ReadText(os::SystemFiles(), os::Path(PLUME_GOLDEN) / "signature_v1.json");
  EXPECT_EQ(ToJson(payload) + "\n", golden);
  const auto parsed = ParsePayload(golden);
  ASSERT_TRUE(parsed.ok()) << parsed.error().message;
  EXPECT_EQ(parsed->digest, payload.digest);
  EXPECT_EQ(parsed->statement, payload.statement);
}

TEST(Payloads, MalformedOnesAreRefused) {
  const std::string good = *os::ReadText(os::SystemFiles(), os::Path(PLUME_GOLDEN) / "signature_v1.json");
  const auto with = [&](const std::string& from, const std::string& to) {
    std::string text = good;
    const size_t at = text.find(from);
    EXPECT_NE(at, std::string::npos) << from;
    return ParsePayload(text.replace(at, from.size(), to));
  };
  EXPECT_FALSE(with("cosign container image signature", "atomic container signature").ok());
  EXPECT_FALSE(with("sha256:777", "sha256:77").ok());
  EXPECT_EQ(with("\"v\":1", "\"v\":2").error().code, Errc::kUnsupported);
  EXPECT_FALSE(with("\"issued\":1800000000", "\"issued\":-1").ok());
  EXPECT_FALSE(with("\"issued\":1800000000", "\"issued\":0").ok());
  EXPECT_FALSE(with("\"issued\":1800000000", "\"issued\":1802592001").ok());  // expired before it was issued
  EXPECT_FALSE(with("\"tags\":[\"1.2\",\"stable\"]", "\"tags\":[\"1.2\",7]").ok());
  EXPECT_FALSE(with("\"tags\":[\"1.2\",\"stable\"]", "\"tags\":\"stable\"").ok());
  EXPECT_FALSE(with("\"name\":\"editor\"", "\"name\":\"../editor\"").ok());
  EXPECT_FALSE(with("\"key\":\"cc", "\"key\":\"CC").ok());
  EXPECT_FALSE(with("\"plume\":{", "\"plume\":7,\"x\":{").ok());
  EXPECT_FALSE(with("\"critical\"", "\"critical2\"").ok());
  EXPECT_FALSE(ParsePayload(std::string(kMaxPayloadBytes + 1, ' ')).ok());
  for (size_t cut = 0; cut + 2 < good.size(); ++cut) EXPECT_FALSE(ParsePayload(good.substr(0, cut)).ok());
}

}  // namespace
}  // namespace plume::trust
