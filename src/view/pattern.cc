#include "view/pattern.h"

namespace plume::view {
namespace {

constexpr char16_t kDosStar = u'<', kDosQm = u'>', kDosDot = u'"';

// Positions in a pattern at which a match may stand. Ascending order is the order of the pattern, so one pass
// over the set also visits what it adds.
class States {
 public:
  void Add(size_t i) { bits_[i / 32] |= 1u << (i % 32); }
  bool Has(size_t i) const { return (bits_[i / 32] >> (i % 32) & 1) != 0; }
  // The first position >= i, or `end`.
  size_t Next(size_t i, size_t end) const {
    while (i < end) {
      const uint32_t word = bits_[i / 32] >> (i % 32);
      if (word != 0) {
        i += static_cast<size_t>(__builtin_ctz(word));
        return i < end ? i : end;
      }
      i = (i / 32 + 1) * 32;
    }
    return end;
  }

 private:
  uint32_t bits_[kMaxPatternUnits / 32 + 1] = {};  // 32-bit words: 32-bit programs have no helper for more
};

// Where the run of dots and stars at the end of the pattern begins, within which dots act as DOS_DOT. "." and
// ".." are the names of two entries, not patterns.
size_t LooseTail(WView pattern) {
  if (pattern == u"." || pattern == u"..") return pattern.size();
  size_t tail = pattern.size();
  while (tail > 0 && (pattern[tail - 1] == u'.' || pattern[tail - 1] == u'*')) --tail;
  return tail;
}

class Matcher {
 public:
  Matcher(WView pattern, WView name) : pattern_(pattern), tail_(LooseTail(pattern)), last_dot_(name.size()) {
    for (size_t i = 0; i < name.size(); ++i) {
      if (name[i] == u'.') last_dot_ = i;
    }
  }

  // From the positions before unit `c` (the `at`-th of the name) to those after it.
  void Step(char16_t c, size_t at, States* now, States* after) const {
    const size_t n = pattern_.size();
    for (size_t i = now->Next(0, n); i < n; i = now->Next(i + 1, n)) {
      switch (Kind(i)) {
        case u'*':
          now->Add(i + 1);
          after->Add(i);
          break;
        case kDosStar:
          now->Add(i + 1);
          if (at != last_dot_) after->Add(i);
          break;
        case kDosQm:
          if (c == u'.') {
            now->Add(i + 1);
          } else {
            after->Add(i + 1);
          }
          break;
        case kDosDot:
          if (c == u'.') after->Add(i + 1);
          break;
        case u'?':
          after->Add(i + 1);
          break;
        default:
          if (pattern_[i] == c || Upcase(pattern_[i]) == Upcase(c)) after->Add(i + 1);
      }
    }
  }

  // At the end of the name: can the rest of the pattern match nothing?
  bool Accepts(States* now) const {
    const size_t n = pattern_.size();
    for (size_t i = now->Next(0, n); i < n; i = now->Next(i + 1, n)) {
      const char16_t kind = Kind(i);
      if (kind == u'*' || kind == kDosStar || kind == kDosQm || kind == kDosDot) now->Add(i + 1);
    }
    return now->Has(n);
  }

 private:
  char16_t Kind(size_t i) const { return i >= tail_ && pattern_[i] == u'.' ? kDosDot : pattern_[i]; }

  WView pattern_;
  size_t tail_, last_dot_;
};

}  // namespace

bool HasWildcards(WView pattern) {
  for (char16_t c : pattern) {
    if (c == u'*' || c == u'?' || c == kDosStar || c == kDosQm || c == kDosDot) return true;
  }
  return false;
}

bool MatchesPattern(WView pattern, WView name) {
  if (pattern.empty() || name.empty()) return pattern.empty() && name.empty();
  if (pattern.size() == 1 && pattern[0] == u'*') return true;
  if (pattern.size() > kMaxPatternUnits) return false;
  const Matcher matcher(pattern, name);
  States now, after;
  now.Add(0);
  for (size_t at = 0; at < name.size(); ++at) {
    matcher.Step(name[at], at, &now, &after);
    now = after;
    after = States();
  }
  return matcher.Accepts(&now);
}

}  // namespace plume::view
