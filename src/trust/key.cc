#include "trust/key.h"

#include <algorithm>
#include <cstring>

#include "os/private_file.h"
#include "os/sha256.h"
#include "repository/credentials.h"

namespace plume::trust {
namespace {

constexpr char kPublicLabel[] = "PUBLIC KEY", kPrivateLabel[] = "PRIVATE KEY";
// AlgorithmIdentifier of SubjectPublicKeyInfo and PKCS #8: ecPublicKey on prime256v1.
constexpr uint8_t kAlgorithm[] = {0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01,
                                  0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07};
constexpr uint8_t kPrime256v1[] = {0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07};
enum : uint8_t {
  kInteger = 0x02,
  kBitString = 0x03,
  kOctetString = 0x04,
  kSequence = 0x30,
  kParameters = 0xa0,
  kPublicPart = 0xa1
};

using View = std::string_view;
View AsView(std::span<const uint8_t> bytes) {
  return View(reinterpret_cast<const char*>(bytes.data()), bytes.size());
}

// One DER element off the front of *in; false unless it is `tag` with a minimal length.
bool Take(View* in, uint8_t tag, View* out) {
  if (in->size() < 2 || static_cast<uint8_t>((*in)[0]) != tag) return false;
  size_t length = static_cast<uint8_t>((*in)[1]), head = 2;
  if (length > 0x80) {
    const size_t bytes = length - 0x80;
    if (bytes > 2 || in->size() < 2 + bytes) return false;
    length = 0;
    for (size_t i = 0; i < bytes; ++i) length = length << 8 | static_cast<uint8_t>((*in)[2 + i]);
    head += bytes;
    if (length < (bytes == 1 ? 0x80u : 0x100u)) return false;
  } else if (length == 0x80) {
    return false;
  }
  if (in->size() - head < length) return false;
  *out = in->substr(head, length);
  in->remove_prefix(head + length);
  return true;
}

std::string Wrap(uint8_t tag, View content) {
  std::string out(1, static_cast<char>(tag));
  if (content.size() >= 0x100)
    out += {static_cast<char>(0x82), static_cast<char>(content.size() >> 8)};
  else if (content.size() >= 0x80)
    out += static_cast<char>(0x81);
  out += static_cast<char>(content.size() & 0xff);
  return out.append(content);
}

std::string PointBits(const os::P256Public& point) {
  return Wrap(kBitString, std::string{'\0', '\x04'} + std::string(AsView(point)));
}
bool TakePoint(View bits, os::P256Public* out) {
  if (bits.size() != 66 || bits[0] != 0 || bits[1] != 4) return false;
  std::memcpy(out->data(), bits.data() + 2, out->size());
  return true;
}

std::string Spki(const PublicKey& key) {
  return Wrap(kSequence, std::string(AsView(kAlgorithm)) + PointBits(key.point));
}

std::string Pem(const char* label, View der) {
  std::string out = std::string("-----BEGIN ") + label + "-----\n";
  const std::string text = repository::Base64(der);
  for (size_t i = 0; i < text.size(); i += 64) out += text.substr(i, 64) + "\n";
  return out + "-----END " + label + "-----\n";
}

Error Refused(const std::string& what, const std::string& why) {
  return Error{Errc::kInvalid, "reading the key " + what + ": " + why};
}

// The DER of the first PEM block, which must have this label.
Result<std::string> ParsePem(View text, View label, const std::string& what) {
  const std::string begin = "-----BEGIN ", end = "-----END " + std::string(label) + "-----";
  const size_t at = text.find(begin);
  if (at == View::npos) return Refused(what, "it is no PEM file (make one with plume keys generate DIR)");
  text.remove_prefix(at + begin.size());
  const View found = text.substr(0, std::min(text.find("-----"), text.find('\n')));
  if (found.find("ENCRYPTED") != View::npos) {
    return Refused(what, "it is encrypted (openssl pkey -in FILE -out NEW decrypts a PKCS #8 file)");
  }
  if (found != label) {
    if (label == kPrivateLabel && found == kPublicLabel)
      return Refused(what, "it is a public key; signing takes the private one (key.pem)");
    if (label == kPublicLabel && found.ends_with(kPrivateLabel))
      return Refused(what,
                     "it is a private key, which nobody else should have; this takes the public one "
                     "(key.pub)");
    return Refused(what, "it is a \"" + std::string(found.substr(0, 40)) + "\", not a \"" +
                             std::string(label) + "\" (openssl pkey -in FILE -out NEW converts it)");
  }
  text.remove_prefix(std::min(text.size(), found.size() + 5));
  const size_t stop = text.find(end);
  if (stop == View::npos || stop > 10'000) return Refused(what, "it is cut off");
  bool ok = false;
  std::string der = Base64Decode(text.substr(0, stop), &ok);
  if (!ok) return Refused(what, "it is damaged (not base64)");
  return der;
}

constexpr char kOtherKind[] =
    "it is not an ECDSA key on the curve P-256, the only kind there is (make one with plume keys generate "
    "DIR)";

// A positive DER INTEGER of at most 32 bytes, as a number of 32.
bool TakeNumber(View* in, uint8_t* out) {
  View number;
  if (!Take(in, kInteger, &number) || number.empty() || (number[0] & 0x80) != 0) return false;
  if (number[0] == 0) {
    if (number.size() > 1 && (number[1] & 0x80) == 0) return false;  // not minimal
    number.remove_prefix(1);
  }
  if (number.empty() || number.size() > 32) return false;
  std::memset(out, 0, 32);
  std::memcpy(out + (32 - number.size()), number.data(), number.size());
  return true;
}
std::string Number(View bytes) {
  while (bytes.size() > 1 && bytes[0] == 0) bytes.remove_prefix(1);
  const bool high = (bytes[0] & 0x80) != 0;
  return Wrap(kInteger, (high ? std::string(1, '\0') : std::string()) + std::string(bytes));
}

}  // namespace

std::string Base64Decode(View text, bool* ok) {
  std::string out;
  uint32_t group = 0;
  int have = 0, padding = 0;
  *ok = true;
  for (const char c : text) {
    if (c == '\n' || c == '\r' || c == ' ' || c == '\t') continue;
    int value = -1;
    if (c >= 'A' && c <= 'Z') value = c - 'A';
    if (c >= 'a' && c <= 'z') value = c - 'a' + 26;
    if (c >= '0' && c <= '9') value = c - '0' + 52;
    if (c == '+') value = 62;
    if (c == '/') value = 63;
    if (c == '=' && have >= 2) {
      ++padding;
      value = 0;
    } else if (value < 0 || padding > 0) {
      *ok = false;
      return {};
    }
    group = group << 6 | static_cast<uint32_t>(value);
    if (++have == 4) {
      for (int i = 0; i < 3 - padding; ++i) out += static_cast<char>(group >> (16 - 8 * i) & 0xff);
      group = 0;
      have = 0;
      if (padding > 0) padding = 9;  // nothing may follow
    }
  }
  if (have != 0) *ok = false;
  return *ok ? out : std::string();
}

std::string ShortId(const std::string& id) { return id.substr(0, kShortId); }

std::string PublicKey::Id() const { return os::Hex(os::Sha256::Of(View(Spki(*this)))); }
std::string PublicKey::Pem() const { return trust::Pem(kPublicLabel, Spki(*this)); }

std::string PrivateKey::Pem() const {
  const std::string ec =
      Wrap(kSequence, Wrap(kInteger, View("\x01", 1)) + Wrap(kOctetString, AsView(numbers.d)) +
                          Wrap(kPublicPart, PointBits(numbers.point)));
  return trust::Pem(kPrivateLabel,
                    Wrap(kSequence, Wrap(kInteger, View("\0", 1)) + std::string(AsView(kAlgorithm)) +
                                        Wrap(kOctetString, ec)));
}

Result<PublicKey> ParsePublicKey(View pem, const std::string& what) {
  ASSIGN(const std::string der, ParsePem(pem, kPublicLabel, what));
  View in = der, spki, bits;
  if (!Take(&in, kSequence, &spki) || !in.empty()) return Refused(what, "it is damaged");
  if (!spki.starts_with(AsView(kAlgorithm))) return Refused(what, kOtherKind);
  spki.remove_prefix(sizeof kAlgorithm);
  PublicKey key;
  if (!Take(&spki, kBitString, &bits) || !spki.empty() || !TakePoint(bits, &key.point))
    return Refused(what, "it is damaged");
  return key;
}

Result<PrivateKey> ParsePrivateKey(View pem, const std::string& what) {
  ASSIGN(const std::string der, ParsePem(pem, kPrivateLabel, what));
  const Error damaged = Refused(what, "it is damaged");
  View in = der, info, number, octets, ec;
  if (!Take(&in, kSequence, &info) || !in.empty() || !Take(&info, kInteger, &number)) return damaged;
  if (!info.starts_with(AsView(kAlgorithm))) return Refused(what, kOtherKind);
  info.remove_prefix(sizeof kAlgorithm);
  if (!Take(&info, kOctetString, &octets) || !Take(&octets, kSequence, &ec) || !octets.empty())
    return damaged;
  View secret, part;
  if (!Take(&ec, kInteger, &number) || number != View("\x01", 1) || !Take(&ec, kOctetString, &secret) ||
      secret.size() != 32)
    return damaged;
  PrivateKey key;
  std::memcpy(key.numbers.d.data(), secret.data(), 32);
  if (Take(&ec, kParameters, &part) && part != AsView(kPrime256v1)) return Refused(what, kOtherKind);
  if (!Take(&ec, kPublicPart, &part)) {
    return Refused(what, "it lacks its public part (openssl pkey -in FILE -out NEW adds it)");
  }
  View bits;
  if (!Take(&part, kBitString, &bits) || !TakePoint(bits, &key.numbers.point)) return damaged;
  return key;
}

Result<std::string> Sign(const PrivateKey& key, View message) {
  ASSIGN(const os::P256Signature pair, os::SignP256(key.numbers, os::Sha256::Of(message)));
  const View numbers = AsView(pair);
  return Wrap(kSequence, Number(numbers.substr(0, 32)) + Number(numbers.substr(32)));
}

bool Verify(const PublicKey& key, View message, View der) {
  View pair;
  os::P256Signature signature;
  if (!Take(&der, kSequence, &pair) || !der.empty()) return false;
  if (!TakeNumber(&pair, signature.data()) || !TakeNumber(&pair, signature.data() + 32) || !pair.empty())
    return false;
  return os::VerifyP256(key.point, os::Sha256::Of(message), signature);
}

Result<PublicKey> GenerateKeyFiles(os::FileSystem& files, const os::Path& folder) {
  const os::Path secret = folder / "key.pem", open = folder / "key.pub";
  for (const os::Path& path : {secret, open}) {
    if (os::Exists(files, path)) {
      return Error{Errc::kExists, "making a key: " + os::Utf8(path) +
                                      " is there already, and no key is ever overwritten (take another "
                                      "folder)"};
    }
  }
  TRY(files.MakeDirectories(folder));
  ASSIGN(const os::P256Private numbers, os::GenerateP256());
  const PrivateKey key{numbers};
  TRY(os::WriteNewPrivate(secret, key.Pem()));
  TRY(os::WriteAtomic(files, open, std::string_view(key.Public().Pem())));
  return key.Public();
}

}  // namespace plume::trust
