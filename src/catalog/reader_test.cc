#include "catalog/reader.h"

#include <gtest/gtest.h>

#include <fstream>
#include <iterator>

#include "catalog/testing.h"

namespace plume::catalog {
namespace {

using testing::Buffer;
using testing::Build;
using testing::TestEntry;
using testing::TestKey;

std::vector<TestEntry> Files() {
  return {{"C", u"Program Files\\A\\a.exe", false, 4096, u""},
          {"C", u"Program Files\\A\\Long file name.txt", false, 10, u"LONGFI~1.TXT"},
          {"C", u"Program Files\\A\\empty", false, 0},
          {"C", u"Program Files\\A\\sub", true},
          {"C", u"\u00e4rger\\x", false, 1},
          {"Profile", u"AppData\\Roaming\\A", true}};
}

std::vector<TestKey> Keys() {
  return {
      {"M", u"Software\\A", {{u"", 1, std::string("d\0\0\0", 4)}, {u"Path", 1, "p"}, {u"Beta", 4, "1234"}}},
      {"M", u"Software\\A\\Sub", {}},
      {"CU", u"Software\\B", {{u"x", 3, ""}}}};
}

class ReaderTest : public ::testing::Test {
 protected:
  Buffer buffer_ = Build(Files(), Keys());
  Reader r_ = buffer_.reader();
};

TEST_F(ReaderTest, VerifiesAndFindsRoots) {
  ASSERT_TRUE(Reader::Verify(buffer_.data(), buffer_.size()));
  EXPECT_NE(r_.RootIndex("C"), kNone);
  EXPECT_NE(r_.RootIndex("Profile"), kNone);
  EXPECT_NE(r_.RootIndex("C"), r_.RootIndex("Profile"));
  EXPECT_NE(r_.RootIndex("M"), kNone);
  EXPECT_EQ(r_.RootIndex("D"), kNone);
  EXPECT_EQ(r_.RootIndex("Profil"), kNone);
  EXPECT_EQ(r_.RootIndex("Profiles"), kNone);
}

TEST_F(ReaderTest, WalksByFoldedName) {
  const uint32_t a = r_.Child(r_.Child(r_.RootIndex("C"), u"PROGRAM files"), u"a");
  ASSERT_NE(a, kNone);
  EXPECT_EQ(r_.name(r_.entry(a)), u"A");
  const uint32_t exe = r_.Child(a, u"A.EXE");
  ASSERT_NE(exe, kNone);
  EXPECT_EQ(r_.entry(exe).size(), 4096u);
  EXPECT_EQ(r_.entry(exe).parent(), a);
  EXPECT_EQ(r_.Child(a, u"a.ex"), kNone);
  EXPECT_EQ(r_.Child(a, u"a.exee"), kNone);
  EXPECT_EQ(r_.Child(exe, u"a.exe"), kNone) << "a file has no children";
  EXPECT_EQ(r_.Child(kNone, u"a"), kNone);
  EXPECT_NE(r_.Child(r_.RootIndex("C"), u"\u00c4RGER"), kNone);
}

TEST_F(ReaderTest, FindsShortNames) {
  const uint32_t a = r_.Child(r_.Child(r_.RootIndex("C"), u"Program Files"), u"A");
  const uint32_t e = r_.ChildByShortName(a, u"longfi~1.txt");
  ASSERT_NE(e, kNone);
  EXPECT_EQ(r_.name(r_.entry(e)), u"Long file name.txt");
  EXPECT_EQ(r_.short_name(r_.entry(e)), u"LONGFI~1.TXT");
  EXPECT_EQ(r_.ChildByShortName(a, u""), kNone);
  EXPECT_EQ(r_.ChildByShortName(a, u"LONGFI~2.TXT"), kNone);
}

TEST_F(ReaderTest, ReadsKeysAndValues) {
  const uint32_t a = r_.Subkey(r_.Subkey(r_.RootIndex("M"), u"SOFTWARE"), u"a");
  ASSERT_NE(a, kNone);
  EXPECT_EQ(r_.key(a).value_count(), 3u);
  EXPECT_NE(r_.Subkey(a, u"sub"), kNone);
  EXPECT_EQ(r_.Subkey(a, u"nothing"), kNone);
  const uint32_t beta = r_.FindValue(a, u"BETA");
  ASSERT_NE(beta, kNone);
  EXPECT_EQ(r_.value(beta).type(), 4u);
  EXPECT_EQ(std::string(reinterpret_cast<const char*>(r_.data(r_.value(beta))), r_.value(beta).data_size()),
            "1234");
  const uint32_t standard = r_.FindValue(a, u"");
  ASSERT_NE(standard, kNone);
  EXPECT_EQ(r_.name(r_.value(standard)), u"");
  EXPECT_EQ(r_.FindValue(a, u"gamma"), kNone);
}

TEST_F(ReaderTest, RefusesOtherVersions) {
  testing::Parts parts = testing::Collect(Files(), Keys());
  parts.version = kVersion + 1;
  const Buffer newer = testing::Write(parts);
  EXPECT_FALSE(Reader::Verify(newer.data(), newer.size()));
  Reader r;
  EXPECT_FALSE(r.Attach(newer.data(), newer.size()));
}

// tests/golden/catalog_v1.plc was written by the first release of the format; it must stay readable for ever.
TEST(CatalogGolden, VersionOneIsStillRead) {
  std::ifstream file(PLUME_GOLDEN "/catalog_v1.plc", std::ios::binary);
  ASSERT_TRUE(file.is_open());
  const std::vector<uint8_t> bytes((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  const Buffer buffer(bytes);
  ASSERT_TRUE(Reader::Verify(buffer.data(), buffer.size()));
  const Reader r = buffer.reader();
  const uint32_t a = r.Child(r.Child(r.RootIndex("C"), u"Program Files"), u"A");
  ASSERT_NE(a, kNone);
  const uint32_t exe = r.Child(a, u"a.exe");
  ASSERT_NE(exe, kNone);
  EXPECT_EQ(r.entry(exe).size(), 4096u);
  EXPECT_EQ(r.raw().chunks()->Get(r.raw().chunk_refs()->Get(r.entry(exe).first_chunk()))->size(), 4096u);
  EXPECT_EQ(r.entry(r.Child(a, u"sub")).flags(), kDirectory);
  const uint32_t key = r.Subkey(r.Subkey(r.RootIndex("M"), u"Software"), u"A");
  ASSERT_NE(key, kNone);
  EXPECT_NE(r.FindValue(key, u"Path"), kNone);
}

// Not run by itself: writes the golden file of the current version (--gtest_also_run_disabled_tests).
TEST(CatalogGolden, DISABLED_Write) {
  const Buffer buffer = Build(Files(), Keys());
  std::ofstream file(PLUME_GOLDEN "/catalog_v1.plc", std::ios::binary);
  file.write(static_cast<const char*>(buffer.data()), static_cast<std::streamsize>(buffer.size()));
  ASSERT_TRUE(file.good());
}

}  // namespace
}  // namespace plume::catalog
