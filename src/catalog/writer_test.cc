#include "catalog/writer.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>

#include "catalog/reader.h"

namespace plume::catalog {
namespace {

FileNode File(const std::string& root, const std::u16string& path, uint64_t size = 0) {
  FileNode node;
  node.root = root;
  node.path = path;
  node.attributes = 0x20;
  node.modified = 1234;
  node.size = size;
  if (size) {
    node.chunks = {0};
    node.content[0] = 7;
  }
  return node;
}

FileNode Directory(const std::string& root, const std::u16string& path) {
  FileNode node = File(root, path);
  node.directory = true;
  node.attributes = 0x10;
  return node;
}

Input Sample() {
  Input input;
  input.files = {File("C", u"Program Files\\App\\b.dll", 100),
                 File("C", u"Program Files\\App\\A.exe", 100),
                 Directory("C", u"PROGRAM FILES"),
                 File("C", u"Program Files\\App\\empty"),
                 File("Profile", u"AppData\\x.ini"),
                 Directory("C", u"Program Files\\App\\sub\\deep")};
  input.files[1].pe = true;
  input.files[1].short_name = u"A~1.EXE";
  input.keys = {
      {"M", u"Software\\App", 99, {{u"z", 4, {1, 0, 0, 0}}, {u"", 1, {65, 0, 0, 0}}, {u"A", 1, {}}}},
      {"CU", u"Software\\\u00e4pp\\Sub", 0, {}}};
  input.chunks = {{{9}, 100, 50, 0, 0}};
  input.packs = {{{8}, 50}};
  return input;
}

Error WriteError(const Input& input) {
  const Result<std::vector<uint8_t>> result = Write(input);
  return result.ok() ? Error{Errc::kInternal, "was accepted"} : result.error();
}

TEST(CatalogWriter, WritesWhatTheReaderFinds) {
  const Result<std::vector<uint8_t>> bytes = Write(Sample());
  ASSERT_TRUE(bytes.ok()) << bytes.error().message;
  ASSERT_TRUE(Reader::Verify(bytes->data(), bytes->size()));
  Reader reader;
  ASSERT_TRUE(reader.Attach(bytes->data(), bytes->size()));
  const uint32_t drive = reader.RootIndex("C");
  const uint32_t program_files = reader.Child(drive, u"program files");
  ASSERT_NE(program_files, kNone);
  EXPECT_EQ(reader.name(reader.entry(program_files)), u"PROGRAM FILES");  // the explicit spelling wins
  const uint32_t app = reader.Child(program_files, u"APP");
  ASSERT_NE(app, kNone);
  EXPECT_EQ(reader.entry(app).child_count(), 4u);
  const uint32_t exe = reader.Child(app, u"a.EXE");
  ASSERT_NE(exe, kNone);
  EXPECT_EQ(reader.name(reader.entry(exe)), u"A.exe");
  EXPECT_EQ(reader.entry(exe).flags(), kPeFile);
  EXPECT_EQ(reader.entry(exe).size(), 100u);
  EXPECT_EQ(reader.entry(exe).modified(), 1234);
  EXPECT_EQ(reader.ChildByShortName(app, u"a~1.exe"), exe);
  // Equal content is there once.
  EXPECT_EQ(reader.entry(exe).content(), reader.entry(reader.Child(app, u"b.dll")).content());
  EXPECT_EQ(reader.raw().contents()->size(), 1u);
  EXPECT_EQ(reader.entry(reader.Child(app, u"empty")).content(), kNone);
  const uint32_t key = reader.Subkey(reader.Subkey(reader.RootIndex("M"), u"SOFTWARE"), u"app");
  ASSERT_NE(key, kNone);
  EXPECT_EQ(reader.key(key).value_count(), 3u);
  EXPECT_EQ(reader.value(reader.FindValue(key, u"Z")).type(), 4u);
  EXPECT_NE(reader.FindValue(key, u""), kNone);
}

TEST(CatalogWriter, TheOrderOfTheInputDoesNotMatter) {
  const std::vector<uint8_t> expected = *Write(Sample());
  std::mt19937 random(1);
  for (int i = 0; i < 20; ++i) {
    Input shuffled = Sample();
    std::shuffle(shuffled.files.begin(), shuffled.files.end(), random);
    std::shuffle(shuffled.keys.begin(), shuffled.keys.end(), random);
    std::shuffle(shuffled.keys.front().values.begin(), shuffled.keys.front().values.end(), random);
    EXPECT_EQ(*Write(shuffled), expected);
  }
}

TEST(CatalogWriter, EmptyAndLarge) {
  EXPECT_TRUE(Write(Input{}).ok());
  Input input;
  for (int i = 0; i < 30'000; ++i) {
    const std::string number = std::to_string(i * 7919 % 30'000);
    input.files.push_back(File("C", u"d" + std::u16string(number.begin(), number.end()) + u"\\f"));
  }
  const Result<std::vector<uint8_t>> bytes = Write(input);
  ASSERT_TRUE(bytes.ok());
  Reader reader;
  reader.Attach(bytes->data(), bytes->size());
  EXPECT_NE(reader.Child(reader.Child(reader.RootIndex("C"), u"D123"), u"F"), kNone);
}

TEST(CatalogWriter, ImpossibleInputIsRefusedByName) {
  Input input = Sample();
  input.files.push_back(File("C", u"program files\\app\\B.DLL"));
  EXPECT_NE(WriteError(input).message.find("B.DLL"), std::string::npos) << WriteError(input).message;

  input = Sample();
  input.files.push_back(File("C", u"Program Files\\App\\b.dll\\inside"));
  EXPECT_NE(WriteError(input).message.find("below a file"), std::string::npos);

  for (const char16_t* name : {u"a\\..\\b", u"a\\\\b", u"a\\", u"a:b", u"a\\b?", u"a\u0001", u"."}) {
    input = Sample();
    input.files.push_back(File("C", name));
    EXPECT_EQ(WriteError(input).code, Errc::kInvalid);
  }
  input = Sample();
  input.files[0].root = "C:";
  EXPECT_EQ(WriteError(input).code, Errc::kInvalid);

  input = Sample();
  input.files[0].size = 101;  // the chunks have 100
  EXPECT_EQ(WriteError(input).code, Errc::kInvalid);

  input = Sample();
  input.keys[0].values.push_back({u"Z", 1, {}});
  EXPECT_NE(WriteError(input).message.find("twice"), std::string::npos);

  input = Sample();
  input.chunks[0].offset = 1;  // sticks out of its pack
  EXPECT_EQ(WriteError(input).code, Errc::kInvalid);

  input = Sample();
  input.files.push_back(File("C", u""));  // the root as a file
  EXPECT_EQ(WriteError(input).code, Errc::kInvalid);
}

}  // namespace
}  // namespace plume::catalog
