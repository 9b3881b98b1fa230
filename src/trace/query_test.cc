#include "trace/query.h"

#include <gtest/gtest.h>

namespace plume::trace {
namespace {

Call NewCall(std::string_view call, std::string_view name) {
  Call c;
  c.space = Space::kFile;
  c.layer = Layer::kHost;
  c.pid = 240;
  c.thread = 12;
  c.process = 1;
  c.exe = "C:\\Program Files\\A\\App.exe";
  c.call = call;
  c.name = name;
  c.since_start = 12345678;
  return c;
}

TEST(Query, TextPatterns) {
  EXPECT_TRUE(MatchesText("NtOpenFile", "ntopen*"));
  EXPECT_TRUE(MatchesText("NtOpenFile", "*FILE"));
  EXPECT_TRUE(MatchesText("NtOpenFile", "Nt?penFile"));
  EXPECT_TRUE(MatchesText("", "*"));
  EXPECT_TRUE(MatchesText("aXbXc", "*x*c"));
  EXPECT_TRUE(MatchesText("\u00c4.txt", "\u00e4.TXT"));
  EXPECT_FALSE(MatchesText("NtOpenFile", "NtOpen"));
  EXPECT_FALSE(MatchesText("NtOpenFile", "NtOpenFile?"));
  EXPECT_FALSE(MatchesText("", "?"));
}

TEST(Query, EachConditionOfAFilterDecides) {
  Call c = NewCall("NtOpenFile", "C:\\Users\\x\\a.txt");
  c.real = "\\??\\C:\\state\\upper\\C\\Users\\x\\a.txt";
  c.status = 0xc0000034;
  EXPECT_TRUE(Filter().Matches(c));
  Filter f;
  f.call = "NtOpenFile";
  EXPECT_TRUE(f.Matches(c));
  f.call = "NtCreateFile";
  EXPECT_FALSE(f.Matches(c));
  f = {};
  for (const char* path : {"a.txt", "users\\X", "c:\\*.TXT", "*upper*", "state\\upper"}) {
    f.path = path;
    EXPECT_TRUE(f.Matches(c)) << path;
  }
  for (const char* path : {"b.txt", "a.t?", "*.txt?"}) {
    f.path = path;
    EXPECT_FALSE(f.Matches(c)) << path;
  }
  f = {};
  for (const char* process : {"240", "app.exe", "*.exe", "APP*"}) {
    f.process = process;
    EXPECT_TRUE(f.Matches(c)) << process;
  }
  for (const char* process : {"24", "App", "C:\\Program Files\\A\\App.exe"}) {
    f.process = process;
    EXPECT_FALSE(f.Matches(c)) << process;
  }
  f = {};
  f.space = Space::kFile;
  EXPECT_TRUE(f.Matches(c));
  f.space = Space::kRegistry;
  EXPECT_FALSE(f.Matches(c));
  f = {};
  f.layer = Layer::kHost;
  EXPECT_TRUE(f.Matches(c));
  f.layer = Layer::kUpper;
  EXPECT_FALSE(f.Matches(c));
  f = {};
  for (const char* status : {"failed", "c0000034"}) {
    f.status = status;
    EXPECT_TRUE(f.Matches(c)) << status;
  }
  for (const char* status : {"ok", "c0000035"}) {
    f.status = status;
    EXPECT_FALSE(f.Matches(c)) << status;
  }
}

TEST(Query, Words) {
  EXPECT_EQ(*Filter::SpaceFromName("Registry"), Space::kRegistry);
  EXPECT_NE(Filter::SpaceFromName("disk").error().message.find("there are other, file"), std::string::npos);
  EXPECT_EQ(*Filter::LayerFromName("IMAGE"), Layer::kImage);
  EXPECT_FALSE(Filter::LayerFromName("top").ok());
  EXPECT_EQ(*Filter::StatusFromText("Failed"), "failed");
  EXPECT_EQ(*Filter::StatusFromText("0xC0000034"), "c0000034");
  EXPECT_EQ(*Filter::StatusFromText("name-not-found"), "c0000034");
  EXPECT_EQ(*Filter::StatusFromText("0"), "00000000");
  for (const char* bad : {"", "0x", "broken", "c00000341", "12 "})
    EXPECT_FALSE(Filter::StatusFromText(bad).ok()) << bad;
}

TEST(Query, ALine) {
  Call c = NewCall("NtOpenFile", "C:\\a.txt");
  c.real = "\\??\\C:\\up\\a.txt";
  c.layer = Layer::kUpper;
  c.rule = "policy.toml:4";
  c.mode = 0;
  c.duration = 123;
  EXPECT_EQ(Line(c),
            "   1.234568   240.12    App.exe          NtOpenFile               upper ok             C:\\a.txt"
            " = \\??\\C:\\up\\a.txt [merge, policy.toml:4] 12.3 us");
  c.layer = Layer::kHost;
  EXPECT_EQ(Line(c).find(" = "), std::string::npos) << "the machine's own has the same name there";
  EXPECT_EQ(StatusText(0xc0000034), "name-not-found");
  EXPECT_EQ(StatusText(0xc0001234), "c0001234");
}

TEST(Query, JsonIsWellFormedWhateverTheNames) {
  Call c = NewCall("NtOpenFile", "C:\\\"quoted\"\\\n\x01\xed\xa0\x80");
  c.status = 0xc0000022;
  EXPECT_EQ(
      JsonLine(c),
      "{\"time\":1.2345678,\"filetime\":0,\"pid\":240,\"tid\":12,\"process\":1,"
      "\"exe\":\"C:\\\\Program Files\\\\A\\\\App.exe\",\"space\":\"file\",\"call\":\"NtOpenFile\","
      "\"name\":\"C:\\\\\\\"quoted\\\"\\\\\\u000a\\u0001\xef\xbf\xbd\","
      "\"real\":\"C:\\\\\\\"quoted\\\"\\\\\\u000a\\u0001\xef\xbf\xbd\",\"layer\":\"host\",\"mode\":\"\","
      "\"rule\":\"\","
      "\"status\":\"c0000022\",\"failed\":true,\"detail\":0,\"microseconds\":0.0}");
}

TEST(Query, ASummaryCounts) {
  Summary summary;
  for (int i = 0; i < 5; ++i) {
    Call c = NewCall(i < 3 ? "NtOpenFile" : "NtOpenKey", i < 2 ? "C:\\twice" : "other");
    if (i == 4) c.status = 0xc0000034;
    if (i > 2) c.space = Space::kRegistry;
    c.process = static_cast<uint32_t>(i / 4);
    c.rule = "a rule";
    c.duration = 10;
    summary.Add(c);
  }
  EXPECT_EQ(summary.calls(), 5u);
  EXPECT_EQ(summary.processes(), 2u);
  const std::string text = summary.Text();
  EXPECT_EQ(text.find("5 calls, 1 failed, 2 processes"), 0u) << text;
  EXPECT_NE(text.find("        3         0        0.003  NtOpenFile\n"), std::string::npos) << text;
  EXPECT_NE(text.find("        2         1        0.002  registry\n"), std::string::npos) << text;
  EXPECT_NE(text.find("        2         0        0.002  C:\\twice\n"), std::string::npos) << text;
  const std::string json = summary.Json();
  EXPECT_EQ(json.find("{\"calls\":5,\"failed\":1,"), 0u) << json;
  EXPECT_NE(json.find("{\"name\":\"NtOpenKey\",\"calls\":2,\"failed\":1,\"microseconds\":2.0}"),
            std::string::npos)
      << json;
  EXPECT_NE(Summary().Text().find("0 calls"), std::string::npos);
}

}  // namespace
}  // namespace plume::trace
