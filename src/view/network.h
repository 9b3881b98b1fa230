// The network as a VM may use it: pure decisions about socket addresses. Freestanding.
//
// A private port of the VM (P) is another port of the machine's (R), which the agent chose: what a guest
// binds to or looks for on the loopback at P is at R. So it does not matter who else has P.
#pragma once
#include <cstdint>
#include <span>

#include "view/path.h"

namespace plume::view {

// As wire::NetworkRule. The first `bits` of `address` (4 or 16 bytes, network order) must agree. `host`: the
// name the rule was written with; empty for addresses.
struct NetworkRule {
  std::span<const uint8_t> address;
  uint8_t bits = 0;
  uint16_t first_port = 0, last_port = 65535;
  WView host;
};

struct NetworkRules {
  bool all = true;  // else only `allow`, and the VM's own loopback
  std::span<const NetworkRule> allow;
  std::span<const uint16_t> private_ports, real_ports;  // real_ports[i] is where private_ports[i] really is
  bool Active() const { return !all || !private_ports.empty(); }
};

// An address out of a SOCKADDR. An IPv4 address in IPv6 form (::ffff:1.2.3.4) is an IPv4 address.
struct NetAddress {
  uint8_t bytes[16] = {};
  uint8_t size = 0;  // 4 or 16
  uint16_t port = 0;
  bool IsLoopback() const;
  bool IsAny() const;
};

inline constexpr uint16_t kFamilyIpv4 = 2, kFamilyIpv6 = 23;
inline constexpr size_t kSockaddrIpv4 = 16, kSockaddrIpv6 = 28;

// False: not an IPv4 or IPv6 address, or cut off.
bool ReadSockaddr(std::span<const uint8_t> sockaddr, NetAddress* out);
// Changes the port, or makes the host the loopback address (any address) of its family. REQUIRES a successful
// read.
void SetPort(std::span<uint8_t> sockaddr, uint16_t port);
void SetLoopback(std::span<uint8_t> sockaddr);
void SetAny(std::span<uint8_t> sockaddr);

// Where a private port really is, and the way back; 0: it is none.
uint16_t RealPort(const NetworkRules& rules, uint16_t port);
uint16_t PrivatePort(const NetworkRules& rules, uint16_t real_port);

// May the VM exchange data with this place? Rules only.
bool IsAllowed(const NetworkRules& rules, const NetAddress& address);
// The same for a name: a rule written with it covers the port; or a numeric address.
bool IsAllowedHost(const NetworkRules& rules, WView host, uint16_t port);

enum class Reach : uint8_t {
  kYes,
  kRefused,      // nothing of the VM listens there
  kUnreachable,  // the rules do not allow it
};
// What becomes of a connect or send to `sockaddr`, which is changed to where it really goes. `own_ports`: bit
// P is set if a guest has bound the port P of the loopback (65536 bits), or null.
Reach PlanPeer(const NetworkRules& rules, const uint8_t* own_ports, std::span<uint8_t> sockaddr);

// What becomes of a bind: `sockaddr` is changed to where the socket really will be. `v6_only`: an IPv6 socket
// that is not an IPv4 one too. True if the caller asked for every address and got the loopback: then that is
// to be remembered.
bool PlanBind(const NetworkRules& rules, bool v6_only, std::span<uint8_t> sockaddr);

// An address as the guest should see it, the way back from the two above. `any`: what PlanBind said of the
// socket.
void ShowAddress(const NetworkRules& rules, bool any, std::span<uint8_t> sockaddr);

// May data pass over a connection that came in? `local` has the real port.
bool IsPeerAllowed(const NetworkRules& rules, const NetAddress& local, const NetAddress& peer);

// "1.2.3.4", "::1", "fe80::1%3", "[::1]": the address as 4 or 16 bytes; their number, 0 if it is none.
size_t ParseAddress(WView text, uint8_t* bytes);
// The way back, into 46 units; the length.
size_t FormatAddress(std::span<const uint8_t> bytes, char16_t* text);

}  // namespace plume::view
