// UTF-16 as values of the registry and files hold it: two bytes a unit, the lower first. Thread-safe.
#pragma once
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace plume {

// An odd byte at the end is left out.
inline std::u16string UnitsOf(std::span<const uint8_t> bytes) {
  std::u16string out;
  out.reserve(bytes.size() / 2);
  for (size_t i = 0; i + 1 < bytes.size(); i += 2)
    out.push_back(static_cast<char16_t>(bytes[i] | bytes[i + 1] << 8));
  return out;
}

// A string of the registry: up to its first zero.
inline std::u16string TextOf(std::span<const uint8_t> bytes) {
  std::u16string out = UnitsOf(bytes);
  if (const size_t end = out.find(u'\0'); end != out.npos) out.resize(end);
  return out;
}

inline std::vector<uint8_t> BytesOf(std::u16string_view units) {
  std::vector<uint8_t> out;
  out.reserve(units.size() * 2);
  for (const char16_t unit : units) {
    out.push_back(static_cast<uint8_t>(unit));
    out.push_back(static_cast<uint8_t>(unit >> 8));
  }
  return out;
}

}  // namespace plume
