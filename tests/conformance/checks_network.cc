// Loopback ports that are private to a VM (policy.toml): whoever is outside neither reaches a listener there
// nor is in its way. Each check has a port of its own.
// clang-format off
#include <winsock2.h>
#include <ws2tcpip.h>
#include <mswsock.h>
#include "process_victim.h"
// clang-format on

#include <cstring>

namespace plume::conformance {
namespace {

std::string SocketError() { return "error " + std::to_string(WSAGetLastError()); }
Finding Reached(bool ok) { return ok ? Visible() : Isolated(SocketError()); }

void Start() {
  static const int started = [] {
    WSADATA data;
    return WSAStartup(MAKEWORD(2, 2), &data);
  }();
  (void)started;
}

struct Address {
  sockaddr_storage storage{};
  int length = 0;
  sockaddr* get() { return reinterpret_cast<sockaddr*>(&storage); }
  const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&storage); }
  USHORT port() const { return ntohs(reinterpret_cast<const sockaddr_in*>(&storage)->sin_port); }
};

enum Where { kLoopback4, kAny4, kLoopback6, kAny6, kAnyBoth };
constexpr bool IsIpv6(Where w) { return w >= kLoopback6; }
Address At(Where w, USHORT port) {
  Address out;
  if (IsIpv6(w)) {
    auto* a = reinterpret_cast<sockaddr_in6*>(&out.storage);
    a->sin6_family = AF_INET6;
    a->sin6_port = htons(port);
    if (w == kLoopback6) a->sin6_addr.u.Byte[15] = 1;
    out.length = sizeof(*a);
  } else {
    auto* a = reinterpret_cast<sockaddr_in*>(&out.storage);
    a->sin_family = AF_INET;
    a->sin_port = htons(port);
    a->sin_addr.s_addr = w == kAny4 ? 0 : htonl(INADDR_LOOPBACK);
    out.length = sizeof(*a);
  }
  return out;
}

SOCKET Make(Where w, int type) {
  Start();
  const SOCKET s = socket(IsIpv6(w) ? AF_INET6 : AF_INET, type, 0);
  DWORD no = 0;
  if (w == kAnyBoth) setsockopt(s, IPPROTO_IPV6, IPV6_V6ONLY, reinterpret_cast<char*>(&no), sizeof(no));
  return s;
}
struct Socket {
  Socket(Where w, int type) : s(Make(w, type)) {}
  ~Socket() { closesocket(s); }
  Socket(const Socket&) = delete;
  Socket& operator=(const Socket&) = delete;
  SOCKET s;
};

template <Where kWhere, int kType, USHORT kPort>
std::string Hold(Context& c) {
  const SOCKET s = Make(kWhere, kType);
  const Address at = At(kWhere, kPort);
  if (bind(s, at.get(), at.length) != 0) return "bind: " + SocketError();
  if (kType == SOCK_STREAM && listen(s, 5) != 0) return "listen: " + SocketError();
  c.Keep(reinterpret_cast<HANDLE>(s));
  c.data = reinterpret_cast<void*>(s);
  return {};
}

// --- Connecting
// ------------------------------------------------------------------------------------------------------

template <Where kTo, USHORT kPort>
Finding Plain(Context&) {
  const Socket s(kTo, SOCK_STREAM);
  const Address to = At(kTo, kPort);
  return Reached(connect(s.s, to.get(), to.length) == 0);
}
template <Where kTo, USHORT kPort>
Finding NonBlocking(Context&) {
  const Socket s(kTo, SOCK_STREAM);
  const Address to = At(kTo, kPort);
  u_long yes = 1;
  ioctlsocket(s.s, FIONBIO, &yes);
  if (connect(s.s, to.get(), to.length) != 0 && WSAGetLastError() != WSAEWOULDBLOCK) return Reached(false);
  fd_set writable, failed;
  FD_ZERO(&writable);
  FD_ZERO(&failed);
  FD_SET(s.s, &writable);
  FD_SET(s.s, &failed);
  timeval wait{3, 0};
  select(0, nullptr, &writable, &failed, &wait);
  return Reached(FD_ISSET(s.s, &writable));
}
template <Where kTo, USHORT kPort>
Finding Extended(Context&) {
  const Socket s(kTo, SOCK_STREAM);
  const Address to = At(kTo, kPort), any = At(IsIpv6(kTo) ? kAny6 : kAny4, 0);
  bind(s.s, any.get(), any.length);
  GUID id = WSAID_CONNECTEX;
  LPFN_CONNECTEX connect_ex = nullptr;
  DWORD n = 0, flags = 0;
  WSAIoctl(s.s, SIO_GET_EXTENSION_FUNCTION_POINTER, &id, sizeof(id), &connect_ex, sizeof(connect_ex), &n,
           nullptr, nullptr);
  const Owned event(CreateEventW(nullptr, TRUE, FALSE, nullptr));
  OVERLAPPED overlapped{};
  overlapped.hEvent = event.get();
  if (connect_ex(s.s, to.get(), to.length, nullptr, 0, &n, &overlapped)) return Visible();
  if (WSAGetLastError() != ERROR_IO_PENDING) return Reached(false);
  return Reached(WSAGetOverlappedResult(s.s, &overlapped, &n, TRUE, &flags));
}
template <Where kTo, USHORT kPort>
Finding FromBound(Context&) {
  const Socket s(kTo, SOCK_STREAM);
  const Address to = At(kTo, kPort), from = At(kTo, 0);
  bind(s.s, from.get(), from.length);
  return Reached(connect(s.s, to.get(), to.length) == 0);
}
template <Where kTo, USHORT kPort>
Finding ByWsaConnect(Context&) {
  const Socket s(kTo, SOCK_STREAM);
  const Address to = At(kTo, kPort);
  return Reached(WSAConnect(s.s, to.get(), to.length, nullptr, nullptr, nullptr, nullptr) == 0);
}
// To the socket's peer as the prober sees it: reached, and at the port that was asked for.
template <Where kTo, USHORT kPort>
Finding PeerName(Context&) {
  const Socket s(kTo, SOCK_STREAM);
  const Address to = At(kTo, kPort);
  if (connect(s.s, to.get(), to.length) != 0) return Reached(false);
  Address peer;
  peer.length = sizeof(peer.storage);
  getpeername(s.s, peer.get(), &peer.length);
  return peer.port() == kPort ? Visible() : Isolated("port " + std::to_string(peer.port()));
}
Finding Accepted(Context& c) {
  const auto s = reinterpret_cast<SOCKET>(c.data);
  u_long yes = 1;
  ioctlsocket(s, FIONBIO, &yes);
  const SOCKET one = accept(s, nullptr, nullptr);
  const bool ok = one != INVALID_SOCKET;
  if (ok) closesocket(one);
  return Reached(ok);
}

#define CHECK_CONNECT(name, where, port, probe) \
  CHECK(network, name, (Hold<where, SOCK_STREAM, port>), (probe))
#define CHECK_ACCEPTED(name, where, port, probe) \
  CHECK_OBSERVED(network, name, (Hold<where, SOCK_STREAM, port>), (probe), Accepted)
CHECK_CONNECT(connect_ipv4, kLoopback4, 47101, (Plain<kLoopback4, 47101>));
CHECK_CONNECT(connect_ipv4_any, kAny4, 47102, (Plain<kLoopback4, 47102>));
CHECK_CONNECT(connect_ipv6, kLoopback6, 47103, (Plain<kLoopback6, 47103>));
CHECK_CONNECT(connect_ipv6_any, kAny6, 47104, (Plain<kLoopback6, 47104>));
CHECK_CONNECT(connect_both_by_ipv4, kAnyBoth, 47105, (Plain<kLoopback4, 47105>));
CHECK_CONNECT(connect_both_by_ipv6, kAnyBoth, 47106, (Plain<kLoopback6, 47106>));
CHECK_CONNECT(nonblocking_ipv4, kLoopback4, 47107, (NonBlocking<kLoopback4, 47107>));
CHECK_CONNECT(nonblocking_ipv6, kLoopback6, 47108, (NonBlocking<kLoopback6, 47108>));
CHECK_CONNECT(connectex_ipv4, kLoopback4, 47109, (Extended<kLoopback4, 47109>));
CHECK_CONNECT(connectex_ipv4_any, kAny4, 47110, (Extended<kLoopback4, 47110>));
CHECK_CONNECT(connectex_ipv6, kLoopback6, 47111, (Extended<kLoopback6, 47111>));
CHECK_CONNECT(bound_ipv4, kLoopback4, 47112, (FromBound<kLoopback4, 47112>));
CHECK_CONNECT(bound_ipv6, kLoopback6, 47113, (FromBound<kLoopback6, 47113>));
CHECK_CONNECT(wsaconnect, kLoopback4, 47114, (ByWsaConnect<kLoopback4, 47114>));
CHECK_CONNECT(peer_name_ipv4, kLoopback4, 47115, (PeerName<kLoopback4, 47115>));
CHECK_CONNECT(peer_name_ipv6, kLoopback6, 47116, (PeerName<kLoopback6, 47116>));
CHECK_ACCEPTED(accepted_ipv4, kAny4, 47117, (Plain<kLoopback4, 47117>));
CHECK_ACCEPTED(accepted_ipv6, kAny6, 47118, (Plain<kLoopback6, 47118>));
CHECK_ACCEPTED(accepted_both, kAnyBoth, 47119, (Plain<kLoopback4, 47119>));

// --- Who has the port
// ------------------------------------------------------------------------------------------------

// Visible: the holder's is in the way.
template <Where kWhere, int kType, USHORT kPort>
Finding Taken(Context&) {
  const Socket s(kWhere, kType);
  const Address at = At(kWhere, kPort);
  if (bind(s.s, at.get(), at.length) == 0 && (kType != SOCK_STREAM || listen(s.s, 1) == 0)) return Isolated();
  return WSAGetLastError() == WSAEADDRINUSE || WSAGetLastError() == WSAEACCES ? Visible(SocketError())
                                                                              : Isolated(SocketError());
}
#define CHECK_TAKEN(name, holder, prober, type, port) \
  CHECK(network, name, (Hold<holder, type, port>), (Taken<prober, type, port>))
CHECK_TAKEN(bind_ipv4, kLoopback4, kLoopback4, SOCK_STREAM, 47120);
CHECK_TAKEN(bind_ipv4_any, kAny4, kAny4, SOCK_STREAM, 47121);
CHECK_TAKEN(bind_ipv6, kLoopback6, kLoopback6, SOCK_STREAM, 47122);
CHECK_TAKEN(bind_ipv6_any, kAny6, kAny6, SOCK_STREAM, 47123);
CHECK_TAKEN(bind_both, kAnyBoth, kAnyBoth, SOCK_STREAM, 47124);
CHECK_TAKEN(bind_udp_ipv4, kLoopback4, kLoopback4, SOCK_DGRAM, 47125);
CHECK_TAKEN(bind_udp_ipv4_any, kAny4, kAny4, SOCK_DGRAM, 47126);
CHECK_TAKEN(bind_udp_ipv6, kLoopback6, kLoopback6, SOCK_DGRAM, 47127);

// --- Datagrams
// -------------------------------------------------------------------------------------------------------

template <Where kTo, USHORT kPort>
Finding SendTo(Context&) {
  const Socket s(kTo, SOCK_DGRAM);
  const Address to = At(kTo, kPort);
  return Reached(sendto(s.s, "x", 1, 0, to.get(), to.length) == 1);
}
template <Where kTo, USHORT kPort>
Finding ConnectedSend(Context&) {
  const Socket s(kTo, SOCK_DGRAM);
  const Address to = At(kTo, kPort);
  return Reached(connect(s.s, to.get(), to.length) == 0 && send(s.s, "x", 1, 0) == 1);
}
template <Where kTo, USHORT kPort>
Finding WsaSendTo(Context&) {
  const Socket s(kTo, SOCK_DGRAM);
  const Address to = At(kTo, kPort);
  char text[] = "x";
  WSABUF buffer{1, text};
  DWORD n = 0;
  return Reached(WSASendTo(s.s, &buffer, 1, &n, 0, to.get(), to.length, nullptr, nullptr) == 0);
}
Finding Arrived(Context& c) {
  const auto s = reinterpret_cast<SOCKET>(c.data);
  u_long yes = 1;
  ioctlsocket(s, FIONBIO, &yes);
  char text[16];
  return Reached(recv(s, text, sizeof(text), 0) == 1);
}
#define CHECK_DATAGRAM(name, where, port, probe) \
  CHECK_OBSERVED(network, name, (Hold<where, SOCK_DGRAM, port>), (probe), Arrived)
CHECK_DATAGRAM(sendto_ipv4, kLoopback4, 47128, (SendTo<kLoopback4, 47128>));
CHECK_DATAGRAM(sendto_ipv4_any, kAny4, 47129, (SendTo<kLoopback4, 47129>));
CHECK_DATAGRAM(sendto_ipv6, kLoopback6, 47130, (SendTo<kLoopback6, 47130>));
CHECK_DATAGRAM(connected_ipv4, kLoopback4, 47131, (ConnectedSend<kLoopback4, 47131>));
CHECK_DATAGRAM(connected_ipv6, kLoopback6, 47132, (ConnectedSend<kLoopback6, 47132>));
CHECK_DATAGRAM(wsasendto, kLoopback4, 47133, (WsaSendTo<kLoopback4, 47133>));

// --- Not private
// -----------------------------------------------------------------------------------------------------

constexpr char kOpen[] = "the network is open unless the policy says otherwise";
CHECK_WITH(network, other_port, kShared, kOpen, (Hold<kLoopback4, SOCK_STREAM, 47150>),
           (Plain<kLoopback4, 47150>));
CHECK_WITH(network, other_port_ipv6, kShared, kOpen, (Hold<kLoopback6, SOCK_STREAM, 47151>),
           (Plain<kLoopback6, 47151>));

}  // namespace
}  // namespace plume::conformance
