#include "os/sha256.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "os/random.h"

namespace plume::os {
namespace {

// NIST FIPS 180-4 examples.
TEST(Sha256, KnownAnswers) {
  EXPECT_EQ(Hex(Sha256::Of("")), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  EXPECT_EQ(Hex(Sha256::Of("abc")), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  Sha256 hash;
  const std::vector<uint8_t> thousand(1000, 'a');
  for (int i = 0; i < 1000; ++i) hash.Update(thousand);
  EXPECT_EQ(Hex(hash.Finish()), "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
  EXPECT_EQ(hash.Finish(), Sha256::Of(""));  // a new message has begun
}

TEST(Sha256, TextForms) {
  const Digest digest = Sha256::Of("x");
  EXPECT_EQ(ParseDigest(DigestText(digest)), digest);
  EXPECT_EQ(ParseHex(Hex(digest)), digest);
  EXPECT_FALSE(ParseDigest(Hex(digest)));
  EXPECT_FALSE(ParseHex(Hex(digest).substr(1)));
  EXPECT_FALSE(ParseHex(std::string(64, 'G')));
  EXPECT_FALSE(ParseHex(std::string(64, 'A')));  // one spelling only
}

TEST(Random, Differs) {
  EXPECT_NE(RandomHex(16), RandomHex(16));
  EXPECT_EQ(RandomHex(40).size(), 80u);
  EXPECT_NE(RandomNumber(), RandomNumber());
}

}  // namespace
}  // namespace plume::os
