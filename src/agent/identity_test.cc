#include "agent/identity.h"

#include <gtest/gtest.h>

namespace plume::agent {
namespace {

IdentityFacts Facts() {
  IdentityFacts f;
  f.path = u"C:\\state";
  f.user_sid = u"S-1-5-21-7";
  f.written = StateIdentity{"aa", u"C:\\state", u"S-1-5-21-7"};
  f.registry_id = "aa";
  f.has_vms = true;
  return f;
}

TEST(StateIdentity, SurvivesWriting) {
  const StateIdentity a{"0123", u"C:\\st\u00e4te", u"S-1-5-21-7"};
  const auto b = StateIdentity::FromText(a.ToText());
  ASSERT_TRUE(b.ok());
  EXPECT_EQ(b->id, a.id);
  EXPECT_EQ(b->path, a.path);
  EXPECT_EQ(b->user_sid, a.user_sid);
  for (const char* bad : {"", "{", "[]", "{}", R"({"version":1,"id":"a","path":"C:\\x"})",
                          R"({"version":2,"id":"a","path":"C:\\x","user":"S"})"})
    EXPECT_FALSE(StateIdentity::FromText(bad).ok()) << bad;
}

TEST(StateIdentity, Claims) {
  EXPECT_EQ(*ClaimState(Facts()), StateClaim::kAsItIs);
  IdentityFacts f = Facts();
  f.written->path = u"c:\\STATE";
  EXPECT_EQ(*ClaimState(f), StateClaim::kAsItIs) << "the same folder, spelled otherwise";

  f = Facts();
  f.written.reset();
  EXPECT_EQ(*ClaimState(f), StateClaim::kAdopt) << "new, or the user gave the old identity up";

  f = Facts();
  f.registry_id.reset();
  f.has_vms = false;
  EXPECT_EQ(*ClaimState(f), StateClaim::kAdopt) << "nothing to lose";
}

TEST(StateIdentity, MovedFolders) {
  IdentityFacts f = Facts();
  f.path = u"C:\\new";
  f.registry_id.reset();
  f.old_registry_id = "aa";
  EXPECT_EQ(*ClaimState(f), StateClaim::kMove);
  f.registry_id = "bb";  // of a folder that was here before
  EXPECT_EQ(*ClaimState(f), StateClaim::kMove);
  f.registry_id = "aa";  // killed after the registry had moved
  f.old_registry_id.reset();
  EXPECT_EQ(*ClaimState(f), StateClaim::kAdopt);
}

TEST(StateIdentity, RefusesWithTheRemedy) {
  const auto why = [](const IdentityFacts& f) {
    const auto claim = ClaimState(f);
    return claim.ok() ? std::string("(not refused)") : claim.error().message;
  };
  IdentityFacts f = Facts();
  f.user_sid = u"S-1-5-21-8";
  EXPECT_NE(why(f).find("another user's, S-1-5-21-7 (set PLUME_HOME"), std::string::npos) << why(f);

  f = Facts();
  f.registry_id.reset();
  EXPECT_NE(why(f).find("another machine or Wine prefix"), std::string::npos) << why(f);
  f.registry_id = "bb";
  EXPECT_NE(why(f).find("another machine or Wine prefix"), std::string::npos) << why(f);

  f = Facts();
  f.path = u"C:\\copy";
  f.registry_id.reset();
  f.old_registry_id = "aa";
  f.old_folder_lives = true;
  EXPECT_NE(why(f).find("a copy of C:\\state"), std::string::npos) << why(f);

  f.old_folder_lives = false;
  f.old_registry_id.reset();
  EXPECT_NE(why(f).find("another machine or Wine prefix"), std::string::npos) << why(f);
}

}  // namespace
}  // namespace plume::agent
