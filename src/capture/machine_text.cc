#include "capture/machine_text.h"

#include <algorithm>
#include <string>

#include "base/utf16.h"
#include "capture/files.h"
#include "capture/text.h"
#include "os/file.h"

namespace plume::capture {
namespace {

constexpr uint64_t kMaxBytes = 1 << 20;  // what people or set-ups write as settings is smaller
constexpr size_t kMinName = 6;           // shorter names of computers are too likely to be something else
constexpr std::u16string_view kEndings[] = {u".ini",    u".xml",        u".json", u".cfg",  u".conf",
                                            u".config", u".properties", u".toml", u".yaml", u".yml",
                                            u".inf",    u".reg",        u".url",  u".bat",  u".cmd"};

struct Wanted {
  std::u16string folded;
  const char* means;
};

std::u16string Replaced(std::u16string_view text, std::u16string_view with) {
  std::u16string out;
  for (const char16_t c : text) c == u'\\' ? out.append(with) : out.append(1, c);
  return out;
}

// Longer ones first: the folder for temporary files lies in the profile folder.
std::vector<Wanted> WantedOf(const Machine& machine) {
  std::vector<Wanted> out;
  const auto folder = [&](const std::u16string& path, const char* means) {
    if (path.empty()) return;
    // As it is, with slashes, and with backslashes that are escaped.
    for (const std::u16string_view separator : {u"\\", u"/", u"\\\\"})
      out.push_back({Folded(Replaced(path, separator)), means});
  };
  folder(machine.temp, "temp");
  folder(machine.profile, "profile");
  if (!machine.user_sid.empty()) out.push_back({Folded(machine.user_sid), "sid"});
  if (!machine.guid.empty()) out.push_back({Folded(machine.guid), "machine-guid"});
  if (machine.computer.size() >= kMinName) out.push_back({Folded(machine.computer), "computer"});
  return out;
}

bool IsNameUnit(char16_t c) {
  return (c >= u'0' && c <= u'9') || (c >= u'A' && c <= u'Z') || c == u'_' || c == u'-' || c == u'~' ||
         c >= 0x80;
}

bool Holds(std::u16string_view folded, std::u16string_view wanted) {
  for (size_t at = folded.find(wanted); at != folded.npos; at = folded.find(wanted, at + 1)) {
    const size_t end = at + wanted.size();
    if ((at == 0 || !IsNameUnit(folded[at - 1])) && (end == folded.size() || !IsNameUnit(folded[end])))
      return true;
  }
  return false;
}

// Empty: it is no text.
std::u16string TextOf(std::span<const uint8_t> bytes) {
  if (bytes.size() >= 2 && bytes[0] == 0xFF && bytes[1] == 0xFE) {
    std::u16string out;
    for (size_t i = 2; i + 1 < bytes.size(); i += 2)
      out.push_back(static_cast<char16_t>(bytes[i] | bytes[i + 1] << 8));
    return out.find(u'\0') == out.npos ? out : std::u16string();
  }
  if (std::find(bytes.begin(), bytes.end(), 0) != bytes.end()) return {};
  if (bytes.size() >= 3 && bytes[0] == 0xEF && bytes[1] == 0xBB && bytes[2] == 0xBF) bytes = bytes.subspan(3);
  return FromUtf8Lossy(std::string_view(reinterpret_cast<const char*>(bytes.data()), bytes.size()));
}

}  // namespace

bool IsSettingsFile(std::u16string_view path) {
  return std::any_of(std::begin(kEndings), std::end(kEndings),
                     [&](std::u16string_view ending) { return EndsWithFolded(path, ending); });
}

std::vector<image::MachineText> FindInText(const Machine& machine, std::span<const uint8_t> bytes) {
  std::vector<image::MachineText> out;
  const std::vector<Wanted> wanted = WantedOf(machine);
  const std::u16string text = Folded(TextOf(bytes));
  uint64_t line = 1;
  for (std::u16string_view rest = text; !rest.empty(); ++line) {
    const size_t end = std::min(rest.find(u'\n'), rest.size());
    const std::u16string_view now = rest.substr(0, end);
    rest.remove_prefix(std::min(end + 1, rest.size()));
    for (const Wanted& w : wanted) {
      if (!Holds(now, w.folded)) continue;
      out.push_back({"", line, w.means});
      break;
    }
  }
  return out;
}

Status FindInFiles(const Machine& machine, image::Content* content) {
  std::vector<image::MachineText> found;
  for (const image::FileItem& item : content->files) {
    if (item.directory || item.kept || !IsSettingsFile(item.path)) continue;
    ASSIGN(const os::FileInfo info, os::SystemFiles().Stat(item.source));
    if (info.size > kMaxBytes) continue;
    ASSIGN(const auto bytes, os::ReadFile(os::SystemFiles(), item.source, kMaxBytes));
    for (image::MachineText& place : FindInText(machine, bytes)) {
      place.path = ToUtf8(VirtualPath(item.root, item.path, u""));
      found.push_back(std::move(place));
    }
  }
  std::stable_sort(found.begin(), found.end(),
                   [](const image::MachineText& a, const image::MachineText& b) { return a.path < b.path; });
  content->config.machine_texts = std::move(found);
  return Ok();
}

}  // namespace plume::capture
