#include "view/pattern.h"

#include <gtest/gtest.h>

#include <chrono>
#include <random>
#include <string>

#include "base/utf16.h"

namespace plume::view {
namespace {

struct Row {
  WView pattern, name;
  bool matches;
};

TEST(Pattern, TableOfTheDocumentedRules) {
  const Row rows[] = {
      {u"*", u"anything", true},
      {u"*", u".", true},
      {u"abc", u"ABC", true},
      {u"abc", u"abcd", false},
      {u"\u00e4", u"\u00c4", true},
      {u"?", u"a", true},
      {u"?", u"ab", false},
      {u"??", u"a", false},
      {u"a?c", u"abc", true},
      {u"???.txt", u"ab.txt", false},
      {u"*.txt", u"a.b.txt", true},
      {u"*.txt", u"a.txt.b", false},
      {u"*a*b*", u"xxayybzz", true},
      {u"*a*b*", u"xxbyyazz", false},
      {u"**b", u"aab", true},
      // DOS_STAR: up to, not including, the last dot.
      {u"<", u"abc", true},
      {u"<", u"a.b", false},
      {u"<.c", u"a.b.c", true},
      {u"<.b", u"a.b.c", false},
      {u"<\"*", u"abc", true},
      {u"<\"*", u"a.b", true},
      {u"a<", u"abc", true},
      {u"<b", u"a.b", false},
      {u"<.", u"a.", true},
      // DOS_QM: one unit, or nothing before a dot or at the end.
      {u">", u"a", true},
      {u">>>", u"a", true},
      {u">>>", u"abcd", false},
      {u">>>>>>>>.>>>", u"abc.d", true},
      {u">>>>>>>>.>>>", u"abc", false},
      {u">>>>>>>>\">>>", u"abc", true},
      {u">>>.txt", u"a.txt", true},
      {u"a>c", u"ac", false},
      {u"a>.c", u"a.c", true},
      // DOS_DOT: a dot, or nothing at the end.
      {u"a\"", u"a", true},
      {u"a\"", u"a.", true},
      {u"a\"b", u"a.b", true},
      {u"a\"b", u"ab", false},
      {u"*\"txt", u"a.txt", true},
      // Dots at the end of the pattern, and before stars there.
      {u"*.*", u"noext", true},
      {u"*.*", u"a.b", true},
      {u"*.*.*", u"noext", true},
      {u"*.", u"a.b", true},
      {u"a.", u"a", true},
      {u"a.*", u"a", true},
      {u"a.*", u"ab", false},
      {u"?.*", u"a", true},
      {u"*.*x", u"ax", false},
      {u"*.*x", u"a.x", true},
      {u".", u".", true},
      {u".", u"a", false},
      {u".", u"..", false},
      {u"..", u"..", true},
      {u"..", u".", false},
      {u".*", u".a", true},
      {u".*", u"a", false},
      {u"", u"", true},
      {u"", u"a", false},
      {u"a", u"", false},
  };
  for (const Row& row : rows) {
    EXPECT_EQ(MatchesPattern(row.pattern, row.name), row.matches)
        << ToUtf8(row.pattern) << " on " << ToUtf8(row.name);
  }
}

// The rules once more, as plain recursion: p and n are what is left of pattern and name.
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
  return (c == u'?' || Upcase(c) == Upcase(n[0])) && Naive(rest, n.substr(1));
}

TEST(Pattern, AgreesWithTheNaiveMatcher) {
  std::mt19937 random(23);
  const std::u16string alphabet = u"aAb..*?<>\"";
  int matched = 0;
  for (int round = 0; round < 200000; ++round) {
    std::u16string pattern, name;
    for (unsigned n = 1 + random() % 7; n > 0; --n) pattern += alphabet[random() % alphabet.size()];
    for (unsigned n = 1 + random() % 8; n > 0; --n) name += u"aAb.."[random() % 5];
    if (pattern == u"." || pattern == u"..") continue;
    const bool expected = Naive(pattern, name);
    matched += expected;
    ASSERT_EQ(MatchesPattern(pattern, name), expected) << ToUtf8(pattern) << " on " << ToUtf8(name);
  }
  EXPECT_GT(matched, 10000);
}

TEST(Pattern, HostilePatternsTakeNoTime) {
  std::u16string pattern;
  for (int i = 0; i < 500; ++i) pattern += u"*a";
  pattern += u"b";
  const std::u16string name(255, u'a');
  const auto start = std::chrono::steady_clock::now();
  for (int i = 0; i < 10; ++i) EXPECT_FALSE(MatchesPattern(pattern, name));
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(2));
  EXPECT_FALSE(MatchesPattern(std::u16string(kMaxPatternUnits + 1, u'*'), u"a"));
  EXPECT_TRUE(MatchesPattern(std::u16string(kMaxPatternUnits, u'*'), u"a"));
}

TEST(Pattern, KnowsWildcards) {
  EXPECT_FALSE(HasWildcards(u"a.b"));
  for (WView w : {WView(u"*"), WView(u"a?"), WView(u"<"), WView(u"x>"), WView(u"\"")})
    EXPECT_TRUE(HasWildcards(w));
}

}  // namespace
}  // namespace plume::view
