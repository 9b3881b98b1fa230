#include "vl/low/stub_shapes.h"

namespace plume::vl {
namespace {

consteval int HexDigit(char c) { return c >= 'a' ? c - 'a' + 10 : c - '0'; }

// "4c 8b ?? ..." : two characters per byte, "??" for any.
consteval StubShape Row(const char* name, Arch arch, uint8_t room, const char* pattern) {
  StubShape shape{};
  shape.name = name;
  shape.arch = arch;
  size_t n = 0;
  bool number_seen = false;
  for (const char* p = pattern; *p; p += p[2] == ' ' ? 3 : 2, ++n) {
    if (p[0] == '?') continue;
    shape.bytes[n] = static_cast<uint8_t>(HexDigit(p[0]) * 16 + HexDigit(p[1]));
    shape.mask[n] = 0xff;
    if (!number_seen && shape.bytes[n] == 0xb8) {
      shape.number_offset = static_cast<uint8_t>(n + 1);
      number_seen = true;
    }
  }
  shape.length = static_cast<uint8_t>(n);
  shape.room = room;
  return shape;
}

constexpr StubShape kShapes[] = {
    Row("Wine 8 x64", Arch::kX64, 32,
        "4c 8b d1 b8 ?? ?? ?? ?? f6 04 25 08 03 fe 7f 01 75 03 0f 05 c3 eb 01 c3 ff 14 25 00 10 fe 7f c3"),
    Row("Windows 10, 11 x64", Arch::kX64, 24,
        "4c 8b d1 b8 ?? ?? ?? ?? f6 04 25 08 03 fe 7f 01 75 03 0f 05 c3 cd 2e c3"),
    Row("Windows 7, 8 x64", Arch::kX64, 16, "4c 8b d1 b8 ?? ?? ?? ?? 0f 05 c3"),
    // mov edx, dispatcher: an absolute operand, so a copy works anywhere.
    Row("Wine 8 i386, Windows 10, 11 WOW64", Arch::kX86, 15, "b8 ?? ?? ?? ?? ba ?? ?? ?? ?? ff d2 c2 ?? 00"),
    Row("Windows 8 WOW64", Arch::kX86, 15, "b8 ?? ?? ?? ?? 64 ff 15 c0 00 00 00 c2 ?? 00"),
    Row("Windows 7 WOW64", Arch::kX86, 24,
        "b8 ?? ?? ?? ?? 33 c9 8d 54 24 04 64 ff 15 c0 00 00 00 83 c4 04 c2 ?? 00"),
    Row("Windows 7 WOW64 (numbered)", Arch::kX86, 27,
        "b8 ?? ?? ?? ?? b9 ?? ?? ?? ?? 8d 54 24 04 64 ff 15 c0 00 00 00 83 c4 04 c2 ?? 00"),
};

}  // namespace

std::span<const StubShape> StubShapes() { return kShapes; }

const StubShape* RecogniseStub(Arch arch, std::span<const uint8_t> code) {
  for (const StubShape& shape : kShapes) {
    if (shape.arch != arch || shape.length > code.size()) continue;
    bool same = true;
    for (size_t i = 0; same && i < shape.length; ++i)
      same = ((code[i] ^ shape.bytes[i]) & shape.mask[i]) == 0;
    if (same) return &shape;
  }
  return nullptr;
}

uint32_t StubNumber(const StubShape& shape, const uint8_t* code) {
  const uint8_t* n = code + shape.number_offset;
  return n[0] | n[1] << 8 | n[2] << 16 | static_cast<uint32_t>(n[3]) << 24;
}

}  // namespace plume::vl
