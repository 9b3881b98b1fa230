#include "vl/low/stub_shapes.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace plume::vl {
namespace {

std::vector<uint8_t> Bytes(const std::string& hex) {
  std::vector<uint8_t> out;
  for (size_t i = 0; i + 1 < hex.size(); i += hex[i + 2 < hex.size() ? i + 2 : i] == ' ' ? 3 : 2) {
    out.push_back(static_cast<uint8_t>(std::stoi(hex.substr(i, 2), nullptr, 16)));
  }
  return out;
}

// Captured stubs, one per system, with the bytes that follow them in memory.
struct Golden {
  const char* what;
  Arch arch;
  const char* bytes;
  const char* shape;
  uint8_t length;
  uint32_t number;
};
const Golden kGoldens[] = {
    {"Wine 8.0 x64 NtOpenFile", Arch::kX64,
     "4c 8b d1 b8 7b 00 00 00 f6 04 25 08 03 fe 7f 01 75 03 0f 05 c3 eb 01 c3 ff 14 25 00 10 fe 7f c3",
     "Wine 8 x64", 32, 0x7b},
    {"Windows 10 22H2 NtCreateFile", Arch::kX64,
     "4c 8b d1 b8 55 00 00 00 f6 04 25 08 03 fe 7f 01 75 03 0f 05 c3 cd 2e c3 0f 1f 84 00 00 00 00 00",
     "Windows 10, 11 x64", 24, 0x55},
    {"Windows 7 NtOpenFile", Arch::kX64,
     "4c 8b d1 b8 30 00 00 00 0f 05 c3 66 0f 1f 44 00 4c 8b d1 b8 31 00 00 00 0f 05 c3 66 0f 1f 44 00",
     "Windows 7, 8 x64", 11, 0x30},
    {"Wine 8.0 i386 NtClose", Arch::kX86,
     "b8 1e 00 00 00 ba 40 12 c0 7b ff d2 c2 04 00 90 b8 1f 00 00 00 ba 40 12 c0 7b ff d2 c2 04 00 90",
     "Wine 8 i386, Windows 10, 11 WOW64", 15, 0x1e},
    {"Windows 8.1 WOW64 NtClose", Arch::kX86,
     "b8 0e 00 03 00 64 ff 15 c0 00 00 00 c2 04 00 90 b8 0f 00 03 00 64 ff 15 c0 00 00 00 c2 04 00 90",
     "Windows 8 WOW64", 15, 0x3000e},
    {"Windows 7 WOW64 NtOpenFile", Arch::kX86,
     "b8 30 00 00 00 33 c9 8d 54 24 04 64 ff 15 c0 00 00 00 83 c4 04 c2 18 00 b8 31 00 00 00 b9 1a 00",
     "Windows 7 WOW64", 24, 0x30},
    {"Windows 7 WOW64 NtWriteFile", Arch::kX86,
     "b8 05 00 00 00 b9 1a 00 00 00 8d 54 24 04 64 ff 15 c0 00 00 00 83 c4 04 c2 24 00 90 90 90 90 90",
     "Windows 7 WOW64 (numbered)", 27, 5},
};

TEST(StubShapes, KnowsTheStubOfEverySystem) {
  for (const Golden& g : kGoldens) {
    const std::vector<uint8_t> code = Bytes(g.bytes);
    ASSERT_EQ(code.size(), kMaxStub) << g.what;
    const StubShape* shape = RecogniseStub(g.arch, code);
    ASSERT_NE(shape, nullptr) << g.what;
    EXPECT_STREQ(shape->name, g.shape) << g.what;
    EXPECT_EQ(shape->length, g.length) << g.what;
    EXPECT_EQ(StubNumber(*shape, code.data()), g.number) << g.what;
    EXPECT_EQ(RecogniseStub(g.arch == Arch::kX64 ? Arch::kX86 : Arch::kX64, code), nullptr) << g.what;
  }
}

TEST(StubShapes, EveryFixedByteMatters) {
  for (const Golden& g : kGoldens) {
    std::vector<uint8_t> code = Bytes(g.bytes);
    const StubShape* shape = RecogniseStub(g.arch, code);
    for (int i = 0; i < shape->length; ++i) {
      code[i] ^= 0x40;
      EXPECT_EQ(RecogniseStub(g.arch, code) == shape, shape->mask[i] == 0) << g.what << " byte " << i;
      code[i] ^= 0x40;
    }
  }
}

TEST(StubShapes, TruncatedStubIsUnknown) {
  for (const Golden& g : kGoldens) {
    const std::vector<uint8_t> code = Bytes(g.bytes);
    const StubShape* shape = RecogniseStub(g.arch, code);
    for (size_t n = 0; n < shape->length; ++n) {
      EXPECT_NE(RecogniseStub(g.arch, std::span(code).first(n)), shape) << g.what << " " << n;
    }
  }
}

TEST(StubShapes, HookedStubsAreRefused) {
  const char* hooked[] = {
      "e9 10 20 30 40 00 00 00 f6 04 25 08 03 fe 7f 01 75 03 0f 05 c3 cd 2e c3 0f 1f 84 00 00 00 00 00",
      "ff 25 00 00 00 00 11 22 33 44 55 66 77 88 7f 01 75 03 0f 05 c3 cd 2e c3 0f 1f 84 00 00 00 00 00",
      "48 b8 11 22 33 44 55 66 77 88 ff e0 03 fe 7f 01 75 03 0f 05 c3 eb 01 c3 ff 14 25 00 10 fe 7f c3",
      "b8 7b 00 00 00 4c 8b d1 f6 04 25 08 03 fe 7f 01 75 03 0f 05 c3 eb 01 c3 ff 14 25 00 10 fe 7f c3"};
  for (const char* h : hooked) EXPECT_EQ(RecogniseStub(Arch::kX64, Bytes(h)), nullptr) << h;
}

TEST(StubShapes, TableIsSound) {
  for (const StubShape& s : StubShapes()) {
    EXPECT_LE(s.length, kMaxStub) << s.name;
    EXPECT_GE(s.number_offset, 1) << s.name;
    for (int i = 0; i < 4; ++i) EXPECT_EQ(s.mask[s.number_offset + i], 0) << s.name;
    for (size_t i = 0; i < kMaxStub; ++i) EXPECT_EQ(s.bytes[i] & ~s.mask[i], 0) << s.name;
  }
}

}  // namespace
}  // namespace plume::vl
