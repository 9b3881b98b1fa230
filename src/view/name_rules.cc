#include "view/name_rules.h"

namespace plume::view {

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
    if (MatchesNamePattern(name, r.pattern)) return &r;
  return nullptr;
}

}  // namespace plume::view
