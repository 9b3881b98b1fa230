#include "os/http_log.h"

#include <gtest/gtest.h>

#include "os/test_server.h"

namespace plume::os {
namespace {

using testing::TestAnswer;
using testing::TestRequest;
using testing::TestServer;

HttpExchange Between(int64_t began, int64_t ended) {
  HttpExchange e;
  e.began = began;
  e.ended = ended;
  return e;
}

TEST(HttpLog, KeepsWhatWasAskedAndAnswered) {
  TestServer server([](const TestRequest& request) {
    return TestAnswer{.body = request.target == "/empty" ? "" : std::string(50'000, 'x')};
  });
  HttpLog log(MakeHttpClient());
  HttpRequest request;
  request.url = server.Url("/big");
  request.headers = {{"Range", "bytes=0-9"}};
  ASSERT_TRUE(log.SendText(request).ok());
  const int64_t later = SystemClock().MonotonicMicros();
  request.headers.clear();
  request.url = server.Url("/empty");
  ASSERT_TRUE(log.SendText(request).ok());
  const auto all = log.Since(0);
  ASSERT_EQ(all.size(), 2u);
  EXPECT_EQ(all[0].method, "GET");
  EXPECT_EQ(all[0].url, server.Url("/big"));
  EXPECT_EQ(all[0].range, "bytes=0-9");
  EXPECT_EQ(all[0].status, 200);
  EXPECT_EQ(all[0].bytes, 50'000u);
  EXPECT_LE(all[0].began, all[0].first);
  EXPECT_LE(all[0].first, all[0].ended);
  EXPECT_EQ(all[1].first, 0);
  EXPECT_EQ(log.Since(later).size(), 1u);
  EXPECT_EQ(DependentRounds(all), 2u);
}

TEST(HttpLog, ARequestWithoutAnAnswerIsKeptToo) {
  HttpLog log(MakeHttpClient());
  HttpRequest request;
  request.url = "http://ann:secret@127.0.0.1:1/x";
  EXPECT_FALSE(log.SendText(request).ok());
  const auto all = log.Since(0);
  ASSERT_EQ(all.size(), 1u);
  EXPECT_EQ(all[0].status, 0);
  EXPECT_EQ(all[0].url, "http://127.0.0.1:1/x");
}

TEST(HttpLog, RoundsAreThoseThatWaitForEachOther) {
  EXPECT_EQ(DependentRounds({}), 0u);
  EXPECT_EQ(DependentRounds({Between(0, 10), Between(0, 10), Between(1, 9)}), 1u);
  EXPECT_EQ(DependentRounds({Between(0, 10), Between(10, 20), Between(25, 30)}), 3u);
  // One long transfer beside two short ones: the short ones are the longer chain.
  EXPECT_EQ(DependentRounds({Between(0, 100), Between(0, 10), Between(20, 30)}), 2u);
  EXPECT_EQ(DependentRounds({Between(0, 10), Between(5, 15), Between(12, 20)}), 2u);
}

}  // namespace
}  // namespace plume::os
