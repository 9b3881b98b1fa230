#include "capture/portable.h"

#include <gtest/gtest.h>

#include "catalog/testing.h"

namespace plume::capture {
namespace {

Machine Ann() {
  Machine m;
  m.profile = u"C:\\users\\ann";
  m.temp = u"C:\\users\\ann\\AppData\\Local\\Temp";
  m.user = u"ann";
  m.computer = u"DESK-7";
  m.user_sid = u"S-1-5-21-1-2-3-1000";
  m.guid = u"0f9e8d7c-6b5a-4938-a716-554433221100";
  m.begin = 1000;
  return m;
}

std::u16string Replaced(std::u16string_view name, std::u16string text) {
  const Machine machine = Ann();
  Variables variables(machine, u"%{");
  variables.ReplaceInText(name, &text);
  return text;
}

TEST(Portable, FoldersAreReplacedAtTheBordersOfNames) {
  EXPECT_EQ(Replaced(u"v", u"C:\\users\\ann\\x.ini"), u"%{profile}\\x.ini");
  EXPECT_EQ(Replaced(u"v", u"\"c:\\USERS\\Ann\\a\" C:\\users\\ann"), u"\"%{profile}\\a\" %{profile}");
  EXPECT_EQ(Replaced(u"v", u"file:///C:/users/ann/x"), u"file:///%{profile/}/x");
  EXPECT_EQ(Replaced(u"v", u"C:\\users\\anna"), u"C:\\users\\anna");
  EXPECT_EQ(Replaced(u"v", u"C:\\users\\ann.old\\x"), u"C:\\users\\ann.old\\x");
  EXPECT_EQ(Replaced(u"v", u"xC:\\users\\ann"), u"xC:\\users\\ann");
}

TEST(Portable, TemporaryNamesAreCutOff) {
  EXPECT_EQ(Replaced(u"v", u"C:\\users\\ann\\AppData\\Local\\Temp\\nsa1234.tmp\\x.exe"), u"%{temp}");
  EXPECT_EQ(Replaced(u"v", u"\"C:\\users\\ann\\AppData\\Local\\Temp\\is-7\\x.exe\" /S"), u"\"%{temp}\" /S");
  EXPECT_EQ(Replaced(u"v", u"C:\\users\\ann\\AppData\\Local\\Temporary"),
            u"%{profile}\\AppData\\Local\\Temporary");
}

TEST(Portable, NamesOfMachineAndUserOnlyWhereTheyAreMeant) {
  EXPECT_EQ(Replaced(u"Host", u"desk-7"), u"%{computer}");
  EXPECT_EQ(Replaced(u"Host", u"a DESK-7 b"), u"a DESK-7 b");
  EXPECT_EQ(Replaced(u"x", u"DESK-7\\ann"), u"%{computer}\\%{user}");
  EXPECT_EQ(Replaced(u"RegOwner", u"ann"), u"%{user}");
  EXPECT_EQ(Replaced(u"Codec", u"ann"), u"ann");
  EXPECT_EQ(Replaced(u"v", u"S-1-5-21-1-2-3-1000\\x"), u"%{sid}\\x");
  EXPECT_EQ(Replaced(u"v", u"S-1-5-21-1-2-3-10001"), u"S-1-5-21-1-2-3-10001");
  EXPECT_EQ(Replaced(u"v", u"{0F9E8D7C-6B5A-4938-A716-554433221100}"), u"{%{machine-guid}}");
}

TEST(Portable, DatesOfInstallation) {
  EXPECT_EQ(Replaced(u"InstallDate", u"20261122"), u"%{date}");
  EXPECT_EQ(Replaced(u"InstallDate", u"today"), u"today");
  EXPECT_EQ(Replaced(u"Released", u"20261122"), u"20261122");
}

TEST(Portable, TerminatorsAndListsStay) {
  const Machine machine = Ann();
  Variables variables(machine, u"%{");
  std::u16string text(u"a\0C:\\users\\ann\\b\0\0", 18);
  EXPECT_TRUE(variables.ReplaceInText(u"v", &text));
  EXPECT_EQ(text, std::u16string(u"a\0%{profile}\\b\0\0", 16));
  text = std::u16string(u"DESK-7\0", 7);
  EXPECT_TRUE(variables.ReplaceInText(u"v", &text));
  EXPECT_EQ(text, std::u16string(u"%{computer}\0", 12));
  std::vector<uint8_t> binary(6, 65);
  EXPECT_FALSE(variables.ReplaceInValue(u"v", 3, &binary));
}

TEST(Portable, KeysByWholeComponents) {
  const Machine machine = Ann();
  Variables variables(machine, u"%{");
  std::u16string path = u"Software\\UserData\\s-1-5-21-1-2-3-1000\\Products";
  EXPECT_TRUE(variables.ReplaceInKey(&path));
  EXPECT_EQ(path, u"Software\\UserData\\%{sid}\\Products");
  path = u"Software\\S-1-5-21-1-2-3-1000_Classes";
  EXPECT_FALSE(variables.ReplaceInKey(&path));
  const auto used = variables.Used();
  ASSERT_EQ(used.size(), 1u);
  EXPECT_EQ(used[0].token, "%{sid}");
  EXPECT_EQ(used[0].means, "sid");
}

TEST(Portable, AMarkerThatNoTextHas) {
  std::vector<image::KeyItem> keys = {{"M", u"Software\\A", 0, {}}};
  EXPECT_EQ(FreeMarker(keys), u"%{plume:");
  keys[0].path = u"Software\\%{plume:sid}";
  EXPECT_EQ(FreeMarker(keys), u"%{plume1:");
}

image::ValueItem Text(std::u16string name, std::u16string_view text) {
  return {std::move(name), 1, catalog::testing::Utf16Bytes(text)};
}

TEST(Portable, KeptPackagesAreNamedByTheirProduct) {
  std::vector<image::FileItem> files(2);
  files[0].root = files[1].root = "C";
  files[0].path = u"windows\\Installer\\ff1d.msi";
  files[1].path = u"windows\\Installer\\other.msi";
  std::vector<image::KeyItem> keys = {{"M",
                                       u"Software\\Microsoft\\Windows\\CurrentVersion\\Installer\\UserData\\S"
                                       u"-1-5-18\\Products\\0DA29B0BF656ECC55AB8F86BCD480B0D\\"
                                       u"InstallProperties",
                                       0,
                                       {Text(u"LocalPackage", u"C:\\windows\\Installer\\ff1d.msi")}}};
  NamePackages(&files, &keys);
  EXPECT_EQ(files[0].path, u"windows\\Installer\\0DA29B0B.msi");
  EXPECT_EQ(files[1].path, u"windows\\Installer\\other.msi");
  EXPECT_EQ(keys[0].values[0].data, Text(u"", u"C:\\windows\\Installer\\0DA29B0B.msi").data);
}

TEST(Portable, TimesOfTheSetUpStayThoseOfTheCaptureGo) {
  image::Content content;
  content.files.resize(4);
  for (auto& item : content.files) item.root = "C";
  content.files[0].path = u"brought";
  content.files[0].modified = 500;
  content.files[0].created = 1500;
  content.files[1].path = u"made";
  content.files[1].modified = content.files[1].created = 2000;
  content.files[2].path = u"folder";
  content.files[2].directory = true;
  content.files[2].modified = 10;
  content.files[3].path = u"both old";
  content.files[3].modified = 500;
  content.files[3].created = 400;
  content.keys = {{"M", u"Software\\A", 2000, {Text(u"v", u"C:\\users\\ann")}}};
  content.config.environment = {{"X", "C:\\users\\ann\\x", false}};
  std::vector<std::string> notes;
  ASSERT_TRUE(MakePortable(
                  Ann(), {}, [](const image::FileItem&) { return false; }, &content, &notes)
                  .ok());
  EXPECT_EQ(content.files[0].modified, 500);
  EXPECT_EQ(content.files[0].created, 500);
  EXPECT_EQ(content.files[1].modified, kImageEpoch);
  EXPECT_EQ(content.files[1].created, kImageEpoch);
  EXPECT_EQ(content.files[2].modified, kImageEpoch);
  EXPECT_EQ(content.files[3].created, 400);
  EXPECT_EQ(content.keys[0].modified, kImageEpoch);
  EXPECT_EQ(content.keys[0].values[0].data, Text(u"", u"%{plume:profile}").data);
  EXPECT_EQ(content.config.environment[0].value, "%USERPROFILE%\\x");
  ASSERT_EQ(content.config.variables.size(), 1u);
  EXPECT_EQ(content.config.variables[0].means, "profile");
}

}  // namespace
}  // namespace plume::capture
