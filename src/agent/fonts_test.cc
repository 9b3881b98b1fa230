#include "agent/fonts.h"

#include <gtest/gtest.h>

#include "catalog/testing.h"

namespace plume::agent {
namespace {

using catalog::testing::TextValue;

MachineFacts Facts() {
  MachineFacts f;
  f.system_root = u"C:\\windows";
  f.profile = u"C:\\users\\ann";
  f.local = u"C:\\users\\ann\\AppData\\Local";
  return f;
}

TEST(Fonts, FilesOfRegisteredNames) {
  EXPECT_EQ(FontFile(u"x.ttf", Facts()), u"C:\\windows\\Fonts\\x.ttf");
  EXPECT_EQ(FontFile(u"C:\\App\\x.otf", Facts()), u"C:\\App\\x.otf");
  EXPECT_EQ(FontFile(u"%localappdata%\\F\\x.ttf", Facts()), u"C:\\users\\ann\\AppData\\Local\\F\\x.ttf");
  EXPECT_EQ(FontFile(u"", Facts()), u"");
  EXPECT_EQ(FontFile(u"a|b.ttf", Facts()), u"");
  EXPECT_EQ(FontFile(u"..\\x.ttf", Facts()), u"");
}

TEST(Fonts, OfAnImageEachOnce) {
  const std::u16string key(kFontsKey);
  const auto buffer = catalog::testing::Build(
      {},
      {{"M",
        key,
        {TextValue(u"A (TrueType)", u"a.ttf"), TextValue(u"B", u"A.TTF"), {u"C", 4, "1234"}, {u"D", 1, "x"}}},
       {"CU", key, {TextValue(u"E", u"C:\\e.ttf", 2)}}});
  EXPECT_EQ(FontsOf(buffer.reader(), Facts()),
            (std::vector<std::u16string>{u"C:\\windows\\Fonts\\a.ttf", u"C:\\e.ttf"}));
  EXPECT_TRUE(FontsOf(catalog::testing::Build({}, {}).reader(), Facts()).empty());
}

}  // namespace
}  // namespace plume::agent
