#include "catalog/expand.h"

#include <gtest/gtest.h>

#include "base/utf16_bytes.h"
#include "catalog/writer.h"

namespace plume::catalog {
namespace {

FileNode File(const std::u16string& path, bool directory, uint64_t size) {
  FileNode node;
  node.root = "C";
  node.path = path;
  node.directory = directory;
  node.attributes = 0x20;
  node.created = 5;
  node.modified = 6;
  node.size = size;
  if (size != 0) {
    node.pe = true;
    node.short_name = u"A~1.EXE";
    node.content[0] = 7;
    node.chunks = {1, 0};
  }
  return node;
}

Input Sample() {
  Input input;
  input.files = {File(u"Tools", true, 0), File(u"Tools\\a.exe", false, 150), File(u"Tools\\empty", false, 0)};
  input.chunks = {{{9}, 100, 50, 0, 0}, {{8}, 50, 50, 50, 0}};
  input.packs = {{{4}, 100}};
  input.keys = {{"M", u"Software\\z", 3, {{u"sz", 1, BytesOf(u"<p>\\x;<p>\\y\0")}, {u"n", 4, {1, 2, 3, 4}}}},
                {"M", u"Software\\<s>\\below", 4, {{u"bin", 3, BytesOf(u"<p>")}, {u"odd", 1, {60}}}},
                {"CU", u"Software", 0, {{u"multi", 7, BytesOf(std::u16string_view(u"a\0<s>\0\0", 6))}}}};
  return input;
}

std::vector<uint8_t> Written(const Input& input) {
  auto bytes = Write(input);
  EXPECT_TRUE(bytes.ok()) << bytes.error().message;
  return bytes.ok() ? *bytes : std::vector<uint8_t>();
}

TEST(Expand, NothingToReplaceGivesTheSameCatalog) {
  const std::vector<uint8_t> before = Written(Sample());
  Reader reader;
  ASSERT_TRUE(reader.Attach(before.data(), before.size()));
  const auto after = Expand(reader, {});
  ASSERT_TRUE(after.ok()) << after.error().message;
  EXPECT_EQ(*after, before);
}

TEST(Expand, ReplacesInNamesOfKeysAndTextsAlone) {
  const std::vector<uint8_t> before = Written(Sample());
  Reader reader;
  ASSERT_TRUE(reader.Attach(before.data(), before.size()));
  const auto after = Expand(reader, {{u"<p>", u"C:\\users\\Ann"}, {u"<s>", u"S-1"}});
  ASSERT_TRUE(after.ok()) << after.error().message;
  Input wanted = Sample();
  wanted.keys[0].values[0].data = BytesOf(u"C:\\users\\Ann\\x;C:\\users\\Ann\\y\0");
  wanted.keys[1].path = u"Software\\S-1\\below";
  wanted.keys[2].values[0].data = BytesOf(std::u16string_view(u"a\0S-1\0\0", 6));
  EXPECT_EQ(*after, Written(wanted));
  ASSERT_TRUE(Reader::Verify(after->data(), after->size()));
}

TEST(Expand, RefusesNamesThatBecomeEqualOrIllegal) {
  Input input = Sample();
  input.keys.push_back({"M", u"Software\\S-1\\below", 0, {}});
  const std::vector<uint8_t> before = Written(input);
  Reader reader;
  ASSERT_TRUE(reader.Attach(before.data(), before.size()));
  EXPECT_FALSE(Expand(reader, {{u"<s>", u"S-1"}}).ok());
  EXPECT_FALSE(Expand(reader, {{u"<s>", u""}}).ok());
}

TEST(Expand, WhatWasPutInIsNotLookedAtAgain) {
  std::u16string text = u"<p><s>";
  EXPECT_TRUE(ReplaceAll({{u"<p>", u"<s>"}, {u"<s>", u"x"}}, &text));
  EXPECT_EQ(text, u"<s>x");
  EXPECT_FALSE(ReplaceAll({{u"", u"y"}, {u"<q>", u"z"}}, &text));
}

}  // namespace
}  // namespace plume::catalog
