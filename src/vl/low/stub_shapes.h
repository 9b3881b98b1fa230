// The known shapes of ntdll's system stubs. A stub of no known shape is never patched: the VM is refused with
// its name. Pure; tested and fuzzed natively. Where the shapes come from: docs/nt-compat.md.
#pragma once
#include <cstddef>
#include <cstdint>
#include <span>

namespace plume::vl {

enum class Arch : uint8_t { kX64, kX86 };

inline constexpr size_t kMaxStub = 32;

struct StubShape {
  const char* name;  // the systems that have it
  Arch arch;
  uint8_t length;         // bytes to copy verbatim into a trampoline
  uint8_t room;           // bytes that may be overwritten: the stub and the padding that belongs to it
  uint8_t number_offset;  // of the 32-bit system call number
  uint8_t bytes[kMaxStub];
  uint8_t mask[kMaxStub];  // 0xff: must match; 0: anything
};

std::span<const StubShape> StubShapes();

// The shape of the stub that `code` begins with, or null. `code` may be shorter than kMaxStub; a shape longer
// than it does not match.
const StubShape* RecogniseStub(Arch arch, std::span<const uint8_t> code);

// The system call number in a recognised stub.
uint32_t StubNumber(const StubShape& shape, const uint8_t* code);

}  // namespace plume::vl
