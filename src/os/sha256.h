// SHA-256 (FIPS 180-4) of the platform: OpenSSL natively, CNG on Windows. Digests and their text forms.
#pragma once
#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace plume::os {

using Digest = std::array<uint8_t, 32>;

// Streaming. One thread at a time; Reset or Finish starts a new message.
class Sha256 {
 public:
  Sha256();
  ~Sha256();
  Sha256(const Sha256&) = delete;
  Sha256& operator=(const Sha256&) = delete;
  void Update(std::span<const uint8_t> bytes);
  Digest Finish();
  void Reset();

  static Digest Of(std::span<const uint8_t> bytes);
  static Digest Of(std::string_view text);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

std::string Hex(std::span<const uint8_t> bytes);           // lower case
std::optional<Digest> ParseHex(std::string_view hex);      // exactly 64 lower-case hex digits
std::string DigestText(const Digest& digest);              // "sha256:<hex>"
std::optional<Digest> ParseDigest(std::string_view text);  // "sha256:<64 lower-case hex digits>"

}  // namespace plume::os
