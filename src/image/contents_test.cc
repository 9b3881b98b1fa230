#include "image/contents.h"

#include <gtest/gtest.h>

#include "catalog/testing.h"
#include "catalog/writer.h"

namespace plume::image {
namespace {

catalog::ValueNode Text(std::u16string name, std::u16string_view text) {
  return {std::move(name), 1, catalog::testing::Utf16Bytes(text)};
}
catalog::ValueNode Number(std::u16string name, uint8_t n) { return {std::move(name), 4, {n, 0, 0, 0}}; }

class ContentsTest : public testing::Test {
 protected:
  void Key(const std::string& root, const std::u16string& path, std::vector<catalog::ValueNode> values) {
    input_.keys.push_back({root, path, 0, std::move(values)});
  }
  void File(const std::u16string& path) {
    catalog::FileNode node;
    node.root = "C";
    node.path = path;
    input_.files.push_back(node);
  }
  Contents Read() {
    const auto bytes = catalog::Write(input_);
    EXPECT_TRUE(bytes.ok()) << bytes.error().message;
    catalog::Reader reader;
    reader.Attach(bytes->data(), bytes->size());
    return ReadContents(reader);
  }
  catalog::Input input_;
};

TEST_F(ContentsTest, ClassesOfEveryKind) {
  const std::u16string ids = u"Software\\Classes\\CLSID\\";
  Key("M", ids + u"{1}", {Text(u"", u"One")});
  Key("M", ids + u"{1}\\InprocServer32", {Text(u"", u"C:\\a.dll"), Text(u"ThreadingModel", u"Both")});
  Key("M", ids + u"{1}\\ProgID", {Text(u"", u"App.One")});
  Key("CU", ids + u"{2}\\LocalServer32", {Text(u"", u"\"C:\\a.exe\" /automation")});
  Key("M", u"Software\\Classes\\Wow6432Node\\CLSID\\{3}\\InprocServer32", {Text(u"", u"C:\\b.dll")});
  Key("M", ids + u"{4}", {Text(u"AppID", u"{44}")});
  Key("M", u"Software\\Classes\\AppID\\{44}", {Text(u"LocalService", u"Svc")});
  Key("M", ids + u"{5}", {Text(u"AppID", u"{55}")});
  Key("M", u"Software\\Classes\\AppID\\{55}", {Text(u"DllSurrogate", u"")});
  Key("M", ids + u"{6}\\Implemented Categories\\{c}", {});  // no server: another package's class
  const Contents found = Read();
  ASSERT_EQ(found.com_classes.size(), 5u);
  const ComClass& one = found.com_classes[0];
  EXPECT_EQ(one.clsid + one.name + one.server + one.file + one.threading + one.prog_id,
            "{1}Onein processC:\\a.dllBothApp.One");
  EXPECT_FALSE(one.user || one.wow64);
  EXPECT_EQ(found.com_classes[1].server + found.com_classes[1].file, "serviceSvc");
  EXPECT_EQ(found.com_classes[2].server, "surrogate");
  EXPECT_TRUE(found.com_classes[3].wow64);
  EXPECT_EQ(found.com_classes[4].server, "local");
  EXPECT_TRUE(found.com_classes[4].user);
}

TEST_F(ContentsTest, ServicesAndDrivers) {
  const std::u16string services = u"System\\CurrentControlSet\\Services\\";
  Key("M", services + u"Svc",
      {Number(u"Type", 16), Number(u"Start", 2), Text(u"ImagePath", u"C:\\s.exe"),
       Text(u"DisplayName", u"A service")});
  Key("M", services + u"Drv", {Number(u"Type", 1), Number(u"Start", 0)});
  Key("M", services + u"EventLog\\Application\\App", {Text(u"EventMessageFile", u"x")});
  Key("M", u"System\\Other\\Services\\No", {Number(u"Type", 16)});
  File(u"Windows\\System32\\drivers\\drv.sys");
  File(u"Windows\\drv.sys");
  const Contents found = Read();
  ASSERT_EQ(found.services.size(), 1u);
  EXPECT_EQ(found.services[0].name + found.services[0].display_name + found.services[0].command +
                found.services[0].start,
            "SvcA serviceC:\\s.exeautomatic");
  ASSERT_EQ(found.drivers.size(), 1u);
  EXPECT_EQ(found.drivers[0].name + found.drivers[0].start, "Drvboot");
  EXPECT_EQ(found.driver_files, std::vector<std::string>{"C:\\Windows\\System32\\drivers\\drv.sys"});
}

TEST_F(ContentsTest, FileTypesProtocolsFontsTasksAssemblies) {
  const std::u16string classes = u"Software\\Classes\\";
  Key("M", classes + u".ed", {Text(u"", u"Ed.File")});
  Key("M", classes + u"Ed.File", {Text(u"", u"Editor file")});
  Key("M", classes + u"Ed.File\\shell", {Text(u"", u"edit")});
  Key("M", classes + u"Ed.File\\shell\\edit\\command", {Text(u"", u"ed.exe \"%1\"")});
  Key("M", classes + u"Ed.File\\shell\\open\\command", {Text(u"", u"no")});
  Key("M", classes + u"ed", {Text(u"URL Protocol", u"")});
  Key("M", classes + u"ed\\shell\\open\\command", {Text(u"", u"ed.exe \"%1\"")});
  Key("M", u"Software\\Microsoft\\Windows NT\\CurrentVersion\\Fonts", {Text(u"Ed (TrueType)", u"ed.ttf")});
  Key("M", u"Software\\Microsoft\\Windows NT\\CurrentVersion\\Schedule\\TaskCache\\Tree\\Ed\\Update",
      {Text(u"Id", u"{7}")});
  File(u"Windows\\System32\\Tasks\\Ed\\Update");
  File(u"Windows\\Tasks\\Old.job");
  File(u"Windows\\WinSxS\\Manifests\\amd64_ed_1.0.manifest");
  File(u"Windows\\assembly\\GAC_64\\Ed.Core\\1.0.0.0__abc\\Ed.Core.dll");
  const Contents found = Read();
  ASSERT_EQ(found.file_types.size(), 1u);
  EXPECT_EQ(found.file_types[0].extension + found.file_types[0].type + found.file_types[0].name +
                found.file_types[0].command,
            ".edEd.FileEditor fileed.exe \"%1\"");
  ASSERT_EQ(found.protocols.size(), 1u);
  EXPECT_EQ(found.protocols[0].scheme, "ed");
  ASSERT_EQ(found.fonts.size(), 1u);
  EXPECT_EQ(found.fonts[0].file, "ed.ttf");
  EXPECT_EQ(found.scheduled_tasks, (std::vector<std::string>{"\\Ed\\Update", "\\Old"}));
  EXPECT_EQ(found.assemblies, (std::vector<std::string>{"Ed.Core", "amd64_ed_1.0"}));
}

TEST_F(ContentsTest, AssembliesOfTheApplicationsOwn) {
  const std::u16string ed = u"Program Files\\Ed\\";
  for (const std::u16string name :
       {u"ed.exe", u"ed.exe.manifest", u"Ed.Parts.manifest", u"Ed.Parts.dll", u"Ed.More\\Ed.More.manifest",
        u"Ed.More\\other.manifest", u"data\\x.manifest", u"plug.dll.manifest"})
    File(ed + name);
  File(u"Program Files\\Data\\list.manifest");
  File(u"Windows\\notepad.exe");
  File(u"Windows\\x.manifest");
  EXPECT_EQ(Read().assemblies, (std::vector<std::string>{"Ed.More in C:\\Program Files\\Ed\\Ed.More",
                                                         "Ed.Parts in C:\\Program Files\\Ed"}));
}

TEST_F(ContentsTest, AnEmptyImage) {
  const Contents found = Read();
  EXPECT_TRUE(found.com_classes.empty() && found.services.empty() && found.file_types.empty());
}

}  // namespace
}  // namespace plume::image
