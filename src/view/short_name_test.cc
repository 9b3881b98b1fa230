#include "view/short_name.h"

#include <gtest/gtest.h>

#include <fstream>
#include <string>

#include "base/utf16.h"

namespace plume::view {
namespace {

TEST(ShortName, LegalNamesNeedNone) {
  for (WView name : {WView(u"a"), WView(u"README"), WView(u"abcdefgh.txt"), WView(u"A-B_C~1.T$T"),
                     WView(u"."), WView(u".."), WView(u"a.b")}) {
    EXPECT_TRUE(IsLegal8Dot3(name)) << ToUtf8(name);
    EXPECT_EQ(WineShortName(name).length, 0) << ToUtf8(name);
  }
}

TEST(ShortName, OthersAreNotLegal) {
  for (WView name :
       {WView(u""), WView(u"abcdefghi"), WView(u"abcdefgh.abcd"), WView(u"a.b.c"), WView(u"a b"),
        WView(u"a+b"), WView(u".a"), WView(u"a."), WView(u"\u00e4"), WView(u"a=b"), WView(u"[a]")}) {
    EXPECT_FALSE(IsLegal8Dot3(name)) << ToUtf8(name);
  }
}

// What Wine 8.0 gave as cAlternateFileName for files of these names.
TEST(ShortName, EqualsWine) {
  std::ifstream file(PLUME_GOLDEN "/wine_short_names.txt", std::ios::binary);
  std::string line;
  int rows = 0;
  while (std::getline(file, line)) {
    const size_t tab = line.find('\t');
    ASSERT_NE(tab, std::string::npos);
    const std::u16string name = FromUtf8(line.substr(0, tab)).value();
    EXPECT_EQ(ToUtf8(WineShortName(name).View()), line.substr(tab + 1)) << line;
    ++rows;
  }
  EXPECT_GE(rows, 400);
}

}  // namespace
}  // namespace plume::view
