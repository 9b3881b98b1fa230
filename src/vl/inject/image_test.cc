#include "vl/inject/image.h"

#include <gtest/gtest.h>

#include <cstring>
#include <map>
#include <random>
#include <string>
#include <vector>

namespace plume::vl {
namespace {

// A small image, written by hand: .text (0x1000) and .data (0x2000) with one relocated pointer, one import
// and two exports.
class TestImage {
 public:
  TestImage() : file_(0x800) {
    Put<uint16_t>(0, 0x5a4d);
    Put<uint32_t>(0x3c, 0x80);
    Put<uint32_t>(0x80, 0x4550);
    Put<uint16_t>(0x84, 0x8664);
    Put<uint16_t>(0x86, 2);     // sections
    Put<uint16_t>(0x94, 0xf0);  // size of the optional header
    const size_t opt = 0x98;
    Put<uint16_t>(opt, 0x20b);
    Put<uint64_t>(opt + 24, kBase);
    Put<uint32_t>(opt + 56, 0x3000);  // image
    Put<uint32_t>(opt + 60, 0x200);   // headers
    Put<uint32_t>(opt + 108, 16);
    Directory(opt, 0, 0x2100, 0x100);  // exports
    Directory(opt, 1, 0x2200, 40);     // imports
    Directory(opt, 5, 0x2300, 12);     // relocations
    Section(0x188, ".text", 0x1000, 0x100, 0x200, 0x60000020);
    Section(0x1b0, ".data", 0x2000, 0x400, 0x400, 0xc0000040);
    At<uint64_t>(0x2000, kBase + 0x1010);
    // Exports "Alpha" -> 0x1000, "Beta" -> forwarded.
    At<uint32_t>(0x2100 + 20, 2);
    At<uint32_t>(0x2100 + 24, 2);
    At<uint32_t>(0x2100 + 28, 0x2140);
    At<uint32_t>(0x2100 + 32, 0x2150);
    At<uint32_t>(0x2100 + 36, 0x2160);
    At<uint32_t>(0x2140, 0x1000);
    At<uint32_t>(0x2144, 0x2190);  // inside the directory
    At<uint32_t>(0x2150, 0x2170);
    At<uint32_t>(0x2154, 0x2178);
    At<uint16_t>(0x2160, 0);
    At<uint16_t>(0x2162, 1);
    Text(0x2170, "Alpha");
    Text(0x2178, "Beta");
    // Import of NtClose from NTDLL.dll.
    At<uint32_t>(0x2200, 0x2240);
    At<uint32_t>(0x220c, 0x2260);
    At<uint32_t>(0x2210, 0x2250);
    At<uint64_t>(0x2240, 0x2270);
    At<uint64_t>(0x2250, 0x2270);
    Text(0x2260, "NTDLL.dll");
    Text(0x2272, "NtClose");
    // One 64-bit relocation at 0x2000, one padding entry.
    At<uint32_t>(0x2300, 0x2000);
    At<uint32_t>(0x2304, 12);
    At<uint16_t>(0x2308, 0xa000);
  }
  std::vector<uint8_t>& file() { return file_; }
  template <typename T>
  void At(uint32_t rva, T value) {
    Put<T>(rva - 0x2000 + 0x400, value);
  }
  void Text(uint32_t rva, const char* s) {
    std::strcpy(reinterpret_cast<char*>(&file_[rva - 0x2000 + 0x400]), s);
  }
  static constexpr uint64_t kBase = 0x180000000;

 private:
  template <typename T>
  void Put(size_t at, T value) {
    std::memcpy(&file_[at], &value, sizeof(T));
  }
  void Directory(size_t opt, int i, uint32_t rva, uint32_t size) {
    Put<uint32_t>(opt + 112 + 8 * i, rva);
    Put<uint32_t>(opt + 116 + 8 * i, size);
  }
  void Section(size_t at, const char* name, uint32_t rva, uint32_t size, uint32_t raw, uint32_t flags) {
    std::strcpy(reinterpret_cast<char*>(&file_[at]), name);
    Put<uint32_t>(at + 8, size);
    Put<uint32_t>(at + 12, rva);
    Put<uint32_t>(at + 16, size);
    Put<uint32_t>(at + 20, raw);
    Put<uint32_t>(at + 36, flags);
  }
  std::vector<uint8_t> file_;
};

uint64_t Resolve(void* table, const char* name) {
  auto& t = *static_cast<std::map<std::string, uint64_t>*>(table);
  const auto it = t.find(name);
  return it == t.end() ? 0 : it->second;
}

TEST(Image, IsMappedRelocatedAndBound) {
  TestImage t;
  ImageInfo info{};
  ASSERT_TRUE(ReadImageInfo(t.file(), &info));
  EXPECT_EQ(info.machine, 0x8664);
  EXPECT_TRUE(info.wide);
  EXPECT_EQ(info.preferred_base, TestImage::kBase);
  std::vector<uint8_t> image(info.image_size);
  ASSERT_TRUE(MapImage(t.file(), info, 0x7f0000000000, image));
  uint64_t pointer;
  std::memcpy(&pointer, &image[0x2000], 8);
  EXPECT_EQ(pointer, 0x7f0000001010u);
  std::map<std::string, uint64_t> table = {{"NtClose", 0x1234567}};
  const char* missing;
  ASSERT_TRUE(BindImports(info, image, &Resolve, &table, &missing));
  std::memcpy(&pointer, &image[0x2250], 8);
  EXPECT_EQ(pointer, 0x1234567u);
  EXPECT_EQ(FindExport(info, image, "Alpha"), 0x1000u);
  EXPECT_EQ(FindExport(info, image, "Beta"), 0u) << "forwarded";
  EXPECT_EQ(FindExport(info, image, "Gamma"), 0u);
  const ImageSection text = SectionAt(info, image, 0), data = SectionAt(info, image, 1);
  EXPECT_TRUE(text.executable && !text.writable);
  EXPECT_TRUE(!data.executable && data.writable);
  EXPECT_EQ(data.begin, 0x2000u);
  EXPECT_EQ(data.end, 0x3000u);
}

TEST(Image, MissingImportIsNamed) {
  TestImage t;
  ImageInfo info{};
  ASSERT_TRUE(ReadImageInfo(t.file(), &info));
  std::vector<uint8_t> image(info.image_size);
  ASSERT_TRUE(MapImage(t.file(), info, 0x10000, image));
  std::map<std::string, uint64_t> table;
  const char* missing;
  EXPECT_FALSE(BindImports(info, image, &Resolve, &table, &missing));
  EXPECT_STREQ(missing, "NtClose");
}

TEST(Image, OtherModulesAreRefused) {
  TestImage t;
  t.Text(0x2260, "KERNEL32.dll");
  ImageInfo info{};
  ASSERT_TRUE(ReadImageInfo(t.file(), &info));
  std::vector<uint8_t> image(info.image_size);
  ASSERT_TRUE(MapImage(t.file(), info, 0x10000, image));
  std::map<std::string, uint64_t> table = {{"NtClose", 1}};
  const char* missing;
  EXPECT_FALSE(BindImports(info, image, &Resolve, &table, &missing));
  EXPECT_STREQ(missing, "KERNEL32.dll");
}

TEST(Image, EmptyImageIsRefused) {
  for (const size_t field : {0x98 + 56, 0x98 + 60}) {
    TestImage t;
    std::memset(&t.file()[field], 0, 4);
    ImageInfo info{};
    EXPECT_FALSE(ReadImageInfo(t.file(), &info));
  }
}

// Whatever the bytes, nothing is touched outside the buffers (the sanitizers watch).
TEST(Image, SurvivesDamage) {
  std::mt19937 random(7);
  for (int round = 0; round < 20000; ++round) {
    TestImage t;
    for (int i = 0; i < 4; ++i) t.file()[random() % t.file().size()] = static_cast<uint8_t>(random());
    std::vector<uint8_t> file(t.file().begin(),
                              t.file().begin() + static_cast<long>(random() % (t.file().size() + 1)));
    ImageInfo info{};
    if (!ReadImageInfo(file, &info) || info.image_size > (1 << 20)) continue;
    std::vector<uint8_t> image(info.image_size);
    if (!MapImage(file, info, 0x40000000, image)) continue;
    std::map<std::string, uint64_t> table = {{"NtClose", 1}};
    const char* missing;
    BindImports(info, image, &Resolve, &table, &missing);
    FindExport(info, image, "Alpha");
  }
}

// A file that is its own image: as TestImage, with pages for everything.
std::vector<uint8_t> FlatImage() {
  std::vector<uint8_t> file(0x3000);
  auto put = [&](size_t at, auto value) { std::memcpy(&file[at], &value, sizeof(value)); };
  auto section = [&](size_t at, uint32_t rva, uint32_t bytes) {
    put(at + 8, bytes);
    put(at + 12, rva);
    put(at + 16, uint32_t{0x1000});
    put(at + 20, rva);
  };
  put(0, uint16_t{0x5a4d});
  put(0x3c, uint32_t{0x80});
  put(0x80, uint32_t{0x4550});
  put(0x84, uint16_t{0x8664});
  put(0x86, uint16_t{2});
  put(0x94, uint16_t{0xf0});
  put(0x98, uint16_t{0x20b});
  put(0x98 + 56, uint32_t{0x3000});
  put(0x98 + 60, uint32_t{0x1000});
  put(0x98 + 108, uint32_t{16});
  section(0x188, 0x1000, 0x900);
  section(0x1b0, 0x2000, 0x1000);
  return file;
}

TEST(Image, LaidOutAsAFile) {
  const std::vector<uint8_t> good = FlatImage();
  ImageInfo info;
  ASSERT_TRUE(ReadImageInfo(good, &info));
  EXPECT_TRUE(IsLaidOut(good, info));
  // It is exactly what mapping by hand makes of it.
  std::vector<uint8_t> image(info.image_size);
  ASSERT_TRUE(MapImage(good, info, info.preferred_base, image));
  EXPECT_EQ(image, good);

  const auto spoiled = [&](size_t at, uint32_t value) {
    std::vector<uint8_t> bad = good;
    std::memcpy(&bad[at], &value, sizeof(value));
    ImageInfo changed;
    return ReadImageInfo(bad, &changed) && !IsLaidOut(bad, changed);
  };
  EXPECT_TRUE(spoiled(0x188 + 20, 0x800));      // elsewhere in the file
  EXPECT_TRUE(spoiled(0x188 + 16, 0x800));      // not to the end of its page
  EXPECT_TRUE(spoiled(0x188 + 8, 0x1001));      // longer than what the file has of it
  EXPECT_TRUE(spoiled(0x1b0 + 12, 0x1800));     // not on a page
  EXPECT_TRUE(spoiled(0x1b0 + 8, 0xfffff000));  // beyond the image
  EXPECT_TRUE(spoiled(0x98 + 56, 0x4000));      // an image longer than its file
  EXPECT_TRUE(spoiled(0x98 + 60, 0x2000));      // headers where a section is

  std::vector<uint8_t> imports = good;
  const uint32_t table[] = {0x2000, 40};
  std::memcpy(&imports[0x98 + 112 + 8], table, sizeof(table));
  EXPECT_TRUE(IsLaidOut(imports, info)) << "a table that ends at once";
  imports[0x200c] = 1;
  EXPECT_FALSE(IsLaidOut(imports, info)) << "something to bind";

  TestImage usual;
  ASSERT_TRUE(ReadImageInfo(usual.file(), &info));
  EXPECT_FALSE(IsLaidOut(usual.file(), info));
}

}  // namespace
}  // namespace plume::vl
