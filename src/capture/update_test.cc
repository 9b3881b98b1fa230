// A VM over an image, captured: the image's content with the VM's changes on top, built into a store.
#include "capture/update.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "base/utf16_bytes.h"
#include "capture/memory_keys.h"
#include "capture/text.h"
#include "image/builder.h"
#include "image/inspect.h"
#include "image/read_content.h"
#include "image/test_content.h"

namespace plume::capture {
namespace {

using image::testing::Noise;
using os::testing::TestFolder;

constexpr std::u16string_view kSid = u"S-1-5-21-1";

image::ValueItem Text(std::u16string name, std::u16string_view text) {
  return {std::move(name), 1, BytesOf(std::u16string(text) + u'\0')};
}

std::string Program(char mark) {
  std::string b(0x200, mark);
  b.replace(0, 2, "MZ");
  b.replace(0x3C, 4, std::string("\x40\0\0\0", 4));
  b.replace(0x40, 8, std::string("PE\0\0\x64\x86\0\0", 8));
  b[0x40 + 24 + 68] = 3;
  b[0x40 + 24 + 69] = 0;
  b[0x40 + 22] = b[0x40 + 23] = 0;
  return b;
}

class UpdateTest : public testing::Test {
 protected:
  void SetUp() override {
    store_ = std::move(*image::Store::Open(os::SystemFiles(), folder_ / "store"));
    machine_.profile = u"C:\\users\\ann";
    machine_.user_sid = kSid;
    // The first version, as captured from another machine.
    workspace_.upper = folder_ / "first";
    workspace_.profile = machine_.profile;
    workspace_.user_sid = machine_.user_sid;
    workspace_.keys = &first_;
    Write("first/C/Program Files/App/app.exe", Program('1'));
    Write("first/C/Program Files/App/old.dll", "old");
    Write("first/C/Program Files/App/data/big.bin", Noise(1, 900'000));
    Write("first/C/Program Files/App/data/same.txt", "same");
    Write("first/C/Program Files/App/plug/a.txt", "a");
    Write("first/C/users/ann/AppData/Roaming/App/app.ini", "ini");
    first_.Add(u"M\\Software\\App",
               {Text(u"Version", u"1"), Text(u"Folder", u"C:\\users\\ann\\App"), Text(u"Gone", u"x")});
    first_.Add(u"M\\Software\\App\\Old", {Text(u"", u"old")});
    first_.Add(u"M\\Software\\App\\Kept", {Text(u"", u"C:\\users\\ann\\kept")});
    first_.Add(u"M\\Software\\Users\\" + std::u16string(kSid), {Text(u"", u"me")});
    first_.Add(u"M\\System\\CurrentControlSet\\Control\\Session Manager\\Environment",
               {Text(u"APP_HOME", u"C:\\App")});
    ASSERT_TRUE(Build("1"));
    workspace_.upper = folder_ / "upper";
    workspace_.keys = &upper_;
    workspace_.host_keys = &host_;
    auto base = image::ReadContent(*store_, built_.ref.digest);
    ASSERT_TRUE(base.ok()) << base.error().message;
    base_ = std::move(*base);
    workspace_.base = &base_;
    // The bytes that are kept are not read again.
    ASSERT_TRUE(os::RemoveTree(os::SystemFiles(), folder_ / "first").ok());
    std::filesystem::create_directories(folder_ / "upper");
  }
  void Write(const std::string& path, const std::string& bytes) {
    const os::Path file = folder_ / path;
    std::filesystem::create_directories(file.parent_path());
    ASSERT_TRUE(os::WriteAtomic(os::SystemFiles(), file, bytes).ok());
  }
  testing::AssertionResult Build(const std::string& version, const std::string& entry = "") {
    auto captured = CaptureWorkspace(workspace_, {"app", version, entry, {}, false});
    if (!captured.ok()) return testing::AssertionFailure() << captured.error().message;
    captured_ = std::move(*captured);
    auto built = image::Build(captured_.content, *store_);
    if (!built.ok()) return testing::AssertionFailure() << built.error().message;
    built_ = std::move(*built);
    const auto sound = image::VerifyImage(*store_, built_.ref.digest);
    if (!sound.ok()) return testing::AssertionFailure() << sound.error().message;
    return testing::AssertionSuccess();
  }
  std::vector<std::string> Files() const {
    std::vector<std::string> out;
    const auto listed = image::ListFiles(*store_, built_.ref.digest);
    for (const auto& row : *listed)
      if (row["kind"] == "file") out.push_back(row["path"]);
    std::sort(out.begin(), out.end());
    return out;
  }
  std::string Value(const std::string& key, const std::string& name) const {
    const auto listed = image::ListRegistry(*store_, built_.ref.digest);
    for (const auto& row : *listed) {
      if (row["key"] != key) continue;
      for (const auto& value : row["values"])
        if (value["name"] == name) return value["data"];
      return "no value";
    }
    return "no key";
  }

  TestFolder folder_;
  std::unique_ptr<image::Store> store_;
  Machine machine_;
  MemoryKeys first_, upper_, host_;
  Workspace workspace_;
  image::Content base_;
  Capture captured_;
  image::BuiltImage built_;
};

TEST_F(UpdateTest, WithoutChangesItIsTheImageAgain) {
  const std::string catalog = built_.manifest.catalog.digest;
  ASSERT_TRUE(Build("2"));
  EXPECT_EQ(built_.manifest.catalog.digest, catalog);
  EXPECT_EQ(built_.stats.stored_bytes, 0u);
}

TEST_F(UpdateTest, ChangedFilesAreTakenDeletedOnesAreGone) {
  Write("upper/C/Program Files/App/app.exe", Program('2'));
  Write("upper/C/Program Files/App/new.exe", Program('3'));
  Write("upper/C/Program Files/App/data/same.txt", "same");
  Write("upper/C/Program Files/App/plug", "a file now");
  Write("upper/C/Program Files/App/old.dll/inside.txt", "a folder now");
  Write("upper/C/users/ann/AppData/Roaming/App/more.ini", "more");
  workspace_.deleted = {u"C:\\Program Files\\App\\old.dll", u"C:\\Program Files\\App\\plug",
                        u"C:\\users\\ann\\AppData\\Roaming\\App\\app.ini"};
  ASSERT_TRUE(Build("2"));
  EXPECT_EQ(Files(), (std::vector<std::string>{
                         "%PROFILE%\\AppData\\Roaming\\App\\more.ini", "C:\\Program Files\\App\\app.exe",
                         "C:\\Program Files\\App\\data\\big.bin", "C:\\Program Files\\App\\data\\same.txt",
                         "C:\\Program Files\\App\\new.exe", "C:\\Program Files\\App\\old.dll\\inside.txt",
                         "C:\\Program Files\\App\\plug"}));
  // The 900 kB that nobody touched are in the first version's pack.
  EXPECT_LT(built_.stats.stored_bytes, 2000u);
  EXPECT_TRUE(captured_.notes.empty()) << captured_.notes[0];
  EXPECT_EQ(captured_.content.config.file_count, 7u);
  EXPECT_EQ(captured_.content.config.byte_count, built_.stats.plain_bytes);
  const std::string digest = built_.ref.digest;
  ASSERT_TRUE(Build("2"));
  EXPECT_EQ(built_.ref.digest, digest) << "captured twice";
}

TEST_F(UpdateTest, ADeletedFolderTakesAllOfItAlong) {
  Write("upper/C/Program Files/App/data/new.txt", "new");
  std::filesystem::create_directories(folder_ / "upper/C/Program Files/App/data/empty");
  workspace_.deleted = {u"c:\\program files\\app\\DATA"};
  ASSERT_TRUE(Build("2"));
  const auto files = Files();
  EXPECT_EQ(std::count(files.begin(), files.end(), "C:\\Program Files\\App\\data\\big.bin"), 0);
  EXPECT_EQ(std::count(files.begin(), files.end(), "C:\\Program Files\\App\\data\\new.txt"), 1);
  EXPECT_EQ(std::count(files.begin(), files.end(), "C:\\Program Files\\App\\old.dll"), 1);
  EXPECT_NE(image::ListFiles(*store_, "app:2")->dump().find("data\\\\empty"), std::string::npos);
}

TEST_F(UpdateTest, AFileThatTheHostHasTooStaysTheImages) {
  Write("upper/C/Program Files/App/old.dll", "the host's");
  Write("host", "the host's");
  workspace_.host_file = [&](std::u16string_view path) {
    return EndsWithFolded(path, u"old.dll") ? os::Path(folder_ / "host") : os::Path();
  };
  ASSERT_TRUE(Build("2"));
  const auto& files = captured_.content.files;
  const auto found = std::find_if(files.begin(), files.end(), [](const image::FileItem& f) {
    return EndsWithFolded(f.path, u"old.dll");
  });
  ASSERT_NE(found, files.end());
  EXPECT_FALSE(found->kept);
}

TEST_F(UpdateTest, KeysOfTheVmAreAllTheyHave) {
  // As copied up: with the image's values and the machine's own; "Gone" was deleted.
  upper_.Add(u"M\\Software\\App",
             {Text(u"Version", u"2"), Text(u"Folder", u"C:\\users\\ann\\App"), Text(u"Machine", u"own")});
  upper_.Add(u"M\\Software\\App\\New", {Text(u"", u"C:\\users\\ann\\new")});
  host_.Add(u"M\\Software\\App", {Text(u"Machine", u"own"), Text(u"Version", u"2")});
  workspace_.deleted = {u"M\\Software\\App\\Old"};
  ASSERT_TRUE(Build("2"));
  const std::string app = "HKEY_LOCAL_MACHINE\\Software\\App";
  EXPECT_EQ(Value(app, "Version"), "2") << "the application's, though the host has the same";
  EXPECT_EQ(Value(app, "Folder"), "%{plume:profile}\\App");
  EXPECT_EQ(Value(app, "Gone"), "no value");
  EXPECT_EQ(Value(app, "Machine"), "no value") << "the host's own";
  EXPECT_EQ(Value(app + "\\Old", ""), "no key");
  EXPECT_EQ(Value(app + "\\Kept", ""), "%{plume:profile}\\kept");
  EXPECT_EQ(Value(app + "\\New", ""), "%{plume:profile}\\new");
  EXPECT_EQ(Value("HKEY_LOCAL_MACHINE\\Software\\Users\\%{plume:sid}", ""), "me");
  EXPECT_EQ(captured_.content.config.variables.size(), 2u);
  ASSERT_EQ(captured_.content.config.environment.size(), 1u);
  EXPECT_EQ(captured_.content.config.environment[0].name, "APP_HOME");
}

TEST_F(UpdateTest, AKeyWhoseValuesWereAllDeletedIsEmpty) {
  upper_.Add(u"M\\Software\\App");
  upper_.Add(u"M\\Software\\Users\\" + std::u16string(kSid), {Text(u"", u"you")});
  host_.Add(u"M\\Software\\App", {Text(u"Machine", u"own")});
  ASSERT_TRUE(Build("2"));
  EXPECT_EQ(Value("HKEY_LOCAL_MACHINE\\Software\\App", "Version"), "no value");
  EXPECT_EQ(Value("HKEY_LOCAL_MACHINE\\Software\\App\\Old", ""), "old");
  EXPECT_EQ(Value("HKEY_LOCAL_MACHINE\\Software\\Users\\%{plume:sid}", ""), "you");
}

TEST_F(UpdateTest, PlacesWithTheMachinesValuesAreThoseOfTheFilesThatStay) {
  base_.config.machine_texts = {{"C:\\Program Files\\App\\data\\same.txt", 1, "profile"},
                                {"C:\\Program Files\\App\\old.dll", 2, "temp"},
                                {"%PROFILE%\\AppData\\Roaming\\App\\app.ini", 3, "sid"}};
  Write("upper/C/users/ann/AppData/Roaming/App/app.ini", "a\nhome=C:/users/ann/x");
  workspace_.deleted = {u"C:\\Program Files\\App\\old.dll"};
  ASSERT_TRUE(Build("2"));
  const auto& places = captured_.content.config.machine_texts;
  ASSERT_EQ(places.size(), 2u);
  EXPECT_EQ(places[0].path + std::to_string(places[0].line) + places[0].means,
            "%PROFILE%\\AppData\\Roaming\\App\\app.ini2profile");
  EXPECT_EQ(places[1].path, "C:\\Program Files\\App\\data\\same.txt");
}

TEST_F(UpdateTest, EntryPointsStayWhileTheirProgramIsThere) {
  ASSERT_EQ(base_.config.entry_points.size(), 1u);
  base_.config.entry_points[0].arguments = "-x";
  Write("upper/C/Program Files/App/app.exe", Program('2'));
  Write("upper/C/Program Files/App/new.exe", Program('3'));
  ASSERT_TRUE(Build("2"));
  const auto& entries = captured_.content.config.entry_points;
  ASSERT_EQ(entries.size(), 2u);
  EXPECT_EQ(entries[0].id + entries[0].arguments, "app-x");
  EXPECT_EQ(entries[1].id, "new");
  ASSERT_TRUE(Build("3", "new.exe"));
  EXPECT_EQ(captured_.content.config.entry_points[0].id, "new");
  workspace_.deleted = {u"C:\\Program Files\\App\\app.exe"};
  ASSERT_TRUE(os::SystemFiles().Remove(folder_ / "upper/C/Program Files/App/app.exe").ok());
  ASSERT_TRUE(Build("4"));
  ASSERT_EQ(captured_.content.config.entry_points.size(), 1u);
  EXPECT_EQ(captured_.content.config.entry_points[0].id, "new");
}

}  // namespace
}  // namespace plume::capture
