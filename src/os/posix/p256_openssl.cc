// ECDSA on P-256 by OpenSSL's EVP interface.
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/ecdsa.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>

#include <memory>

#include "os/p256.h"

namespace plume::os {
namespace {

template <auto Free>
struct Freer {
  template <typename T>
  void operator()(T* object) const {
    Free(object);
  }
};
using Key = std::unique_ptr<EVP_PKEY, Freer<EVP_PKEY_free>>;
using KeyContext = std::unique_ptr<EVP_PKEY_CTX, Freer<EVP_PKEY_CTX_free>>;
using Number = std::unique_ptr<BIGNUM, Freer<BN_clear_free>>;
using Builder = std::unique_ptr<OSSL_PARAM_BLD, Freer<OSSL_PARAM_BLD_free>>;
using Parameters = std::unique_ptr<OSSL_PARAM, Freer<OSSL_PARAM_free>>;
using EcSignature = std::unique_ptr<ECDSA_SIG, Freer<ECDSA_SIG_free>>;

Error Failed(const char* what) { return Error{Errc::kInvalid, std::string(what) + ": OpenSSL refuses it"}; }

// Null if the numbers are no key.
Key MakeKey(const P256Public& point, const std::array<uint8_t, 32>* d) {
  std::array<uint8_t, 65> octets{0x04};
  std::copy(point.begin(), point.end(), octets.begin() + 1);
  const Builder builder(OSSL_PARAM_BLD_new());
  const Number number(d ? BN_bin2bn(d->data(), static_cast<int>(d->size()), nullptr) : nullptr);
  if (!builder ||
      !OSSL_PARAM_BLD_push_utf8_string(builder.get(), OSSL_PKEY_PARAM_GROUP_NAME, "prime256v1", 0) ||
      !OSSL_PARAM_BLD_push_octet_string(builder.get(), OSSL_PKEY_PARAM_PUB_KEY, octets.data(),
                                        octets.size()) ||
      (d && !OSSL_PARAM_BLD_push_BN(builder.get(), OSSL_PKEY_PARAM_PRIV_KEY, number.get())))
    return nullptr;
  const Parameters parameters(OSSL_PARAM_BLD_to_param(builder.get()));
  const KeyContext context(EVP_PKEY_CTX_new_from_name(nullptr, "EC", nullptr));
  EVP_PKEY* key = nullptr;
  if (!parameters || !context || EVP_PKEY_fromdata_init(context.get()) != 1 ||
      EVP_PKEY_fromdata(context.get(), &key, d ? EVP_PKEY_KEYPAIR : EVP_PKEY_PUBLIC_KEY, parameters.get()) !=
          1)
    return nullptr;
  return Key(key);
}

}  // namespace

Result<P256Private> GenerateP256() {
  const Key key(EVP_EC_gen("prime256v1"));
  BIGNUM* d = nullptr;
  P256Private out;
  std::array<uint8_t, 65> octets{};
  size_t size = 0;
  const bool ok = key && EVP_PKEY_get_bn_param(key.get(), OSSL_PKEY_PARAM_PRIV_KEY, &d) == 1 &&
                  BN_bn2binpad(d, out.d.data(), static_cast<int>(out.d.size())) > 0 &&
                  EVP_PKEY_get_octet_string_param(key.get(), OSSL_PKEY_PARAM_PUB_KEY, octets.data(),
                                                  octets.size(), &size) == 1 &&
                  size == octets.size() && octets[0] == 0x04;
  BN_clear_free(d);
  if (!ok) return Failed("making a key");
  std::copy(octets.begin() + 1, octets.end(), out.point.begin());
  return out;
}

Result<P256Signature> SignP256(const P256Private& key, const Digest& digest) {
  const Key pair = MakeKey(key.point, &key.d);
  const KeyContext context(pair ? EVP_PKEY_CTX_new_from_pkey(nullptr, pair.get(), nullptr) : nullptr);
  std::array<uint8_t, 128> der{};
  size_t size = der.size();
  if (!context || EVP_PKEY_sign_init(context.get()) != 1 ||
      EVP_PKEY_sign(context.get(), der.data(), &size, digest.data(), digest.size()) != 1)
    return Failed("signing");
  const uint8_t* begin = der.data();
  const EcSignature signature(d2i_ECDSA_SIG(nullptr, &begin, static_cast<long>(size)));
  P256Signature out;
  if (!signature || BN_bn2binpad(ECDSA_SIG_get0_r(signature.get()), out.data(), 32) != 32 ||
      BN_bn2binpad(ECDSA_SIG_get0_s(signature.get()), out.data() + 32, 32) != 32)
    return Failed("signing");
  return out;
}

bool VerifyP256(const P256Public& key, const Digest& digest, const P256Signature& signature) {
  const Key made = MakeKey(key, nullptr);
  const KeyContext context(made ? EVP_PKEY_CTX_new_from_pkey(nullptr, made.get(), nullptr) : nullptr);
  const EcSignature pair(ECDSA_SIG_new());
  Number r(BN_bin2bn(signature.data(), 32, nullptr)), s(BN_bin2bn(signature.data() + 32, 32, nullptr));
  if (!context || !pair || !r || !s || ECDSA_SIG_set0(pair.get(), r.get(), s.get()) != 1) return false;
  (void)r.release();
  (void)s.release();
  unsigned char* der = nullptr;
  const int size = i2d_ECDSA_SIG(pair.get(), &der);
  const bool good =
      size > 0 && EVP_PKEY_verify_init(context.get()) == 1 &&
      EVP_PKEY_verify(context.get(), der, static_cast<size_t>(size), digest.data(), digest.size()) == 1;
  OPENSSL_free(der);
  return good;
}

}  // namespace plume::os
