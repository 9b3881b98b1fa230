#include <gtest/gtest.h>

#include "capture/entry_points.h"

namespace plume::capture {
namespace {

using Kind = Candidate::Kind;

Candidate Make(Kind kind, std::u16string name, std::u16string path, std::u16string arguments = u"") {
  Candidate c;
  c.kind = kind;
  c.name = std::move(name);
  c.path = std::move(path);
  c.arguments = std::move(arguments);
  return c;
}

TEST(EntryPoints, StartMenuBeforeOthersHelpersLast) {
  Product product;
  product.display_name = u"7-Zip 15.05 (x64)";
  product.uninstallers = {u"C:\\Program Files\\7-Zip\\Uninstall.exe"};
  const auto entries = RankEntryPoints(
      {
          Make(Kind::kProgram, u"7z", u"C:\\Program Files\\7-Zip\\7z.exe"),
          Make(Kind::kProgram, u"7zFM", u"C:\\Program Files\\7-Zip\\7zFM.exe"),
          Make(Kind::kStartMenu, u"7-Zip Help", u"C:\\windows\\hh.exe", u"7-zip.chm"),
          Make(Kind::kStartMenu, u"Uninstall 7-Zip", u"C:\\Program Files\\7-Zip\\Uninstall.exe"),
          Make(Kind::kStartMenu, u"7-Zip", u"C:\\Program Files\\7-Zip\\7zFM.exe"),
          Make(Kind::kStartMenu, u"License", u"C:\\Program Files\\7-Zip\\License.txt"),
      },
      {"7zip", &product, u""});
  ASSERT_GE(entries.size(), 2u);
  EXPECT_EQ(entries[0].id, "7zfm");
  EXPECT_EQ(entries[0].name, "7-Zip");
  for (const auto& entry : entries) {
    EXPECT_EQ(entry.path.find("ninstall"), std::string::npos);
    EXPECT_EQ(entry.path.find(".txt"), std::string::npos);
  }
}

TEST(EntryPoints, FolderOfPrograms) {
  auto tool = [](std::u16string name) {
    return Make(Kind::kProgram, name, u"C:\\Program Files\\CMake\\bin\\" + name + u".exe");
  };
  const auto entries = RankEntryPoints({tool(u"ctest"), tool(u"cmcldeps"), tool(u"cpack"), tool(u"cmake")},
                                       {"cmake", nullptr, u""});
  ASSERT_EQ(entries.size(), 4u);
  EXPECT_EQ(entries[0].id, "cmake");
}

TEST(EntryPoints, ProfilePathsAreMovable) {
  const auto entries =
      RankEntryPoints({Make(Kind::kProgram, u"a", u"C:\\Users\\Ann\\AppData\\Local\\A\\a.exe")},
                      {"a", nullptr, u"C:\\users\\ann"});
  ASSERT_EQ(entries.size(), 1u);
  EXPECT_EQ(entries[0].path, "%PROFILE%\\AppData\\Local\\A\\a.exe");
}

TEST(EntryPoints, IdsAreUnique) {
  const auto entries = RankEntryPoints(
      {Make(Kind::kStartMenu, u"Safe mode", u"C:\\A\\a.exe", u"-safe"),
       Make(Kind::kStartMenu, u"A", u"C:\\A\\a.exe"), Make(Kind::kProgram, u"a", u"C:\\B\\a.exe")},
      {"a", nullptr, u""});
  ASSERT_EQ(entries.size(), 3u);
  EXPECT_EQ(entries[0].id, "a");
  EXPECT_EQ(entries[1].id, "safe-mode");
  EXPECT_EQ(entries[2].id, "a-2");
}

TEST(EntryPoints, ChooseDefault) {
  auto entries = RankEntryPoints(
      {Make(Kind::kProgram, u"x", u"C:\\A\\bin\\x.exe"), Make(Kind::kProgram, u"y", u"C:\\A\\bin\\y.exe")},
      {"x", nullptr, u""});
  EXPECT_TRUE(ChooseDefault("", &entries).ok());
  EXPECT_EQ(entries[0].id, "x");
  EXPECT_TRUE(ChooseDefault("bin/Y.exe", &entries).ok());
  EXPECT_EQ(entries[0].id, "y");
  EXPECT_EQ(entries[1].id, "x");
  EXPECT_TRUE(ChooseDefault("x.exe", &entries).ok());
  EXPECT_EQ(entries[0].id, "x");
  const auto missing = ChooseDefault("z", &entries);
  ASSERT_FALSE(missing.ok());
  EXPECT_EQ(missing.error().code, Errc::kInvalid);
  EXPECT_NE(missing.error().message.find("x, y"), std::string::npos);
}

TEST(EntryPoints, ExpandFolders) {
  EXPECT_EQ(ExpandFolders(u"%programfiles(X86)%\\A", u"C:\\u\\a"), u"C:\\Program Files (x86)\\A");
  EXPECT_EQ(ExpandFolders(u"%APPDATA%\\A", u"C:\\u\\a"), u"C:\\u\\a\\AppData\\Roaming\\A");
  EXPECT_EQ(ExpandFolders(u"100%\\%UNKNOWN%", u""), u"100%\\%UNKNOWN%");
}

}  // namespace
}  // namespace plume::capture
