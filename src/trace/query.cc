#include "trace/query.h"

#include <algorithm>
#include <charconv>

#include "base/upcase.h"
#include "base/utf16.h"
#include "fmt/format.h"

namespace plume::trace {
namespace {

// As names are compared: by NT's upper case.
std::u16string Fold(std::string_view text) {
  std::u16string out = FromUtf8Lossy(text);
  for (char16_t& c : out) c = NtUpcase(c);
  return out;
}

bool SameText(std::string_view a, std::string_view b) { return Fold(a) == Fold(b); }

// Without wildcards a path is found wherever it is in the name.
bool MatchesPath(std::string_view text, std::string_view wanted) {
  if (wanted.find_first_of("*?") != wanted.npos) return MatchesText(text, wanted);
  return Fold(text).find(Fold(wanted)) != std::u16string::npos;
}

struct KnownStatus {
  uint32_t status;
  const char* text;
};
constexpr KnownStatus kStatuses[] = {
    {0xc0000034, "name-not-found"},    {0xc000003a, "path-not-found"},   {0xc0000022, "access-denied"},
    {0xc0000043, "sharing-violation"}, {0xc0000035, "name-collision"},   {0xc0000008, "invalid-handle"},
    {0xc000000d, "invalid-parameter"}, {0xc0000005, "access-violation"}, {0xc00000ba, "is-a-directory"},
    {0xc0000103, "not-a-directory"},   {0xc0000101, "not-empty"},        {0xc0000267, "offline"},
    {0xc0000023, "buffer-too-small"},  {0xc0000004, "wrong-length"},     {0xc0000002, "not-implemented"},
    {0xc00000bb, "not-supported"},     {0xc000000f, "no-such-file"},     {0xc000007c, "no-token"},
    {0x80000005, "buffer-overflow"},   {0x80000006, "no-more-files"},    {0x8000001a, "no-more-entries"},
    {0x00000103, "pending"},           {0x40000000, "name-exists"},
};

std::string Escaped(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (static_cast<unsigned char>(c) < 0x20) {
      out += fmt::format("\\u{:04x}", static_cast<unsigned char>(c));
    } else {
      out += c;
    }
  }
  return out;
}

// Names can hold halves of surrogate pairs, which no JSON text may.
std::string ValidUtf8(std::string_view text) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    const auto c = static_cast<unsigned char>(text[i]);
    if (c == 0xed && i + 2 < text.size() && static_cast<unsigned char>(text[i + 1]) >= 0xa0) {
      out += "\xef\xbf\xbd";
      i += 2;
    } else {
      out += text[i];
    }
  }
  return out;
}

void Field(std::string* out, const char* name, std::string_view text) {
  *out += fmt::format(",\"{}\":\"{}\"", name, Escaped(ValidUtf8(text)));
}

double Micros(uint64_t tenths) { return static_cast<double>(tenths) / 10; }

template <typename Map>
std::vector<const typename Map::value_type*> Most(const Map& map, size_t count) {
  std::vector<const typename Map::value_type*> out;
  for (const auto& row : map) out.push_back(&row);
  std::stable_sort(out.begin(), out.end(),
                   [](auto* a, auto* b) { return a->second.calls > b->second.calls; });
  if (out.size() > count) out.resize(count);
  return out;
}

constexpr size_t kMostNames = 20;
// Of a trace without end only so many different names are counted.
constexpr size_t kMaxNames = 200000;

}  // namespace

std::string_view FileName(std::string_view path) {
  const size_t cut = path.find_last_of("\\/");
  return cut == path.npos ? path : path.substr(cut + 1);
}

bool MatchesText(std::string_view text_utf8, std::string_view pattern_utf8) {
  const std::u16string text = Fold(text_utf8), pattern = Fold(pattern_utf8);
  size_t t = 0, p = 0, star = pattern.npos, retry = 0;
  while (t < text.size()) {
    if (p < pattern.size() && pattern[p] == u'*') {
      star = p++;
      retry = t;
    } else if (p < pattern.size() && (pattern[p] == u'?' || pattern[p] == text[t])) {
      ++p;
      ++t;
    } else if (star != pattern.npos) {
      p = star + 1;
      t = ++retry;
    } else {
      return false;
    }
  }
  while (p < pattern.size() && pattern[p] == u'*') ++p;
  return p == pattern.size();
}

Result<Space> Filter::SpaceFromName(std::string_view text) {
  std::string known;
  for (uint32_t i = 0; i < kSpaces; ++i) {
    if (SameText(text, SpaceName(static_cast<Space>(i)))) return static_cast<Space>(i);
    known += std::string(i ? ", " : "") + SpaceName(static_cast<Space>(i));
  }
  return Error{Errc::kInvalid, fmt::format("there is no kind '{}' (there are {})", text, known)};
}

Result<Layer> Filter::LayerFromName(std::string_view text) {
  std::string known;
  for (uint32_t i = 0; i < kLayers; ++i) {
    if (SameText(text, LayerName(static_cast<Layer>(i)))) return static_cast<Layer>(i);
    known += std::string(i ? ", " : "") + LayerName(static_cast<Layer>(i));
  }
  return Error{Errc::kInvalid, fmt::format("there is no layer '{}' (there are {})", text, known)};
}

Result<std::string> Filter::StatusFromText(std::string_view text) {
  if (SameText(text, "ok") || SameText(text, "failed"))
    return std::string(SameText(text, "ok") ? "ok" : "failed");
  for (const KnownStatus& s : kStatuses)
    if (SameText(text, s.text)) return fmt::format("{:08x}", s.status);
  std::string_view digits = text;
  if (digits.size() > 2 && digits[0] == '0' && (digits[1] == 'x' || digits[1] == 'X'))
    digits.remove_prefix(2);
  uint32_t value = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value, 16);
  if (digits.empty() || error != std::errc() || end != digits.data() + digits.size()) {
    return Error{Errc::kInvalid, fmt::format("'{}' is no status (ok, failed, or one like c0000034)", text)};
  }
  return fmt::format("{:08x}", value);
}

bool Filter::Matches(const Call& c) const {
  if (space && c.space != *space) return false;
  if (layer && c.layer != *layer) return false;
  if (!call.empty() && !MatchesText(c.call, call)) return false;
  if (!process.empty()) {
    const bool number = process.find_first_not_of("0123456789") == process.npos;
    if (number ? std::to_string(c.pid) != process : !MatchesText(FileName(c.exe), process)) return false;
  }
  if (status == "ok" && c.failed()) return false;
  if (status == "failed" && !c.failed()) return false;
  if (!status.empty() && status != "ok" && status != "failed" && fmt::format("{:08x}", c.status) != status)
    return false;
  return path.empty() || MatchesPath(c.name, path) || MatchesPath(c.real, path);
}

std::string StatusText(uint32_t status) {
  if (status == 0) return "ok";
  for (const KnownStatus& s : kStatuses)
    if (s.status == status) return s.text;
  return fmt::format("{:08x}", status);
}

std::string Line(const Call& c) {
  std::string out = fmt::format("{:11.6f} {:>5}.{:<5} {:<16} {:<24} {:<5} {:<14} {}",
                                static_cast<double>(c.since_start) / 1e7, c.pid, c.thread, FileName(c.exe),
                                c.call, LayerName(c.layer), StatusText(c.status), c.name);
  // What is the machine's own has the same name there, in another spelling.
  if (!c.real.empty() && c.real != c.name && c.layer != Layer::kHost) out += fmt::format(" = {}", c.real);
  if (!c.rule.empty())
    out += fmt::format(" [{}{}{}]", ModeText(c.mode), *ModeText(c.mode) ? ", " : "", c.rule);
  if (c.duration > 0) out += fmt::format(" {:.1f} us", Micros(c.duration));
  return out;
}

std::string JsonLine(const Call& c) {
  std::string out = fmt::format("{{\"time\":{:.7f},\"filetime\":{},\"pid\":{},\"tid\":{},\"process\":{}",
                                static_cast<double>(c.since_start) / 1e7, c.time, c.pid, c.thread, c.process);
  Field(&out, "exe", c.exe);
  Field(&out, "space", SpaceName(c.space));
  Field(&out, "call", c.call);
  Field(&out, "name", c.name);
  Field(&out, "real", c.real.empty() ? c.name : c.real);
  Field(&out, "layer", LayerName(c.layer));
  if (!c.image.empty()) Field(&out, "image", c.image);
  Field(&out, "mode", ModeText(c.mode));
  Field(&out, "rule", c.rule);
  Field(&out, "status", fmt::format("{:08x}", c.status));
  out += fmt::format(",\"failed\":{},\"detail\":{},\"microseconds\":{:.1f}", c.failed(), c.detail,
                     Micros(c.duration));
  return out + "}";
}

void Summary::Add(Count& count, const Call& call) {
  ++count.calls;
  count.failed += call.failed();
  count.duration += call.duration;
}

void Summary::Add(const Call& c) {
  ++calls_;
  first_ = std::min(first_, c.since_start);
  last_ = std::max(last_, c.since_start);
  auto add = [&](auto& map, std::string_view key) {
    auto it = map.find(key);
    if (it == map.end() && map.size() < kMaxNames) it = map.emplace(std::string(key), Count()).first;
    if (it != map.end()) Add(it->second, c);
  };
  Add(all_, c);
  add(by_call_, c.call);
  if (!c.name.empty()) add(by_name_, c.name);
  if (!c.rule.empty()) add(by_rule_, c.rule);
  Process& process = processes_[c.process];
  process.exe = c.exe;
  process.pid = c.pid;
  Add(process.count, c);
  Add(by_space_[static_cast<uint32_t>(c.space)], c);
  Add(by_layer_[static_cast<uint32_t>(c.layer)], c);
}

std::string Summary::Text() const {
  const double seconds = calls_ ? static_cast<double>(last_ - first_) / 1e7 : 0;
  std::string out = fmt::format("{} calls, {} failed, {} processes, {:.3f} s\n", calls_, all_.failed,
                                processes_.size(), seconds);
  auto head = [&](const char* what) {
    out += fmt::format("\n{:>9} {:>9} {:>12}  {}\n", "calls", "failed", "ms", what);
  };
  auto row = [&](const Count& n, const std::string& what) {
    if (n.calls)
      out += fmt::format("{:>9} {:>9} {:>12.3f}  {}\n", n.calls, n.failed,
                         static_cast<double>(n.duration) / 1e4, what);
  };
  head("kind");
  for (uint32_t i = 0; i < kSpaces; ++i) row(by_space_[i], SpaceName(static_cast<Space>(i)));
  head("layer");
  for (uint32_t i = 0; i < kLayers; ++i) row(by_layer_[i], LayerName(static_cast<Layer>(i)));
  head("call");
  for (const auto* r : Most(by_call_, SIZE_MAX)) row(r->second, r->first);
  head("process");
  for (const auto& [id, p] : processes_) row(p.count, fmt::format("{} {}", p.pid, p.exe));
  if (!by_rule_.empty()) head("rule");
  for (const auto* r : Most(by_rule_, SIZE_MAX)) row(r->second, r->first);
  head("most asked names");
  for (const auto* r : Most(by_name_, kMostNames)) row(r->second, r->first);
  return out;
}

std::string Summary::Json() const {
  auto counts = [](const Count& n) {
    return fmt::format("\"calls\":{},\"failed\":{},\"microseconds\":{:.1f}", n.calls, n.failed,
                       Micros(n.duration));
  };
  std::string out = fmt::format("{{{},\"seconds\":{:.6f}", counts(all_),
                                calls_ ? static_cast<double>(last_ - first_) / 1e7 : 0);
  auto table = [&](const char* what, auto&& rows) {
    out += fmt::format(",\"{}\":[", what);
    bool more = false;
    rows([&](std::string_view name, const Count& n, const std::string& extra) {
      if (n.calls == 0) return;
      out += fmt::format("{}{{\"name\":\"{}\",{}{}}}", more ? "," : "", Escaped(ValidUtf8(name)), counts(n),
                         extra);
      more = true;
    });
    out += "]";
  };
  table("kinds", [&](auto add) {
    for (uint32_t i = 0; i < kSpaces; ++i) add(SpaceName(static_cast<Space>(i)), by_space_[i], "");
  });
  table("layers", [&](auto add) {
    for (uint32_t i = 0; i < kLayers; ++i) add(LayerName(static_cast<Layer>(i)), by_layer_[i], "");
  });
  auto map = [&](const auto& m, size_t most) {
    return [&m, most](auto add) {
      for (const auto* r : Most(m, most)) add(r->first, r->second, "");
    };
  };
  table("by_call", map(by_call_, SIZE_MAX));
  table("processes", [&](auto add) {
    for (const auto& [id, p] : processes_) add(p.exe, p.count, fmt::format(",\"pid\":{}", p.pid));
  });
  table("rules", map(by_rule_, SIZE_MAX));
  table("names", map(by_name_, kMostNames));
  return out + "}";
}

}  // namespace plume::trace
