// ECDSA on P-256 by CNG.
// bcrypt.h needs windows.h before it.
// clang-format off
#include <windows.h>
#include <bcrypt.h>
// clang-format on

#include <cstdio>
#include <cstring>
#include <vector>

#include "os/p256.h"

namespace plume::os {
namespace {

// A BCRYPT_ECCKEY_BLOB and the numbers behind it.
struct PublicBlob {
  BCRYPT_ECCKEY_BLOB head{BCRYPT_ECDSA_PUBLIC_P256_MAGIC, 32};
  uint8_t point[64];
};
struct PrivateBlob {
  BCRYPT_ECCKEY_BLOB head{BCRYPT_ECDSA_PRIVATE_P256_MAGIC, 32};
  uint8_t point[64];
  uint8_t d[32];
};

struct CngKey {
  BCRYPT_KEY_HANDLE handle = nullptr;
  ~CngKey() {
    if (handle) BCryptDestroyKey(handle);
  }
};

Error CngFailed(const char* what, NTSTATUS status) {
  char text[16];
  std::snprintf(text, sizeof text, "%08lx", static_cast<unsigned long>(status));
  return Error{Errc::kInvalid, std::string(what) + ": CNG status " + text};
}

// Null where CNG has no such algorithm.
BCRYPT_ALG_HANDLE Ecdsa() {
  static const BCRYPT_ALG_HANDLE algorithm = [] {
    BCRYPT_ALG_HANDLE handle = nullptr;
    return BCryptOpenAlgorithmProvider(&handle, BCRYPT_ECDSA_P256_ALGORITHM, nullptr, 0) >= 0 ? handle
                                                                                              : nullptr;
  }();
  return algorithm;
}

Error NoEcdsa() {
  return Error{Errc::kUnsupported,
               "checking signatures: this system has no ECDSA (under Wine: install libgnutls30)"};
}

}  // namespace

Result<P256Private> GenerateP256() {
  if (!Ecdsa()) return NoEcdsa();
  CngKey key;
  PrivateBlob blob;
  ULONG size = 0;
  NTSTATUS status = BCryptGenerateKeyPair(Ecdsa(), &key.handle, 256, 0);
  if (status >= 0) status = BCryptFinalizeKeyPair(key.handle, 0);
  if (status >= 0) {
    status = BCryptExportKey(key.handle, nullptr, BCRYPT_ECCPRIVATE_BLOB, reinterpret_cast<PUCHAR>(&blob),
                             sizeof blob, &size, 0);
  }
  if (status < 0 || size != sizeof blob) return CngFailed("making a key", status);
  P256Private out;
  std::memcpy(out.point.data(), blob.point, sizeof blob.point);
  std::memcpy(out.d.data(), blob.d, sizeof blob.d);
  return out;
}

Result<P256Signature> SignP256(const P256Private& key, const Digest& digest) {
  if (!Ecdsa()) return NoEcdsa();
  PrivateBlob blob;
  std::memcpy(blob.point, key.point.data(), sizeof blob.point);
  std::memcpy(blob.d, key.d.data(), sizeof blob.d);
  CngKey imported;
  P256Signature out;
  ULONG size = 0;
  NTSTATUS status = BCryptImportKeyPair(Ecdsa(), nullptr, BCRYPT_ECCPRIVATE_BLOB, &imported.handle,
                                        reinterpret_cast<PUCHAR>(&blob), sizeof blob, 0);
  if (status >= 0) {
    status = BCryptSignHash(imported.handle, nullptr, const_cast<PUCHAR>(digest.data()),
                            static_cast<ULONG>(digest.size()), out.data(), static_cast<ULONG>(out.size()),
                            &size, 0);
  }
  if (status < 0 || size != out.size()) return CngFailed("signing", status);
  return out;
}

bool VerifyP256(const P256Public& key, const Digest& digest, const P256Signature& signature) {
  if (!Ecdsa()) return false;
  PublicBlob blob;
  std::memcpy(blob.point, key.data(), sizeof blob.point);
  CngKey imported;
  return BCryptImportKeyPair(Ecdsa(), nullptr, BCRYPT_ECCPUBLIC_BLOB, &imported.handle,
                             reinterpret_cast<PUCHAR>(&blob), sizeof blob, 0) >= 0 &&
         BCryptVerifySignature(imported.handle, nullptr, const_cast<PUCHAR>(digest.data()),
                               static_cast<ULONG>(digest.size()), const_cast<PUCHAR>(signature.data()),
                               static_cast<ULONG>(signature.size()), 0) >= 0;
}

}  // namespace plume::os
