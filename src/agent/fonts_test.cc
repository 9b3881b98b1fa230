#include "agent/fonts.h"

#include <gtest/gtest.h>

#include "catalog/testing.h"

namespace plume::agent {
namespace {

MachineFacts Facts() {
  MachineFacts f;
  f.system_root = u"C:\\windows";
  f.profile = u"C:\\users\\ann";
  f.local = u"C:\\users\\ann\\AppData\\Local";
  return f;
}

std::string Utf16Bytes(std::u16string_view text) {
  std::string out;
  for (const char16_t c : std::u16string(text) + u'\0') {
    out.push_back(static_cast<char>(c & 0xff));
    out.push_back(static_cast<char>(c >> 8));
  }
  return out;
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
      {}, {{"M", key, {{u"A (TrueType)", 1, Utf16Bytes(u"a.ttf")}, {u"B", 1, Utf16Bytes(u"A.TTF")}, {u"C", 4, "1234"}, {u"D", 1, "x"}}},
           {"CU", key, {{u"E", 2, Utf16Bytes(u"C:\\e.ttf")}}}});
  EXPECT_EQ(FontsOf(buffer.reader(), Facts()), (std::vector<std::u16string>{u"C:\\windows\\Fonts\\a.ttf", u"C:\\e.ttf"}));
  EXPECT_TRUE(FontsOf(catalog::testing::Build({}, {}).reader(), Facts()).empty());
}

}  // namespace
}  // namespace plume::agent
