#include "view/network.h"

#include <gtest/gtest.h>

#include <cstring>
#include <string>
#include <vector>

namespace plume::view {
namespace {

using Bytes = std::vector<uint8_t>;

// "1.2.3.4" or "::1" and a port as a SOCKADDR of Windows.
Bytes Sockaddr(WView host, uint16_t port) {
  uint8_t bytes[16];
  const size_t size = ParseAddress(host, bytes);
  EXPECT_NE(size, 0u);
  Bytes out(size == 4 ? kSockaddrIpv4 : kSockaddrIpv6);
  out[0] = size == 4 ? kFamilyIpv4 : kFamilyIpv6;
  SetPort(out, port);
  std::memcpy(&out[size == 4 ? 4 : 8], bytes, size);
  return out;
}
std::u16string Text(const Bytes& s) {
  NetAddress a;
  if (!ReadSockaddr(s, &a)) return u"?";
  char16_t text[48];
  const size_t n = FormatAddress({a.bytes, a.size}, text);
  const std::string port = std::to_string(a.port);
  return std::u16string(text, n) + u"|" + std::u16string(port.begin(), port.end());
}
Bytes RuleBytes(WView host) {
  uint8_t bytes[16];
  return Bytes(bytes, bytes + ParseAddress(host, bytes));
}

struct Rules {
  Bytes ten = RuleBytes(u"10.0.0.0"), one = RuleBytes(u"93.184.216.34"), six = RuleBytes(u"2001:db8::");
  NetworkRule allow[3] = {{ten, 8, 80, 90, {}}, {one, 32, 443, 443, u"example.org"}, {six, 33, 0, 65535, {}}};
  uint16_t private_ports[2] = {8080, 443}, real_ports[2] = {23001, 23002};
  NetworkRules rules;
  Rules() {
    rules.all = false;
    rules.allow = allow;
    rules.private_ports = private_ports;
    rules.real_ports = real_ports;
  }
};

TEST(Address, Parse) {
  uint8_t b[16];
  EXPECT_EQ(ParseAddress(u"1.2.3.4", b), 4u);
  EXPECT_EQ(b[3], 4);
  EXPECT_EQ(ParseAddress(u"[::1]", b), 16u);
  EXPECT_EQ(b[15], 1);
  EXPECT_EQ(ParseAddress(u"::", b), 16u);
  EXPECT_EQ(ParseAddress(u"1::", b), 16u);
  EXPECT_EQ(b[1], 1);
  EXPECT_EQ(ParseAddress(u"2001:db8::ff00:42:8329", b), 16u);
  EXPECT_EQ(b[0], 0x20);
  EXPECT_EQ(b[15], 0x29);
  EXPECT_EQ(ParseAddress(u"1:2:3:4:5:6:7:8", b), 16u);
  EXPECT_EQ(ParseAddress(u"::ffff:1.2.3.4", b), 16u);
  EXPECT_EQ(b[15], 4);
  EXPECT_EQ(ParseAddress(u"fe80::1%3", b), 16u);
  for (const char16_t* bad : {u"",
                              u"1.2.3",
                              u"1.2.3.4.5",
                              u"1.2.3.256",
                              u"01234.1.1.1",
                              u"1.2.3.4 ",
                              u":",
                              u":::",
                              u"1:2",
                              u"1::2::3",
                              u"1:2:3:4:5:6:7:8:9",
                              u"1:2:3:4:5:6:7::8:9",
                              u"g::",
                              u"12345::",
                              u"1:",
                              u":1",
                              u"::1.2.3",
                              u"1.2.3.4%1",
                              u"1:2:3:4:5:6:7:1.2.3.4",
                              u"example.org"})
    EXPECT_EQ(ParseAddress(bad, b), 0u) << std::string(bad, bad + WView(bad).size());
}

TEST(Address, FormatIsReadBack) {
  for (const char16_t* text :
       {u"0.0.0.0", u"127.0.0.1", u"255.250.100.9", u"::", u"2001:db8::ff00:42:8329"}) {
    uint8_t a[16], b[16];
    char16_t out[48];
    const size_t size = ParseAddress(text, a);
    EXPECT_EQ(ParseAddress(WView(out, FormatAddress({a, size}, out)), b), size);
    EXPECT_EQ(std::memcmp(a, b, size), 0);
  }
}

TEST(Address, Sockaddr) {
  NetAddress a;
  EXPECT_TRUE(ReadSockaddr(Sockaddr(u"::ffff:10.1.2.3", 80), &a));
  EXPECT_EQ(a.size, 4);
  EXPECT_EQ(a.bytes[0], 10);
  EXPECT_EQ(a.port, 80);
  EXPECT_TRUE(ReadSockaddr(Sockaddr(u"::1", 0x1234), &a));
  EXPECT_TRUE(a.IsLoopback());
  EXPECT_EQ(a.port, 0x1234);
  Bytes cut = Sockaddr(u"::1", 1);
  cut.resize(20);
  EXPECT_FALSE(ReadSockaddr(cut, &a));
  Bytes other = Sockaddr(u"1.2.3.4", 1);
  other[0] = 6;
  EXPECT_FALSE(ReadSockaddr(other, &a));
  EXPECT_FALSE(ReadSockaddr({}, &a));
}

TEST(Rules, Allowed) {
  const Rules r;
  auto allowed = [&](WView host, uint16_t port) {
    NetAddress a;
    EXPECT_TRUE(ReadSockaddr(Sockaddr(host, port), &a));
    return IsAllowed(r.rules, a);
  };
  EXPECT_TRUE(allowed(u"10.200.1.1", 80));
  EXPECT_TRUE(allowed(u"10.200.1.1", 90));
  EXPECT_FALSE(allowed(u"10.200.1.1", 91));
  EXPECT_FALSE(allowed(u"11.0.0.1", 80));
  EXPECT_TRUE(allowed(u"::ffff:10.0.0.1", 85));
  EXPECT_TRUE(allowed(u"93.184.216.34", 443));
  EXPECT_FALSE(allowed(u"93.184.216.35", 443));
  EXPECT_TRUE(allowed(u"2001:db8:7fff::1", 1));
  EXPECT_FALSE(allowed(u"2001:db8:8000::1", 1));
  EXPECT_TRUE(IsAllowedHost(r.rules, u"EXAMPLE.org", 443));
  EXPECT_FALSE(IsAllowedHost(r.rules, u"example.org", 80));
  EXPECT_FALSE(IsAllowedHost(r.rules, u"example.com", 443));
  EXPECT_TRUE(IsAllowedHost(r.rules, u"10.0.0.9", 80));
  EXPECT_TRUE(IsAllowed(NetworkRules(), NetAddress()));
}

TEST(Plan, Peer) {
  const Rules r;
  std::vector<uint8_t> own(8192);
  own[5000 / 8] |= 1 << 5000 % 8;
  auto plan = [&](WView host, uint16_t port, std::u16string* to = nullptr) {
    Bytes s = Sockaddr(host, port);
    const Reach reach = PlanPeer(r.rules, own.data(), s);
    if (to) *to = Text(s);
    return reach;
  };
  std::u16string to;
  EXPECT_EQ(plan(u"127.0.0.1", 8080, &to), Reach::kYes);
  EXPECT_EQ(to, u"127.0.0.1|23001");
  EXPECT_EQ(plan(u"::1", 443, &to), Reach::kYes);
  EXPECT_EQ(to, u"0:0:0:0:0:0:0:1|23002");
  EXPECT_EQ(plan(u"0.0.0.0", 8080, &to), Reach::kYes);
  EXPECT_EQ(to, u"0.0.0.0|23001");
  EXPECT_EQ(plan(u"127.0.0.1", 5000), Reach::kYes);
  EXPECT_EQ(plan(u"127.0.0.1", 5001), Reach::kRefused);
  EXPECT_EQ(plan(u"127.0.0.1", 23001), Reach::kYes);
  EXPECT_EQ(plan(u"10.1.1.1", 8080, &to), Reach::kUnreachable);
  EXPECT_EQ(to, u"10.1.1.1|8080");
  EXPECT_EQ(plan(u"10.1.1.1", 80), Reach::kYes);
  Bytes local = Sockaddr(u"127.0.0.1", 5000), strange(16);
  EXPECT_EQ(PlanPeer(r.rules, nullptr, local), Reach::kRefused);
  EXPECT_EQ(PlanPeer(r.rules, own.data(), strange), Reach::kUnreachable);
  EXPECT_EQ(PlanPeer(NetworkRules(), nullptr, strange), Reach::kYes);
  EXPECT_EQ(PlanPeer(NetworkRules(), nullptr, local), Reach::kYes);
}

TEST(Plan, BindAndBack) {
  const Rules r;
  struct Case {
    const char16_t* host;
    uint16_t port;
    bool v6_only;
    const char16_t* bound;
    bool any;
    const char16_t* shown;
  };
  const Case cases[] = {
      {u"127.0.0.1", 8080, false, u"127.0.0.1|23001", false, u"127.0.0.1|8080"},
      {u"0.0.0.0", 8080, false, u"127.0.0.1|23001", true, u"0.0.0.0|8080"},
      {u"::1", 8080, true, u"0:0:0:0:0:0:0:1|23001", false, u"0:0:0:0:0:0:0:1|8080"},
      {u"::", 8080, true, u"0:0:0:0:0:0:0:1|23001", true, u"0:0:0:0:0:0:0:0|8080"},
      {u"::", 8080, false, u"0:0:0:0:0:0:0:0|23001", false, u"0:0:0:0:0:0:0:0|8080"},
      {u"::ffff:0.0.0.0", 8080, false, u"127.0.0.1|23001", true, u"0:0:0:0:0:0:0:0|8080"},
      {u"0.0.0.0", 0, false, u"0.0.0.0|0", false, u"0.0.0.0|0"},
      {u"127.0.0.1", 81, false, u"127.0.0.1|81", false, u"127.0.0.1|81"},
      {u"192.168.1.1", 8080, false, u"192.168.1.1|8080", false, u"192.168.1.1|8080"},
  };
  for (const Case& c : cases) {
    Bytes s = Sockaddr(c.host, c.port);
    EXPECT_EQ(PlanBind(r.rules, c.v6_only, s), c.any);
    EXPECT_EQ(Text(s), c.bound);
    ShowAddress(r.rules, c.any, s);
    EXPECT_EQ(Text(s), c.shown);
  }
}

TEST(Plan, WhoComesIn) {
  const Rules r;
  auto address = [](WView host, uint16_t port) {
    NetAddress a;
    EXPECT_TRUE(ReadSockaddr(Sockaddr(host, port), &a));
    return a;
  };
  const NetworkRules open = [&] {
    NetworkRules n = r.rules;
    n.all = true;
    return n;
  }();
  EXPECT_TRUE(IsPeerAllowed(r.rules, address(u"127.0.0.1", 9), address(u"127.0.0.1", 50000)));
  EXPECT_TRUE(IsPeerAllowed(r.rules, address(u"192.168.1.2", 9), address(u"192.168.1.2", 50000)));
  EXPECT_FALSE(IsPeerAllowed(r.rules, address(u"192.168.1.2", 9), address(u"192.168.1.3", 50000)));
  EXPECT_TRUE(IsPeerAllowed(r.rules, address(u"10.0.0.1", 9), address(u"10.0.0.2", 80)));
  EXPECT_FALSE(IsPeerAllowed(open, address(u"192.168.1.2", 23001), address(u"192.168.1.3", 50000)));
  EXPECT_TRUE(IsPeerAllowed(open, address(u"192.168.1.2", 23009), address(u"192.168.1.3", 50000)));
}

}  // namespace
}  // namespace plume::view
