// What the host had at a path when the VM copied it up or hid it, as one number: enough to say later whether
// the host changed since (plume vm commit). Kept in the VM index. Pure and freestanding.
#pragma once
#include <cstddef>
#include <cstdint>

#include "view/path.h"

namespace plume::view {

// 0: nothing is known of the host there, because the VM found nothing or never looked.
inline constexpr uint64_t kBaseFromImage = 1;  // the copy is of an image's file or key: the host was covered

namespace base_stamp {
inline uint64_t Mix(uint64_t h, uint64_t value) {
  for (int i = 0; i < 8; ++i) h = (h ^ (value >> (8 * i) & 0xff)) * 0x100000001b3u;
  return h;
}
inline uint64_t Proper(uint64_t h) { return h > kBaseFromImage ? h : h + 2; }
inline constexpr uint64_t kSeed = 0xcbf29ce484222325;
}  // namespace base_stamp

inline uint64_t FileStamp(uint64_t size, int64_t last_write) {
  using namespace base_stamp;
  return Proper(Mix(Mix(kSeed, size), static_cast<uint64_t>(last_write)));
}

// Of a key's values, in any order; its subkeys are keys of their own.
class KeyStamp {
 public:
  void Add(WView name, uint32_t type, const uint8_t* data, size_t size) {
    uint64_t h = base_stamp::kSeed;
    for (char16_t c : name) h = HashUnit(h, c);
    h = base_stamp::Mix(h, type);
    for (size_t i = 0; i < size; ++i) h = (h ^ data[i]) * 0x100000001b3u;
    // Mixed once more, so that the sum of two values does not depend on which has which byte.
    sum_ += base_stamp::Mix(h, size);
  }
  uint64_t Finish() const { return base_stamp::Proper(base_stamp::Mix(base_stamp::kSeed, sum_)); }

 private:
  uint64_t sum_ = 0;
};

}  // namespace plume::view
