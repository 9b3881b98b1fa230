#include "agent/policy_network.h"

#include <gtest/gtest.h>

namespace plume::agent {
namespace {

NetworkPlace Place(std::string host, uint16_t first = 0, uint16_t last = 65535) {
  return {std::move(host), first, last, "p:1"};
}

TEST(NumericRanges, Forms) {
  auto one = NumericRanges(Place("10.1.2.3", 80, 90));
  ASSERT_TRUE(one && one->size() == 1);
  EXPECT_EQ(one->front().address, (std::vector<uint8_t>{10, 1, 2, 3}));
  EXPECT_EQ(one->front().bits, 32);
  EXPECT_EQ(one->front().first_port, 80);
  EXPECT_EQ(one->front().origin, "p:1");
  EXPECT_EQ(NumericRanges(Place("10.0.0.0/8"))->front().bits, 8);
  EXPECT_EQ(NumericRanges(Place("fe80::/10"))->front().address.size(), 16u);
  EXPECT_EQ(NumericRanges(Place("*"))->size(), 2u);
  EXPECT_TRUE(NumericRanges(Place("example.org"))->empty());
  EXPECT_FALSE(NumericRanges(Place("10.0.0.0/33")));
  EXPECT_FALSE(NumericRanges(Place("10.0.0.0/")));
  EXPECT_FALSE(NumericRanges(Place("example.org/8")));
}

TEST(HostAndPort, Forms) {
  EXPECT_EQ(ParseHostAndPort("example.org:443")->host, "example.org");
  EXPECT_EQ(ParseHostAndPort("example.org:443")->port, 443);
  EXPECT_EQ(ParseHostAndPort("[::1]:80")->host, "::1");
  EXPECT_FALSE(ParseHostAndPort("C:80"));
  EXPECT_FALSE(ParseHostAndPort("C:\\x"));
  EXPECT_FALSE(ParseHostAndPort("HKLM\\x:80"));
  EXPECT_FALSE(ParseHostAndPort("example.org"));
  EXPECT_FALSE(ParseHostAndPort("example.org:99999"));
  EXPECT_FALSE(ParseHostAndPort("example.org:https"));
}

TEST(JudgeHost, Modes) {
  Policy p;
  p.network = NetworkPolicy{NetworkMode::kAll, {}, {8080}, "base"};
  EXPECT_TRUE(JudgeHost(p, {"example.org", 443}).reachable);
  EXPECT_NE(JudgeHost(p, {"localhost", 8080}).rule.find("private"), std::string::npos);
  p.network->mode = NetworkMode::kNone;
  EXPECT_FALSE(JudgeHost(p, {"example.org", 443}).reachable);
  EXPECT_TRUE(JudgeHost(p, {"127.0.0.1", 9}).reachable);
  p.network->mode = NetworkMode::kList;
  p.network->allow = {Place("Example.org", 443, 443), Place("10.0.0.0/8", 80, 80), Place("::1", 5432, 5432)};
  EXPECT_TRUE(JudgeHost(p, {"example.ORG", 443}).reachable);
  EXPECT_FALSE(JudgeHost(p, {"example.org", 80}).reachable);
  EXPECT_TRUE(JudgeHost(p, {"10.9.9.9", 80}).reachable);
  EXPECT_FALSE(JudgeHost(p, {"11.9.9.9", 80}).reachable);
  EXPECT_EQ(JudgeHost(p, {"::1", 5432}).rule, "p:1");
}

}  // namespace
}  // namespace plume::agent
