#include "cli/launch_report.h"

#include <gtest/gtest.h>

namespace plume::cli {
namespace {

nlohmann::json Sample() {
  return nlohmann::json::parse(R"({
    "images": ["sha256:x"], "millis": 420.5,
    "waits": [{"what": "looking for a newer version", "began": 0, "ended": 40.5}],
    "ahead": {"files": 3, "requests": 1, "bytes": 900000,
              "spans": [{"began": 1, "ended": 200, "bytes": 900000}]},
    "touched": {"files": 4, "bytes": 1000000},
    "expected_bytes": 855000, "unexpected_bytes": 45000, "wasted": {"files": 1, "bytes": 45000},
    "misses": [
      {"file": "C\\App\\a.exe", "bytes": 45000, "began": 50, "ended": 52, "expected": false, "ok": true},
      {"file": "C\\App\\<b>&.dll", "bytes": 5, "began": 60, "ended": 100, "expected": true, "ok": true}],
    "rounds": 2, "received_bytes": 945000,
    "requests": [{"what": "GET http://s/v2/app/blobs/sha256:1", "range": "bytes=0-899999", "status": 206,
                  "bytes": 900000, "began": 1, "first": 20, "ended": 200}]})");
}

bool Has(const std::vector<std::string>& lines, const std::string& line) {
  return std::find(lines.begin(), lines.end(), line) != lines.end();
}

TEST(LaunchReport, LinesSayWhatWasWaitedFor) {
  const auto lines = LaunchReportLines(Sample());
  EXPECT_TRUE(Has(lines, "start took 420.5 ms; it touched 4 files, 1.0 MB as stored"));
  EXPECT_TRUE(Has(lines, "  waited 40.5 ms: looking for a newer version"));
  EXPECT_TRUE(Has(lines, "network: 1 requests, 2 round trips one after the other, 945.0 KB"));
  EXPECT_TRUE(
      Has(lines, "fetched ahead: 3 files in 1 requests, 900.0 KB; not touched: 1 files, 45.0 KB (5.0 %)"));
  EXPECT_TRUE(Has(lines, "expected: 95.0 % of the bytes that were missing"));
  EXPECT_TRUE(Has(lines, "waited for files: 2 files, 42.0 ms in all"));
  EXPECT_EQ(lines.back(), "  2.0 ms: C\\App\\a.exe, 45.0 KB, was not expected") << "the longest come first";
}

TEST(LaunchReport, ThePageHasABarForEverythingAndEscapesNames) {
  const std::string page = LaunchReportPage(Sample(), "app <1>");
  EXPECT_NE(page.find("<title>app &lt;1&gt;</title>"), std::string::npos);
  EXPECT_EQ(page.find("<b>"), std::string::npos);
  EXPECT_NE(page.find("&lt;b&gt;&amp;.dll"), std::string::npos);
  size_t bars = 0;
  for (size_t at = page.find("<rect"); at != std::string::npos; at = page.find("<rect", at + 1)) ++bars;
  EXPECT_EQ(bars, 6u) << "a step, a span, a request in two parts, two files";
  EXPECT_EQ(page.find("http", page.find("<style>")), page.find("http://s/v2"))
      << "nothing is loaded from elsewhere";
  EXPECT_NE(page.find("class=\"request pending\""), std::string::npos);
}

TEST(LaunchReport, WhatIsMissingIsNoFault) {
  EXPECT_EQ(LaunchReportLines(nullptr).size(), 1u);
  EXPECT_NE(LaunchReportPage(nullptr, "x").find("</html>"), std::string::npos);
  EXPECT_NE(LaunchReportPage(nlohmann::json::object(), "x").find("<svg"), std::string::npos);
  auto bad = Sample();
  bad["misses"][0]["ended"] = -5;
  bad["requests"][0]["first"] = 1e12;
  bad["requests"][0]["what"] = std::string(500, '\xc3') + "\xc3\xa4";
  EXPECT_NE(LaunchReportPage(bad, "x").find("</svg>"), std::string::npos);
}

}  // namespace
}  // namespace plume::cli
