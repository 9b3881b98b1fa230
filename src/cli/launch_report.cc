#include "cli/launch_report.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdio>

namespace plume::cli {
namespace {

using Json = nlohmann::json;

double Number(const Json& json, const char* name) {
  const auto it = json.find(name);
  return it != json.end() && it->is_number() ? it->get<double>() : 0;
}

std::string TextOf(const Json& json, const char* name) {
  const auto it = json.find(name);
  return it != json.end() && it->is_string() ? it->get<std::string>() : std::string();
}

const Json& Part(const Json& json, const char* name) {
  static const Json none;
  const auto it = json.find(name);
  return it != json.end() ? *it : none;
}

std::string Fixed(double value, int digits) {
  char text[64];
  std::snprintf(text, sizeof text, "%.*f", digits, value);
  return text;
}

std::string Bytes(double bytes) {
  if (bytes < 1000) return Fixed(bytes, 0) + " B";
  if (bytes < 1e6) return Fixed(bytes / 1e3, 1) + " KB";
  return Fixed(bytes / 1e6, 1) + " MB";
}

std::string Count(double count, const char* what) { return Fixed(count, 0) + " " + what; }

std::string Percent(double part, double whole) {
  return whole <= 0 ? "-" : Fixed(part * 100 / whole, 1) + " %";
}

// The longest first: what a reader is looking for.
std::vector<Json> Longest(const Json& spans) {
  std::vector<Json> out;
  if (spans.is_array()) out.assign(spans.begin(), spans.end());
  std::stable_sort(out.begin(), out.end(), [](const Json& a, const Json& b) {
    return Number(a, "ended") - Number(a, "began") > Number(b, "ended") - Number(b, "began");
  });
  return out;
}

std::string Escaped(const std::string& text) {
  std::string out;
  for (const char c : text) {
    if (c == '&') {
      out += "&amp;";
    } else if (c == '<') {
      out += "&lt;";
    } else if (c == '>') {
      out += "&gt;";
    } else if (c == '"') {
      out += "&quot;";
    } else {
      out += c;
    }
  }
  return out;
}

// The end of a long name says more than its beginning. Cut between characters, never inside one.
std::string Shortened(const std::string& text, size_t most) {
  if (text.size() <= most) return text;
  size_t from = text.size() - most;
  while (from < text.size() && (static_cast<unsigned char>(text[from]) & 0xC0) == 0x80) ++from;
  return "\xe2\x80\xa6" + text.substr(from);
}

struct Bar {
  std::string label, tip, kind;  // kind: a class of the style sheet
  double began = 0, first = 0, ended = 0;
};

constexpr size_t kMostMissesShown = 5, kMostBars = 400;

std::vector<Bar> BarsOf(const Json& report) {
  std::vector<Bar> bars;
  const auto add = [&](const Json& span, std::string label, std::string kind, std::string more) {
    Bar bar;
    bar.began = Number(span, "began");
    bar.ended = std::max(bar.began, Number(span, "ended"));
    bar.first = std::clamp(span.contains("first") ? Number(span, "first") : bar.began, bar.began, bar.ended);
    bar.tip = label + (more.empty() ? "" : ", " + more) + ": from " + Fixed(bar.began, 1) + " to " +
              Fixed(bar.ended, 1) + " ms";
    bar.label = std::move(label);
    bar.kind = std::move(kind);
    if (bars.size() < kMostBars) bars.push_back(std::move(bar));
  };
  for (const Json& wait : Part(report, "waits")) add(wait, TextOf(wait, "what"), "wait", "");
  for (const Json& span : Part(Part(report, "ahead"), "spans"))
    add(span, "fetching ahead", "ahead", Bytes(Number(span, "bytes")));
  std::vector<Json> requests(Part(report, "requests").begin(), Part(report, "requests").end());
  for (const Json& request : requests) {
    const std::string range = TextOf(request, "range");
    add(request, TextOf(request, "what") + (range.empty() ? "" : " " + range), "request",
        Bytes(Number(request, "bytes")));
  }
  for (const Json& miss : Part(report, "misses")) {
    const bool expected = miss.value("expected", false);
    add(miss, TextOf(miss, "file"), miss.value("ok", true) ? (expected ? "joined" : "miss") : "failed",
        Bytes(Number(miss, "bytes")) + (expected ? ", was on its way" : ", not expected"));
  }
  return bars;
}

constexpr char kStyle[] = R"(
body{font:14px/1.45 system-ui,sans-serif;margin:24px;color:#1b1f24;background:#fff;max-width:1240px}
h1{font-size:20px;margin:0 0 12px}table{border-collapse:collapse;margin:0 0 16px}
td{padding:2px 18px 2px 0;vertical-align:top}td:first-child{color:#57606a}
svg{display:block;width:100%;height:auto}svg text{font:11px system-ui,sans-serif;fill:#1b1f24}
svg .axis{fill:#57606a}.grid{stroke:#e4e8ec}.wait{fill:#8c959f}.ahead{fill:#1a7f37}.request{fill:#0969da}
.joined{fill:#54aeff}.miss{fill:#bc4c00}.failed{fill:#cf222e}.pending{opacity:.35}
.key span{display:inline-block;width:12px;height:12px;border-radius:2px;margin:0 6px 0 14px;vertical-align:-1px}
)";

std::string Key(const char* kind, const char* colour, const char* text) {
  return std::string("<span class=\"") + kind + "\" style=\"background:" + colour + "\"></span>" + text;
}

double TickStep(double whole) {
  double step = std::pow(10.0, std::floor(std::log10(std::max(whole, 1.0) / 8)));
  for (const double factor : {1.0, 2.0, 5.0, 10.0})
    if (whole / (step * factor) <= 10) return step * factor;
  return step * 10;
}

std::string Timeline(const Json& report) {
  const std::vector<Bar> bars = BarsOf(report);
  double whole = std::max(1.0, Number(report, "millis"));
  for (const Bar& bar : bars) whole = std::max(whole, bar.ended);
  constexpr double kLeft = 380, kWidth = 1200, kRow = 20, kTop = 26;
  const double height = kTop + kRow * static_cast<double>(bars.size()) + 10;
  const auto x = [&](double millis) {
    return kLeft + (kWidth - kLeft - 30) * std::clamp(millis / whole, 0.0, 1.0);
  };
  std::string out = "<svg viewBox=\"0 0 " + Fixed(kWidth, 0) + " " + Fixed(height, 0) +
                    "\" role=\"img\" aria-label=\"timeline\">\n";
  const double step = TickStep(whole);
  for (double t = 0; t <= whole; t += step) {
    out += "<line class=\"grid\" x1=\"" + Fixed(x(t), 1) + "\" x2=\"" + Fixed(x(t), 1) +
           "\" y1=\"18\" y2=\"" + Fixed(height, 0) + "\"/><text class=\"axis\" text-anchor=\"middle\" x=\"" +
           Fixed(x(t), 1) + "\" y=\"12\">" + Fixed(t, 0) + " ms</text>\n";
  }
  double y = kTop;
  for (const Bar& bar : bars) {
    const auto rect = [&](double from, double to, const std::string& kind) {
      return "<rect class=\"" + kind + "\" rx=\"2\" x=\"" + Fixed(x(from), 1) + "\" y=\"" + Fixed(y + 3, 0) +
             "\" width=\"" + Fixed(std::max(1.5, x(to) - x(from)), 1) + "\" height=\"" + Fixed(kRow - 6, 0) +
             "\"/>";
    };
    out += "<g><title>" + Escaped(bar.tip) + "</title><text x=\"" + Fixed(kLeft - 10, 0) + "\" y=\"" +
           Fixed(y + 14, 0) + "\" text-anchor=\"end\">" + Escaped(Shortened(bar.label, 62)) + "</text>";
    if (bar.first > bar.began) out += rect(bar.began, bar.first, bar.kind + " pending");
    out += rect(bar.first, bar.ended, bar.kind) + "</g>\n";
    y += kRow;
  }
  return out + "</svg>\n";
}

}  // namespace

std::vector<std::string> LaunchReportLines(const Json& report) {
  if (!report.is_object()) return {"report: nothing of this start was recorded"};
  std::vector<std::string> out;
  const Json& requests = Part(report, "requests");
  const Json& ahead = Part(report, "ahead");
  const Json& touched = Part(report, "touched");
  const Json& wasted = Part(report, "wasted");
  const Json& misses = Part(report, "misses");
  const double expected = Number(report, "expected_bytes"), unexpected = Number(report, "unexpected_bytes");
  out.push_back("start took " + Fixed(Number(report, "millis"), 1) + " ms; it touched " +
                Count(Number(touched, "files"), "files") + ", " + Bytes(Number(touched, "bytes")) +
                " as stored");
  for (const Json& wait : Part(report, "waits"))
    out.push_back("  waited " + Fixed(Number(wait, "ended") - Number(wait, "began"), 1) +
                  " ms: " + TextOf(wait, "what"));
  out.push_back("network: " + Count(static_cast<double>(requests.size()), "requests") + ", " +
                Count(Number(report, "rounds"), "round trips one after the other") + ", " +
                Bytes(Number(report, "received_bytes")));
  out.push_back("fetched ahead: " + Count(Number(ahead, "files"), "files") + " in " +
                Count(Number(ahead, "requests"), "requests") + ", " + Bytes(Number(ahead, "bytes")) +
                "; not touched: " + Count(Number(wasted, "files"), "files") + ", " +
                Bytes(Number(wasted, "bytes")) + " (" +
                Percent(Number(wasted, "bytes"), Number(wasted, "bytes") + expected) + ")");
  if (expected + unexpected > 0)
    out.push_back("expected: " + Percent(expected, expected + unexpected) +
                  " of the bytes that were missing");
  double waited = 0;
  for (const Json& miss : misses) waited += Number(miss, "ended") - Number(miss, "began");
  out.push_back("waited for files: " + Count(static_cast<double>(misses.size()), "files") + ", " +
                Fixed(waited, 1) + " ms in all");
  const std::vector<Json> longest = Longest(misses);
  for (size_t i = 0; i < std::min(kMostMissesShown, longest.size()); ++i) {
    const Json& miss = longest[i];
    out.push_back("  " + Fixed(Number(miss, "ended") - Number(miss, "began"), 1) +
                  " ms: " + TextOf(miss, "file") + ", " + Bytes(Number(miss, "bytes")) + ", " +
                  (!miss.value("ok", true)         ? "failed"
                   : miss.value("expected", false) ? "was on its way"
                                                   : "was not expected"));
  }
  return out;
}

std::string LaunchReportPage(const Json& report, const std::string& title) {
  std::string out = "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>" +
                    Escaped(title) + "</title><style>" + kStyle + "</style></head><body>\n<h1>" +
                    Escaped(title) + "</h1>\n<table>\n";
  for (const std::string& line : LaunchReportLines(report)) {
    const size_t colon = line.find(": ");
    const size_t begin = line.find_first_not_of(' ');
    if (colon == line.npos) {
      out += "<tr><td colspan=\"2\">" + Escaped(line.substr(begin)) + "</td></tr>\n";
      continue;
    }
    out += "<tr><td>" + Escaped(line.substr(begin, colon - begin)) + "</td><td>" +
           Escaped(line.substr(colon + 2)) + "</td></tr>\n";
  }
  out += "</table>\n<p class=\"key\">" + Key("k", "#8c959f", "step of the start") +
         Key("k", "#1a7f37", "fetching ahead") + Key("k", "#0969da", "request (pale: until its first byte)") +
         Key("k", "#54aeff", "a program waited for a file on its way") +
         Key("k", "#bc4c00", "for one that was not expected") + Key("k", "#cf222e", "in vain") + "</p>\n";
  if (report.is_object()) out += Timeline(report);
  return out + "</body></html>\n";
}

}  // namespace plume::cli
