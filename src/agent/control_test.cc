#include "agent/control.h"

#include <gtest/gtest.h>

namespace plume::agent {
namespace {

TEST(Frame, HasLittleEndianLength) {
  const std::string frame = EncodeFrame(Json{{"a", 1}});
  EXPECT_EQ(frame, std::string("\x07\0\0\0", 4) + R"({"a":1})");
  const uint8_t header[4] = {7, 0, 0, 0};
  EXPECT_EQ(*DecodeHeader(header, 100), 7u);
}

TEST(Frame, RefusesAbsurdLengths) {
  const uint8_t zero[4] = {}, huge[4] = {0xff, 0xff, 0xff, 0xff}, more[4] = {101, 0, 0, 0};
  EXPECT_FALSE(DecodeHeader(zero, 100).ok());
  EXPECT_FALSE(DecodeHeader(huge, kMaxRequestBytes).ok());
  EXPECT_FALSE(DecodeHeader(more, 100).ok());
}

TEST(Frame, SurvivesTextThatIsNotUtf8) { EXPECT_NO_THROW(EncodeFrame(Json{{"path", "\xff\xfe"}})); }

TEST(Request, RoundTrip) {
  const auto parsed = ParseRequest(MakeRequest("vm.list", {{"x", true}}).dump());
  ASSERT_TRUE(parsed.ok());
  EXPECT_EQ(parsed->verb, "vm.list");
  EXPECT_TRUE(OptionalBool(parsed->args, "x"));
}

TEST(Request, MalformedInputIsAnErrorNotACrash) {
  for (const char* bad : {"", "{", "[]", "null", "{}", R"({"v":1})", R"({"v":2,"verb":"x"})",
                          R"({"v":"1","verb":"x"})", R"({"v":1,"verb":7})", R"({"v":1,"verb":"x","args":[]})",
                          R"({"v":1,"verb":"x","args":3})", "\xff\xff"}) {
    EXPECT_FALSE(ParseRequest(bad).ok()) << bad;
  }
  EXPECT_TRUE(ParseRequest(R"({"v":1,"verb":"x"})").ok());
}

TEST(Reply, CarriesResultOrError) {
  bool is_progress = true;
  Progress progress;
  auto reply = ParseReply(MakeReply(Json{{"n", 5}}).dump(), &is_progress, &progress);
  ASSERT_TRUE(reply.ok());
  EXPECT_FALSE(is_progress);
  EXPECT_EQ((*reply)["n"], 5);
  for (const Errc code :
       {Errc::kNotFound, Errc::kExists, Errc::kInvalid, Errc::kCorrupt, Errc::kDenied, Errc::kBusy,
        Errc::kNoSpace, Errc::kUnreachable, Errc::kUnsupported, Errc::kInternal}) {
    reply = ParseReply(MakeReply(Error{code, "why"}).dump(), &is_progress, &progress);
    ASSERT_FALSE(reply.ok());
    EXPECT_EQ(reply.error().code, code);
    EXPECT_EQ(reply.error().message, "why");
  }
}

TEST(Reply, Progress) {
  bool is_progress = false;
  Progress progress;
  ASSERT_TRUE(ParseReply(MakeProgress({"fetching", 3, 9}).dump(), &is_progress, &progress).ok());
  EXPECT_TRUE(is_progress);
  EXPECT_EQ(progress.what, "fetching");
  EXPECT_EQ(progress.done, 3u);
  EXPECT_EQ(progress.total, 9u);
}

TEST(Arguments, TypesAreChecked) {
  const Json args{{"s", "x"}, {"n", 1}, {"l", {"a", 2, "b"}}, {"e", ""}};
  EXPECT_EQ(*RequiredString(args, "s"), "x");
  EXPECT_FALSE(RequiredString(args, "n").ok());
  EXPECT_FALSE(RequiredString(args, "e").ok());
  EXPECT_FALSE(RequiredString(args, "missing").ok());
  EXPECT_EQ(OptionalString(args, "n"), "");
  EXPECT_EQ(OptionalStrings(args, "l"), (std::vector<std::string>{"a", "b"}));
  EXPECT_TRUE(OptionalStrings(args, "s").empty());
}

}  // namespace
}  // namespace plume::agent
