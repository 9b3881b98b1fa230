// SHA-256 and random bytes by CNG. It fails here only when out of memory, which leaves nothing sensible to go
// on with: the program ends.
// bcrypt.h needs windows.h before it.
// clang-format off
#include <windows.h>
#include <bcrypt.h>
// clang-format on

#include <cstdio>
#include <cstdlib>

#include "os/random.h"
#include "os/sha256.h"

namespace plume::os {
namespace {

void Require(NTSTATUS status, const char* what) {
  if (status >= 0) return;
  std::fprintf(stderr, "plume: %s failed: CNG status %08lx\n", what, static_cast<unsigned long>(status));
  std::abort();
}

BCRYPT_ALG_HANDLE Algorithm() {
  static const BCRYPT_ALG_HANDLE algorithm = [] {
    BCRYPT_ALG_HANDLE handle = nullptr;
    Require(BCryptOpenAlgorithmProvider(&handle, BCRYPT_SHA256_ALGORITHM, nullptr, 0), "SHA-256");
    return handle;
  }();
  return algorithm;
}

}  // namespace

struct Sha256::Impl {
  BCRYPT_HASH_HANDLE hash = nullptr;
  ~Impl() {
    if (hash) BCryptDestroyHash(hash);
  }
};

Sha256::Sha256() : impl_(std::make_unique<Impl>()) { Reset(); }
Sha256::~Sha256() = default;

// A new object each time: BCRYPT_HASH_REUSABLE_FLAG is not known to every Wine.
void Sha256::Reset() {
  if (impl_->hash) BCryptDestroyHash(impl_->hash);
  impl_->hash = nullptr;
  Require(BCryptCreateHash(Algorithm(), &impl_->hash, nullptr, 0, nullptr, 0, 0), "SHA-256");
}

void Sha256::Update(std::span<const uint8_t> bytes) {
  while (!bytes.empty()) {
    const size_t n = bytes.size() < (1u << 30) ? bytes.size() : (1u << 30);
    Require(BCryptHashData(impl_->hash, const_cast<PUCHAR>(bytes.data()), static_cast<ULONG>(n), 0),
            "SHA-256");
    bytes = bytes.subspan(n);
  }
}

Digest Sha256::Finish() {
  Digest digest;
  Require(BCryptFinishHash(impl_->hash, digest.data(), static_cast<ULONG>(digest.size()), 0), "SHA-256");
  Reset();
  return digest;
}

void RandomBytes(std::span<uint8_t> out) {
  Require(
      BCryptGenRandom(nullptr, out.data(), static_cast<ULONG>(out.size()), BCRYPT_USE_SYSTEM_PREFERRED_RNG),
      "random numbers");
}

}  // namespace plume::os
