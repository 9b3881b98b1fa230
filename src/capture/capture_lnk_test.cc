#include <gtest/gtest.h>

#include <fstream>
#include <iterator>
#include <string>
#include <string_view>
#include <vector>

#include "capture/lnk.h"
#include "capture/pe.h"

namespace plume::capture {
namespace {

using Bytes = std::vector<uint8_t>;

void Number(Bytes* b, uint64_t value, int bytes) {
  for (int i = 0; i < bytes; ++i) b->push_back(static_cast<uint8_t>(value >> 8 * i));
}
void Wide(Bytes* b, std::u16string_view text) {
  for (const char16_t c : text) Number(b, c, 2);
}
void Ansi(Bytes* b, std::string_view text) { b->insert(b->end(), text.begin(), text.end()); }
void Append(Bytes* b, const Bytes& more) { b->insert(b->end(), more.begin(), more.end()); }

Bytes Header(uint32_t flags) {
  Bytes b;
  Number(&b, 0x4C, 4);
  const uint8_t id[16] = {0x01, 0x14, 0x02, 0, 0, 0, 0, 0, 0xC0, 0, 0, 0, 0, 0, 0, 0x46};
  b.insert(b.end(), id, id + 16);
  Number(&b, flags, 4);
  b.resize(56);
  Number(&b, 7, 4);  // icon index
  b.resize(0x4C);
  return b;
}

Bytes LinkInfo(std::string_view ansi, std::u16string_view wide) {
  Bytes text;
  const uint32_t header = wide.empty() ? 0x1C : 0x24;
  Ansi(&text, ansi);
  text.push_back(0);
  const uint32_t suffix = header + static_cast<uint32_t>(text.size());
  text.push_back(0);
  const uint32_t wide_base = header + static_cast<uint32_t>(text.size());
  Wide(&text, wide);
  Number(&text, 0, 2);
  Bytes b;
  Number(&b, header + text.size(), 4);
  Number(&b, header, 4);
  Number(&b, 1, 4);
  Number(&b, 0, 4);
  Number(&b, header, 4);
  Number(&b, 0, 4);
  Number(&b, suffix, 4);
  if (header == 0x24) {
    Number(&b, wide_base, 4);
    Number(&b, 0, 4);
  }
  Append(&b, text);
  return b;
}

void String(Bytes* b, std::u16string_view text) {
  Number(b, text.size(), 2);
  Wide(b, text);
}

// Drive C:, then a folder with a short and a long name, then a file.
Bytes IdList() {
  Bytes items;
  Number(&items, 20, 2);
  items.push_back(0x1F);
  items.resize(20);
  Number(&items, 25, 2);
  items.push_back(0x2F);
  Ansi(&items, "C:\\");
  items.resize(45);
  Bytes folder;
  folder.push_back(0x31);
  folder.resize(12);
  Ansi(&folder, "PROGRA~1");
  folder.resize(22);
  const auto extension = static_cast<uint16_t>(folder.size() + 2);
  Bytes block;
  Number(&block, 0, 2);
  Number(&block, 3, 2);
  Number(&block, 0xBEEF0004, 4);
  block.resize(20);
  Wide(&block, u"Program Files\0");
  Number(&block, 0, 2);
  Append(&folder, block);
  Number(&folder, extension, 2);
  Number(&items, folder.size() + 2, 2);
  Append(&items, folder);
  Bytes file;
  file.push_back(0x32);
  file.resize(12);
  Ansi(&file, "a.exe");
  file.resize(18);
  Number(&items, file.size() + 2, 2);
  Append(&items, file);
  Number(&items, 0, 2);
  Bytes b;
  Number(&b, items.size(), 2);
  Append(&b, items);
  return b;
}

TEST(Lnk, AllParts) {
  Bytes b = Header(2 | 4 | 8 | 0x10 | 0x20 | 0x40 | 0x80);
  Append(&b, LinkInfo("C:\\Program Files\\A\\a.exe", u""));
  for (const auto text : {u"An editor", u"..\\a.exe", u"C:\\Program Files\\A", u"-x \"y z\"", u"C:\\i.ico"})
    String(&b, text);
  Number(&b, 0, 4);
  const auto link = ParseLnk(b);
  ASSERT_TRUE(link.ok()) << link.error().message;
  EXPECT_EQ(link->target, u"C:\\Program Files\\A\\a.exe");
  EXPECT_EQ(link->name, u"An editor");
  EXPECT_EQ(link->working_directory, u"C:\\Program Files\\A");
  EXPECT_EQ(link->arguments, u"-x \"y z\"");
  EXPECT_EQ(link->icon, u"C:\\i.ico");
  EXPECT_EQ(link->icon_index, 7);
  EXPECT_FALSE(link->advertised);
}

TEST(Lnk, UnicodePathWins) {
  Bytes b = Header(2);
  Append(&b, LinkInfo("C:\\?.exe", u"C:\\\u017Eluv\u00FD.exe"));
  const auto link = ParseLnk(b);
  ASSERT_TRUE(link.ok());
  EXPECT_EQ(link->target, u"C:\\\u017Eluv\u00FD.exe");
}

TEST(Lnk, PathFromItemList) {
  Bytes b = Header(1);
  Append(&b, IdList());
  const auto link = ParseLnk(b);
  ASSERT_TRUE(link.ok());
  EXPECT_EQ(link->target, u"C:\\Program Files\\a.exe");
}

TEST(Lnk, EnvironmentBlockAndAdvertisement) {
  Bytes b = Header(0x200 | 0x1000);
  Number(&b, 0x314, 4);
  Number(&b, 0xA0000001, 4);
  Ansi(&b, "%ProgramFiles%\\A\\a.exe");
  b.resize(0x4C + 8 + 260);
  Wide(&b, u"%ProgramFiles%\\A\\a.exe");
  b.resize(0x4C + 0x314);
  Number(&b, 0x314, 4);
  Number(&b, 0xA0000006, 4);
  b.resize(0x4C + 2 * 0x314);
  Number(&b, 0, 4);
  const auto link = ParseLnk(b);
  ASSERT_TRUE(link.ok()) << link.error().message;
  EXPECT_EQ(link->target, u"%ProgramFiles%\\A\\a.exe");
  EXPECT_TRUE(link->advertised);
}

Bytes Sample(const char* name) {
  std::ifstream in(std::string(PLUME_LNK_SAMPLES) + "/" + name, std::ios::binary);
  return Bytes(std::istreambuf_iterator<char>(in), {});
}

// The same link, written at another time on another machine.
TEST(Lnk, PortableOnesAreEqual) {
  for (const char* name : {"wine-nsis.lnk", "wine-msi.lnk"}) {
    const Bytes one = Sample(name);
    Bytes other = one;
    for (size_t i = 28; i < 52; ++i) other[i] ^= 0x5A;  // times of the header
    const auto a = PortableLnk(one, u"C:\\users\\ann"), b = PortableLnk(other, u"C:\\users\\bob");
    ASSERT_TRUE(a.ok() && b.ok());
    EXPECT_EQ(*a, *b);
    EXPECT_NE(*a, one);
    const auto before = ParseLnk(one), after = ParseLnk(*a);
    ASSERT_TRUE(before.ok() && after.ok());
    EXPECT_EQ(after->target, before->target);
    EXPECT_EQ(after->working_directory, before->working_directory);
    EXPECT_EQ(after->arguments, before->arguments);
  }
}

// Wine dates every folder on the way to the target.
TEST(Lnk, DatesOfTheItemListAreNoPartOfPortableOnes) {
  const Bytes one = Sample("wine-nsis-dated.lnk");
  Bytes other = one;
  for (const size_t at : {0x83u, 0x85u, 0x9Fu, 0xA1u, 0xA3u, 0xA5u, 0xD1u, 0xD3u}) other[at] ^= 1;
  const auto a = PortableLnk(one, u"C:\\users\\ann"), b = PortableLnk(other, u"C:\\users\\bob");
  ASSERT_TRUE(a.ok() && b.ok());
  EXPECT_EQ(*a, *b);
  EXPECT_EQ(ParseLnk(*a)->target, u"C:\\Program Files\\SevenZip\\7z.exe");
}

TEST(Lnk, TargetsInTheProfileAreNamedByVariable) {
  const Bytes one = Sample("wine-nsis.lnk");
  const auto portable = PortableLnk(one, u"C:\\Program Files");
  ASSERT_TRUE(portable.ok()) << portable.error().message;
  const auto link = ParseLnk(*portable);
  ASSERT_TRUE(link.ok()) << link.error().message;
  EXPECT_EQ(link->target, u"%USERPROFILE%\\7-Zip\\7z.exe");
  EXPECT_EQ(link->working_directory, u"%USERPROFILE%\\7-Zip");
  Bytes cut = one;
  cut.resize(0x60);
  EXPECT_FALSE(PortableLnk(cut, u"C:\\users\\ann").ok());
}

// Written by Wine's shell for an NSIS and an MSI installer.
TEST(Lnk, RealOnes) {
  const auto nsis = ParseLnk(Sample("wine-nsis.lnk"));
  ASSERT_TRUE(nsis.ok()) << nsis.error().message;
  EXPECT_EQ(nsis->target, u"C:\\Program Files\\7-Zip\\7z.exe");
  EXPECT_EQ(nsis->working_directory, u"C:\\Program Files\\7-Zip");
  const auto msi = ParseLnk(Sample("wine-msi.lnk"));
  ASSERT_TRUE(msi.ok()) << msi.error().message;
  EXPECT_EQ(msi->target, u"C:\\Program Files\\NSSM\\nssm.exe");
}

TEST(Lnk, EveryTruncationIsRefusedOrHarmless) {
  Bytes b = Header(1 | 2 | 4 | 0x10 | 0x80);
  Append(&b, IdList());
  Append(&b, LinkInfo("C:\\a.exe", u"C:\\a.exe"));
  String(&b, u"name");
  String(&b, u"C:\\");
  for (size_t n = 0; n < b.size(); ++n) {
    const auto link = ParseLnk(std::span(b).first(n));
    EXPECT_FALSE(link.ok()) << n;
  }
  EXPECT_TRUE(ParseLnk(b).ok());
}

TEST(Pe, Kinds) {
  Bytes b(0x200);
  b[0] = 'M';
  b[1] = 'Z';
  b[0x3C] = 0x80;
  b[0x80] = 'P';
  b[0x81] = 'E';
  b[0x84] = 0x64;
  b[0x85] = 0x86;
  b[0x80 + 24 + 68] = 3;
  auto pe = ReadPe(b);
  ASSERT_TRUE(pe.has_value());
  EXPECT_TRUE(pe->console);
  EXPECT_FALSE(pe->dll);
  EXPECT_EQ(pe->machine, 0x8664);
  b[0x80 + 4 + 19] = 0x20;
  EXPECT_TRUE(ReadPe(b)->dll);
  b[0x3F] = 0xFF;  // header far outside
  EXPECT_FALSE(ReadPe(b).has_value());
  EXPECT_FALSE(ReadPe(Bytes{}).has_value());
}

}  // namespace
}  // namespace plume::capture
