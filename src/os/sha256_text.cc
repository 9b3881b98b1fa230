// Text forms of digests, and what every platform's Sha256 and random source share.
#include "os/random.h"
#include "os/sha256.h"

namespace plume::os {
namespace {

constexpr char kPrefix[] = "sha256:";

int HexDigit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  return -1;
}

}  // namespace

Digest Sha256::Of(std::span<const uint8_t> bytes) {
  Sha256 hash;
  hash.Update(bytes);
  return hash.Finish();
}

Digest Sha256::Of(std::string_view text) {
  return Of(std::span<const uint8_t>(reinterpret_cast<const uint8_t*>(text.data()), text.size()));
}

std::string Hex(std::span<const uint8_t> bytes) {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string out;
  out.reserve(bytes.size() * 2);
  for (const uint8_t byte : bytes) {
    out += kDigits[byte >> 4];
    out += kDigits[byte & 15];
  }
  return out;
}

std::optional<Digest> ParseHex(std::string_view hex) {
  Digest digest;
  if (hex.size() != 2 * digest.size()) return std::nullopt;
  for (size_t i = 0; i < digest.size(); ++i) {
    const int high = HexDigit(hex[2 * i]), low = HexDigit(hex[2 * i + 1]);
    if (high < 0 || low < 0) return std::nullopt;
    digest[i] = static_cast<uint8_t>(high << 4 | low);
  }
  return digest;
}

std::string DigestText(const Digest& digest) { return kPrefix + Hex(digest); }

std::optional<Digest> ParseDigest(std::string_view text) {
  if (!text.starts_with(kPrefix)) return std::nullopt;
  return ParseHex(text.substr(sizeof kPrefix - 1));
}

uint64_t RandomNumber() {
  uint8_t bytes[8];
  RandomBytes(bytes);
  uint64_t number = 0;
  for (const uint8_t byte : bytes) number = number << 8 | byte;
  return number;
}

std::string RandomHex(int bytes) {
  std::string out;
  uint8_t buffer[32];
  while (bytes > 0) {
    const int n = bytes < 32 ? bytes : 32;
    RandomBytes(std::span(buffer, n));
    out += Hex(std::span(buffer, n));
    bytes -= n;
  }
  return out;
}

}  // namespace plume::os
