#include "view/name_rules.h"

#include <gtest/gtest.h>

namespace plume::view {
namespace {

TEST(NameRules, Patterns) {
  EXPECT_TRUE(MatchesNamePattern(u"Global\\My", u"global\\my"));
  EXPECT_TRUE(MatchesNamePattern(u"", u"*"));
  EXPECT_TRUE(MatchesNamePattern(u"abcabd", u"*abd"));
  EXPECT_TRUE(MatchesNamePattern(u"a\\b\\c", u"a*c"));
  EXPECT_TRUE(MatchesNamePattern(u"abc", u"a?c*"));
  EXPECT_FALSE(MatchesNamePattern(u"abc", u"a?"));
  EXPECT_FALSE(MatchesNamePattern(u"", u"?"));
  EXPECT_FALSE(MatchesNamePattern(u"abx", u"*abd"));
  EXPECT_FALSE(MatchesNamePattern(u"a", u""));
}

TEST(NameRules, FirstMatchDecides) {
  const NameRule rules[] = {{u"Local\\secret*", Mode::kDeny}, {u"Local\\*", Mode::kHost}};
  EXPECT_EQ(NameMode(rules, u"local\\SECRETS"), Mode::kDeny);
  EXPECT_EQ(NameMode(rules, u"Local\\x"), Mode::kHost);
  EXPECT_EQ(NameMode(rules, u"Global\\x"), Mode::kPrivate);
  EXPECT_EQ(FindNameRule(rules, u"Global\\x"), nullptr);
}

}  // namespace
}  // namespace plume::view
