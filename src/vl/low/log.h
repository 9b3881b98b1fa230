// Builds one line of UTF-8 text in place. Pure; too long text is cut, the line always ends properly.
#pragma once
#include <cstdint>

#include "view/path.h"

namespace plume::vl {

class LineBuilder {
 public:
  void Text(const char* ascii) {
    while (*ascii) Put(*ascii++);
  }
  void Decimal(uint32_t value) {
    char digits[10];
    int n = 0;
    do digits[n++] = static_cast<char>('0' + value % 10);
    while (value /= 10);
    while (n) Put(digits[--n]);
  }
  void Hex(uint32_t value) {
    for (int shift = 28; shift >= 0; shift -= 4) Put("0123456789abcdef"[(value >> shift) & 15]);
  }
  void Units(view::WView text) {
    for (size_t i = 0; i < text.size(); ++i) {
      uint32_t c = text[i];
      if (c >= 0xd800 && c < 0xdc00 && i + 1 < text.size() && (text[i + 1] & 0xfc00) == 0xdc00) {
        c = 0x10000 + ((c - 0xd800) << 10) + (text[++i] - 0xdc00u);
      } else if ((c & 0xf800) == 0xd800) {
        c = 0xfffd;
      }
      if (size_ + 4 > kRoom) return;
      if (c < 0x80) {
        Put(c < 0x20 ? '?' : static_cast<char>(c));
      } else if (c < 0x800) {
        Put(static_cast<char>(0xc0 | (c >> 6)));
        Put(static_cast<char>(0x80 | (c & 63)));
      } else {
        if (c >= 0x10000) {
          Put(static_cast<char>(0xf0 | (c >> 18)));
          Put(static_cast<char>(0x80 | ((c >> 12) & 63)));
        } else {
          Put(static_cast<char>(0xe0 | (c >> 12)));
        }
        Put(static_cast<char>(0x80 | ((c >> 6) & 63)));
        Put(static_cast<char>(0x80 | (c & 63)));
      }
    }
  }
  void End() { line_[size_++] = '\n'; }
  const char* data() const { return line_; }
  uint32_t size() const { return size_; }

 private:
  void Put(char c) {
    if (size_ < kRoom) line_[size_++] = c;
  }
  static constexpr uint32_t kRoom = 1022;
  uint32_t size_ = 0;
  char line_[kRoom + 1];
};

}  // namespace plume::vl
