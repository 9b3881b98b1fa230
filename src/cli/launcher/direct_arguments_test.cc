#include "cli/launcher/direct_arguments.h"

#include <gtest/gtest.h>

namespace plume::launcher {
namespace {

using Words = std::vector<std::string>;

TEST(DirectStart, OfAnApplication) {
  const auto plain = ReadDirectStart({"run", "7zip", "--", "i", "--rm", "--"});
  ASSERT_TRUE(plain);
  EXPECT_TRUE(plain->application);
  EXPECT_EQ(plain->name, "7zip");
  EXPECT_EQ(plain->arguments, (Words{"i", "--rm", "--"}));
  EXPECT_FALSE(plain->remove);

  const auto all = ReadDirectStart({"run", "--vm", "mine", "--rm", "editor", "--env", "A=1", "x", "--env",
                                    "B=2", "--entry", "e", "--cwd", "C:\\x", "--offline", "y", "--", "z"});
  ASSERT_TRUE(all);
  EXPECT_EQ(all->name, "editor");
  EXPECT_EQ(all->vm, "mine");
  EXPECT_EQ(all->entry, "e");
  EXPECT_EQ(all->cwd, "C:\\x");
  EXPECT_EQ(all->environment, (Words{"A=1", "B=2"}));
  EXPECT_EQ(all->arguments, (Words{"x", "y", "z"}));
  EXPECT_TRUE(all->remove && all->offline);
}

TEST(DirectStart, OfAProgram) {
  const auto start =
      ReadDirectStart({"vm", "run", "test", "--image", "a", "--image", "b:1", "--", "cmd", "/c", ""});
  ASSERT_TRUE(start);
  EXPECT_FALSE(start->application);
  EXPECT_EQ(start->name, "test");
  EXPECT_EQ(start->program, "cmd");
  EXPECT_EQ(start->images, (Words{"a", "b:1"}));
  EXPECT_EQ(start->arguments, (Words{"/c", ""}));
  const auto words = ReadDirectStart({"vm", "run", "test", "notepad", "x"});
  ASSERT_TRUE(words);
  EXPECT_EQ(words->program, "notepad");
}

TEST(DirectStart, EverythingElseIsForPlumeExe) {
  for (const Words& words : {Words{},
                             Words{"--"},
                             Words{"vm"},
                             Words{"vm", "--", "run"},
                             Words{"run"},
                             Words{"run", "--", "x"},
                             Words{"run", ""},
                             Words{"vm", "run", "a"},
                             Words{"vm", "run", "a", "--"},
                             Words{"vm", "run", "a", "--", ""},
                             Words{"run", "a", "--help"},
                             Words{"run", "a", "-h"},
                             Words{"run", "a", "--vm"},
                             Words{"run", "a", "--vm=b"},
                             Words{"run", "a", "--vm", "--", "b"},
                             Words{"run", "a", "--vm", "b", "--vm", "c"},
                             Words{"run", "a", "--env", "--rm"},
                             Words{"run", "a", "--open", "x"},
                             Words{"run", "a", "--image", "b"},
                             Words{"vm", "run", "a", "--policy", "p", "--", "x"},
                             Words{"vm", "run", "a", "--detach", "--", "x"},
                             Words{"vm", "run", "a", "--wait", "--", "x"},
                             Words{"vm", "run", "a", "--offline", "--", "x"},
                             Words{"vm", "list"},
                             Words{"--home", "x", "run", "a"}})
    EXPECT_FALSE(ReadDirectStart(words)) << ::testing::PrintToString(words);
}

}  // namespace
}  // namespace plume::launcher
