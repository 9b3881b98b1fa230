// ECDSA on P-256 (FIPS 186-4) over SHA-256, of the platform: OpenSSL natively, CNG on Windows. Raw numbers,
// big-endian; files and texts are src/trust's.
#pragma once
#include <array>
#include <cstdint>

#include "base/result.h"
#include "os/sha256.h"

namespace plume::os {

using P256Public = std::array<uint8_t, 64>;     // x, y
using P256Signature = std::array<uint8_t, 64>;  // r, s
struct P256Private {
  std::array<uint8_t, 32> d{};
  P256Public point{};
};

Result<P256Private> GenerateP256();
Result<P256Signature> SignP256(const P256Private& key, const Digest& digest);
// False for whatever is not a signature by that key, also if that is no point of the curve.
bool VerifyP256(const P256Public& key, const Digest& digest, const P256Signature& signature);

}  // namespace plume::os
