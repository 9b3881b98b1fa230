// Repositories against scripted servers and folders; real registries are in registry_test.cc.
#include "repository/repository.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "image/builder.h"
#include "image/inspect.h"
#include "image/test_content.h"
#include "os/test_server.h"
#include "repository/auth.h"
#include "repository/publish.h"
#include "repository/retry.h"

namespace plume::repository {
namespace {

using image::testing::Noise;
using image::testing::TestContent;
using os::testing::TestAnswer;
using os::testing::TestFolder;
using os::testing::TestRequest;
using os::testing::TestServer;

// Waiting costs nothing and is counted.
class TestClock : public os::Clock {
 public:
  int64_t NowFiletime() override { return 0; }
  int64_t MonotonicMicros() override { return slept * 1000; }
  void SleepMillis(uint32_t milliseconds) override {
    slept += milliseconds;
    ++sleeps;
  }
  int64_t slept = 0;
  int sleeps = 0;
};

class Fixture : public ::testing::Test {
 protected:
  std::unique_ptr<image::Store> OpenStore(const std::string& name) {
    return std::move(*image::Store::Open(os::SystemFiles(), folder_ / name));
  }
  std::unique_ptr<Repository> OpenAt(const std::string& where, int tries = 1) {
    OpenOptions options;
    options.clock = &clock_;
    options.tries = tries;
    options.credentials = folder_ / "credentials.json";
    Result<std::unique_ptr<Repository>> repository = Open(where, options);
    EXPECT_TRUE(repository.ok()) << repository.error().message;
    return std::move(*repository);
  }
  std::string Folder(const std::string& name) { return "oci:" + os::Utf8(folder_ / name); }

  TestFolder folder_;
  TestClock clock_;
};

std::string ReadText(Repository& repository, const std::string& digest, uint64_t offset, uint64_t length,
                     Status* status) {
  std::string out;
  *status = repository.ReadBlob(digest, offset, length, [&](std::span<const uint8_t> piece) {
    out.append(piece.begin(), piece.end());
    return Ok();
  });
  return out;
}

const std::string kDigest = "sha256:" + std::string(64, 'a');

using LayoutRepository = Fixture;

TEST_F(LayoutRepository, PublishAndPull) {
  TestContent content;
  content.AddSample();
  const auto store = OpenStore("store"), other = OpenStore("other");
  const image::BuiltImage built = *image::Build(content.content, *store);
  const auto repository = OpenAt(Folder("repo/notes"));
  EXPECT_EQ(repository->Tags().error().code, Errc::kNotFound);

  TransferProgress last;
  const auto published = Publish(*store, built.ref, *repository, {"1.0", "stable"},
                                 [&](const TransferProgress& progress) { last = progress; });
  ASSERT_TRUE(published.ok()) << published.error().message;
  EXPECT_EQ(published->blobs_moved, 3u);
  EXPECT_EQ(last.bytes_done, last.bytes_total);
  EXPECT_EQ(last.blobs_done, 3u);
  EXPECT_EQ(repository->Tags()->size(), 2u);
  EXPECT_EQ(repository->GetManifest("stable")->digest, built.ref.digest);
  EXPECT_EQ(Publish(*store, built.ref, *repository, {"1.0"})->blobs_moved, 0u);

  const auto pulled = Pull(*repository, "stable", *other);
  ASSERT_TRUE(pulled.ok()) << pulled.error().message;
  EXPECT_EQ(other->Resolve("notes:1.0")->digest, built.ref.digest);
  EXPECT_TRUE(image::VerifyImage(*other, "notes").ok());

  const auto copy = OpenAt(Folder("copy/notes"));
  EXPECT_TRUE(Copy(*repository, "1.0", *copy, {"1.0"}).ok());
  EXPECT_EQ(copy->GetManifest("1.0")->digest, built.ref.digest);
}

TEST_F(LayoutRepository, DamageIsFoundByTheReader) {
  TestContent content;
  content.AddSample();
  const auto store = OpenStore("store");
  const image::BuiltImage built = *image::Build(content.content, *store);
  const auto repository = OpenAt(Folder("repo"));
  ASSERT_TRUE(Publish(*store, built.ref, *repository, {"1.0"}).ok());
  const auto path = [&](const std::string& digest) {
    return folder_ / "repo/blobs/sha256" / digest.substr(7);
  };
  int n = 0;
  for (const image::Descriptor& blob : built.manifest.Blobs()) {
    const os::Bytes good = *os::ReadFile(os::SystemFiles(), path(blob.digest));
    os::Bytes flipped = good, longer = good, swapped(good.size());
    flipped[flipped.size() / 2] ^= 1;
    longer.push_back(0);
    const os::Bytes shorter(good.begin(), good.end() - 1);
    for (const os::Bytes& bad : {flipped, longer, shorter, swapped}) {
      ASSERT_TRUE(os::WriteAtomic(os::SystemFiles(), path(blob.digest), os::ByteView(bad)).ok());
      const auto target = OpenStore("target" + std::to_string(n++));
      EXPECT_EQ(Pull(*repository, "1.0", *target).error().code, Errc::kCorrupt) << blob.media_type;
      EXPECT_TRUE(target->List()->empty());
      EXPECT_FALSE(target->layout().HasBlob(blob.digest));
    }
    ASSERT_TRUE(os::WriteAtomic(os::SystemFiles(), path(blob.digest), os::ByteView(good)).ok());
  }
}

TEST_F(LayoutRepository, ABrokenPublicationLeavesNoTag) {
  TestContent content;
  content.AddSample();
  const auto store = OpenStore("store");
  const image::BuiltImage built = *image::Build(content.content, *store);
  bool finished = false;
  for (uint64_t step = 0; !finished; ++step) {
    const std::string where = Folder("repo" + std::to_string(step));
    os::FaultPlan plan(step, Errc::kDenied);
    const auto faulty = MakeFaulty(OpenAt(where), plan);
    finished = Publish(*store, built.ref, *faulty, {"1.0"}).ok();
    const auto tags = OpenAt(where)->Tags();
    EXPECT_EQ(tags.ok() && !tags->empty(), finished);
    ASSERT_TRUE(Publish(*store, built.ref, *OpenAt(where), {"1.0"}).ok());
  }
}

using HttpRepository = Fixture;

TEST_F(HttpRepository, AddressesAreChecked) {
  for (const char* where : {"ftp://x/y", "http://h", "http://h/", "http://h/UPPER", "http://h/a/../b",
                            "oci:", "x", "http:///a"}) {
    const auto opened = Open(where);
    ASSERT_FALSE(opened.ok()) << where;
    EXPECT_EQ(opened.error().code, Errc::kInvalid) << where;
  }
  EXPECT_EQ(OpenAt("http://ann:pw@host:5000/team/app/")->Name(), "http://host:5000/team/app");
  EXPECT_EQ(RepositoryOf("http://h:1", "app"), "http://h:1/app");
  EXPECT_EQ(RepositoryOf("http://h:1/app/", "app"), "http://h:1/app");
  EXPECT_EQ(RepositoryOf("oci:/srv/images", "app"), "oci:/srv/images/app");
  EXPECT_EQ(RepositoryOf("oci:C:\\images", "app"), "oci:C:\\images\\app");
  EXPECT_EQ(RepositoryOf("oci:C:\\images\\app", "app"), "oci:C:\\images\\app");
  EXPECT_EQ(RepositoryOf("oci:app", "app"), "oci:app");
}

TEST_F(HttpRepository, ErrorsAreFitForUsers) {
  TestContent content;
  content.AddSample();
  const auto store = OpenStore("store");
  const image::BuiltImage built = *image::Build(content.content, *store);
  std::string url;
  {
    url = TestServer([](const TestRequest&) { return TestAnswer{}; }).Url("/notes");
  }
  const auto published = Publish(*store, built.ref, *OpenAt(url), {"1.0"});
  EXPECT_EQ(published.error().code, Errc::kUnreachable);
  EXPECT_TRUE(published.error().message.starts_with("publishing notes:1.0 to " + url + ": "))
      << published.error().message;
  EXPECT_NE(published.error().message.find("connection refused (is a server running there?)"),
            std::string::npos)
      << published.error().message;

  TestServer server([](const TestRequest& request) {
    if (request.target.ends_with("/none")) return TestAnswer{.status = 404};
    return TestAnswer{.status = 403,
                      .body = "{\"errors\":[{\"code\":\"DENIED\",\"message\":\"not yours\"}]}"};
  });
  const auto repository = OpenAt(server.Url("/notes"));
  EXPECT_EQ(repository->GetManifest("none").error().code, Errc::kNotFound);
  const Error denied = repository->GetManifest("1").error();
  EXPECT_EQ(denied.code, Errc::kDenied);
  EXPECT_NE(denied.message.find("not yours"), std::string::npos) << denied.message;
  EXPECT_EQ(repository->GetManifest("no tag").error().code, Errc::kInvalid);
}

TEST_F(HttpRepository, RangesAreTakenAndServersThatIgnoreThemToo) {
  for (const bool ranges : {true, false}) {
    TestServer server([&](const TestRequest& request) {
      const std::string body = "0123456789";
      const auto range = request.headers.find("range");
      if (!ranges || range == request.headers.end()) return TestAnswer{.body = body};
      const size_t first = std::stoul(range->second.substr(6)), dash = range->second.find('-');
      const std::string end = range->second.substr(dash + 1);
      const size_t last = end.empty() ? 9 : std::min<size_t>(9, std::stoul(end));
      if (first > 9) return TestAnswer{.status = 416};
      return TestAnswer{
          .status = 206,
          .headers = "Content-Range: bytes " + std::to_string(first) + "-" + std::to_string(last) + "/10\r\n",
          .body = body.substr(first, last - first + 1)};
    });
    const auto repository = OpenAt(server.Url("/app"));
    Status status;
    EXPECT_EQ(ReadText(*repository, kDigest, 0, 0, &status), "0123456789");
    EXPECT_TRUE(status.ok());
    EXPECT_EQ(ReadText(*repository, kDigest, 3, 4, &status), "3456");
    EXPECT_TRUE(status.ok());
    EXPECT_EQ(ReadText(*repository, kDigest, 8, 0, &status), "89");
    EXPECT_TRUE(status.ok());
    ReadText(*repository, kDigest, 8, 5, &status);  // beyond the end
    EXPECT_EQ(status.error().code, Errc::kCorrupt);
    ReadText(*repository, kDigest, 20, 5, &status);
    EXPECT_EQ(status.error().code, Errc::kCorrupt);
  }
}

TEST_F(HttpRepository, AnotherManifestUnderADigestIsRefused) {
  TestServer server(
      [](const TestRequest&) { return TestAnswer{.headers = "Content-Type: a/b; c\r\n", .body = "{}"}; });
  const auto repository = OpenAt(server.Url("/app"));
  EXPECT_EQ(repository->GetManifest(kDigest).error().code, Errc::kCorrupt);
  EXPECT_EQ(repository->GetManifest("tag")->digest, os::DigestText(os::Sha256::Of("{}")));
  EXPECT_EQ(repository->GetManifest("tag")->media_type, "a/b");
}

TEST_F(HttpRepository, ABrokenReadGoesOnWhereItBroke) {
  const std::string body = Noise(1, 300'000);
  std::vector<std::string> ranges;
  TestServer server([&](const TestRequest& request) {
    const auto range = request.headers.find("range");
    ranges.push_back(range == request.headers.end() ? "" : range->second);
    const size_t first = ranges.back().empty() ? 0 : std::stoul(ranges.back().substr(6));
    if (ranges.size() == 4) return TestAnswer{.status = 503};
    TestAnswer answer{.status = first ? 206 : 200,
                      .headers = "Content-Range: bytes " + std::to_string(first) + "-299999/300000\r\n",
                      .body = body.substr(first)};
    if (ranges.size() < 4) answer.cut_after = 90'000;
    return answer;
  });
  const auto repository = OpenAt(server.Url("/app"), 3);
  Status status;
  EXPECT_TRUE(ReadText(*repository, kDigest, 0, 0, &status) == body);
  EXPECT_TRUE(status.ok()) << status.error().message;
  EXPECT_EQ(ranges.size(), 5u);
  EXPECT_GT(clock_.sleeps, 2);
}

TEST_F(HttpRepository, RetriesEndAndBackOff) {
  std::atomic<int> requests{0};
  TestServer server([&](const TestRequest&) {
    ++requests;
    return TestAnswer{.status = 503};
  });
  const auto repository = OpenAt(server.Url("/app"), 5);
  EXPECT_EQ(repository->HasBlob(kDigest).error().code, Errc::kUnreachable);
  EXPECT_EQ(requests, 5);
  EXPECT_EQ(clock_.sleeps, 4);
  EXPECT_GE(clock_.slept, (100 + 300 + 900 + 2700) / 2);
  EXPECT_LE(clock_.slept, 100 + 300 + 900 + 2700);
}

TEST_F(HttpRepository, ReadingFromASilentServerEnds) {
  int requests = 0;
  TestServer server([&](const TestRequest&) {
    ++requests;
    clock_.slept += 10'000;  // until the time-out, as it were
    return TestAnswer{.drop = true};
  });
  const auto repository = OpenAt(server.Url("/app"), 5);
  const auto took = [&](const auto& call) {
    const int64_t begin = clock_.slept;
    call();
    return clock_.slept - begin;
  };
  EXPECT_LE(took([&] { EXPECT_EQ(repository->Tags().error().code, Errc::kUnreachable); }), 45'000);
  EXPECT_LE(took([&] { EXPECT_EQ(repository->GetManifest("1").error().code, Errc::kUnreachable); }), 45'000);
  Status status;
  EXPECT_LE(took([&] { ReadText(*repository, kDigest, 0, 0, &status); }), 45'000);
  EXPECT_EQ(status.error().code, Errc::kUnreachable);
}

TEST_F(HttpRepository, AByteNowAndThenEarnsNoNewTries) {
  const std::string body = Noise(1, 300'000);
  int requests = 0;
  TestServer server([&](const TestRequest& request) {
    ++requests;
    const auto range = request.headers.find("range");
    const size_t first = range == request.headers.end() ? 0 : std::stoul(range->second.substr(6));
    return TestAnswer{.status = first ? 206 : 200,
                      .headers = "Content-Range: bytes " + std::to_string(first) + "-299999/300000\r\n",
                      .body = body.substr(first),
                      .cut_after = 1};
  });
  const auto repository = OpenAt(server.Url("/app"), 3);
  Status status;
  ReadText(*repository, kDigest, 0, 0, &status);
  EXPECT_EQ(status.error().code, Errc::kUnreachable);
  EXPECT_EQ(requests, 3);
}

// A small registry with one upload, which breaks on the way.
TEST_F(HttpRepository, ABrokenUploadIsResumed) {
  const std::string blob = Noise(2, 1'000'000);
  std::string uploaded, digest;
  int patches = 0;
  TestServer server([&](const TestRequest& request) -> TestAnswer {
    const std::string location = "Location: /v2/app/blobs/uploads/1?state=x\r\n";
    if (request.method == "HEAD") return {.status = 404};
    if (request.method == "POST") return {.status = 202, .headers = location};
    if (request.method == "GET") {
      return {.status = 204,
              .headers = location + "Range: 0-" + std::to_string(uploaded.size() - 1) + "\r\n"};
    }
    if (request.method == "PATCH") {
      if (++patches == 1) {  // keeps a part, then dies
        uploaded = request.body.substr(0, 400'000);
        return {.drop = true};
      }
      EXPECT_EQ(request.headers.at("content-range"), "400000-999999");
      uploaded += request.body;
      return {.status = 202, .headers = location};
    }
    digest = request.target.substr(request.target.find("digest=") + 7);
    return {.status = 201};
  });
  const auto repository = OpenAt(server.Url("/app"), 1);
  const Status put = repository->PutBlob(kDigest, blob.size(), [&](const Sink& sink) -> Status {
    for (size_t at = 0; at < blob.size(); at += 70'000) {
      const size_t n = std::min<size_t>(70'000, blob.size() - at);
      TRY(sink(std::span(reinterpret_cast<const uint8_t*>(blob.data()) + at, n)));
    }
    return Ok();
  });
  ASSERT_TRUE(put.ok()) << put.error().message;
  EXPECT_TRUE(uploaded == blob);
  EXPECT_EQ(patches, 2);
  EXPECT_EQ(digest, "sha256%3A" + std::string(64, 'a'));
}

TEST_F(HttpRepository, SignsInWithBasic) {
  TestServer server([](const TestRequest& request) {
    const auto header = request.headers.find("authorization");
    if (header != request.headers.end() && header->second == "Basic YW5uOnNlY3JldA==") return TestAnswer{};
    return TestAnswer{.status = 401, .headers = "WWW-Authenticate: Basic realm=\"x\"\r\n"};
  });
  const std::string authority = server.Url().substr(7);
  EXPECT_TRUE(*OpenAt("http://ann:secret@" + authority + "/app")->HasBlob(kDigest));
  EXPECT_EQ(OpenAt("http://ann:wrong@" + authority + "/app")->HasBlob(kDigest).error().code, Errc::kDenied);
  EXPECT_EQ(OpenAt(server.Url("/app"))->HasBlob(kDigest).error().code, Errc::kDenied);
  ASSERT_TRUE(
      os::WriteAtomic(os::SystemFiles(), folder_ / "credentials.json",
                      "{\"servers\":{\"" + authority + "\":{\"user\":\"ann\",\"password\":\"secret\"}}}")
          .ok());
  EXPECT_TRUE(*OpenAt(server.Url("/app"))->HasBlob(kDigest));
  ASSERT_TRUE(os::WriteAtomic(os::SystemFiles(), folder_ / "credentials.json", std::string_view("{")).ok());
  OpenOptions options;
  options.credentials = folder_ / "credentials.json";
  EXPECT_EQ(Open(server.Url("/app"), options).error().code, Errc::kInvalid);
}

TEST_F(HttpRepository, SignsInWithTokensAndRenewsThem) {
  std::string good = "token-1", token_query;
  std::atomic<int> tokens{0};
  TestServer token_server([&](const TestRequest& request) {
    ++tokens;
    token_query = request.target;
    if (request.headers.at("authorization") != "Basic YW5uOnNlY3JldA==") return TestAnswer{.status = 401};
    return TestAnswer{.body = "{\"token\":\"" + good + "\"}"};
  });
  TestServer server([&](const TestRequest& request) {
    const auto header = request.headers.find("authorization");
    if (header != request.headers.end() && header->second == "Bearer " + good) return TestAnswer{};
    return TestAnswer{.status = 401,
                      .headers = "WWW-Authenticate: Bearer realm=\"" + token_server.Url("/auth?a=b") +
                                 "\",service=\"my registry\",scope=\"repository:app:pull\"\r\n"};
  });
  const auto repository = OpenAt("http://ann:secret@" + server.Url("/app").substr(7));
  EXPECT_TRUE(*repository->HasBlob(kDigest));
  EXPECT_EQ(token_query, "/auth?a=b&service=my%20registry&scope=repository%3Aapp%3Apull");
  EXPECT_TRUE(*repository->HasBlob(kDigest));
  EXPECT_EQ(tokens, 1);
  good = "token-2";  // the first one has expired
  EXPECT_TRUE(*repository->HasBlob(kDigest));
  EXPECT_EQ(tokens, 2);
}

TEST(Auth, Challenges) {
  const Challenge bearer =
      ParseChallenge("Bearer realm=\"https://a/b?c,d\", service=x ,scope=\"a \\\"b\\\"\"");
  EXPECT_EQ(bearer.scheme, "bearer");
  EXPECT_EQ(bearer.parameters.at("realm"), "https://a/b?c,d");
  EXPECT_EQ(bearer.parameters.at("service"), "x");
  EXPECT_EQ(bearer.parameters.at("scope"), "a \"b\"");
  EXPECT_EQ(ParseChallenge("Basic").scheme, "basic");
  EXPECT_EQ(ParseChallenge("").scheme, "");
  EXPECT_EQ(ParseChallenge("Bearer realm=\"unfinished").parameters.at("realm"), "unfinished");
  EXPECT_EQ(Base64(""), "");
  EXPECT_EQ(Base64("f"), "Zg==");
  EXPECT_EQ(Base64("fo"), "Zm8=");
  EXPECT_EQ(Base64("foo"), "Zm9v");
}

TEST_F(HttpRepository, TagsComeInPages) {
  TestServer server([](const TestRequest& request) {
    if (request.target.find("last=b") != std::string::npos)
      return TestAnswer{.body = "{\"name\":\"app\",\"tags\":[\"c\"]}"};
    return TestAnswer{.headers = "Link: </v2/app/tags/list?n=2&last=b>; rel=\"next\"\r\n",
                      .body = "{\"name\":\"app\",\"tags\":[\"a\",\"b\"]}"};
  });
  EXPECT_EQ(*OpenAt(server.Url("/app"))->Tags(), (std::vector<std::string>{"a", "b", "c"}));
}

}  // namespace
}  // namespace plume::repository
