// Cuts a fuzzer's input into numbers and UTF-16 text.
#pragma once
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>

namespace plume::fuzz {

class Input {
 public:
  Input(const uint8_t* data, size_t size) : data_(data), size_(size) {}
  bool empty() const { return size_ == 0; }
  uint8_t Byte() {
    if (size_ == 0) return 0;
    --size_;
    return *data_++;
  }
  uint32_t Number() { return Byte() | Byte() << 8; }
  // Up to `units` units, one byte each unless it is 0xff, which takes two more: keeps seeds readable.
  std::u16string Text(size_t units) {
    std::u16string text;
    while (units-- > 0 && size_ > 0) {
      const uint8_t b = Byte();
      text.push_back(static_cast<char16_t>(b == 0xff ? Number() : b));
    }
    return text;
  }
  std::u16string Rest() { return Text(size_); }

 private:
  const uint8_t* data_;
  size_t size_;
};

// Ends the run with a message if `ok` is false.
inline void Require(bool ok, const char* what) {
  if (ok) return;
  std::fprintf(stderr, "broken: %s\n", what);
  std::abort();
}

}  // namespace plume::fuzz
