#include "os/http.h"

#include <gtest/gtest.h>

#include <thread>

#include "os/faulty.h"
#include "os/test_server.h"

namespace plume::os {
namespace {

using testing::TestAnswer;
using testing::TestRequest;
using testing::TestServer;

HttpRequest Get(const std::string& url) {
  HttpRequest request;
  request.url = url;
  return request;
}

TEST(HttpUrl, Parses) {
  const HttpUrl url = *ParseHttpUrl("https://ann:s%3Ae@Host.example:8443/a/b?c=d#e");
  EXPECT_TRUE(url.tls);
  EXPECT_EQ(url.host, "Host.example");
  EXPECT_EQ(url.port, 8443);
  EXPECT_EQ(url.target, "/a/b?c=d");
  EXPECT_EQ(url.user, "ann");
  EXPECT_EQ(url.password, "s:e");
  EXPECT_EQ(ParseHttpUrl("http://[::1]:5000")->Origin(), "http://[::1]:5000");
  EXPECT_EQ(ParseHttpUrl("http://h?x")->target, "/?x");
  for (const char* bad :
       {"ftp://x/", "http://", "http://:80/", "http://h:0/", "http://h:99999/", "http://h/a b", "h"}) {
    EXPECT_FALSE(ParseHttpUrl(bad).ok()) << bad;
  }
  EXPECT_EQ(PercentEncode("a b/ä"), "a%20b%2F%C3%A4");
}

TEST(Http, GetsAndKeepsTheConnection) {
  TestServer server(
      [](const TestRequest& request) { return TestAnswer{.body = request.method + request.target}; });
  const auto client = MakeHttpClient();
  for (int i = 0; i < 20; ++i) {
    const auto answer = client->SendText(Get(server.Url("/x?" + std::to_string(i))));
    ASSERT_TRUE(answer.ok()) << answer.error().message;
    EXPECT_EQ(answer->head.status, 200);
    EXPECT_EQ(answer->body, "GET/x?" + std::to_string(i));
  }
  EXPECT_EQ(server.connections(), 1);
}

TEST(Http, ServesManyThreads) {
  TestServer server(
      [](const TestRequest& request) { return TestAnswer{.body = std::string(100'000, request.target[1])}; });
  const auto client = MakeHttpClient();
  std::vector<std::thread> threads;
  std::atomic<int> good{0};
  for (int t = 0; t < 8; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < 20; ++i) {
        const std::string letter(1, static_cast<char>('a' + t));
        const auto answer = client->SendText(Get(server.Url("/" + letter)));
        if (answer.ok() && answer->body == std::string(100'000, letter[0])) ++good;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(good, 160);
  EXPECT_LE(server.connections(), 8);
}

TEST(Http, SendsBodies) {
  TestServer server([](const TestRequest& request) {
    return TestAnswer{.status = 201, .body = request.method + " " + std::to_string(request.body.size())};
  });
  HttpRequest request = Get(server.Url("/up"));
  request.method = "PUT";
  const std::vector<uint8_t> piece(1000, 'p');
  request.body_size = 3'000'000;
  request.body = [&](const HttpBodySink& sink) -> Status {
    for (int i = 0; i < 3000; ++i) TRY(sink(piece));
    return Ok();
  };
  const auto client = MakeHttpClient();
  EXPECT_EQ(client->SendText(request)->body, "PUT 3000000");
  request.body_size = 0;
  request.body = nullptr;
  request.method = "POST";
  EXPECT_EQ(client->SendText(request)->body, "POST 0");
}

TEST(Http, HeadHasNoBody) {
  TestServer server([](const TestRequest&) { return TestAnswer{.body = "12345"}; });
  HttpRequest request = Get(server.Url());
  request.method = "HEAD";
  const auto client = MakeHttpClient();
  for (int i = 0; i < 3; ++i) {
    const auto answer = client->SendText(request);
    ASSERT_TRUE(answer.ok());
    EXPECT_EQ(answer->body, "");
    EXPECT_EQ(answer->head.Header("content-LENGTH"), "5");
  }
  EXPECT_EQ(server.connections(), 1);
}

TEST(Http, FollowsRedirectsWithoutCarryingCredentialsAway) {
  TestServer other([](const TestRequest& request) {
    return TestAnswer{.body = request.headers.contains("authorization") ? "leaked" : "arrived"};
  });
  TestServer server([&](const TestRequest& request) {
    if (request.target == "/here")
      return TestAnswer{.status = 302, .headers = "Location: there\r\n", .body = "moved"};
    if (request.target == "/there")
      return TestAnswer{.status = 307, .headers = "Location: " + other.Url("/") + "\r\n"};
    return TestAnswer{.status = 301, .headers = "Location: /loop\r\n"};
  });
  const auto client = MakeHttpClient();
  HttpRequest request = Get(server.Url("/here"));
  request.headers = {{"Authorization", "Bearer secret"}};
  EXPECT_EQ(client->SendText(request)->body, "arrived");
  EXPECT_EQ(client->SendText(Get(server.Url("/loop"))).error().code, Errc::kUnreachable);
}

TEST(Http, SaysWhyItFails) {
  const auto client = MakeHttpClient();
  std::string nobody;
  {
    TestServer server([](const TestRequest&) { return TestAnswer{}; });
    nobody = server.Url("/");
  }
  const auto refused = client->SendText(Get(nobody));
  EXPECT_EQ(refused.error().code, Errc::kUnreachable);
  EXPECT_NE(refused.error().message.find("connection refused"), std::string::npos) << refused.error().message;
  const auto unknown = client->SendText(Get("http://no-such-host.invalid/"));
  EXPECT_EQ(unknown.error().code, Errc::kUnreachable);
}

TEST(Http, ABrokenBodyIsAnError) {
  TestServer server([](const TestRequest& request) {
    if (request.target == "/cut") return TestAnswer{.body = std::string(1000, 'x'), .cut_after = 600};
    if (request.target == "/chunked") {
      return TestAnswer{.headers = "Transfer-Encoding: chunked\r\n",
                        .body = "3\r\nabc\r\n4\r\ndefg\r\n0\r\n\r\n",
                        .raw = true};
    }
    return TestAnswer{
        .headers = "Transfer-Encoding: chunked\r\n", .body = "3\r\nabc\r\n", .cut_after = 8, .raw = true};
  });
  const auto client = MakeHttpClient();
  uint64_t got = 0;
  const auto cut =
      client->Send(Get(server.Url("/cut")), [&](const HttpResponse&, std::span<const uint8_t> piece) {
        got += piece.size();
        return Ok();
      });
  EXPECT_EQ(cut.error().code, Errc::kUnreachable);
  EXPECT_LE(got, 600u);
  EXPECT_EQ(client->SendText(Get(server.Url("/chunked")))->body, "abcdefg");
  EXPECT_EQ(client->SendText(Get(server.Url("/chunked-cut"))).error().code, Errc::kUnreachable);
}

TEST(Http, AKeptConnectionThatDiedIsReplaced) {
  std::atomic<int> requests{0};
  TestServer server([&](const TestRequest& request) -> TestAnswer {
    // The second request of every connection finds it closed without an answer.
    const int n = requests.fetch_add(1);
    if (request.connection == 0 && n == 1) return TestAnswer{.drop = true};
    return TestAnswer{.body = request.body};
  });
  const auto client = MakeHttpClient();
  for (int i = 0; i < 3; ++i) {
    HttpRequest request = Get(server.Url());
    request.method = "PUT";
    request.SetBody("again " + std::to_string(i));
    const auto answer = client->SendText(request);
    ASSERT_TRUE(answer.ok()) << answer.error().message;
    EXPECT_EQ(answer->body, "again " + std::to_string(i));
  }
  EXPECT_EQ(server.connections(), 2);
}

TEST(Http, ASilentServerTimesOut) {
  TestServer server([](const TestRequest&) {
    std::this_thread::sleep_for(std::chrono::milliseconds(700));
    return TestAnswer{};
  });
  HttpRequest request = Get(server.Url());
  request.timeout_ms = 100;
  const auto answer = MakeHttpClient()->SendText(request);
  EXPECT_EQ(answer.error().code, Errc::kUnreachable);
  EXPECT_NE(answer.error().message.find("no answer in time"), std::string::npos) << answer.error().message;
}

// No silence is long, but the answer would take a minute.
TEST(Http, ATrickleIsNotWaitedForToItsEnd) {
  TestServer server(
      [](const TestRequest&) { return TestAnswer{.body = std::string(3000, 'x'), .trickle_ms = 20}; });
  HttpRequest request = Get(server.Url());
  request.timeout_ms = 100;
  const auto begin = std::chrono::steady_clock::now();
  const auto answer = MakeHttpClient()->SendText(request);
  EXPECT_EQ(answer.error().code, Errc::kUnreachable);
  EXPECT_NE(answer.error().message.find(" bytes came in "), std::string::npos) << answer.error().message;
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(20));
}

// What takes long on our side is not the peer's fault.
TEST(Http, ASlowSinkIsNoSlowPeer) {
  TestServer server([](const TestRequest&) { return TestAnswer{.body = std::string(300, 'x')}; });
  HttpRequest request = Get(server.Url());
  request.timeout_ms = 20;
  const auto answer =
      MakeHttpClient()->Send(request, [](const HttpResponse&, std::span<const uint8_t>) -> Status {
        std::this_thread::sleep_for(std::chrono::milliseconds(200));
        return Ok();
      });
  EXPECT_TRUE(answer.ok()) << answer.error().message;
}

TEST(Http, ErrorsOfSinkAndSourceComeThrough) {
  TestServer server([](const TestRequest&) { return TestAnswer{.body = "abc"}; });
  const auto client = MakeHttpClient();
  const auto sink =
      client->Send(Get(server.Url()), [](const HttpResponse&, std::span<const uint8_t>) -> Status {
        return Error{Errc::kNoSpace, "full"};
      });
  EXPECT_EQ(sink.error().code, Errc::kNoSpace);
  HttpRequest request = Get(server.Url());
  request.method = "PUT";
  request.body_size = 5;
  request.body = [](const HttpBodySink&) -> Status { return Error{Errc::kCorrupt, "bad source"}; };
  EXPECT_EQ(client->SendText(request).error().code, Errc::kCorrupt);
  EXPECT_EQ(client->SendText(Get(server.Url()), 2).error().code, Errc::kInvalid);  // larger than the limit
}

TEST(Http, FaultsAreInjected) {
  TestServer server([](const TestRequest&) { return TestAnswer{.body = "abcd"}; });
  FaultPlan plan(1, Errc::kUnreachable, /*sticky=*/false);
  const auto client = MakeFaultyHttp(MakeHttpClient(), plan);
  EXPECT_EQ(client->SendText(Get(server.Url())).error().code, Errc::kUnreachable);
  EXPECT_EQ(client->SendText(Get(server.Url()))->body, "abcd");
}

}  // namespace
}  // namespace plume::os
