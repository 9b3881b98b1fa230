// What capture wants to know about a PE file: can it be started, and does it open windows. Untrusted input.
#pragma once
#include <cstdint>
#include <optional>
#include <span>

namespace plume::capture {

struct PeInfo {
  bool dll = false;
  bool console = false;  // subsystem: console, else windows
  uint16_t machine = 0;  // 0x8664 x64, 0x14c x86, 0xaa64 ARM64
};

// From the first bytes of a file (4 KiB are enough for every linker in use). Nothing if it is no PE image.
std::optional<PeInfo> ReadPe(std::span<const uint8_t> head);

}  // namespace plume::capture
