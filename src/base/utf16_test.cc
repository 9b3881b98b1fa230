#include "base/utf16.h"

#include <gtest/gtest.h>

#include <random>

#include "base/utf16_bytes.h"

namespace plume {
namespace {

TEST(Utf16, KnownPairs) {
  EXPECT_EQ(ToUtf8(u"a\u00e4\u20ac\U0001F600"), "a\xC3\xA4\xE2\x82\xAC\xF0\x9F\x98\x80");
  EXPECT_EQ(FromUtf8("a\xC3\xA4\xE2\x82\xAC\xF0\x9F\x98\x80"), u"a\u00e4\u20ac\U0001F600");
  EXPECT_EQ(ToUtf8(u""), "");
  EXPECT_EQ(FromUtf8(""), u"");
  EXPECT_EQ(FromUtf8(std::string_view("\0x", 2)), std::u16string_view(u"\0x", 2));
}

TEST(Utf16, UnpairedSurrogatesSurvive) {
  const char16_t units[] = {0xD800, u'x', 0xDC00, 0xDC00, 0xD800};
  const std::u16string odd(units, 5);
  EXPECT_EQ(ToUtf8(odd), "\xED\xA0\x80x\xED\xB0\x80\xED\xB0\x80\xED\xA0\x80");
  EXPECT_EQ(FromUtf8(ToUtf8(odd)), odd);
}

TEST(Utf16, RandomUnitsSurvive) {
  std::mt19937 random(7);
  for (int round = 0; round < 2000; ++round) {
    std::u16string text;
    for (unsigned n = random() % 20; n > 0; --n) {
      const unsigned kind = random() % 4;
      text.push_back(static_cast<char16_t>(kind == 0   ? random() % 0x80
                                           : kind == 1 ? 0xD800 + random() % 0x800
                                                       : random() % 0x10000));
    }
    ASSERT_EQ(FromUtf8(ToUtf8(text)), text) << "round " << round;
  }
}

TEST(Utf16, RefusesMalformedBytes) {
  for (const char* bad :
       {"\x80", "\xC3", "\xC0\x80", "\xC1\xBF", "\xE0\x80\x80", "\xE2\x82", "\xF0\x80\x80\x80",
        "\xF4\x90\x80\x80", "\xF5\x80\x80\x80", "\xC3\x28", "\xED\xA0\x80\xED\xB0\x80", "a\xFF"}) {
    EXPECT_EQ(FromUtf8(bad), std::nullopt) << testing::PrintToString(std::string(bad));
  }
}

TEST(Utf16, BytesOfUnits) {
  const std::vector<uint8_t> bytes = {0xe4, 0x00, 0x34, 0xd8, 0x00, 0x00, 0x41, 0x00};
  EXPECT_EQ(UnitsOf(bytes), std::u16string(u"\u00e4\xd834\0A", 4));
  EXPECT_EQ(BytesOf(UnitsOf(bytes)), bytes);
  EXPECT_EQ(TextOf(bytes), u"\u00e4\xd834");
  EXPECT_EQ(UnitsOf(std::span(bytes).first(3)), u"\u00e4") << "an odd byte";
  EXPECT_EQ(TextOf(std::span(bytes).last(2)), u"A") << "no zero";
  EXPECT_EQ(TextOf({}), u"");
}

TEST(Utf16, LossyReplacesEachBadByte) {
  EXPECT_EQ(FromUtf8Lossy("a\xFF\xC3z"), u"a\uFFFD\uFFFDz");
  EXPECT_EQ(FromUtf8Lossy("\xC3\xA4"), u"\u00e4");
}

}  // namespace
}  // namespace plume
