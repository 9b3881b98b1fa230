#include "base/upcase.h"

#include <gtest/gtest.h>

namespace plume {
namespace {

TEST(Upcase, MapsPairsThatGoBothWays) {
  EXPECT_EQ(NtUpcase(u'a'), u'A');
  EXPECT_EQ(NtUpcase(u'z'), u'Z');
  EXPECT_EQ(NtUpcase(u'{'), u'{');
  EXPECT_EQ(NtUpcase(u'`'), u'`');
  EXPECT_EQ(NtUpcase(u'\u00e4'), u'\u00c4');
  EXPECT_EQ(NtUpcase(u'\u00ff'), u'\u0178');
  EXPECT_EQ(NtUpcase(u'\u1f80'), u'\u1f88');
  EXPECT_EQ(NtUpcase(u'\uff41'), u'\uff21');
}

TEST(Upcase, LeavesOneWayMappingsAndSurrogates) {
  for (unsigned u : {0x00b5u, 0x00dfu, 0x0131u, 0x017fu, 0x01c5u, 0x03c2u, 0xd801u, 0xdc28u, 0xffffu, 0u}) {
    EXPECT_EQ(NtUpcase(static_cast<char16_t>(u)), u) << std::hex << u;
  }
}

// FNV-1a over the 65536 results of RtlUpcaseUnicodeChar on Wine 8.0 (upcase_system_check compares one by
// one).
TEST(Upcase, EqualsTheMeasuredTable) {
  uint64_t h = 0xcbf29ce484222325;
  for (unsigned u = 0; u < 0x10000; ++u) h = (h ^ NtUpcase(static_cast<char16_t>(u))) * 0x100000001b3;
  EXPECT_EQ(h, 0xcb8be776221b574cu);
}

TEST(Upcase, DowncaseIsTheInverse) {
  for (unsigned u = 0; u < 0x10000; ++u) {
    const char16_t c = static_cast<char16_t>(u), up = NtUpcase(c);
    if (up != c) {
      ASSERT_EQ(NtDowncase(up), c) << std::hex << u;
    }
    const char16_t down = NtDowncase(c);
    if (down != c) {
      ASSERT_EQ(NtUpcase(down), c) << std::hex << u;
    }
  }
}

TEST(Upcase, IsIdempotent) {
  for (unsigned u = 0; u < 0x10000; ++u) {
    const char16_t up = NtUpcase(static_cast<char16_t>(u));
    ASSERT_EQ(NtUpcase(up), up) << std::hex << u;
  }
}

}  // namespace
}  // namespace plume
