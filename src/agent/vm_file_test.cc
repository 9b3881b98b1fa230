#include "agent/vm_file.h"

#include <gtest/gtest.h>

#include <map>

#include "agent/fake_keys.h"
#include "agent/text.h"
#include "agent/workspace_file.h"
#include "os/clock.h"
#include "os/mapped_file.h"
#include "os/test_folder.h"

namespace plume::agent {
namespace {

using testing::FakeKeys;
using view::VmIndex;

const VmFilePlaces kAnn{u"C:\\users\\ann", u"S-1-5-21-7"};
const VmFilePlaces kBob{u"D:\\home\\bob", u"S-1-5-21-8"};

struct Index {
  Index() {
    bool created = false;
    file = *os::MappedFile::OpenShared(folder / "index.plx", VmIndex::kFileBytes, &created);
    VmIndex::Format(file.data());
    index.Attach(file.data(), file.size());
  }
  void Set(std::u16string_view canonical, uint32_t flags, uint64_t base = 0) {
    std::vector<char16_t> storage(view::kMaxPathUnits);
    view::VPath path;
    view::ParseCanonical(canonical, std::span<char16_t>(storage), &path);
    ASSERT_TRUE(index.Set(path, path.depth, flags, base));
  }
  std::map<std::u16string, std::pair<uint32_t, uint64_t>> All() {
    std::map<std::u16string, std::pair<uint32_t, uint64_t>> out;
    index.ForEach([&](const VmIndex::Record& r) {
      out[std::u16string(r.Text())] = {r.flags.load(), r.base.load()};
    });
    return out;
  }
  os::testing::TestFolder folder;
  os::MappedFile file;
  VmIndex index;
};

// Everything a file says, as text.
class Recorder : public VmFileVisitor {
 public:
  std::string text;
  Status Info(const VmFileInfo& info) override { return Add(info.ToJson().dump()); }
  Status Record(const IndexRecord& r) override {
    return Add(ToUtf8(r.path) + " " + std::to_string(r.flags) + " " + std::to_string(r.base));
  }
  Status Directory(std::u16string_view path, const os::FileInfo& info) override { return File(path, info); }
  Status File(std::u16string_view path, const os::FileInfo& info) override {
    return Add(ToUtf8(path) + " " + std::to_string(info.attributes) + " " +
               std::to_string(info.times.modified));
  }
  Status Data(os::ByteView bytes) override { return Add(std::string(bytes.begin(), bytes.end())); }
  Status Key(std::u16string_view path, const KeyNode& node) override {
    for (const auto& v : node.values)
      text += ToUtf8(v.name) + "=" + std::string(v.data.begin(), v.data.end());
    return Add(ToUtf8(path));
  }

 private:
  Status Add(const std::string& more) {
    text += more + "\n";
    return Ok();
  }
};

class VmFileTest : public ::testing::Test {
 protected:
  VmFileTest() {
    Write("from/C/Program Files/App/app.exe", std::string(700000, 'x') + "end");
    Write("from/C/users/ann/AppData/settings.txt", "colour=blue");
    Write("from/C/empty.txt", "");
    MakeDirectory("from/C/users/ann/nothing");
    from_.Set(u"C:", VmIndex::kUpper);
    from_.Set(u"C:\\Program Files", VmIndex::kUpper, 77);
    from_.Set(u"C:\\gone.txt", VmIndex::kWhiteout, 0x123456789abcdef);
    from_.Set(u"C:\\users", VmIndex::kUpper);
    from_.Set(u"C:\\users\\ann", VmIndex::kUpper | VmIndex::kSubtreeUpper);
    from_.Set(u"U\\S-1-5-21-7\\Software", VmIndex::kUpper, 9);
    KeyNode node;
    node.class_name = u"class";
    node.access = {1, 2, 3};
    node.values = {{u"", 1, {}}, {std::u16string(u"a\0b", 3), 3, std::vector<uint8_t>(70000, 7)}};
    (void)keys_.Create(u"M\\Software\\X", node);
    keys_.Add(u"U\\S-1-5-21-7\\Software\\Y", {{u"v", 4, {1, 0, 0, 0}}});
    KeyNode link;
    link.link = true;
    link.values = {{u"SymbolicLinkValue", 6, {92, 0}}};
    (void)keys_.Create(u"M\\Software\\Link", link);
    info_.name = "box";
    info_.policy = "sandbox";
    info_.policy_text = "inherit = \"sandbox\"\n";
    info_.images = {"sha256:aa", "sha256:bb"};
    info_.tag = "before";
    info_.created = 132000000000000000;
    info_.user_sid = "S-1-5-21-7";
  }

  void Write(const std::string& path, const std::string& text) {
    const os::Path file = folder_ / path;
    ASSERT_TRUE(os::WriteAtomic(os::SystemFiles(), file, text).ok());
    ASSERT_TRUE(os::SystemFiles().SetTimes(file, {0, 130000000000000000, 130000000000000000}).ok());
  }
  void MakeDirectory(const std::string& path) {
    ASSERT_TRUE(os::SystemFiles().MakeDirectories(folder_ / path).ok());
  }

  WorkspaceParts From() { return {&os::SystemFiles(), folder_ / "from", &from_.index, &keys_}; }
  Status Pack(VmFileWriter::Kind kind, const std::string& name = "file.plvm") {
    return PackWorkspace(From(), folder_ / name, kind, info_, kAnn, nullptr, nullptr);
  }
  Status Unpack(const VmFilePlaces& places, Index& index, FakeKeys& keys,
                const std::string& name = "file.plvm") {
    MakeDirectory("to");
    ASSIGN(const auto file, os::SystemFiles().Open(folder_ / name, os::OpenMode::kRead));
    ASSIGN(read_, UnpackWorkspace(*file, {&os::SystemFiles(), folder_ / "to", &index.index, &keys}, places,
                                  nullptr));
    return Ok();
  }
  std::string Text(const std::string& path) {
    const auto text = os::ReadText(os::SystemFiles(), folder_ / path);
    return text.ok() ? *text : "(" + text.error().message + ")";
  }

  os::testing::TestFolder folder_;
  Index from_;
  FakeKeys keys_;
  VmFileInfo info_, read_;
};

TEST_F(VmFileTest, ComesBackAsItWas) {
  for (const auto kind : {VmFileWriter::Kind::kSnapshot, VmFileWriter::Kind::kExport}) {
    const std::string name = kind == VmFileWriter::Kind::kExport ? "a" : "b";
    ASSERT_TRUE(Pack(kind, name).ok());
    Index index;
    FakeKeys keys;
    const Status done = Unpack(kAnn, index, keys, name);
    ASSERT_TRUE(done.ok()) << done.error().message;
    EXPECT_EQ(read_.ToJson(), info_.ToJson());
    EXPECT_EQ(Text("to/C/Program Files/App/app.exe"), Text("from/C/Program Files/App/app.exe"));
    EXPECT_EQ(Text("to/C/users/ann/AppData/settings.txt"), "colour=blue");
    EXPECT_EQ(Text("to/C/empty.txt"), "");
    EXPECT_TRUE(os::Exists(os::SystemFiles(), folder_ / "to/C/users/ann/nothing"));
    EXPECT_EQ(os::SystemFiles().Stat(folder_ / "to/C/empty.txt")->times.modified, 130000000000000000);
    // Every record, and nothing but what the index of the upper layer must say beyond them.
    auto expected = from_.All(), found = index.All();
    for (const auto& [path, value] : expected) EXPECT_EQ(found[path], value) << ToUtf8(path);
    for (const auto& [path, value] : found)
      if (!expected.contains(path)) {
        EXPECT_EQ(value.first & ~VmIndex::kUpper, 0u) << ToUtf8(path);
      }
    EXPECT_EQ(keys.all.size(), keys_.all.size());
    for (const auto& [path, node] : keys_.all) EXPECT_EQ(keys.all[path], node) << ToUtf8(path);
    (void)os::RemoveTree(os::SystemFiles(), folder_ / "to");
  }
}

TEST_F(VmFileTest, AnotherUsersMachine) {
  ASSERT_TRUE(Pack(VmFileWriter::Kind::kExport).ok());
  Index index;
  FakeKeys keys;
  ASSERT_TRUE(Unpack(kBob, index, keys).ok());
  EXPECT_EQ(Text("to/D/home/bob/AppData/settings.txt"), "colour=blue");
  EXPECT_FALSE(os::Exists(os::SystemFiles(), folder_ / "to/C/users/ann"));
  EXPECT_TRUE(keys.all.contains(u"U\\S-1-5-21-8\\Software\\Y"));
  EXPECT_FALSE(keys.all.contains(u"U\\S-1-5-21-7"));
  EXPECT_TRUE(keys.all[u"M\\Software\\X"].access.empty()) << "names users that are not here";
  const auto found = index.All();
  EXPECT_EQ(found.at(u"D:\\home\\bob").first, VmIndex::kUpper | VmIndex::kSubtreeUpper);
  EXPECT_EQ(found.at(u"U\\S-1-5-21-8\\Software"), (std::pair<uint32_t, uint64_t>(VmIndex::kUpper, 9)));
  // Without these a guest would not look for the profile folder in the upper layer.
  EXPECT_EQ(found.at(u"D:").first & VmIndex::kUpper, VmIndex::kUpper);
  EXPECT_EQ(found.at(u"D:\\home").first & VmIndex::kUpper, VmIndex::kUpper);
}

TEST_F(VmFileTest, EveryTruncationAndEveryFlippedByteIsRefused) {
  Write("from/C/Program Files/App/app.exe", "small");
  keys_.all[u"M\\Software\\X"].values.pop_back();
  for (const auto kind : {VmFileWriter::Kind::kSnapshot, VmFileWriter::Kind::kExport}) {
    const std::string name = kind == VmFileWriter::Kind::kExport ? "a" : "b";
    ASSERT_TRUE(Pack(kind, name).ok());
    const std::string whole = Text(name);
    std::string said;
    const auto read = [&](const std::string& bytes) {
      EXPECT_TRUE(os::WriteAtomic(os::SystemFiles(), folder_ / "bad", bytes).ok());
      const auto file = os::SystemFiles().Open(folder_ / "bad", os::OpenMode::kRead);
      Recorder recorder;
      Status done = ReadVmFile(**file, kAnn, recorder);
      said = recorder.text;
      return done;
    };
    ASSERT_TRUE(read(whole).ok());
    const std::string truth = said;
    for (size_t n = 0; n < whole.size(); n += n < 64 ? 1 : 7)
      EXPECT_FALSE(read(whole.substr(0, n)).ok()) << n;
    for (size_t i = 0; i < whole.size(); i += i < 64 ? 1 : 5) {
      std::string bad = whole;
      bad[i] = static_cast<char>(bad[i] ^ 0x10);
      const Status done = read(bad);
      if (done.ok()) {
        // Bits of a compressed stream that mean nothing. The seal covers them too.
        EXPECT_EQ(kind, VmFileWriter::Kind::kSnapshot) << i;
        EXPECT_EQ(said, truth) << i;
        continue;
      }
      EXPECT_TRUE(done.error().code == Errc::kCorrupt || done.error().code == Errc::kUnsupported)
          << done.error().message;
      EXPECT_NE(done.error().message.find("failed: "), std::string::npos);
      EXPECT_EQ(done.error().message.find('\n'), std::string::npos);
    }
    EXPECT_FALSE(read(whole + "x").ok());
    EXPECT_FALSE(read(whole + whole).ok());
  }
}

// What a hostile file may say, well-formed otherwise.
TEST_F(VmFileTest, NamesThatLeadElsewhereAreRefused) {
  for (const char16_t* path :
       {u"C:\\..\\x", u"C:\\a\\..\\..\\b", u"C:\\a/../b", u"C:\\a\\.", u"C:\\", u"\\x", u"x", u"", u"c:\\x",
        u"1:\\x", u"Profile\\..\\x", u"M\\x", u"C:x", u"C:\\a\\\\b", u"\\\\server\\share", u"X\\y"}) {
    (void)os::SystemFiles().Remove(folder_ / "bad");
    const auto writer =
        VmFileWriter::Create(os::SystemFiles(), folder_ / "bad", VmFileWriter::Kind::kExport, info_, {});
    ASSERT_TRUE(writer.ok());
    ASSERT_TRUE((*writer)->File(path, {}).ok());
    ASSERT_TRUE((*writer)->Finish().ok());
    Index index;
    FakeKeys keys;
    const Status done = Unpack(kAnn, index, keys, "bad");
    EXPECT_FALSE(done.ok()) << ToUtf8(path);
    if (!done.ok()) {
      EXPECT_EQ(done.error().code, Errc::kCorrupt);
    }
  }
  for (const char16_t* path :
       {u"C:\\x", u"Profile\\x", u"MM\\x", u"R\\x", u"", u"M\\", u"M\\a\\\\b", u"m\\x"}) {
    (void)os::SystemFiles().Remove(folder_ / "bad");
    const auto writer =
        VmFileWriter::Create(os::SystemFiles(), folder_ / "bad", VmFileWriter::Kind::kExport, info_, {});
    ASSERT_TRUE((*writer)->Key(path, {}).ok());
    ASSERT_TRUE((*writer)->Finish().ok());
    Index index;
    FakeKeys keys;
    EXPECT_FALSE(Unpack(kAnn, index, keys, "bad").ok()) << ToUtf8(path);
    EXPECT_TRUE(keys.all.empty());
  }
}

TEST_F(VmFileTest, OfALaterVersion) {
  ASSERT_TRUE(Pack(VmFileWriter::Kind::kExport).ok());
  std::string bytes = Text("file.plvm");
  bytes[8] = 2;
  ASSERT_TRUE(os::WriteAtomic(os::SystemFiles(), folder_ / "file.plvm", bytes).ok());
  const auto file = os::SystemFiles().Open(folder_ / "file.plvm", os::OpenMode::kRead);
  VmFileVisitor nobody;
  const Status done = ReadVmFile(**file, kAnn, nobody);
  ASSERT_FALSE(done.ok());
  EXPECT_EQ(done.error().code, Errc::kUnsupported);
}

// Files of this version must stay readable: tests/golden/vm_v1.plvm, made by this program with
// PLUME_WRITE_GOLDEN set.
TEST_F(VmFileTest, Golden) {
  const os::Path golden = os::Path(PLUME_GOLDEN) / "vm_v1.plvm";
  if (std::getenv("PLUME_WRITE_GOLDEN") != nullptr) {
    (void)os::SystemFiles().Remove(golden);
    ASSERT_TRUE(
        PackWorkspace(From(), golden, VmFileWriter::Kind::kExport, info_, kAnn, nullptr, nullptr).ok());
  }
  const auto file = os::SystemFiles().Open(golden, os::OpenMode::kRead);
  ASSERT_TRUE(file.ok()) << file.error().message;
  const auto head = ReadVmFileInfo(**file);
  ASSERT_TRUE(head.ok());
  EXPECT_EQ(head->ToJson(), info_.ToJson());
  Index index;
  FakeKeys keys;
  MakeDirectory("to");
  const auto info =
      UnpackWorkspace(**file, {&os::SystemFiles(), folder_ / "to", &index.index, &keys}, kAnn, nullptr);
  ASSERT_TRUE(info.ok()) << info.error().message;
  EXPECT_EQ(Text("to/C/Program Files/App/app.exe"), Text("from/C/Program Files/App/app.exe"));
  EXPECT_EQ(Text("to/C/users/ann/AppData/settings.txt"), "colour=blue");
  for (const auto& [path, value] : from_.All()) EXPECT_EQ(index.All()[path], value) << ToUtf8(path);
  for (const auto& [path, node] : keys_.all) EXPECT_EQ(keys.all[path], node) << ToUtf8(path);
}

}  // namespace
}  // namespace plume::agent
