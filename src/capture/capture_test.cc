#include "capture/capture.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <map>

#include "capture/keys.h"
#include "capture/memory_keys.h"
#include "capture/text.h"
#include "catalog/testing.h"

namespace plume::capture {
namespace {

namespace fs = std::filesystem;

image::ValueItem Text(std::u16string name, std::u16string_view text) {
  return {std::move(name), 1, catalog::testing::Utf16Bytes(text)};
}

class CaptureTest : public testing::Test {
 protected:
  void SetUp() override {
    root_ = fs::temp_directory_path() / ("plume-capture-" + std::to_string(::getpid()) + "-" +
                                         testing::UnitTest::GetInstance()->current_test_info()->name());
    fs::remove_all(root_);
    fs::create_directories(root_);
  }
  void TearDown() override { fs::remove_all(root_); }

  void Write(const std::string& path, const std::string& text) {
    fs::create_directories((root_ / path).parent_path());
    std::ofstream(root_ / path, std::ios::binary) << text;
  }
  // The smallest file that counts as a console program.
  static std::string Program() {
    std::string b(0x200, '\0');
    b[0] = 'M';
    b[1] = 'Z';
    b[0x3C] = '\x40';
    b[0x40] = 'P';
    b[0x41] = 'E';
    b[0x44] = '\x64';
    b[0x45] = '\x86';
    b[0x40 + 24 + 68] = 3;
    return b;
  }
  static const image::FileItem* Find(const image::Content& content, const std::string& root,
                                     std::u16string_view path) {
    for (const auto& item : content.files) {
      if (item.root == root && SameFolded(item.path, path)) return &item;
    }
    return nullptr;
  }
  static const image::KeyItem* FindKey(const image::Content& content, const std::string& root,
                                       std::u16string_view path) {
    for (const auto& key : content.keys) {
      if (key.root == root && SameFolded(key.path, path)) return &key;
    }
    return nullptr;
  }

  fs::path root_;
};

TEST_F(CaptureTest, FolderIsTakenAsItIs) {
  Write("app/bin/tool.exe", Program());
  Write("app/share/a.txt", "a");
  Write("app/Temp/keep.tmp", "t");
  fs::create_directories(root_ / "app/empty");
  const auto captured =
      CaptureFolder({root_ / "app", u"C:/Program Files/Tool/", u""}, {"tool", "1.0", "", {}, false});
  ASSERT_TRUE(captured.ok()) << captured.error().message;
  const auto& content = captured->content;
  EXPECT_EQ(content.config.name, "tool");
  EXPECT_EQ(content.config.file_count, 3u);
  EXPECT_EQ(content.config.byte_count, 0x200u + 2);
  ASSERT_EQ(content.config.entry_points.size(), 1u);
  EXPECT_EQ(content.config.entry_points[0].path, "C:\\Program Files\\Tool\\bin\\tool.exe");
  EXPECT_TRUE(Find(content, "C", u"Program Files\\Tool\\empty"));
  EXPECT_TRUE(Find(content, "C", u"Program Files")->directory);
  EXPECT_TRUE(Find(content, "C", u"Program Files\\Tool\\Temp\\keep.tmp"));
  EXPECT_FALSE(Find(content, "C", u"Program Files\\Tool\\share\\a.txt")->source.empty());
}

TEST_F(CaptureTest, FolderErrors) {
  EXPECT_EQ(CaptureFolder({root_ / "none", u"C:\\A", u""}, {"a", "1", "", {}, false}).error().code,
            Errc::kNotFound);
  EXPECT_EQ(CaptureFolder({root_, u"C:\\A", u""}, {"a", "1", "", {}, false}).error().code,
            Errc::kInvalid);  // empty
  Write("a.exe", Program());
  EXPECT_EQ(CaptureFolder({root_, u"A", u""}, {"a", "1", "", {}, false}).error().code, Errc::kInvalid);
  EXPECT_EQ(CaptureFolder({root_, u"C:\\A", u""}, {"a", "1", "b.exe", {}, false}).error().code,
            Errc::kInvalid);
  EXPECT_TRUE(CaptureFolder({root_, u"C:\\A", u""}, {"a", "1", "A.EXE", {}, false}).ok());
}

TEST_F(CaptureTest, FolderNotesWhatWindowsCannotHold) {
  Write("app/ok.txt", "x");
  Write("app/bad:name", "x");
  fs::create_symlink("ok.txt", root_ / "app/link");
  const auto captured = CaptureFolder({root_ / "app", u"C:\\A", u""}, {"a", "1", "", {}, false});
  ASSERT_TRUE(captured.ok());
  EXPECT_EQ(captured->content.config.file_count, 1u);
  EXPECT_EQ(captured->notes.size(), 3u);  // two files, no program
}

TEST_F(CaptureTest, FolderInTheProfile) {
  Write("app/a.exe", Program());
  const auto captured = CaptureFolder(
      {root_ / "app", u"C:\\users\\ann\\AppData\\Local\\A", u"C:\\Users\\Ann"}, {"a", "1", "", {}, false});
  ASSERT_TRUE(captured.ok());
  EXPECT_TRUE(Find(captured->content, "Profile", u"AppData\\Local\\A\\a.exe"));
  EXPECT_EQ(captured->content.config.entry_points[0].path, "%PROFILE%\\AppData\\Local\\A\\a.exe");
  for (const auto& item : captured->content.files) EXPECT_NE(item.root, "C");
}

class WorkspaceTest : public CaptureTest {
 protected:
  Workspace Make() {
    Workspace w;
    w.upper = root_ / "upper";
    w.profile = u"C:\\users\\ann";
    w.user_sid = u"S-1-5-21-1";
    w.keys = &upper_;
    w.host_keys = &host_;
    w.host_file = [this](std::u16string_view path) {
      std::string text = "host/C";
      for (const char16_t c : path.substr(2)) text.push_back(c == u'\\' ? '/' : static_cast<char>(c));
      return root_ / text;
    };
    return w;
  }
  MemoryKeys upper_, host_;
};

TEST_F(WorkspaceTest, Installation) {
  Write("host/C/windows/win.ini", "old");
  Write("host/C/windows/system.ini", "same");
  fs::create_directories(root_ / "host/C/Program Files");
  fs::create_directories(root_ / "host/C/users/ann/AppData/Local/Temp");
  Write("upper/C/Program Files/Editor/editor.exe", Program());
  Write("upper/C/Program Files/Editor/uninstall.exe", Program());
  Write("upper/C/windows/win.ini", "new");
  Write("upper/C/windows/system.ini", "same");  // opened for writing, not changed
  Write("upper/C/windows/Temp/x.tmp", "t");
  Write("upper/C/windows/Installer/1.msi", "m");
  Write("upper/C/users/ann/AppData/Local/Temp/nsx.tmp/System.dll", "t");
  Write("upper/C/users/ann/AppData/Roaming/Editor/settings.ini", "s");
  Write("upper/D/data.txt", "d");
  const std::u16string uninstall = u"Software\\Microsoft\\Windows\\CurrentVersion\\Uninstall\\Editor";
  const std::u16string environment = u"System\\CurrentControlSet\\Control\\Session Manager\\Environment";
  host_.Add(u"M\\Software\\Microsoft\\Windows\\CurrentVersion",
            {Text(u"ProgramFilesDir", u"C:\\Program Files")});
  host_.Add(u"M\\Software\\Shared", {Text(u"a", u"1")});
  host_.Add(u"M\\" + environment, {Text(u"Path", u"C:\\windows")});
  upper_.Add(u"M\\" + uninstall, {Text(u"DisplayName", u"The Editor"), Text(u"Publisher", u"Maker"),
                                  Text(u"UninstallString", u"\"C:\\Program Files\\Editor\\uninstall.exe\"")});
  upper_.Add(u"M\\Software\\Editor\\Sub", {Text(u"", u"x")});
  upper_.Add(u"M\\Software\\Shared", {Text(u"a", u"1")});  // copied up, not changed
  host_.Add(u"M\\Software\\Fonts", {Text(u"Arial", u"arial.ttf"), Text(u"Editor Sans", u"old.ttf")});
  upper_.Add(u"M\\Software\\Fonts",
             {Text(u"Arial", u"arial.ttf"), Text(u"Editor Sans", u"new.ttf"), Text(u"Editor", u"e.ttf")});
  upper_.Add(u"M\\" + environment, {Text(u"Path", u"C:\\windows;C:\\Program Files\\Editor")});
  upper_.Add(u"U\\S-1-5-21-1\\Software\\Editor", {Text(u"v", u"1")});
  upper_.Add(u"U\\S-1-5-21-1\\Environment", {Text(u"EDITOR_HOME", u"C:\\Program Files\\Editor")});
  upper_.Add(u"U\\.DEFAULT\\Software\\Editor", {Text(u"v", u"1")});
  Workspace w = Make();
  Write("host/C/windows/notepad.exe", "n");
  w.deleted = {u"C:\\windows\\notepad.exe", u"C:\\Program Files\\Editor\\editor.exe",
               u"C:\\Program Files\\Editor\\made-and-removed.txt", u"C:\\windows\\Temp\\x"};
  const auto captured = CaptureWorkspace(w, {"editor", "2.0", "", {}, false});
  ASSERT_TRUE(captured.ok()) << captured.error().message;
  const auto& content = captured->content;
  EXPECT_EQ(content.config.display_name, "The Editor");
  EXPECT_EQ(content.config.publisher, "Maker");
  EXPECT_EQ(content.config.version, "2.0");
  EXPECT_TRUE(Find(content, "C", u"Program Files\\Editor\\editor.exe"));
  EXPECT_TRUE(Find(content, "C", u"windows\\win.ini"));
  EXPECT_TRUE(Find(content, "Profile", u"AppData\\Roaming\\Editor\\settings.ini"));
  for (const auto path : {u"windows\\system.ini", u"windows\\Temp\\x.tmp", u"windows\\Installer\\1.msi",
                          u"Program Files\\Editor\\uninstall.exe", u"users\\ann", u"data.txt"}) {
    EXPECT_FALSE(Find(content, "C", path)) << testing::PrintToString(std::u16string(path));
  }
  EXPECT_FALSE(
      Find(content, "Profile", u"AppData\\Local\\Temp"));  // the host has that folder, nothing lies in it
  EXPECT_EQ(captured->unchanged_files, 1u);
  ASSERT_EQ(content.config.entry_points.size(), 1u);
  EXPECT_EQ(content.config.entry_points[0].id, "editor");
  ASSERT_EQ(content.config.environment.size(), 2u);
  EXPECT_EQ(content.config.environment[0].value, "C:\\Program Files\\Editor");
  EXPECT_TRUE(content.config.environment[0].join);
  EXPECT_EQ(content.config.environment[1].name, "EDITOR_HOME");
  EXPECT_TRUE(FindKey(content, "M", u"Software\\Editor\\Sub"));
  EXPECT_TRUE(FindKey(content, "CU", u"Software\\Editor"));
  EXPECT_FALSE(FindKey(content, "M", u"Software\\Shared"));
  // Of a key that the machine has too, only what the installer changed.
  const auto* fonts = FindKey(content, "M", u"Software\\Fonts");
  ASSERT_TRUE(fonts);
  ASSERT_EQ(fonts->values.size(), 2u);
  EXPECT_EQ(fonts->values[0].name, u"Editor Sans");
  EXPECT_EQ(fonts->values[1].name, u"Editor");
  EXPECT_FALSE(FindKey(content, "M", uninstall));
  // Made only to hold subkeys: listing it would hide the client's values.
  EXPECT_FALSE(FindKey(content, "M", u"Software\\Microsoft\\Windows\\CurrentVersion"));
  EXPECT_FALSE(FindKey(content, "CU", u"Environment"));
  EXPECT_EQ(content.config.key_count, content.keys.size());
  const auto has_note = [&](const char* part) {
    return std::any_of(captured->notes.begin(), captured->notes.end(),
                       [&](const std::string& note) { return note.find(part) != std::string::npos; });
  };
  EXPECT_TRUE(has_note("drive D:"));
  EXPECT_TRUE(has_note("deleted 1 things"));
  EXPECT_TRUE(has_note("1 other user"));
}

TEST_F(WorkspaceTest, PackagesStayIfInstalledOnDemand) {
  Write("upper/C/windows/Installer/1.msi", "m");
  image::ValueItem darwin = Text(u"command", u"w_1^VX!!!!!!!!!MKKSk");
  darwin.type = 7;
  upper_.Add(u"M\\Software\\Classes\\editor.file\\shell\\open\\command", {darwin});
  const auto captured = CaptureWorkspace(Make(), {"editor", "1", "", {}, false});
  ASSERT_TRUE(captured.ok());
  EXPECT_TRUE(Find(captured->content, "C", u"windows\\Installer\\1.msi"));
}

TEST_F(WorkspaceTest, PackageSourcesGoWithThePackages) {
  Write("upper/C/windows/Installer/1.msi", "m");
  const std::u16string product =
      u"M\\Software\\Microsoft\\Windows\\CurrentVersion\\Installer\\UserData\\S-1-5-18\\Products\\1";
  upper_.Add(u"M\\Software\\Classes\\Installer\\Products\\1", {Text(u"ProductName", u"A")});
  upper_.Add(u"M\\Software\\Classes\\Installer\\Products\\1\\SourceList\\Net", {Text(u"1", u"Z:\\setup")});
  upper_.Add(product + u"\\InstallProperties",
             {Text(u"DisplayName", u"A"), Text(u"LocalPackage", u"C:\\windows\\Installer\\1.msi")});
  const auto captured = CaptureWorkspace(Make(), {"editor", "1", "", {}, false});
  ASSERT_TRUE(captured.ok());
  EXPECT_FALSE(Find(captured->content, "C", u"windows\\Installer"));
  EXPECT_TRUE(FindKey(captured->content, "M", u"Software\\Classes\\Installer\\Products\\1"));
  EXPECT_FALSE(
      FindKey(captured->content, "M", u"Software\\Classes\\Installer\\Products\\1\\SourceList\\Net"));
  const auto* properties = FindKey(captured->content, "M", product.substr(2) + u"\\InstallProperties");
  ASSERT_TRUE(properties);
  EXPECT_EQ(properties->values.size(), 1u);
}

TEST_F(WorkspaceTest, DriversAreRefusedOrLeftOut) {
  Write("upper/C/Program Files/Editor/editor.exe", Program());
  Write("upper/C/windows/system32/drivers/editor.sys", "driver");
  const std::u16string services = u"M\\System\\CurrentControlSet\\Services\\";
  upper_.Add(services + u"EditorFilter", {{u"Type", 4, {2, 0, 0, 0}}});
  upper_.Add(services + u"EditorFilter\\Instances", {Text(u"v", u"1")});
  upper_.Add(services + u"EditorService", {{u"Type", 4, {16, 0, 0, 0}}});
  const auto refused = CaptureWorkspace(Make(), {"editor", "1", "", {}, false});
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().code, Errc::kInvalid);
  EXPECT_NE(refused.error().message.find("EditorFilter"), std::string::npos) << refused.error().message;
  EXPECT_NE(refused.error().message.find("--without-drivers"), std::string::npos);
  const auto captured = CaptureWorkspace(Make(), {"editor", "1", "", {}, true});
  ASSERT_TRUE(captured.ok()) << captured.error().message;
  EXPECT_TRUE(Find(captured->content, "C", u"Program Files\\Editor\\editor.exe"));
  EXPECT_FALSE(Find(captured->content, "C", u"windows\\system32\\drivers\\editor.sys"));
  EXPECT_FALSE(
      FindKey(captured->content, "M", u"System\\CurrentControlSet\\Services\\EditorFilter\\Instances"));
  EXPECT_TRUE(FindKey(captured->content, "M", u"System\\CurrentControlSet\\Services\\EditorService"));
}

TEST_F(WorkspaceTest, NothingInstalled) {
  fs::create_directories(root_ / "upper/C/users/ann/AppData/Local/Temp");
  fs::create_directories(root_ / "host/C/users/ann/AppData/Local/Temp");
  const auto captured = CaptureWorkspace(Make(), {"editor", "1", "", {}, false});
  ASSERT_FALSE(captured.ok());
  EXPECT_EQ(captured.error().code, Errc::kInvalid);
}

TEST_F(WorkspaceTest, ImagesDoNotDependOnListingOrder) {
  MemoryKeys forward, backward;
  forward.Add(u"M\\Software\\A", {Text(u"v", u"1")});
  forward.Add(u"M\\Software\\B", {Text(u"v", u"1")});
  backward.Add(u"M\\Software\\B", {Text(u"v", u"1")});
  backward.Add(u"M\\Software\\A", {Text(u"v", u"1")});
  const auto one = ReadKeys(forward, nullptr, u"S-1");
  const auto two = ReadKeys(backward, nullptr, u"S-1");
  ASSERT_TRUE(one.ok() && two.ok());
  ASSERT_EQ(one->changed.size(), 2u);
  ASSERT_EQ(two->changed.size(), 2u);
  EXPECT_EQ(one->changed[0].path, two->changed[0].path);
}

}  // namespace
}  // namespace plume::capture
