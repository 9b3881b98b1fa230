#include "agent/diff.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <map>

#include "base/utf16.h"
#include "os/random.h"
#include "view/vm_index.h"

namespace plume::agent {
namespace {

using view::VmIndex;
namespace fs = std::filesystem;

// The layers below: path -> text; a directory has "/" as its text.
class FakeFiles : public LowerFiles {
 public:
  std::map<std::u16string, std::string> all;
  LowerFile Find(std::u16string_view path) override {
    const auto it = all.find(std::u16string(path));
    if (it == all.end()) return {};
    return {true, it->second == "/", it->second.size(), 0};
  }
  std::vector<std::u16string> List(std::u16string_view directory) override {
    std::vector<std::u16string> out;
    for (const auto& [path, text] : all) {
      if (path.size() <= directory.size() || path.compare(0, directory.size(), directory) != 0 ||
          path[directory.size()] != u'\\')
        continue;
      const std::u16string name = path.substr(directory.size() + 1);
      if (name.find(u'\\') == name.npos) out.push_back(name);
    }
    return out;
  }
  Result<bool> SameContent(std::u16string_view path, const os::Path& upper) override {
    ASSIGN(const std::string text, os::ReadText(os::SystemFiles(), upper));
    return text == all[std::u16string(path)];
  }
};

class FakeKeys : public capture::KeySource {
 public:
  std::map<std::u16string, capture::KeyContent> all;
  bool Read(std::u16string_view path, capture::KeyContent* out) const override {
    const auto it = all.find(std::u16string(path));
    if (it == all.end()) return false;
    *out = it->second;
    return true;
  }
  // Adds a key with its parents.
  capture::KeyContent& Add(const std::u16string& path) {
    const size_t slash = path.rfind(u'\\');
    if (slash != path.npos && !all.contains(path))
      Add(path.substr(0, slash)).subkeys.push_back(path.substr(slash + 1));
    return all[path];
  }
};

class DiffTest : public testing::Test {
 protected:
  DiffTest() : root_(fs::temp_directory_path() / ("plume-diff-" + os::RandomHex(6))) {
    fs::create_directories(root_ / "C");
  }
  ~DiffTest() override { fs::remove_all(root_); }

  void Upper(const std::string& path, const std::string& text) {
    const fs::path file = root_ / path;
    fs::create_directories(file.parent_path());
    std::ofstream(file) << text;
  }

  std::string Run() {
    DiffInput input;
    input.records = records_;
    input.files = &os::SystemFiles();
    input.upper = root_;
    input.lower_files = &files_;
    input.upper_keys = &upper_keys_;
    input.lower_keys = &lower_keys_;
    const auto changes = Diff(input);
    if (!changes.ok()) return changes.error().message;
    std::string out;
    for (const Change& c : *changes) {
      out += std::string(1, static_cast<char>(c.kind)) + " " + ToUtf8(c.path);
      if (c.thing == ChangedThing::kValue) out += "\\\\" + ToUtf8(c.value);
      out += "\n";
    }
    return out;
  }

  fs::path root_;
  std::vector<IndexRecord> records_;
  FakeFiles files_;
  FakeKeys upper_keys_, lower_keys_;
};

TEST_F(DiffTest, NothingChanged) { EXPECT_EQ(Run(), ""); }

TEST_F(DiffTest, FilesAddedModifiedAndEqualCopies) {
  files_.all = {
      {u"C:\\d", "/"}, {u"C:\\d\\same", "text"}, {u"C:\\d\\other", "old!"}, {u"C:\\d\\longer", "x"}};
  Upper("C/d/same", "text");  // copied up, never changed
  Upper("C/d/other", "new!");
  Upper("C/d/longer", "xyz");
  Upper("C/n/new", "1");
  EXPECT_EQ(Run(), "M C:\\d\\longer\nM C:\\d\\other\nA C:\\n\nA C:\\n\\new\n");
}

TEST_F(DiffTest, DeletedFilesAndReplacedDirectory) {
  files_.all = {{u"C:\\a", "1"},       {u"C:\\d", "/"},    {u"C:\\d\\kept", "same"},
                {u"C:\\d\\gone", "x"}, {u"C:\\d\\s", "/"}, {u"C:\\d\\s\\deep", "y"}};
  records_ = {{u"C:\\a", VmIndex::kWhiteout},
              {u"C:\\d", VmIndex::kWhiteout | VmIndex::kUpper},
              {u"C:\\d\\gone", VmIndex::kWhiteout},
              {u"C:\\never", VmIndex::kWhiteout}};
  Upper("C/d/kept", "same");  // the directory was removed and made again with one of its files
  EXPECT_EQ(Run(), "D C:\\a\nD C:\\d\\gone\nD C:\\d\\s\n");
}

TEST_F(DiffTest, FileOpenedForDeletionButKept) {
  files_.all = {{u"C:\\a", "1"}};
  records_ = {{u"C:\\a", VmIndex::kWhiteout | VmIndex::kUpper}};
  Upper("C/a", "1");
  EXPECT_EQ(Run(), "");
}

TEST_F(DiffTest, RegistryValues) {
  lower_keys_.Add(u"M\\Software\\A").values = {{u"same", 1, {1}}, {u"old", 1, {2}}, {u"gone", 1, {3}}};
  upper_keys_.Add(u"M\\Software\\A").values = {{u"SAME", 1, {1}}, {u"old", 1, {9}}, {u"", 1, {4}}};
  records_ = {{u"M\\Software\\A", VmIndex::kUpper}};
  EXPECT_EQ(Run(), "A M\\Software\\A\\\\\nD M\\Software\\A\\\\gone\nM M\\Software\\A\\\\old\n");
}

TEST_F(DiffTest, ContainerKeysOwnNoValues) {
  lower_keys_.Add(u"M\\Software").values = {{u"host", 1, {1}}};
  upper_keys_.Add(u"M\\Software\\New").values = {{u"v", 4, {1, 0, 0, 0}}};
  records_ = {{u"M\\Software\\New", VmIndex::kUpper}};
  EXPECT_EQ(Run(), "A M\\Software\\New\nA M\\Software\\New\\\\v\n");
}

TEST_F(DiffTest, DeletedKeys) {
  lower_keys_.Add(u"M\\Software\\A\\B");
  lower_keys_.Add(u"M\\Software\\C\\D");
  lower_keys_.Add(u"M\\Software\\C\\E");
  upper_keys_.Add(u"M\\Software\\C\\E");  // C was deleted and made again, with E alone
  records_ = {{u"M\\Software\\A", VmIndex::kWhiteout},
              {u"M\\Software\\C", VmIndex::kWhiteout | VmIndex::kUpper}};
  EXPECT_EQ(Run(), "D M\\Software\\A\nD M\\Software\\C\\D\n");
}

}  // namespace
}  // namespace plume::agent
