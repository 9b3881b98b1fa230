// Who is believed, and what is refused although it is signed.
#include "trust/judge.h"

#include <gtest/gtest.h>

#include "os/test_folder.h"

namespace plume::trust {
namespace {

constexpr int64_t kNow = 1'800'000'000, kDay = 24 * 3600;
constexpr char kRepository[] = "http://server:5000/apps/editor";
const std::string kDigest = "sha256:" + std::string(64, 'a'), kNewer = "sha256:" + std::string(64, 'b');

class Judging : public ::testing::Test {
 protected:
  static Signature Made(const PrivateKey& key, const std::string& digest, int64_t issued, int64_t expires = 0,
                        std::vector<std::string> tags = {"1.0", "stable"}) {
    Payload payload{"server:5000/apps/editor", digest,
                    Statement{"editor", "1.0", key.Public().Id(), std::move(tags), issued, expires}};
    Signature out;
    out.payload = ToJson(payload);
    out.der = *Sign(key, out.payload);
    return out;
  }
  Result<Verdict> Ask(const std::vector<Signature>& signatures) {
    return Judge(rules_, signatures, question_, seen_);
  }
  // Refused, and the reason has these words.
  void Refused(const std::vector<Signature>& signatures, const std::string& words) {
    const auto verdict = Ask(signatures);
    ASSERT_FALSE(verdict.ok()) << words;
    EXPECT_EQ(verdict.error().code, Errc::kDenied);
    EXPECT_NE(verdict.error().message.find(words), std::string::npos) << verdict.error().message;
    EXPECT_EQ(verdict.error().message.find('\n'), std::string::npos);
  }
  void Trust(const PrivateKey& key, const std::string& repository = "") {
    ASSERT_TRUE(rules_.Add(key.Public(), "key.pub", repository).ok());
  }
  Rules rules_;
  Seen seen_;
  Question question_{.repository = kRepository,
                     .subscribed = "stable",
                     .tag = "stable",
                     .digest = kDigest,
                     .image_name = "editor",
                     .now = kNow,
                     .allow_unsigned = false,
                     .allow_older = false};
  const PrivateKey key_{*os::GenerateP256()}, other_{*os::GenerateP256()};
};

TEST_F(Judging, OnlyATrustedKeyVouches) {
  const Signature good = Made(key_, kDigest, kNow);
  Refused({}, "not signed");
  Refused({good}, "no trusted key signed it, but the key " + ShortId(key_.Public().Id()));
  Refused({good}, "plume trust add KEY.pub --for " + std::string(kRepository));
  Trust(key_);
  ASSERT_TRUE(Ask({good}).ok());
  EXPECT_EQ(Ask({good})->key, key_.Public().Id());
  EXPECT_EQ(Ask({Made(other_, kDigest, kNow + 5), good})->key, key_.Public().Id());
  Refused({}, "not signed");
}

TEST_F(Judging, WrongObjects) {
  Trust(key_);
  const Signature good = Made(key_, kDigest, kNow), of_another = Made(key_, kNewer, kNow);
  Refused({of_another}, "no trusted key");                               // signature of another image
  Refused({Signature{of_another.payload, good.der}}, "no trusted key");  // swapped
  Refused({Signature{good.payload, of_another.der}}, "no trusted key");
  Refused({Signature{good.payload, good.der.substr(0, good.der.size() - 1)}}, "no trusted key");  // cut off
  Refused({Signature{good.payload.substr(0, good.payload.size() - 1), good.der}}, "no trusted key");
  std::string changed = good.payload;
  changed.replace(changed.find("stable"), 6, "latest");
  Refused({Signature{changed, good.der}}, "no trusted key");
  Refused({Signature{"", ""}}, "no trusted key");
  EXPECT_TRUE(Ask({Signature{"", ""}, of_another, good}).ok());
  for (size_t i = 0; i < good.der.size(); ++i) {
    Signature flipped = good;
    flipped.der[i] ^= 4;
    Refused({flipped}, "no trusted key");
  }
}

TEST_F(Judging, TrustIsForARepository) {
  const std::vector<Signature> signatures = {Made(key_, kDigest, kNow)};
  Trust(key_, "http://server:5000/app");  // no prefix that ends at a slash
  Refused(signatures, "trusted for other repositories only");
  Trust(key_, "http://server:5000/apps");
  EXPECT_TRUE(Ask(signatures).ok());
  // The longest prefix decides: whoever is trusted for everything is not for what has rules of its own.
  Trust(other_);
  EXPECT_TRUE(Ask(signatures).ok());
  Refused({Made(other_, kDigest, kNow)}, "trusted for other repositories only");
  ASSERT_TRUE(rules_.Remove(key_.Public().Id(), "http://server:5000/apps").ok());
  EXPECT_TRUE(Ask({Made(other_, kDigest, kNow)}).ok());
  // Two keys for one repository: rotation.
  Trust(key_);
  EXPECT_TRUE(Ask(signatures).ok());
  EXPECT_TRUE(Ask({Made(other_, kDigest, kNow)}).ok());
}

TEST_F(Judging, ARevokedKeyIsRefusedWhateverElseSaysIt) {
  const std::vector<Signature> signatures = {Made(key_, kDigest, kNow)};
  Trust(key_);
  Trust(key_, kRepository);
  rules_.Revoke(key_.Public().Id());
  Refused(signatures, "revoked");
  question_.allow_unsigned = true;
  Refused(signatures, "revoked");
  EXPECT_EQ(rules_.Add(key_.Public(), "again", "").error().code, Errc::kDenied);
  Trust(other_);
  EXPECT_TRUE(Ask({signatures[0], Made(other_, kDigest, kNow)}).ok());
}

TEST_F(Judging, UnsignedOnlyWhereAllowed) {
  question_.allow_unsigned = true;
  ASSERT_TRUE(Ask({}).ok());
  EXPECT_EQ(Ask({})->key, "");
  EXPECT_EQ(Ask({Made(key_, kDigest, kNow)})->key, "");
  Trust(key_);
  EXPECT_EQ(Ask({Made(key_, kDigest, kNow)})->key, key_.Public().Id());
}

TEST_F(Judging, TheTagAndTheNameAreSigned) {
  Trust(key_);
  Refused({Made(key_, kDigest, kNow, 0, {"1.0"})}, "it was signed as 1.0, not as stable");
  question_.image_name = "calculator";
  Refused({Made(key_, kDigest, kNow)}, "it is the application 'calculator', not 'editor'");
  question_.image_name = "team/editor";
  EXPECT_TRUE(Ask({Made(key_, kDigest, kNow)}).ok());
}

TEST_F(Judging, OlderThanSeenIsRefusedUnlessMeant) {
  Trust(key_);
  question_.digest = kNewer;
  seen_ = Ask({Made(key_, kNewer, kNow)})->seen;
  EXPECT_EQ(seen_.issued, kNow);
  EXPECT_EQ(seen_.digest, kNewer);
  question_.digest = kDigest;
  Refused({Made(key_, kDigest, kNow - 1)}, "older than what this machine has already seen");
  EXPECT_TRUE(Ask({Made(key_, kDigest, kNow + 1)}).ok());  // signed anew: the publisher went back
  question_.allow_older = true;
  const auto older = Ask({Made(key_, kDigest, kNow - 1)});
  ASSERT_TRUE(older.ok());
  EXPECT_EQ(older->seen.issued, kNow - 1);
  // An older signature of the same image is no older image, and does not lower what was seen.
  question_.allow_older = false;
  question_.digest = kNewer;
  EXPECT_EQ(Ask({Made(key_, kNewer, kNow - 50)})->seen.issued, kNow);
  // Signed without a statement, by another tool.
  Payload plain{"x", kDigest, std::nullopt};
  Signature by_other_tool;
  by_other_tool.payload = ToJson(plain);
  by_other_tool.der = *Sign(key_, by_other_tool.payload);
  question_.digest = kDigest;
  Refused({by_other_tool}, "older than");
  seen_ = {};
  EXPECT_TRUE(Ask({by_other_tool}).ok());
  Refused({Made(key_, kDigest, kNow + 2 * kDay)}, "signed in the future");
}

TEST_F(Judging, AnEndedPromiseWarnsThenRefusesUpdates) {
  Trust(key_);
  rules_.grace_seconds = 10 * kDay;
  const std::vector<Signature> signatures = {Made(key_, kDigest, kNow - 5 * kDay, kNow + kDay)};
  EXPECT_EQ(Ask(signatures)->warning, "");
  question_.now = kNow + 2 * kDay;
  EXPECT_NE(Ask(signatures)->warning.find("may be keeping newer ones back"), std::string::npos);
  question_.now = kNow + 12 * kDay;
  Refused(signatures, "keeping newer ones back");
  // What is here goes on.
  seen_ = {kNow - 5 * kDay, kNow + kDay, kDigest};
  ASSERT_TRUE(Ask(signatures).ok());
  EXPECT_NE(Ask(signatures)->warning, "");
  // Renewed, once is enough: an older signature of the same image does not take it back.
  const auto renewed = Ask({Made(key_, kDigest, kNow + 12 * kDay, kNow + 40 * kDay)});
  EXPECT_EQ(renewed->warning, "");
  seen_ = renewed->seen;
  EXPECT_EQ(Ask(signatures)->warning, "");
  seen_ = {};
  question_.allow_older = true;
  EXPECT_TRUE(Ask(signatures).ok());
}

TEST_F(Judging, RulesAndMemoryAreKept) {
  const os::testing::TestFolder folder;
  os::FileSystem& files = os::SystemFiles();
  EXPECT_TRUE(LoadRules(files, folder.path())->keys().empty());
  ASSERT_TRUE(ChangeRules(files, folder.path(), [&](Rules& rules) -> Status {
                rules.grace_seconds = 77;
                TRY(rules.Add(key_.Public(), "a.pub", ""));
                TRY(rules.Add(key_.Public(), "a.pub", kRepository));
                TRY(rules.Add(other_.Public(), "b.pub", "oci:Z:\\images"));
                rules.Revoke(other_.Public().Id());
                return Ok();
              }).ok());
  const Rules rules = *LoadRules(files, folder.path());
  ASSERT_EQ(rules.keys().size(), 2u);
  EXPECT_EQ(rules.grace_seconds, 77);
  EXPECT_EQ(rules.Find(key_.Public().Id())->repositories, (std::vector<std::string>{"", kRepository}));
  EXPECT_TRUE(rules.Find(other_.Public().Id())->revoked);
  EXPECT_EQ(*rules.Resolve(key_.Public().Id().substr(0, 12)), key_.Public().Id());
  EXPECT_EQ(rules.Resolve(key_.Public().Id().substr(0, 3)).error().code, Errc::kNotFound);
  // A change that fails changes nothing; a damaged file is not overwritten.
  EXPECT_FALSE(ChangeRules(files, folder.path(), [&](Rules& r) { return r.Remove("nosuch", ""); }).ok());
  EXPECT_EQ(LoadRules(files, folder.path())->ToJson(), rules.ToJson());
  const std::string text = rules.ToJson();
  for (const std::string& bad :
       {std::string(), std::string("[]"), std::string("{}"), text.substr(0, text.size() / 2),
        std::string(text).replace(text.find("MFk"), 3, "AAA")}) {
    ASSERT_TRUE(os::WriteAtomic(files, folder / "trust.json", std::string_view(bad)).ok());
    EXPECT_FALSE(ChangeRules(files, folder.path(), [](Rules&) { return Ok(); }).ok());
    EXPECT_EQ(*os::ReadText(files, folder / "trust.json"), bad);
  }

  Memory memory;
  memory.Remember(question_, {"key", "", {kNow, kNow + 5, kDigest}});
  ASSERT_TRUE(memory.Save(files, folder.path()).ok());
  const Memory again = *Memory::Load(files, folder.path());
  EXPECT_EQ(again.SeenOf(kRepository, "stable").expires, kNow + 5);
  EXPECT_EQ(again.SeenOf(kRepository, "").issued, 0);
  EXPECT_EQ(*again.KeyOf(kDigest), "key");
  EXPECT_EQ(again.KeyOf(kNewer), nullptr);
  EXPECT_EQ(again.ToJson(), memory.ToJson());
}

}  // namespace
}  // namespace plume::trust
