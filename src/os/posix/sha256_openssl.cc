// SHA-256 by OpenSSL's EVP interface. OpenSSL fails here only when out of memory or misconfigured, which
// leaves nothing sensible to go on with: the program ends.
#include <openssl/evp.h>
#include <openssl/rand.h>

#include <cstdio>
#include <cstdlib>

#include "os/random.h"
#include "os/sha256.h"

namespace plume::os {
namespace {

void Require(bool ok, const char* what) {
  if (ok) return;
  std::fprintf(stderr, "plume: %s failed: OpenSSL is not usable\n", what);
  std::abort();
}

}  // namespace

struct Sha256::Impl {
  EVP_MD_CTX* context = EVP_MD_CTX_new();
  ~Impl() { EVP_MD_CTX_free(context); }
};

Sha256::Sha256() : impl_(std::make_unique<Impl>()) {
  Require(impl_->context != nullptr, "SHA-256");
  Reset();
}
Sha256::~Sha256() = default;

void Sha256::Reset() { Require(EVP_DigestInit_ex(impl_->context, EVP_sha256(), nullptr) == 1, "SHA-256"); }

void Sha256::Update(std::span<const uint8_t> bytes) {
  Require(EVP_DigestUpdate(impl_->context, bytes.data(), bytes.size()) == 1, "SHA-256");
}

Digest Sha256::Finish() {
  Digest digest;
  Require(EVP_DigestFinal_ex(impl_->context, digest.data(), nullptr) == 1, "SHA-256");
  Reset();
  return digest;
}

void RandomBytes(std::span<uint8_t> out) {
  Require(RAND_bytes(out.data(), static_cast<int>(out.size())) == 1, "random numbers");
}

}  // namespace plume::os
