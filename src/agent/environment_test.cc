#include "agent/environment.h"

#include <gtest/gtest.h>

namespace plume::agent {
namespace {

Environment Local() {
  return Environment::FromBlock(u"=C:=C:\\x\0Path=C:\\local;C:\\both\0LANG=de\0Empty=\0");
}

TEST(Environment, ReadsBlockWithHiddenEntries) {
  const Environment e = Local();
  EXPECT_EQ(*e.Find(u"=C:"), u"C:\\x");
  EXPECT_EQ(*e.Find(u"PATH"), u"C:\\local;C:\\both");
  EXPECT_EQ(*e.Find(u"empty"), u"");
  EXPECT_EQ(e.Find(u"none"), nullptr);
}

TEST(Environment, JoinPutsTheImageFirstAndDropsDuplicates) {
  Environment e = Local();
  e.Apply({"PATH", "C:\\app\\bin;c:\\BOTH;%HOME_OF_APP%", true}, {{u"HOME_OF_APP", u"C:\\app"}});
  EXPECT_EQ(*e.Find(u"Path"), u"C:\\app\\bin;c:\\BOTH;C:\\app;C:\\local");
}

TEST(Environment, PlainVariableReplacesAndKeepsTheFirstSpelling) {
  Environment e = Local();
  e.Apply({"lang", "en", false}, {});
  EXPECT_EQ(*e.Find(u"LANG"), u"en");
  EXPECT_NE(e.Block().find(u"LANG=en"), std::u16string::npos);
  EXPECT_EQ(e.Block().find(u"lang="), std::u16string::npos);
}

TEST(Environment, ExpandLeavesUnknownNames) {
  Environment e = Local();
  EXPECT_EQ(e.Expand(u"%LANG%-%nope%-100%", {}), u"de-%nope%-100%");
}

TEST(Environment, BlockIsSortedAndTerminated) {
  Environment e;
  EXPECT_EQ(e.Block(), std::u16string(2, u'\0'));
  e.Set(u"b", u"2");
  e.Set(u"A", u"1");
  EXPECT_EQ(e.Block(), std::u16string(u"A=1\0b=2\0\0", 9));
  e.Remove(u"a");
  EXPECT_EQ(e.Block(), std::u16string(u"b=2\0\0", 5));
}

}  // namespace
}  // namespace plume::agent
