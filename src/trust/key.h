// Keys that sign images: ECDSA on P-256, in the PEM files that openssl and cosign use. docs/formats/trust.md
// Source: RFC 5208 (PKCS #8), RFC 5480 (SubjectPublicKeyInfo), RFC 5915 (ECPrivateKey), RFC 7468 (PEM).
#pragma once
#include <string>
#include <string_view>

#include "base/result.h"
#include "os/file.h"
#include "os/p256.h"

namespace plume::trust {

struct PublicKey {
  os::P256Public point{};
  bool operator==(const PublicKey&) const = default;
  // What names a key everywhere: SHA-256 of its SubjectPublicKeyInfo, 64 hex digits.
  std::string Id() const;
  std::string Pem() const;
};
// How people are shown an id, and the least they may write of one.
inline constexpr size_t kShortId = 16;
std::string ShortId(const std::string& id);

struct PrivateKey {
  os::P256Private numbers;
  PublicKey Public() const { return {numbers.point}; }
  std::string Pem() const;  // PKCS #8, without a passphrase
};

// Safe on hostile input (fuzzed); `what` names the file in errors. Keys of other kinds and encrypted ones are
// refused with how to go on.
Result<PublicKey> ParsePublicKey(std::string_view pem, const std::string& what);
Result<PrivateKey> ParsePrivateKey(std::string_view pem, const std::string& what);

// ECDSA over SHA-256 of the message, as the DER of RFC 3279; what `openssl dgst -sha256 -sign` writes.
Result<std::string> Sign(const PrivateKey& key, std::string_view message);
bool Verify(const PublicKey& key, std::string_view message, std::string_view der_signature);

// key.pem, for this user alone, and key.pub in `folder`; kExists if either is there: no key is ever
// overwritten.
Result<PublicKey> GenerateKeyFiles(os::FileSystem& files, const os::Path& folder);

std::string Base64Decode(std::string_view text, bool* ok);  // RFC 4648 section 4; white space is skipped

}  // namespace plume::trust
