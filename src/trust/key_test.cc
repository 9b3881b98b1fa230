// Keys and signatures, against the openssl command in both directions.
#include "trust/key.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <cstdio>

#include "os/test_folder.h"
#include "repository/credentials.h"

namespace plume::trust {
namespace {

using os::testing::TestFolder;

std::string Shell(const std::string& command, int* code) {
  FILE* pipe = popen(("{ " + command + "; } 2>&1 </dev/null").c_str(), "r");
  std::string out;
  char buffer[4096];
  while (const size_t n = fread(buffer, 1, sizeof buffer, pipe)) out.append(buffer, n);
  *code = pclose(pipe);
  return out;
}

class Keys : public ::testing::Test {
 protected:
  std::string At(const char* name) { return os::Utf8(folder_ / name); }
  std::string Read(const char* name) { return *os::ReadText(os::SystemFiles(), folder_ / name); }
  void Write(const char* name, const std::string& text) {
    ASSERT_TRUE(os::WriteAtomic(os::SystemFiles(), folder_ / name, std::string_view(text)).ok());
  }
  void Run(const std::string& command) {
    int code = 0;
    const std::string out = Shell("cd " + os::Utf8(folder_.path()) + " && " + command, &code);
    ASSERT_EQ(code, 0) << command << "\n" << out;
  }
  TestFolder folder_;
};

TEST_F(Keys, OpensslVerifiesWhatWeSign) {
  const auto made = GenerateKeyFiles(os::SystemFiles(), folder_ / "keys");
  ASSERT_TRUE(made.ok()) << made.error().message;
  struct stat info {};
  ASSERT_EQ(stat(At("keys/key.pem").c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0600u);
  const auto secret = ParsePrivateKey(Read("keys/key.pem"), "key.pem");
  ASSERT_TRUE(secret.ok()) << secret.error().message;
  EXPECT_EQ(secret->Public(), *made);
  EXPECT_EQ(ParsePublicKey(Read("keys/key.pub"), "key.pub")->Id(), made->Id());
  EXPECT_EQ(GenerateKeyFiles(os::SystemFiles(), folder_ / "keys").error().code, Errc::kExists);
  Run("openssl pkey -in keys/key.pem -check -noout");
  Run("openssl pkey -in keys/key.pem -pubout | cmp - keys/key.pub");
  // Enough of them that numbers with a high bit and with leading zeros are among them.
  for (int i = 0; i < 24; ++i) {
    const std::string message = "message " + std::to_string(i);
    const auto signature = Sign(*secret, message);
    ASSERT_TRUE(signature.ok()) << signature.error().message;
    EXPECT_TRUE(Verify(*made, message, *signature));
    Write("message", message);
    Write("signature", *signature);
    Run("openssl dgst -sha256 -verify keys/key.pub -signature signature message");
  }
}

TEST_F(Keys, WeVerifyWhatOpensslSigns) {
  Run("openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out key.pem");
  Run("openssl pkey -in key.pem -pubout -out key.pub");
  const auto key = ParsePublicKey(Read("key.pub"), "key.pub");
  ASSERT_TRUE(key.ok()) << key.error().message;
  EXPECT_EQ(ParsePrivateKey(Read("key.pem"), "key.pem")->Public(), *key);
  for (int i = 0; i < 24; ++i) {
    Write("message", std::to_string(i));
    Run("openssl dgst -sha256 -sign key.pem -out signature message");
    const std::string signature = Read("signature");
    EXPECT_TRUE(Verify(*key, std::to_string(i), signature));
    EXPECT_FALSE(Verify(*key, std::to_string(i + 1), signature));
    for (size_t cut = 0; cut < signature.size(); ++cut)
      EXPECT_FALSE(Verify(*key, std::to_string(i), signature.substr(0, cut)));
    EXPECT_FALSE(Verify(*key, std::to_string(i), signature + "x"));
    std::string flipped = signature;
    flipped[flipped.size() - 1 - static_cast<size_t>(i)] ^= 1;
    EXPECT_FALSE(Verify(*key, std::to_string(i), flipped));
  }
  // The older form, with the curve's name in the key itself.
  Run("openssl ecparam -name prime256v1 -genkey -noout -out ec.pem");
  EXPECT_NE(ParsePrivateKey(Read("ec.pem"), "ec.pem").error().message.find("converts it"), std::string::npos);
  Run("openssl pkey -in ec.pem -out converted.pem");
  EXPECT_TRUE(ParsePrivateKey(Read("converted.pem"), "converted.pem").ok());
}

TEST_F(Keys, OtherKeysAreRefusedWithTheWayOn) {
  const auto says = [&](const char* file, const char* text) {
    const auto open = ParsePublicKey(Read(file), file);
    const auto secret = ParsePrivateKey(Read(file), file);
    ASSERT_FALSE(open.ok());
    ASSERT_FALSE(secret.ok());
    EXPECT_TRUE(open.error().message.find(text) != std::string::npos ||
                secret.error().message.find(text) != std::string::npos)
        << open.error().message << "\n"
        << secret.error().message;
  };
  Run("openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-384 -out p384.pem");
  Run("openssl pkey -in p384.pem -pubout -out p384.pub");
  Run("openssl genpkey -algorithm ed25519 -out ed.pem && openssl pkey -in ed.pem -pubout -out ed.pub");
  Run("openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -aes256 -pass pass:x -out locked.pem");
  for (const char* file : {"p384.pem", "p384.pub", "ed.pem", "ed.pub"}) says(file, "P-256");
  says("locked.pem", "encrypted");
  Write("text", "hello");
  says("text", "no PEM file");
  Write("empty", "-----BEGIN PUBLIC KEY-----\n");
  says("empty", "cut off");
  ASSERT_TRUE(GenerateKeyFiles(os::SystemFiles(), folder_ / "keys").ok());
  const std::string open = Read("keys/key.pub"), secret = Read("keys/key.pem");
  EXPECT_NE(ParsePrivateKey(open, "x").error().message.find("public key"), std::string::npos);
  EXPECT_NE(ParsePublicKey(secret, "x").error().message.find("private key"), std::string::npos);
  for (size_t cut = 0; cut + 1 < open.size(); ++cut)
    EXPECT_FALSE(ParsePublicKey(open.substr(0, cut), "x").ok());
  for (size_t cut = 0; cut + 1 < secret.size(); ++cut)
    EXPECT_FALSE(ParsePrivateKey(secret.substr(0, cut), "x").ok());
}

TEST_F(Keys, APointThatIsNotOnTheCurveSignsNothing) {
  PublicKey key;
  key.point.fill(1);
  const auto secret = PrivateKey{*os::GenerateP256()};
  EXPECT_FALSE(Verify(key, "x", *Sign(secret, "x")));
}

TEST(Base64, ThereAndBack) {
  for (const std::string text : {"", "f", "fo", "foo", "foob", "\x01\xff\x80"}) {
    bool ok = false;
    EXPECT_EQ(Base64Decode(repository::Base64(text), &ok), text);
    EXPECT_TRUE(ok);
  }
  for (const char* bad : {"Z", "Zg", "Zg=", "Zg===", "Z===", "====", "Zg==Zg==", "Zm9v!", "Zg=g"}) {
    bool ok = true;
    (void)Base64Decode(bad, &ok);
    EXPECT_FALSE(ok) << bad;
  }
}

}  // namespace
}  // namespace plume::trust
