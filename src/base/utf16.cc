#include "base/utf16.h"

#include <cstdint>

namespace plume {
namespace {

constexpr uint32_t kBad = 0xffffffff;

bool IsHigh(uint32_t u) { return u >= 0xD800 && u < 0xDC00; }
bool IsLow(uint32_t u) { return u >= 0xDC00 && u < 0xE000; }

// Decodes one code point at `*pos` and moves on; on kBad `*pos` has moved by one byte.
uint32_t Next(std::string_view s, size_t* pos) {
  const uint8_t lead = static_cast<uint8_t>(s[*pos]);
  ++*pos;
  if (lead < 0x80) return lead;
  const int more = lead >= 0xF0 ? 3 : lead >= 0xE0 ? 2 : 1;
  if (lead < 0xC2 || lead > 0xF4 || s.size() - *pos < static_cast<size_t>(more)) return kBad;
  uint32_t c = lead & (0x3F >> more);
  for (int i = 0; i < more; ++i) {
    const uint8_t b = static_cast<uint8_t>(s[*pos + i]);
    if ((b & 0xC0) != 0x80) return kBad;
    c = c << 6 | (b & 0x3F);
  }
  if ((more == 2 && c < 0x800) || (more == 3 && c < 0x10000) || c > 0x10FFFF) return kBad;
  *pos += more;
  return c;
}

// Appends `c`; false if it completes a surrogate pair whose high half was written as its own sequence.
bool Append(uint32_t c, bool after_escaped_high, std::u16string* out) {
  if (c >= 0x10000) {
    out->push_back(static_cast<char16_t>(0xD7C0 + (c >> 10)));
    out->push_back(static_cast<char16_t>(0xDC00 + (c & 0x3FF)));
    return true;
  }
  out->push_back(static_cast<char16_t>(c));
  return !(after_escaped_high && IsLow(c));
}

}  // namespace

std::string ToUtf8(std::u16string_view text) {
  std::string out;
  out.reserve(text.size());
  for (size_t i = 0; i < text.size(); ++i) {
    uint32_t c = text[i];
    if (IsHigh(c) && i + 1 < text.size() && IsLow(text[i + 1])) {
      c = 0x10000 + ((c - 0xD800) << 10) + (text[++i] - 0xDC00u);
    }
    if (c < 0x80) {
      out.push_back(static_cast<char>(c));
    } else if (c < 0x800) {
      out.push_back(static_cast<char>(0xC0 | c >> 6));
      out.push_back(static_cast<char>(0x80 | (c & 0x3F)));
    } else {
      if (c < 0x10000) {
        out.push_back(static_cast<char>(0xE0 | c >> 12));
      } else {
        out.push_back(static_cast<char>(0xF0 | c >> 18));
        out.push_back(static_cast<char>(0x80 | (c >> 12 & 0x3F)));
      }
      out.push_back(static_cast<char>(0x80 | (c >> 6 & 0x3F)));
      out.push_back(static_cast<char>(0x80 | (c & 0x3F)));
    }
  }
  return out;
}

std::optional<std::u16string> FromUtf8(std::string_view text) {
  std::u16string out;
  out.reserve(text.size());
  bool escaped_high = false;
  for (size_t pos = 0; pos < text.size();) {
    const uint32_t c = Next(text, &pos);
    if (c == kBad || !Append(c, escaped_high, &out)) return std::nullopt;
    escaped_high = IsHigh(c);
  }
  return out;
}

std::u16string FromUtf8Lossy(std::string_view text) {
  std::u16string out;
  out.reserve(text.size());
  for (size_t pos = 0; pos < text.size();) {
    const uint32_t c = Next(text, &pos);
    Append(c == kBad ? 0xFFFD : c, false, &out);
  }
  return out;
}

}  // namespace plume
