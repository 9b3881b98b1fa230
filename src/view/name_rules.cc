#include "view/name_rules.h"

namespace plume::view {
namespace {

// Most rules differ from a name at its end, many share its beginning ("Local\"): asked before any comparison.
bool EndsDiffer(WView name, WView pattern) {
  if (name.empty() || pattern.empty()) return false;
  const char16_t last = pattern.back();
  return last != u'*' && last != u'?' && Upcase(last) != Upcase(name.back());
}

}  // namespace

bool MatchesNamePattern(WView name, WView pattern) {
  // Greedy with one point of return: a later "*" makes an earlier one's choice final. O(name * pattern) at
  // worst.
  size_t n = 0, p = 0, star = pattern.size(), mark = 0;
  while (n < name.size()) {
    if (p < pattern.size() && pattern[p] == u'*') {
      star = p++;
      mark = n;
    } else if (p < pattern.size() && (pattern[p] == u'?' || Upcase(pattern[p]) == Upcase(name[n]))) {
      ++p;
      ++n;
    } else if (star < pattern.size()) {
      p = star + 1;
      n = ++mark;
    } else {
      return false;
    }
  }
  while (p < pattern.size() && pattern[p] == u'*') ++p;
  return p == pattern.size();
}

const NameRule* FindNameRule(std::span<const NameRule> rules, WView name) {
  for (const NameRule& r : rules)
    if (!EndsDiffer(name, r.pattern) && MatchesNamePattern(name, r.pattern)) return &r;
  return nullptr;
}

}  // namespace plume::view
