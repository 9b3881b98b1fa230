#include "view/network.h"

#include <cstring>

namespace plume::view {
namespace {

constexpr uint8_t kMapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

uint16_t Family(std::span<const uint8_t> s) { return static_cast<uint16_t>(s[0] | s[1] << 8); }
bool IsIpv6(std::span<const uint8_t> s) { return Family(s) == kFamilyIpv6; }
bool IsMapped(const uint8_t* ipv6) { return std::memcmp(ipv6, kMapped, sizeof(kMapped)) == 0; }

bool AgreesIn(unsigned bits, const uint8_t* a, const uint8_t* b) {
  const unsigned whole = bits / 8, rest = bits % 8;
  if (std::memcmp(a, b, whole) != 0) return false;
  return rest == 0 || (a[whole] ^ b[whole]) >> (8 - rest) == 0;
}

bool Covers(const NetworkRule& r, const NetAddress& a) {
  return r.address.size() == a.size && a.port >= r.first_port && a.port <= r.last_port &&
         r.bits <= a.size * 8u && AgreesIn(r.bits, r.address.data(), a.bytes);
}

bool IsDigit(char16_t c) { return c >= u'0' && c <= u'9'; }
int HexDigit(char16_t c) {
  if (IsDigit(c)) return c - u'0';
  const char16_t lower = c | 0x20;
  return lower >= u'a' && lower <= u'f' ? lower - u'a' + 10 : -1;
}

bool ParseIpv4(WView text, uint8_t* bytes) {
  size_t at = 0;
  for (int i = 0; i < 4; ++i) {
    unsigned value = 0, digits = 0;
    while (at < text.size() && IsDigit(text[at]) && digits < 4) {
      value = value * 10 + (text[at++] - u'0');
      ++digits;
    }
    if (digits == 0 || digits > 3 || value > 255) return false;
    bytes[i] = static_cast<uint8_t>(value);
    if (i == 3) return at == text.size();
    if (at == text.size() || text[at++] != u'.') return false;
  }
  return false;
}

bool ParseIpv6(WView text, uint8_t* bytes) {
  uint8_t front[16], back[16];
  size_t f = 0, b = 0, at = 0;
  bool gap = false;
  if (text.size() >= 2 && text[0] == u':' && text[1] == u':') {
    gap = true;
    at = 2;
  }
  while (at < text.size()) {
    if (f + b > 14) return false;
    size_t end = at;
    unsigned value = 0;
    while (end < text.size() && HexDigit(text[end]) >= 0 && end - at < 5)
      value = value * 16 + static_cast<unsigned>(HexDigit(text[end++]));
    uint8_t* const to = gap ? back + b : front + f;
    size_t& count = gap ? b : f;
    if (end < text.size() && text[end] == u'.') {
      if (f + b > 12 || !ParseIpv4(Sub(text, at, text.size() - at), to)) return false;
      count += 4;
      at = text.size();
      break;
    }
    if (end == at || end - at > 4) return false;
    to[0] = static_cast<uint8_t>(value >> 8);
    to[1] = static_cast<uint8_t>(value);
    count += 2;
    at = end;
    if (at == text.size()) break;
    if (text[at++] != u':' || at == text.size()) {
      return false;
    }
    if (text[at] == u':') {
      if (gap) return false;
      gap = true;
      ++at;
    }
  }
  if (gap ? f + b > 14 : f + b != 16) return false;
  std::memset(bytes, 0, 16);
  std::memcpy(bytes, front, f);
  std::memcpy(bytes + 16 - b, back, b);
  return true;
}

}  // namespace

bool NetAddress::IsLoopback() const {
  if (size == 4) return bytes[0] == 127;
  for (int i = 0; i < 15; ++i)
    if (bytes[i]) return false;
  return size == 16 && bytes[15] == 1;
}

bool NetAddress::IsAny() const {
  for (int i = 0; i < size; ++i)
    if (bytes[i]) return false;
  return size != 0;
}

bool ReadSockaddr(std::span<const uint8_t> s, NetAddress* out) {
  *out = NetAddress();
  if (s.size() < kSockaddrIpv4) return false;
  out->port = static_cast<uint16_t>(s[2] << 8 | s[3]);
  if (Family(s) == kFamilyIpv4) {
    out->size = 4;
    std::memcpy(out->bytes, &s[4], 4);
    return true;
  }
  if (!IsIpv6(s) || s.size() < kSockaddrIpv6) return false;
  const bool mapped = IsMapped(&s[8]);
  out->size = mapped ? 4 : 16;
  std::memcpy(out->bytes, &s[mapped ? 20 : 8], out->size);
  return true;
}

void SetPort(std::span<uint8_t> s, uint16_t port) {
  s[2] = static_cast<uint8_t>(port >> 8);
  s[3] = static_cast<uint8_t>(port);
}

void SetLoopback(std::span<uint8_t> s) {
  if (!IsIpv6(s) || IsMapped(&s[8])) {
    uint8_t* const host = IsIpv6(s) ? &s[20] : &s[4];
    const uint8_t loopback[4] = {127, 0, 0, 1};
    std::memcpy(host, loopback, 4);
    return;
  }
  std::memset(&s[8], 0, 15);
  s[23] = 1;
}

void SetAny(std::span<uint8_t> s) {
  if (IsIpv6(s))
    std::memset(&s[8], 0, 16);
  else
    std::memset(&s[4], 0, 4);
}

uint16_t RealPort(const NetworkRules& rules, uint16_t port) {
  for (size_t i = 0; i < rules.private_ports.size() && i < rules.real_ports.size(); ++i)
    if (rules.private_ports[i] == port) return rules.real_ports[i];
  return 0;
}

uint16_t PrivatePort(const NetworkRules& rules, uint16_t real_port) {
  for (size_t i = 0; i < rules.private_ports.size() && i < rules.real_ports.size(); ++i)
    if (rules.real_ports[i] == real_port) return rules.private_ports[i];
  return 0;
}

bool IsAllowed(const NetworkRules& rules, const NetAddress& address) {
  if (rules.all) return true;
  for (const NetworkRule& r : rules.allow)
    if (Covers(r, address)) return true;
  return false;
}

bool IsAllowedHost(const NetworkRules& rules, WView host, uint16_t port) {
  if (rules.all) return true;
  NetAddress address;
  address.size = static_cast<uint8_t>(ParseAddress(host, address.bytes));
  address.port = port;
  if (address.size) return IsAllowed(rules, address);
  for (const NetworkRule& r : rules.allow) {
    if (!r.host.empty() && EqualFolded(r.host, host) && port >= r.first_port && port <= r.last_port)
      return true;
  }
  return false;
}

Reach PlanPeer(const NetworkRules& rules, const uint8_t* own_ports, std::span<uint8_t> s) {
  NetAddress a;
  if (!ReadSockaddr(s, &a)) return rules.all ? Reach::kYes : Reach::kUnreachable;
  // Linux takes "any" as a destination for the loopback.
  const bool local = a.IsLoopback() || a.IsAny();
  if (local) {
    if (const uint16_t real = RealPort(rules, a.port)) {
      SetPort(s, real);
      return Reach::kYes;
    }
  }
  if (IsAllowed(rules, a)) return Reach::kYes;
  if (!local) return Reach::kUnreachable;
  const bool own = own_ports && (own_ports[a.port / 8] >> (a.port % 8) & 1);
  return own || PrivatePort(rules, a.port) ? Reach::kYes : Reach::kRefused;
}

bool PlanBind(const NetworkRules& rules, bool v6_only, std::span<uint8_t> s) {
  NetAddress a;
  if (!ReadSockaddr(s, &a)) return false;
  const uint16_t real = a.port ? RealPort(rules, a.port) : 0;
  const bool any = a.IsAny();
  if (!real || (!any && !a.IsLoopback())) return false;
  SetPort(s, real);
  // A socket for both families has no one loopback address: it keeps them all, and its peers are checked.
  if (!any || (IsIpv6(s) && !v6_only && a.size == 16)) return false;
  SetLoopback(s);
  return true;
}

void ShowAddress(const NetworkRules& rules, bool any, std::span<uint8_t> s) {
  NetAddress a;
  if (!ReadSockaddr(s, &a) || (!a.IsLoopback() && !a.IsAny())) return;
  if (const uint16_t port = PrivatePort(rules, a.port)) SetPort(s, port);
  if (any && a.IsLoopback()) SetAny(s);
}

bool IsPeerAllowed(const NetworkRules& rules, const NetAddress& local, const NetAddress& peer) {
  if (peer.IsLoopback()) return true;
  // A machine's own address is as good as its loopback: both ends are the same.
  if (local.size == peer.size && std::memcmp(local.bytes, peer.bytes, local.size) == 0) return true;
  if (PrivatePort(rules, local.port)) return false;
  return IsAllowed(rules, peer);
}

size_t ParseAddress(WView text, uint8_t* bytes) {
  if (text.size() >= 2 && text[0] == u'[' && text[text.size() - 1] == u']')
    text = Sub(text, 1, text.size() - 2);
  size_t zone = 0;
  while (zone < text.size() && text[zone] != u'%') ++zone;
  const bool zoned = zone < text.size();
  if (!zoned && ParseIpv4(text, bytes)) return 4;
  return ParseIpv6(Sub(text, 0, zone), bytes) ? 16 : 0;
}

size_t FormatAddress(std::span<const uint8_t> bytes, char16_t* text) {
  size_t n = 0;
  if (bytes.size() == 4) {
    for (int i = 0; i < 4; ++i) {
      if (i) text[n++] = u'.';
      if (bytes[i] >= 100) text[n++] = static_cast<char16_t>(u'0' + bytes[i] / 100);
      if (bytes[i] >= 10) text[n++] = static_cast<char16_t>(u'0' + bytes[i] / 10 % 10);
      text[n++] = static_cast<char16_t>(u'0' + bytes[i] % 10);
    }
    return n;
  }
  for (size_t i = 0; i + 1 < bytes.size(); i += 2) {
    if (i) text[n++] = u':';
    const unsigned value = static_cast<unsigned>(bytes[i] << 8 | bytes[i + 1]);
    bool begun = false;
    for (int shift = 12; shift >= 0; shift -= 4) {
      const unsigned digit = value >> shift & 15;
      if (!digit && !begun && shift) continue;
      begun = true;
      text[n++] = static_cast<char16_t>(digit < 10 ? u'0' + digit : u'a' + digit - 10);
    }
  }
  return n;
}

}  // namespace plume::view
