// Name patterns: no crash, no endless work, and for short inputs the answer of a plain recursive matcher.
#include <string>

#include "input.h"
#include "view/pattern.h"

using namespace plume;

namespace {

bool Naive(std::u16string_view p, std::u16string_view n) {
  if (p.empty()) return n.empty();
  const char16_t c = p[0];
  const auto rest = p.substr(1);
  const bool end = n.empty();
  const bool loose = c == u'.' && p.find_first_not_of(u".*") == p.npos;
  if (c == u'*') return Naive(rest, n) || (!end && Naive(p, n.substr(1)));
  if (c == u'<') {
    const bool last_dot = !end && n[0] == u'.' && n.substr(1).find(u'.') == n.npos;
    return Naive(rest, n) || (!end && !last_dot && Naive(p, n.substr(1)));
  }
  if (c == u'>') return end || n[0] == u'.' ? Naive(rest, n) : Naive(rest, n.substr(1));
  if (c == u'"' || loose) return end ? Naive(rest, n) : n[0] == u'.' && Naive(rest, n.substr(1));
  if (end) return false;
  return (c == u'?' || view::Upcase(c) == view::Upcase(n[0])) && Naive(rest, n.substr(1));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  fuzz::Input input(data, size);
  const std::u16string text = input.Rest();
  const size_t cut = text.find(u'\n');
  if (cut == text.npos) return 0;
  const std::u16string pattern = text.substr(0, cut), name = text.substr(cut + 1);
  if (name.size() > 255) return 0;
  const bool matches = view::MatchesPattern(pattern, name);
  const bool comparable = pattern.size() <= 9 && name.size() <= 9 && !pattern.empty() && !name.empty() &&
                          pattern != u"." && pattern != u"..";
  if (comparable) fuzz::Require(matches == Naive(pattern, name), "agrees with the recursive matcher");
  if (!view::HasWildcards(pattern) && matches && pattern.find(u'.') == pattern.npos) {
    fuzz::Require(view::EqualFolded(pattern, name), "a plain name matches itself alone");
  }
  return 0;
}
