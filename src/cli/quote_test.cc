#include "cli/quote.h"

#include <gtest/gtest.h>

namespace plume::cli {
namespace {

// The reader's side: how CommandLineToArgvW splits everything after the program's name.
std::vector<std::u16string> Split(std::u16string_view line) {
  std::vector<std::u16string> out;
  size_t i = 0;
  while (i < line.size()) {
    while (i < line.size() && (line[i] == u' ' || line[i] == u'\t')) ++i;
    if (i >= line.size()) break;
    std::u16string argument;
    bool quoted = false;
    for (; i < line.size() && (quoted || (line[i] != u' ' && line[i] != u'\t')); ++i) {
      size_t slashes = 0;
      while (i < line.size() && line[i] == u'\\') ++slashes, ++i;
      if (i < line.size() && line[i] == u'"') {
        argument.append(slashes / 2, u'\\');
        if (slashes % 2)
          argument += u'"';
        else
          quoted = !quoted;
        continue;
      }
      argument.append(slashes, u'\\');
      if (i >= line.size() || (!quoted && (line[i] == u' ' || line[i] == u'\t'))) break;
      argument += line[i];
    }
    out.push_back(argument);
  }
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

}  // namespace
}  // namespace plume::cli
