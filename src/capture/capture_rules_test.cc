#include <gtest/gtest.h>

#include <set>

#include "capture/environment.h"
#include "capture/product.h"
#include "capture/rules.h"
#include "capture/text.h"
#include "catalog/testing.h"

namespace plume::capture {
namespace {

image::ValueItem Text(std::u16string name, std::u16string_view text, uint32_t type = 1) {
  return {std::move(name), type, catalog::testing::Utf16Bytes(text)};
}

TEST(Text, MatchName) {
  EXPECT_TRUE(MatchName(u"~nsu*.tmp", u"~NSUA.TMP"));
  EXPECT_TRUE(MatchName(u"*", u""));
  EXPECT_TRUE(MatchName(u"a*b*c", u"aXXbYYbZc"));
  EXPECT_FALSE(MatchName(u"a*b*c", u"aXXbYYb"));
  EXPECT_TRUE(MatchName(u"*.ms?", u"1a2b.msi"));
  EXPECT_FALSE(MatchName(u"*.ms?", u"1a2b.msix"));
  EXPECT_FALSE(MatchName(u"", u"x"));
}

TEST(Text, MatchPathCoversWhatIsBelow) {
  EXPECT_TRUE(MatchPath(u"a\\b", u"A\\B\\c\\d"));
  EXPECT_FALSE(MatchPath(u"a\\b", u"a\\bc"));
  EXPECT_FALSE(MatchPath(u"a\\b", u"a"));
  EXPECT_TRUE(MatchPath(u"**\\x", u"x"));
  EXPECT_TRUE(MatchPath(u"**\\x", u"a\\b\\X\\y"));
  EXPECT_FALSE(MatchPath(u"a\\*", u"a"));
}

TEST(Rules, Files) {
  struct {
    Scope scope;
    const char16_t* path;
    bool dropped;
  } const cases[] = {
      {Scope::kDrive, u"Windows\\Temp\\x.tmp", true},
      {Scope::kDrive, u"windows\\TEMP", false},  // the folder itself is needed
      {Scope::kDrive, u"Windows\\System32\\a.dll", false},
      {Scope::kDrive, u"Program Files\\A\\Temp\\keep.txt", false},
      {Scope::kDrive, u"Program Files\\A\\~nsuA.tmp\\Au_.exe", true},
      {Scope::kDrive, u"Config.Msi\\1.rbf", true},
      {Scope::kDrive, u"Program Files (x86)\\InstallShield Installation Information\\{1}\\setup.exe", true},
      {Scope::kDrive, u"ProgramData\\A\\settings.ini", false},
      {Scope::kProfile, u"AppData\\Local\\Temp\\nsx1.tmp\\System.dll", true},
      {Scope::kProfile, u"AppData\\Local\\A\\Temp\\keep", false},
      {Scope::kProfile, u"AppData\\Roaming\\Microsoft\\Windows\\Recent\\a.lnk", true},
      {Scope::kProfile, u"AppData\\Roaming\\Microsoft\\Windows\\Start Menu\\Programs\\A.lnk", false},
      {Scope::kProfile, u"NTUSER.DAT.LOG1", true},
      {Scope::kProfile, u"Documents\\a.txt", false},
  };
  for (const auto& c : cases) {
    EXPECT_EQ(FindResidue(c.scope, c.path) != nullptr, c.dropped)
        << testing::PrintToString(std::u16string(c.path));
  }
}

TEST(Rules, KeysOfBothViews) {
  EXPECT_TRUE(FindResidue(Scope::kMachineKey, u"Software\\Microsoft\\Windows\\CurrentVersion\\Uninstall\\A"));
  EXPECT_TRUE(FindResidue(Scope::kMachineKey,
                          u"Software\\Wow6432Node\\Microsoft\\Windows\\CurrentVersion\\Uninstall\\A"));
  EXPECT_FALSE(FindResidue(Scope::kMachineKey, u"Software\\A"));
  EXPECT_FALSE(FindResidue(Scope::kMachineKey, u"Software\\Microsoft\\Windows\\CurrentVersion\\Run"));
  EXPECT_TRUE(FindResidue(Scope::kMachineKey, u"software\\microsoft\\windows\\currentversion\\runonce"));
  EXPECT_TRUE(FindResidue(Scope::kUserKey, u"Software\\Microsoft\\Windows\\Shell\\Bags\\1"));
  EXPECT_TRUE(FindResidue(Scope::kUserKey, u"Software\\Plume\\x"));
  EXPECT_FALSE(FindResidue(Scope::kUserKey, u"Software\\Classes\\.x"));
}

TEST(Rules, ValuesOfTheVeryKeyOnly) {
  const std::u16string key = u"System\\CurrentControlSet\\Control\\Session Manager";
  EXPECT_TRUE(IsResidueValue(Scope::kMachineKey, key, u"PendingFileRenameOperations"));
  EXPECT_TRUE(IsResidueValue(Scope::kMachineKey, key, u"PendingFileRenameOperations2"));
  EXPECT_FALSE(IsResidueValue(Scope::kMachineKey, key + u"\\KnownDLLs", u"PendingFileRenameOperations"));
  EXPECT_FALSE(IsResidueValue(Scope::kMachineKey, key, u"BootExecute"));
}

TEST(Rules, Special) {
  EXPECT_TRUE(IsCachedPackage(u"windows\\Installer\\1a2b.msi"));
  EXPECT_FALSE(IsCachedPackage(u"windows\\Installer\\{GUID}\\icon.msi"));
  EXPECT_TRUE(IsEnvironmentKey(Scope::kMachineKey,
                               u"System\\CurrentControlSet\\Control\\Session Manager\\Environment"));
  EXPECT_TRUE(
      IsEnvironmentKey(Scope::kMachineKey, u"System\\ControlSet001\\Control\\Session Manager\\Environment"));
  EXPECT_TRUE(IsEnvironmentKey(Scope::kUserKey, u"environment"));
  EXPECT_FALSE(IsEnvironmentKey(Scope::kUserKey, u"Environment\\x"));
  EXPECT_TRUE(LooksLikeUninstaller(u"unins000.exe"));
  EXPECT_TRUE(LooksLikeUninstaller(u"Uninstall.exe"));
  EXPECT_FALSE(LooksLikeUninstaller(u"7zFM.exe"));
}

TEST(Rules, TableHasNoDuplicatesAndSaysWhy) {
  std::set<std::pair<int, std::u16string>> seen;
  for (const auto& rule : ResidueRules()) {
    EXPECT_TRUE(seen.insert({static_cast<int>(rule.scope), Folded(rule.pattern)}).second);
    EXPECT_FALSE(rule.reason.empty());
  }
}

TEST(Environment, OnlyWhatIsNew) {
  const std::vector<image::ValueItem> before = {Text(u"Path", u"C:\\windows\\system32;C:\\windows", 2),
                                                Text(u"TEMP", u"C:\\T"), Text(u"LIST", u"a;b")};
  const std::vector<image::ValueItem> after = {
      Text(u"PATH",
           u"C:\\Windows\\System32\\;C:\\windows;C:\\Program Files\\A;\"C:\\x;y\";C:\\Program Files\\A\\", 2),
      Text(u"TEMP", u"C:\\T"), Text(u"A_HOME", u"C:\\Program Files\\A"), Text(u"LIST", u"c;a;b"),
      image::ValueItem{u"BINARY", 3, {1, 2}}};
  const auto found = NewVariables(after, before);
  ASSERT_EQ(found.size(), 3u);
  EXPECT_EQ(found[0].name, "PATH");
  EXPECT_EQ(found[0].value, "C:\\Program Files\\A;\"C:\\x;y\"");
  EXPECT_TRUE(found[0].join);
  EXPECT_EQ(found[1].name, "A_HOME");
  EXPECT_FALSE(found[1].join);
  EXPECT_EQ(found[2].value, "c");
  EXPECT_TRUE(found[2].join);
}

TEST(Environment, UserAndMachine) {
  std::vector<image::EnvVar> all = {{"Path", "C:\\A", true}, {"X", "1", false}};
  MergeVariables({{"PATH", "C:\\B;C:\\a", true}, {"x", "2", false}, {"Y", "3", false}}, &all);
  ASSERT_EQ(all.size(), 3u);
  EXPECT_EQ(all[0].value, "C:\\A;C:\\B");
  EXPECT_EQ(all[1].value, "2");
}

TEST(Product, BestRegistration) {
  const std::u16string base = u"Software\\Microsoft\\Windows\\CurrentVersion\\Uninstall\\";
  image::KeyItem runtime{"M", base + u"{R}", 0, {Text(u"DisplayName", u"Some Runtime")}};
  image::KeyItem part{
      "M",
      base + u"{P}",
      0,
      {Text(u"DisplayName", u"Editor part"), image::ValueItem{u"SystemComponent", 4, {1, 0, 0, 0}}}};
  image::KeyItem main{"M",
                      u"Software\\Wow6432Node\\Microsoft\\Windows\\CurrentVersion\\Uninstall\\Editor",
                      0,
                      {Text(u"DisplayName", u"Editor 2.1"), Text(u"Publisher", u"Maker"),
                       Text(u"DisplayIcon", u"\"C:\\E\\e.exe\",0"),
                       Text(u"UninstallString", u"\"C:\\E\\uninstall.exe\" /S")}};
  const Product product = FindProduct({part, runtime, main}, "editor");
  EXPECT_EQ(product.display_name, u"Editor 2.1");
  EXPECT_EQ(product.publisher, u"Maker");
  EXPECT_EQ(product.icon, u"C:\\E\\e.exe");
  ASSERT_EQ(product.uninstallers.size(), 1u);
  EXPECT_EQ(product.uninstallers[0], u"C:\\E\\uninstall.exe");
}

TEST(Product, ProgramOfCommand) {
  EXPECT_EQ(ProgramOfCommand(u"\"C:\\A b\\u.exe\" /S"), u"C:\\A b\\u.exe");
  EXPECT_EQ(ProgramOfCommand(u"C:\\A b\\u.exe /S"), u"C:\\A b\\u.exe");
  EXPECT_EQ(ProgramOfCommand(u"MsiExec.exe /X{1}"), u"MsiExec.exe");
  EXPECT_EQ(ProgramOfCommand(u"\"C:\\unterminated"), u"C:\\unterminated");
  EXPECT_EQ(ProgramOfCommand(u""), u"");
}

}  // namespace
}  // namespace plume::capture
