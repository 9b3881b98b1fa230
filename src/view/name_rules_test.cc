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

TEST(NameRules, WhateverThePatternEndsWith) {
  const NameRule rules[] = {
      {u"", Mode::kDeny}, {u"Local\\*x"}, {u"Local\\a?"}, {u"Local\\?b"}, {u"*c"}, {u"d*"}, {u"*"}};
  const auto found = [&](WView name) { return FindNameRule(rules, name) - rules; };
  EXPECT_EQ(found(u""), 0);
  EXPECT_EQ(found(u"LOCAL\\AX"), 1);
  EXPECT_EQ(found(u"local\\aB"), 2);
  EXPECT_EQ(found(u"Local\\bB"), 3);
  EXPECT_EQ(found(u"Local\\C"), 4);
  EXPECT_EQ(found(u"C"), 4);
  EXPECT_EQ(found(u"d"), 5);
  EXPECT_EQ(found(u"Local\\d"), 6);
}

}  // namespace
}  // namespace plume::view
