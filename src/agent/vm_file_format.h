// The layout of VM files: what writer and reader share. docs/formats/vm-file.md.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>

#include "agent/vm_file.h"

namespace plume::agent::vm_file {

struct Header {
  char magic[8] = {'P', 'L', 'U', 'M', 'E', 'V', 'M', '\x1a'};
  uint32_t version = 1;
  uint32_t flags = 0;
};
inline constexpr uint32_t kSealed = 1;  // 32 bytes of SHA-256 close the file

enum Tags : uint8_t { kInfo = 1, kRecord, kDirectory, kFile, kKey, kEnd };
enum KeyBits : uint8_t { kKeyLink = 1, kKeyVolatile = 2 };

struct Counts {
  uint64_t records = 0, directories = 0, files = 0, keys = 0;
  friend bool operator==(const Counts&, const Counts&) = default;
};

// "C:\users\ann\x" <-> "Profile\x", "U\<sid>\x" <-> "CU\x"; all others are the same.
std::u16string ToPortable(std::u16string_view canonical, const VmFilePlaces& places);
// A file's or a key's path, without components that could lead elsewhere; kCorrupt otherwise.
Result<std::u16string> FromPortable(std::u16string_view portable, const VmFilePlaces& places);
inline bool IsFilePath(std::u16string_view canonical) {
  return canonical.size() >= 2 && canonical[1] == u':';
}

inline Error Damaged(const std::string& why) {
  return Error{Errc::kCorrupt, "reading the VM file failed: " + why + " (the file is damaged or cut short)"};
}

}  // namespace plume::agent::vm_file
