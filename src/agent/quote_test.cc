#include "agent/quote.h"

#include <gtest/gtest.h>

namespace plume::agent {
namespace {

std::vector<std::u16string> Split(std::u16string_view arguments) {
  auto out = SplitCommandLine(u"x.exe " + std::u16string(arguments));
  out.erase(out.begin());
  return out;
}

TEST(Quote, EveryArgumentComesBack) {
  const std::vector<std::u16string> kHard = {u"",        u"plain",        u"two words", u"\"",
                                             u"a\"b",    u"\\",           u"a\\",       u"a b\\",
                                             u"a b\\\\", u"a\\\"b",       u"C:\\x y\\", u"\\\\server\\share",
                                             u"\ttab\t", u"ends with \"", u"äöü 漢字",  u"--flag=a \"b\"",
                                             u"%PATH%",  u"a\\\\\\\"\\\\"};
  for (const std::u16string& a : kHard) {
    EXPECT_EQ(Split(QuoteArgument(a)), std::vector<std::u16string>{a}) << testing::PrintToString(a);
    for (const std::u16string& b : kHard) {
      EXPECT_EQ(Split(QuoteArgument(a) + u" " + QuoteArgument(b)), (std::vector<std::u16string>{a, b}));
    }
  }
}

TEST(Quote, PlainArgumentsStayReadable) {
  EXPECT_EQ(CommandLine(u"C:\\a b\\c.exe", {u"-x", u"C:\\d\\e.txt", u"f g"}),
            u"\"C:\\a b\\c.exe\" -x C:\\d\\e.txt \"f g\"");
}

TEST(Quote, ShellGetsItsCommandUntouched) {
  EXPECT_EQ(ShellCommandLine(u"C:\\cmd.exe", {u"/c", u"echo \"a b\" > \"x y\""}),
            u"\"C:\\cmd.exe\" /c \"echo \"a b\" > \"x y\"\"");
  EXPECT_EQ(ShellCommandLine(u"C:\\cmd.exe", {u"/d", u"/C", u"echo", u"a b", u"c"}),
            u"\"C:\\cmd.exe\" /d /C \"echo \"a b\" c\"");
  EXPECT_EQ(ShellCommandLine(u"C:\\cmd.exe", {}), u"\"C:\\cmd.exe\"");
}

TEST(Quote, Script) {
  EXPECT_EQ(ScriptCommandLine(u"C:\\cmd.exe", u"C:\\a b.bat", {u"1", u"2 3"}),
            u"\"C:\\cmd.exe\" /d /c \"\"C:\\a b.bat\" 1 \"2 3\"\"");
}

// Cases of Microsoft's documentation, and what CommandLineToArgvW makes of odd ones.
TEST(Quote, SplitLikeTheSystem) {
  using List = std::vector<std::u16string>;
  EXPECT_EQ(SplitCommandLine(u"\"C:\\a b\\c.exe\" d"), (List{u"C:\\a b\\c.exe", u"d"}));
  EXPECT_EQ(SplitCommandLine(u"C:\\a\"b c"), (List{u"C:\\a\"b", u"c"}));
  EXPECT_EQ(SplitCommandLine(u"\"no end"), List{u"no end"});
  EXPECT_EQ(SplitCommandLine(u"\"a\"b c"), (List{u"a", u"b", u"c"}));
  EXPECT_EQ(SplitCommandLine(u""), List{u""});
  EXPECT_EQ(SplitCommandLine(u" a"), (List{u"", u"a"}));
  EXPECT_EQ(Split(u"\"a b c\" d e"), (List{u"a b c", u"d", u"e"}));
  EXPECT_EQ(Split(u"\"ab\\\"c\" \"\\\\\" d"), (List{u"ab\"c", u"\\", u"d"}));
  EXPECT_EQ(Split(u"a\\\\\\b d\"e f\"g h"), (List{u"a\\\\\\b", u"de fg", u"h"}));
  EXPECT_EQ(Split(u"a\\\\\\\"b c d"), (List{u"a\\\"b", u"c", u"d"}));
  EXPECT_EQ(Split(u"a\\\\\\\\\"b c\" d e"), (List{u"a\\\\b c", u"d", u"e"}));
  EXPECT_EQ(Split(u"\"a\"\"b\" c"), List{u"a\"b c"});
  EXPECT_EQ(Split(u"\"\" x"), (List{u"", u"x"}));
  EXPECT_EQ(Split(u"  a \t b  "), (List{u"a", u"b"}));
  EXPECT_EQ(Split(u"a\\"), List{u"a\\"});
}

}  // namespace
}  // namespace plume::agent
