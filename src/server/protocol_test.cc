#include "server/protocol.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "server/manifest.h"

namespace plume::server {
namespace {

const std::string kHex(64, 'a');
const std::string kDigest = "sha256:" + kHex;

TEST(Protocol, RepositoryNames) {
  for (const char* name : {"a", "a/b/c", "a.b", "a_b", "a__b", "a---b", "0/1", "manifests/blobs"}) {
    EXPECT_TRUE(IsRepositoryName(name)) << name;
  }
  for (const char* name : {"", "/", "a/", "/a", "a//b", "A", "..", "a/../b", "a/.", ".a", "a.", "a..b",
                           "a___b", "_a", "a b", "a\\b", "a:b", "\xc3\xa4"}) {
    EXPECT_FALSE(IsRepositoryName(name)) << name;
  }
  EXPECT_TRUE(IsRepositoryName(std::string(255, 'a')));
  EXPECT_FALSE(IsRepositoryName(std::string(256, 'a')));
}

TEST(Protocol, TagsAndDigests) {
  EXPECT_TRUE(IsTag("latest"));
  EXPECT_TRUE(IsTag("1.2.3-Beta_4"));
  EXPECT_FALSE(IsTag(""));
  EXPECT_FALSE(IsTag(".hidden"));
  EXPECT_FALSE(IsTag("-x"));
  EXPECT_FALSE(IsTag("a/b"));
  EXPECT_FALSE(IsTag(std::string(129, 'a')));
  EXPECT_TRUE(IsDigest(kDigest));
  EXPECT_FALSE(IsDigest("sha256:" + std::string(64, 'A')));
  EXPECT_FALSE(IsDigest("sha256:" + std::string(63, 'a')));
  EXPECT_FALSE(IsDigest("sha512:" + std::string(128, 'a')));
}

Route Parse(const std::string& target) {
  auto parsed = ParseTarget(target);
  EXPECT_TRUE(std::holds_alternative<Route>(parsed)) << target;
  return std::holds_alternative<Route>(parsed) ? std::get<Route>(parsed) : Route{};
}

std::string CodeOf(const std::string& target) {
  auto parsed = ParseTarget(target);
  auto* error = std::get_if<ApiError>(&parsed);
  return error == nullptr ? "" : std::to_string(error->status) + " " + error->code;
}

TEST(Protocol, Routes) {
  EXPECT_EQ(Parse("/v2/").endpoint, Endpoint::kBase);
  EXPECT_EQ(Parse("/v2").endpoint, Endpoint::kBase);
  EXPECT_EQ(Parse("/healthz").endpoint, Endpoint::kHealth);
  EXPECT_EQ(Parse("/v2/_catalog?n=3").endpoint, Endpoint::kCatalog);
  const Route tags = Parse("/v2/a/b/tags/list?n=3&last=x%2By");
  EXPECT_EQ(tags.endpoint, Endpoint::kTags);
  EXPECT_EQ(tags.name, "a/b");
  EXPECT_EQ(*tags.Query("last"), "x+y");
  EXPECT_EQ(tags.Query("none"), nullptr);
  const Route manifest = Parse("/v2/a/manifests/b/manifests/v1");
  EXPECT_EQ(manifest.endpoint, Endpoint::kManifest);
  EXPECT_EQ(manifest.name, "a/manifests/b");
  EXPECT_EQ(manifest.reference, "v1");
  EXPECT_EQ(Parse("/v2/a/blobs/" + kDigest).endpoint, Endpoint::kBlob);
  EXPECT_EQ(Parse("/v2/a/blobs/sha256%3A" + kHex).reference, kDigest);
  EXPECT_EQ(Parse("/v2/a/blobs/uploads/").endpoint, Endpoint::kUploads);
  EXPECT_EQ(Parse("/v2/a/blobs/uploads/" + std::string(32, '0')).endpoint, Endpoint::kUpload);
  EXPECT_EQ(Parse("/v2/a/referrers/" + kDigest).endpoint, Endpoint::kReferrers);
}

TEST(Protocol, RefusedRoutes) {
  EXPECT_EQ(CodeOf("/v2/../../etc/manifests/x"), "400 NAME_INVALID");
  EXPECT_EQ(CodeOf("/v2/%2e%2e/manifests/x"), "400 NAME_INVALID");
  EXPECT_EQ(CodeOf("/v2/a%2f..%2fb/manifests/x"), "400 NAME_INVALID");
  EXPECT_EQ(CodeOf("/v2/A/tags/list"), "400 NAME_INVALID");
  EXPECT_EQ(CodeOf("/v2/a/blobs/sha256:xyz"), "400 DIGEST_INVALID");
  EXPECT_EQ(CodeOf("/v2/a/manifests/sha256:xyz"), "400 DIGEST_INVALID");
  EXPECT_EQ(CodeOf("/v2/a/blobs/uploads/../x"), "404 UNSUPPORTED");
  EXPECT_EQ(CodeOf("/v2/a/blobs/uploads/zz"), "404 BLOB_UPLOAD_UNKNOWN");
  EXPECT_EQ(CodeOf("/"), "404 UNSUPPORTED");
  EXPECT_EQ(CodeOf("/v2/tags/list"), "404 UNSUPPORTED");
  EXPECT_EQ(CodeOf("/v2/a%zz/tags/list"), "400 UNSUPPORTED");
}

TEST(Protocol, Ranges) {
  struct Case {
    const char* header;
    uint64_t size;
    RangeVerdict verdict;
    uint64_t offset, length;
  };
  const Case cases[] = {
      {"bytes=0-0", 10, RangeVerdict::kPart, 0, 1},
      {"bytes=2-5", 10, RangeVerdict::kPart, 2, 4},
      {"bytes=2-", 10, RangeVerdict::kPart, 2, 8},
      {"bytes=-3", 10, RangeVerdict::kPart, 7, 3},
      {"bytes=-30", 10, RangeVerdict::kPart, 0, 10},
      {"bytes=5-500", 10, RangeVerdict::kPart, 5, 5},
      {"bytes=10-", 10, RangeVerdict::kUnsatisfiable, 0, 10},
      {"bytes=0-", 0, RangeVerdict::kUnsatisfiable, 0, 0},
      {"bytes=-0", 10, RangeVerdict::kUnsatisfiable, 0, 10},
      {"bytes=5-2", 10, RangeVerdict::kWhole, 0, 10},
      {"bytes=0-1,3-4", 10, RangeVerdict::kWhole, 0, 10},
      {"bytes=x-1", 10, RangeVerdict::kWhole, 0, 10},
      {"bytes=-", 10, RangeVerdict::kWhole, 0, 10},
      {"items=0-1", 10, RangeVerdict::kWhole, 0, 10},
      {"bytes=99999999999999999999-", 10, RangeVerdict::kWhole, 0, 10},
  };
  for (const Case& c : cases) {
    ByteRange range;
    EXPECT_EQ(ApplyRange(c.header, c.size, &range), c.verdict) << c.header;
    EXPECT_EQ(range.offset, c.offset) << c.header;
    EXPECT_EQ(range.length, c.length) << c.header;
  }
  EXPECT_EQ(ParseContentRange("0-99")->length, 100u);
  EXPECT_EQ(ParseContentRange("bytes 100-199/300")->offset, 100u);
  EXPECT_FALSE(ParseContentRange("9-1"));
  EXPECT_FALSE(ParseContentRange("abc"));
}

TEST(Protocol, EntityTags) {
  EXPECT_TRUE(MatchesETag("\"a\"", "\"a\""));
  EXPECT_TRUE(MatchesETag("\"b\", W/\"a\"", "\"a\""));
  EXPECT_TRUE(MatchesETag("*", "\"a\""));
  EXPECT_FALSE(MatchesETag("\"b\"", "\"a\""));
}

TEST(Protocol, ErrorBody) {
  const auto body = nlohmann::json::parse(ApiError{404, "BLOB_UNKNOWN", "no \"blob\" \xff"}.Json());
  EXPECT_EQ(body["errors"][0]["code"], "BLOB_UNKNOWN");
}

std::string ManifestText(const std::string& extra = "") {
  return R"({"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json",)"
         R"("config":{"mediaType":"application/x","digest":")" +
         kDigest + R"(","size":2},"layers":[{"mediaType":"y","digest":")" + kDigest + R"(","size":3}])" +
         extra + "}";
}

TEST(Manifest, References) {
  auto parsed =
      ParseManifest(ManifestText(R"(,"subject":{"mediaType":"z","digest":")" + kDigest + R"(","size":1})"),
                    "application/vnd.oci.image.manifest.v1+json; charset=utf-8");
  ASSERT_TRUE(std::holds_alternative<ManifestInfo>(parsed));
  const auto& info = std::get<ManifestInfo>(parsed);
  EXPECT_EQ(info.blobs.size(), 2u);
  EXPECT_EQ(info.subject, kDigest);
  EXPECT_EQ(info.artifact_type, "application/x");
}

TEST(Manifest, Refused) {
  const std::string index = R"({"schemaVersion":2,"manifests":[]})";
  EXPECT_TRUE(std::holds_alternative<ManifestInfo>(ParseManifest(index, "")));
  for (const std::string& text :
       {std::string("{"), std::string("[]"), std::string(R"({"schemaVersion":1})"),
        std::string(R"({"schemaVersion":2})"),
        std::string(R"({"schemaVersion":2,"manifests":[{"digest":"x"}]})"),
        std::string(R"({"schemaVersion":2,"mediaType":"text/plain"})"), ManifestText(R"(,"subject":3)")}) {
    EXPECT_TRUE(std::holds_alternative<ApiError>(ParseManifest(text, ""))) << text;
  }
  EXPECT_TRUE(std::holds_alternative<ApiError>(
      ParseManifest(ManifestText(), "application/vnd.oci.image.index.v1+json")));
}

}  // namespace
}  // namespace plume::server
