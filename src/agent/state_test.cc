#include "agent/state.h"

#include <gtest/gtest.h>

namespace plume::agent {
namespace {

TEST(CleanPath, NormalisesWhatUsersWrite) {
  EXPECT_EQ(*CleanPath(u"c:/Users\\ann//x\\"), u"C:\\Users\\ann\\x");
  EXPECT_EQ(*CleanPath(u"C:\\a\\.\\b\\..\\c"), u"C:\\a\\c");
  EXPECT_EQ(*CleanPath(u"C:\\..\\x"), u"C:\\x");
  EXPECT_EQ(*CleanPath(u"\\\\?\\D:\\x"), u"D:\\x");
  EXPECT_EQ(*CleanPath(u"C:"), u"C:");
  EXPECT_EQ(*CleanPath(u"C:\\"), u"C:");
}

TEST(CleanPath, RefusesWhatIsNotAbsolute) {
  for (const char16_t* bad : {u"", u"x", u"\\x", u"C:x", u"\\\\server\\share", u"1:\\x", u"/home/x"})
    EXPECT_EQ(CleanPath(bad).error().code, Errc::kInvalid);
}

TEST(CheckName, AcceptsFileNameSafeNamesOnly) {
  for (const char* good : {"a", "test-1", "A.b_c", "0"}) EXPECT_TRUE(CheckName("VM", good).ok()) << good;
  for (const char* bad : {"", ".x", "-x", "a b", "a/b", "a\\b", "ä", "a:b"})
    EXPECT_FALSE(CheckName("VM", bad).ok()) << bad;
  EXPECT_FALSE(CheckName("VM", std::string(65, 'a')).ok());
}

// The hash names pipes and registry keys on users' machines: it must be the same for ever, and for every
// spelling.
TEST(StatePaths, HashIsFixedAndFolded) {
  const StatePaths a(u"C:\\users\\ann\\AppData\\Local\\Plume"), b(u"C:\\USERS\\Ann\\appdata\\local\\plume");
  EXPECT_EQ(a.hash().size(), 16u);
  EXPECT_EQ(a.hash(), b.hash());
  EXPECT_NE(a.hash(), StatePaths(u"C:\\x").hash());
  EXPECT_EQ(StatePaths(u"C:\\x").hash(), u"fd5f1bea2dac9408");
}

TEST(StatePaths, DerivesEverything) {
  const StatePaths s(u"C:\\x");
  EXPECT_EQ(s.VmFile(u"12ab", u"vm.json"), u"C:\\x\\vms\\12ab\\vm.json");
  EXPECT_EQ(s.GuestPipeNt(), u"\\??\\pipe\\plume-" + s.hash() + u"-guest");
  EXPECT_EQ(s.VmKey(u"12ab"), u"Software\\Plume\\" + s.hash() + u"\\VMs\\12ab");
  EXPECT_EQ(s.WorkspaceFile(u"12ab", 3, u"upper"), u"C:\\x\\vms\\12ab\\w3\\upper");
  EXPECT_EQ(StatePaths::WorkspaceNumber(u"w3"), 3u);
  EXPECT_EQ(StatePaths::WorkspaceNumber(u"w4294967295"), 4294967295u);
  for (const char16_t* bad :
       {u"", u"w", u"w0", u"w03", u"w4294967296", u"w99999999999999999999", u"x3", u"w3x"})
    EXPECT_EQ(StatePaths::WorkspaceNumber(bad), 0u);
  EXPECT_EQ(s.WorkspaceKey(u"12ab", 3), s.VmKey(u"12ab") + u"\\w3");
  EXPECT_EQ(NtPath(u"C:\\x"), u"\\??\\C:\\x");
}

}  // namespace
}  // namespace plume::agent
