#include "capture/entry_points.h"

#include <algorithm>
#include <set>

#include "base/utf16.h"
#include "capture/rules.h"
#include "capture/text.h"

namespace plume::capture {
namespace {

constexpr size_t kMaxEntries = 64;

// Words of shortcuts and programs that serve the product but are not it.
constexpr std::u16string_view kHelpers[] = {
    u"readme",     u"help",          u"manual",        u"license", u"website",  u"homepage",
    u"on the web", u"documentation", u"release notes", u"setup",   u"update",   u"install",
    u"crash",      u"report",        u"helper",        u"redist",  u"register", u"repair",
};

bool IsProgram(std::u16string_view path) {
  for (const auto ending : {u".exe", u".com", u".bat", u".cmd"}) {
    if (EndsWithFolded(path, ending)) return true;
  }
  return false;
}

bool IsUninstaller(const Candidate& c) {
  if (LooksLikeUninstaller(LastComponent(c.path))) return true;
  // "msiexec /x{...}", "setup.exe -uninstall"
  return ContainsFolded(c.arguments, u"uninstall") ||
         (SameFolded(LastComponent(c.path), u"msiexec.exe") && ContainsFolded(c.arguments, u"/x"));
}

int NameScore(std::u16string_view name, const Names& names) {
  const std::u16string letters = Letters(name);
  if (letters.empty()) return 0;
  int score = 0;
  auto compare = [&](const std::u16string& wanted) {
    if (wanted.empty()) return;
    const int fit =
        letters == wanted                                                                              ? 60
        : letters.starts_with(wanted) || wanted.starts_with(letters)                                   ? 40
        : letters.find(wanted) != std::u16string::npos || wanted.find(letters) != std::u16string::npos ? 25
                                                                                                       : 0;
    score = std::max(score, fit);
  };
  compare(Letters(FromUtf8Lossy(names.image)));
  if (names.product) compare(Letters(names.product->display_name));
  return score;
}

int Score(const Candidate& c, const Names& names) {
  int score = 0;
  switch (c.kind) {
    case Candidate::Kind::kStartMenu:
      score = 300;
      break;
    case Candidate::Kind::kDesktop:
      score = 280;
      break;
    case Candidate::Kind::kAppPath:
      score = 240;
      break;
    case Candidate::Kind::kProgram:
      score = 100;
      break;
  }
  const auto stem = Stem(LastComponent(c.path));
  score += std::max(NameScore(c.name, names), NameScore(stem, names));
  if (names.product && !names.product->icon.empty() && SameFolded(names.product->icon, c.path)) score += 30;
  for (const auto word : kHelpers) {
    if (ContainsFolded(c.name, word) || ContainsFolded(stem, word)) {
      score -= 150;
      break;
    }
  }
  if (!c.in_image) score -= 60;
  if (!c.arguments.empty()) score -= 10;
  if (c.console) score -= 3;
  // Main programs lie near the top of their folder.
  score -= 2 * static_cast<int>(SplitPath(c.path).size());
  return score;
}

std::string Slug(std::u16string_view text) {
  std::string out;
  for (const char c : ToUtf8(text)) {
    if ((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '.' || c == '_' || c == '+') {
      out.push_back(c);
    } else if (c >= 'A' && c <= 'Z') {
      out.push_back(static_cast<char>(c - 'A' + 'a'));
    } else if (!out.empty() && out.back() != '-') {
      out.push_back('-');
    }
  }
  while (!out.empty() && out.back() == '-') out.pop_back();
  return out.empty() ? "program" : out;
}

std::string UniqueId(const image::EntryPoint& entry, std::u16string_view path, std::set<std::string>* used) {
  const std::string stem = Slug(Stem(LastComponent(path)));
  for (const std::string& id : {stem, Slug(FromUtf8Lossy(entry.name))}) {
    if (used->insert(id).second) return id;
  }
  for (int n = 2;; ++n) {
    const std::string id = stem + "-" + std::to_string(n);
    if (used->insert(id).second) return id;
  }
}

}  // namespace

std::u16string ExpandFolders(std::u16string_view text, std::u16string_view profile) {
  struct {
    std::u16string_view name;
    std::u16string value;
  } const folders[] = {
      {u"%SystemDrive%", u"C:"},
      {u"%SystemRoot%", u"C:\\windows"},
      {u"%windir%", u"C:\\windows"},
      {u"%ProgramFiles%", u"C:\\Program Files"},
      {u"%ProgramW6432%", u"C:\\Program Files"},
      {u"%ProgramFiles(x86)%", u"C:\\Program Files (x86)"},
      {u"%CommonProgramFiles%", u"C:\\Program Files\\Common Files"},
      {u"%ProgramData%", u"C:\\ProgramData"},
      {u"%ALLUSERSPROFILE%", u"C:\\ProgramData"},
      {u"%PUBLIC%", u"C:\\users\\Public"},
      {u"%USERPROFILE%", std::u16string(profile)},
      {u"%APPDATA%", Join(profile, u"AppData\\Roaming")},
      {u"%LOCALAPPDATA%", Join(profile, u"AppData\\Local")},
  };
  std::u16string out;
  for (size_t i = 0; i < text.size();) {
    bool replaced = false;
    for (const auto& folder : folders) {
      if (text[i] != u'%' || !SameFolded(text.substr(i, folder.name.size()), folder.name)) continue;
      out += folder.value;
      i += folder.name.size();
      replaced = true;
      break;
    }
    if (!replaced) out.push_back(text[i++]);
  }
  return out;
}

std::u16string WithProfile(std::u16string_view path, std::u16string_view profile) {
  if (profile.empty() || !IsWithin(path, profile)) return std::u16string(path);
  return u"%PROFILE%" + std::u16string(path.substr(profile.size()));
}

std::vector<image::EntryPoint> RankEntryPoints(std::vector<Candidate> candidates, const Names& names) {
  struct Ranked {
    int score;
    Candidate candidate;
  };
  std::vector<Ranked> ranked;
  for (auto& candidate : candidates) {
    if (!IsProgram(candidate.path) || IsUninstaller(candidate)) continue;
    if (names.product && std::any_of(names.product->uninstallers.begin(), names.product->uninstallers.end(),
                                     [&](const std::u16string& program) {
                                       return SameFolded(program, candidate.path) &&
                                              LooksLikeUninstaller(candidate.name);
                                     })) {
      continue;
    }
    ranked.push_back({Score(candidate, names), std::move(candidate)});
  }
  // The order of equal ones must not depend on how a directory was listed.
  std::sort(ranked.begin(), ranked.end(), [](const Ranked& a, const Ranked& b) {
    if (a.score != b.score) return a.score > b.score;
    return Folded(a.candidate.path + u'|' + a.candidate.arguments) <
           Folded(b.candidate.path + u'|' + b.candidate.arguments);
  });
  std::vector<image::EntryPoint> out;
  std::set<std::u16string> seen;
  std::set<std::string> ids;
  for (const auto& [score, c] : ranked) {
    if (out.size() == kMaxEntries) break;
    if (!seen.insert(Folded(c.path + u'|' + c.arguments)).second) continue;
    image::EntryPoint entry;
    entry.name = ToUtf8(c.name.empty() ? Stem(LastComponent(c.path)) : std::u16string_view(c.name));
    entry.path = ToUtf8(WithProfile(c.path, names.profile));
    entry.arguments = ToUtf8(c.arguments);
    entry.cwd = ToUtf8(WithProfile(c.working_directory, names.profile));
    entry.id = UniqueId(entry, c.path, &ids);
    out.push_back(std::move(entry));
  }
  return out;
}

Status ChooseDefault(std::string_view wanted, std::vector<image::EntryPoint>* entries) {
  if (wanted.empty()) return Ok();
  std::u16string text = FromUtf8Lossy(wanted);
  std::replace(text.begin(), text.end(), u'/', u'\\');
  auto matches = [&](const image::EntryPoint& entry, int how) {
    const std::u16string path = FromUtf8Lossy(entry.path);
    switch (how) {
      case 0:
        return SameFolded(FromUtf8Lossy(entry.id), text) || SameFolded(path, text);
      case 1:
        return SameFolded(LastComponent(path), text) || SameFolded(Stem(LastComponent(path)), text);
      case 2:
        return EndsWithFolded(path, u"\\" + text);
      default:
        return SameFolded(FromUtf8Lossy(entry.name), text);
    }
  };
  for (int how = 0; how < 4; ++how) {
    for (size_t i = 0; i < entries->size(); ++i) {
      if (!matches((*entries)[i], how)) continue;
      std::rotate(entries->begin(), entries->begin() + static_cast<ptrdiff_t>(i),
                  entries->begin() + static_cast<ptrdiff_t>(i) + 1);
      return Ok();
    }
  }
  std::string choices;
  for (const auto& entry : *entries) choices += (choices.empty() ? "" : ", ") + entry.id;
  return Error{Errc::kInvalid, "choosing the entry point failed: there is no program '" +
                                   std::string(wanted) +
                                   "' (programs found: " + (choices.empty() ? "none" : choices) + ")"};
}

}  // namespace plume::capture
