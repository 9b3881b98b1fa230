#include "agent/policy_reader.h"

#include <algorithm>
#include <charconv>
#include <optional>
#include <utility>

#include "agent/environment.h"
#include "agent/policy_network.h"
#include "agent/state.h"
#include "agent/text.h"

namespace plume::agent {
namespace {

using view::Mode;
using Variables = std::vector<std::pair<std::u16string, std::u16string>>;

Variables FactVariables(const MachineFacts& f) {
  Variables out = {{u"USERPROFILE", f.profile},
                   {u"APPDATA", f.roaming},
                   {u"LOCALAPPDATA", f.local},
                   {u"TEMP", f.temp},
                   {u"TMP", f.temp},
                   {u"SystemRoot", f.system_root},
                   {u"windir", f.system_root},
                   {u"ProgramData", f.program_data},
                   {u"ALLUSERSPROFILE", f.program_data},
                   {u"PUBLIC", f.public_folder},
                   {u"SystemDrive", f.system_root.substr(0, 2)}};
  if (!f.program_folders.empty()) out.emplace_back(u"ProgramFiles", f.program_folders.front());
  if (f.program_folders.size() > 1) out.emplace_back(u"ProgramFiles(x86)", f.program_folders[1]);
  std::erase_if(out, [](const auto& v) { return v.second.empty(); });
  return out;
}

std::optional<Mode> ModeFromName(std::string_view name) {
  for (Mode m : {Mode::kMerge, Mode::kHost, Mode::kPrivate, Mode::kDeny})
    if (name == ModeName(m)) return m;
  return std::nullopt;
}

std::optional<uint16_t> Port(std::string_view text) {
  uint16_t port = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return port;
}

// "1 MB", "500 KB", "64": bytes.
std::optional<uint64_t> Size(std::string_view text) {
  uint64_t n = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), n);
  if (error != std::errc()) return std::nullopt;
  std::string_view unit(end, static_cast<size_t>(text.data() + text.size() - end));
  while (!unit.empty() && unit.front() == ' ') unit.remove_prefix(1);
  const int shift = unit.empty() || unit == "B" ? 0
                    : unit == "KB"              ? 10
                    : unit == "MB"              ? 20
                    : unit == "GB"              ? 30
                                                : -1;
  if (shift < 0 || (n << shift) >> shift != n) return std::nullopt;
  return n << shift;
}

}  // namespace

Error PolicyReader::Complain(const toml::source_region& where, const std::string& why) const {
  return Error{Errc::kInvalid, "reading the policy failed: " + file_ + ":" +
                                   std::to_string(where.begin.line) + ":" +
                                   std::to_string(where.begin.column) + ": " + why +
                                   " (see `plume vm create --help` for an example)"};
}

Status PolicyReader::Rules(const toml::node& node, bool registry, std::vector<PolicyRule>* out) const {
  const toml::table* table = node.as_table();
  if (table == nullptr) return Complain(node.source(), "this must be a table of \"prefix\" = \"mode\" lines");
  for (const auto& [key, value] : *table) {
    const auto text = value.value<std::string>();
    const auto mode = text ? ModeFromName(*text) : std::nullopt;
    if (!mode)
      return Complain(value.source(), "the mode must be \"merge\", \"host\", \"private\" or \"deny\"");
    const std::u16string written = Environment().Expand(ToUtf16(key.str()), FactVariables(facts_));
    PolicyRule rule{{}, *mode, file_ + ":" + std::to_string(value.source().begin.line)};
    if (!written.empty() && written != u"*") {
      if (const size_t percent = written.find(u'%');
          !registry && percent != written.npos && written.find(u'%', percent + 1) != written.npos) {
        return Complain(value.source(), "'" + std::string(key.str()) + "' names an unknown variable");
      }
      auto canonical = registry ? CanonicalKey(written, facts_.user_sid) : CleanPath(written);
      if (!canonical.ok()) {
        return Complain(value.source(),
                        "'" + std::string(key.str()) + "' is not " +
                            (registry ? "a key like HKCU\\Software\\X" : "a path like C:\\X"));
      }
      rule.prefix = *canonical;
    }
    for (const PolicyRule& other : *out) {
      if (view::EqualFolded(other.prefix, rule.prefix))
        return Complain(value.source(),
                        "'" + std::string(key.str()) + "' has a rule already (" + other.origin + ")");
    }
    out->push_back(std::move(rule));
  }
  return Ok();
}

Result<const toml::table*> PolicyReader::Table(const toml::node& node, const char* example) const {
  if (const toml::table* table = node.as_table()) return table;
  return Complain(node.source(), std::string("this must be a table, like ") + example);
}

Status PolicyReader::Strings(const toml::node& node, std::vector<std::string>* out) const {
  const toml::array* array = node.as_array();
  if (!array) return Complain(node.source(), "this must be a list like [\"a\", \"b\"]");
  for (const toml::node& item : *array) {
    const auto text = item.value<std::string>();
    if (!text || text->empty()) return Complain(item.source(), "this must be a text that is not empty");
    out->push_back(*text);
  }
  return Ok();
}

Status PolicyReader::NameRules(const toml::node& node, std::initializer_list<Mode> modes,
                               std::vector<PolicyNameRule>* out) const {
  ASSIGN(const toml::table* table, Table(node, "'pattern*' = \"host\""));
  std::string allowed;
  for (Mode m : modes) allowed += std::string(allowed.empty() ? "" : " or ") + '"' + ModeName(m) + '"';
  std::vector<std::pair<toml::source_position, PolicyNameRule>> found;
  for (const auto& [key, value] : *table) {
    const auto text = value.value<std::string>();
    const auto mode = text ? ModeFromName(*text) : std::nullopt;
    if (!mode || std::find(modes.begin(), modes.end(), *mode) == modes.end())
      return Complain(value.source(), "the mode must be " + allowed);
    if (key.str().empty()) return Complain(value.source(), "the pattern is empty; \"*\" means everything");
    found.push_back({value.source().begin, {ToUtf16(key.str()), *mode, Origin(value)}});
  }
  // TOML tables are unordered; for people the first line that matches decides.
  std::sort(found.begin(), found.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
  for (auto& [at, rule] : found) out->push_back(std::move(rule));
  return Ok();
}

Status PolicyReader::Processes(const toml::node& node, Policy* out) const {
  ASSIGN(const toml::table* table, Table(node, "show = \"vm\""));
  for (const auto& [key, value] : *table) {
    const auto text = value.value<std::string>();
    if (key != "show")
      return Complain(key.source(),
                      "'" + std::string(key.str()) + "' is not known here; [processes] has show");
    if (!text || (*text != "vm" && *text != "all"))
      return Complain(value.source(), "show must be \"vm\" or \"all\"");
    out->show_all_processes = *text == "all";
  }
  return Ok();
}

Status PolicyReader::Clipboard(const toml::node& node, Policy* out) const {
  ASSIGN(const toml::table* table, Table(node, "mode = \"isolated\""));
  ClipboardPolicy& c = out->clipboard.emplace();
  c.origin = Origin(node);
  for (const auto& [key, value] : *table) {
    const auto text = value.value<std::string>();
    if (key == "mode") {
      if (text == "isolated")
        c.mode = ClipboardMode::kIsolated;
      else if (text == "to-host")
        c.mode = ClipboardMode::kToHost;
      else if (text == "from-host")
        c.mode = ClipboardMode::kFromHost;
      else if (text == "shared")
        c.mode = ClipboardMode::kShared;
      else
        return Complain(value.source(),
                        "mode must be \"isolated\", \"to-host\", \"from-host\" or \"shared\"");
    } else if (key == "formats") {
      TRY(Strings(value, &c.formats));
      for (const std::string& f : c.formats)
        if (f != "text" && f != "image" && f != "files" && f != "private")
          return Complain(value.source(),
                          "'" + f + "' is no kind of content; there are text, image, files and private");
    } else if (key == "max") {
      const auto size = text ? Size(*text) : std::nullopt;
      if (!size) return Complain(value.source(), "max must be a size like \"1 MB\"");
      c.max_bytes = *size;
    } else {
      return Complain(key.source(), "'" + std::string(key.str()) +
                                        "' is not known here; [clipboard] has mode, formats and max");
    }
  }
  return Ok();
}

// "HOST", "HOST:PORT", "HOST:FIRST-LAST", "[v6]:PORT"; HOST may be a name, an address, ADDRESS/BITS or "*".
Result<NetworkPlace> PolicyReader::Place(const toml::node& node) const {
  const auto text = node.value<std::string>();
  const auto complain = [&] {
    return Complain(node.source(),
                    "this must be a place like \"example.org:443\", \"10.0.0.0/8\" or \"[::1]:8000-8010\"");
  };
  if (!text || text->empty()) return complain();
  NetworkPlace place;
  place.origin = Origin(node);
  std::string_view rest = *text;
  std::string_view ports;
  if (rest.front() == '[') {
    const size_t close = rest.find(']');
    if (close == rest.npos) return complain();
    place.host = rest.substr(1, close - 1);
    ports = rest.substr(close + 1);
  } else {
    const size_t colon = rest.find(':');
    // More than one colon without brackets: an IPv6 address without a port.
    const bool v6 = colon != rest.npos && rest.find(':', colon + 1) != rest.npos;
    place.host = v6 ? rest : rest.substr(0, colon);
    if (!v6 && colon != rest.npos) ports = rest.substr(colon);
  }
  if (place.host.empty() || !NumericRanges(place)) return complain();
  if (ports.empty()) return place;
  if (ports.front() != ':') return complain();
  ports.remove_prefix(1);
  const size_t dash = ports.find('-');
  const auto first = Port(ports.substr(0, dash));
  const auto last = dash == ports.npos ? first : Port(ports.substr(dash + 1));
  if (!first || !last || *last < *first) return complain();
  place.first_port = *first;
  place.last_port = *last;
  return place;
}

Status PolicyReader::Network(const toml::node& node, Policy* out) const {
  ASSIGN(const toml::table* table, Table(node, "mode = \"none\""));
  NetworkPolicy& n = out->network.emplace();
  n.origin = Origin(node);
  bool listed = false;
  for (const auto& [key, value] : *table) {
    const auto text = value.value<std::string>();
    if (key == "mode") {
      if (text == "all")
        n.mode = NetworkMode::kAll;
      else if (text == "none")
        n.mode = NetworkMode::kNone;
      else if (text == "list")
        n.mode = NetworkMode::kList;
      else
        return Complain(value.source(), "mode must be \"all\", \"none\" or \"list\"");
    } else if (key == "allow") {
      const toml::array* array = value.as_array();
      if (!array) return Complain(value.source(), "allow must be a list like [\"example.org:443\"]");
      for (const toml::node& item : *array) {
        ASSIGN(NetworkPlace place, Place(item));
        n.allow.push_back(std::move(place));
      }
      listed = true;
    } else if (key == "private_ports") {
      const toml::array* array = value.as_array();
      if (!array) return Complain(value.source(), "private_ports must be a list like [8080]");
      for (const toml::node& item : *array) {
        const auto port = item.value<int64_t>();
        if (!port || *port < 1 || *port > 65535) return Complain(item.source(), "a port is 1 to 65535");
        n.private_ports.push_back(static_cast<uint16_t>(*port));
      }
    } else {
      return Complain(key.source(), "'" + std::string(key.str()) +
                                        "' is not known here; [network] has mode, allow and private_ports");
    }
  }
  if (listed && n.mode != NetworkMode::kList) return Complain(node.source(), "allow needs mode = \"list\"");
  return Ok();
}

}  // namespace plume::agent
