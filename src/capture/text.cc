#include "capture/text.h"

#include "base/upcase.h"
#include "view/name_rules.h"

namespace plume::capture {
namespace {

// Components of both are consumed from the front; recursion is bounded by the "**" of our own tables.
bool MatchComponents(const std::vector<std::u16string_view>& pattern, size_t p,
                     const std::vector<std::u16string_view>& path, size_t i) {
  for (; p < pattern.size(); ++p, ++i) {
    if (pattern[p] == u"**") {
      for (size_t rest = i; rest <= path.size(); ++rest) {
        if (MatchComponents(pattern, p + 1, path, rest)) return true;
      }
      return false;
    }
    if (i == path.size() || !MatchName(pattern[p], path[i])) return false;
  }
  return true;
}

}  // namespace

bool SameFolded(std::u16string_view a, std::u16string_view b) {
  if (a.size() != b.size()) return false;
  for (size_t i = 0; i < a.size(); ++i) {
    if (NtUpcase(a[i]) != NtUpcase(b[i])) return false;
  }
  return true;
}

bool IsWithin(std::u16string_view path, std::u16string_view prefix) {
  if (path.size() < prefix.size() || !SameFolded(path.substr(0, prefix.size()), prefix)) return false;
  return path.size() == prefix.size() || prefix.empty() || path[prefix.size()] == u'\\';
}

bool ContainsFolded(std::u16string_view text, std::u16string_view part) {
  for (size_t i = 0; i + part.size() <= text.size(); ++i) {
    if (SameFolded(text.substr(i, part.size()), part)) return true;
  }
  return false;
}

bool EndsWithFolded(std::u16string_view text, std::u16string_view suffix) {
  return text.size() >= suffix.size() && SameFolded(text.substr(text.size() - suffix.size()), suffix);
}

bool MatchName(std::u16string_view pattern, std::u16string_view name) {
  return view::MatchesNamePattern(name, pattern);
}

bool MatchPath(std::u16string_view pattern, std::u16string_view path) {
  return MatchComponents(SplitPath(pattern), 0, SplitPath(path), 0);
}

std::vector<std::u16string_view> SplitPath(std::u16string_view path) {
  std::vector<std::u16string_view> out;
  while (!path.empty()) {
    const size_t end = path.find(u'\\');
    const auto part = path.substr(0, end);
    if (!part.empty()) out.push_back(part);
    if (end == std::u16string_view::npos) break;
    path.remove_prefix(end + 1);
  }
  return out;
}

std::u16string_view LastComponent(std::u16string_view path) {
  const size_t at = path.rfind(u'\\');
  return at == std::u16string_view::npos ? path : path.substr(at + 1);
}

std::u16string_view ParentPath(std::u16string_view path) {
  const size_t at = path.rfind(u'\\');
  return at == std::u16string_view::npos ? std::u16string_view() : path.substr(0, at);
}

std::u16string_view Stem(std::u16string_view name) {
  const size_t dot = name.rfind(u'.');
  return dot == std::u16string_view::npos || dot == 0 ? name : name.substr(0, dot);
}

std::u16string Join(std::u16string_view a, std::u16string_view b) {
  std::u16string out(a);
  if (!a.empty() && !b.empty()) out.push_back(u'\\');
  out.append(b);
  return out;
}

std::u16string Folded(std::u16string_view text) {
  std::u16string out(text);
  for (char16_t& c : out) c = NtUpcase(c);
  return out;
}

}  // namespace plume::capture
