// Sockets as programs use them. HOST is an address; what is printed is what getsockname, getpeername and
// their kin say.
//   serve HOST PORT ID [dual]    listens until its input ends: "bound ADDRESS", then for each connection
//   "peer ADDRESS"
//                                and "local ADDRESS"; answers "ID". Accepts with AcceptEx if PORT is followed
//                                by "+ex".
//   connect HOST PORT [ex|nb|bound]  connects (ConnectEx; without blocking; bound to the loopback before):
//                                "ID", "peer ADDRESS"; or "error N"
//   bind HOST PORT               "ok" or "error N"
//   udp-serve HOST PORT ID       answers every datagram with "ID"
//   udp HOST PORT [connect|late] sends one and waits a second for the answer ("late": before it is there)
//   resolve NAME                 getaddrinfo, gethostbyname and DnsQuery, one line each
//   ping HOST
// clang-format off
#include <winsock2.h>
#include <ws2tcpip.h>
#include <mswsock.h>
#include <iphlpapi.h>
#include <icmpapi.h>
#include <windns.h>
#include <windows.h>
// clang-format on

#include <cstdio>
#include <cstring>
#include <string>

namespace {

int Fail() {
  std::printf("error %d\n", WSAGetLastError());
  return 1;
}

struct Address {
  sockaddr_storage storage{};
  int length = sizeof(sockaddr_storage);
  sockaddr* get() { return reinterpret_cast<sockaddr*>(&storage); }
  int family() const { return storage.ss_family; }
};

Address Parse(const char* host, const char* port) {
  Address out;
  addrinfo hints{}, *list = nullptr;
  hints.ai_flags = AI_NUMERICHOST;
  hints.ai_socktype = SOCK_STREAM;
  if (getaddrinfo(host, std::to_string(std::atoi(port)).c_str(), &hints, &list) == 0) {
    out.length = static_cast<int>(list->ai_addrlen);
    std::memcpy(&out.storage, list->ai_addr, list->ai_addrlen);
    freeaddrinfo(list);
  }
  return out;
}

// The port of a client differs from run to run: `port` false leaves it out.
void Print(const char* what, Address& a, bool port = true) {
  char host[128] = "?", number[16] = "";
  getnameinfo(a.get(), a.length, host, sizeof(host), number, sizeof(number), NI_NUMERICHOST | NI_NUMERICSERV);
  if (port)
    std::printf("%s %s %s\n", what, host, number);
  else
    std::printf("%s %s\n", what, host);
  std::fflush(stdout);
}

DWORD WINAPI EndWithInput(void*) {
  char c;
  DWORD n;
  ReadFile(GetStdHandle(STD_INPUT_HANDLE), &c, 1, &n, nullptr);
  ExitProcess(0);
}

template <typename F>
F Extension(SOCKET s, GUID id) {
  F f = nullptr;
  DWORD n;
  WSAIoctl(s, SIO_GET_EXTENSION_FUNCTION_POINTER, &id, sizeof(id), &f, sizeof(f), &n, nullptr, nullptr);
  return f;
}

SOCKET AcceptOne(SOCKET listener, int family, bool ex) {
  if (!ex) return accept(listener, nullptr, nullptr);
  const SOCKET s = socket(family, SOCK_STREAM, 0);
  const auto accept_ex = Extension<LPFN_ACCEPTEX>(listener, WSAID_ACCEPTEX);
  static char buffer[2 * (sizeof(sockaddr_storage) + 16)];
  OVERLAPPED overlapped{};
  overlapped.hEvent = CreateEventW(nullptr, TRUE, FALSE, nullptr);
  DWORD n;
  if (!accept_ex(listener, s, buffer, 0, sizeof(buffer) / 2, sizeof(buffer) / 2, &n, &overlapped))
    GetOverlappedResult(reinterpret_cast<HANDLE>(listener), &overlapped, &n, TRUE);
  CloseHandle(overlapped.hEvent);
  setsockopt(s, SOL_SOCKET, SO_UPDATE_ACCEPT_CONTEXT, reinterpret_cast<char*>(&listener), sizeof(listener));
  return s;
}

int Serve(const char* host, const char* port, const char* id, bool dual) {
  Address at = Parse(host, port);
  const SOCKET listener = socket(at.family(), SOCK_STREAM, IPPROTO_TCP);
  DWORD no = 0;
  if (dual) setsockopt(listener, IPPROTO_IPV6, IPV6_V6ONLY, reinterpret_cast<char*>(&no), sizeof(no));
  if (bind(listener, at.get(), at.length) != 0 || listen(listener, 5) != 0) return Fail();
  Address name;
  getsockname(listener, name.get(), &name.length);
  Print("bound", name);
  CloseHandle(CreateThread(nullptr, 0, EndWithInput, nullptr, 0, nullptr));
  for (;;) {
    const SOCKET s = AcceptOne(listener, at.family(), std::strchr(port, '+') != nullptr);
    if (s == INVALID_SOCKET) return Fail();
    Address peer, local;
    getpeername(s, peer.get(), &peer.length);
    getsockname(s, local.get(), &local.length);
    Print("peer", peer, false);
    Print("local", local);
    const std::string text = std::string(id) + "\n";
    if (send(s, text.data(), static_cast<int>(text.size()), 0) < 0)
      std::printf("send error %d\n", WSAGetLastError());
    std::fflush(stdout);
    shutdown(s, SD_SEND);
    closesocket(s);
  }
}

int ConnectTo(SOCKET s, Address& to, const std::string& how) {
  if (how == "ex") {
    Address any = Parse(to.family() == AF_INET ? "0.0.0.0" : "::", "0");
    bind(s, any.get(), any.length);
    OVERLAPPED overlapped{};
    overlapped.hEvent = CreateEventW(nullptr, TRUE, FALSE, nullptr);
    DWORD n = 0, flags;
    if (Extension<LPFN_CONNECTEX>(s, WSAID_CONNECTEX)(s, to.get(), to.length, nullptr, 0, &n, &overlapped))
      return 0;
    if (WSAGetLastError() != ERROR_IO_PENDING) return -1;
    if (!WSAGetOverlappedResult(s, &overlapped, &n, TRUE, &flags)) return -1;
    return setsockopt(s, SOL_SOCKET, SO_UPDATE_CONNECT_CONTEXT, nullptr, 0);
  }
  if (how == "bound") {
    Address loopback = Parse(to.family() == AF_INET ? "127.0.0.1" : "::1", "0");
    if (bind(s, loopback.get(), loopback.length) != 0) return -1;
  }
  u_long yes = 1, no = 0;
  if (how != "nb") return connect(s, to.get(), to.length);
  ioctlsocket(s, FIONBIO, &yes);
  if (connect(s, to.get(), to.length) == 0) return 0;
  if (WSAGetLastError() != WSAEWOULDBLOCK) return -1;
  fd_set writable, failed;
  FD_ZERO(&writable);
  FD_ZERO(&failed);
  FD_SET(s, &writable);
  FD_SET(s, &failed);
  timeval wait{5, 0};
  select(0, nullptr, &writable, &failed, &wait);
  if (!FD_ISSET(s, &writable)) {
    int error = 0, size = sizeof(error);
    getsockopt(s, SOL_SOCKET, SO_ERROR, reinterpret_cast<char*>(&error), &size);
    WSASetLastError(error ? error : WSAETIMEDOUT);
    return -1;
  }
  return ioctlsocket(s, FIONBIO, &no);
}

int Connect(const char* host, const char* port, const std::string& how) {
  Address to = Parse(host, port);
  const SOCKET s = socket(to.family(), SOCK_STREAM, IPPROTO_TCP);
  if (ConnectTo(s, to, how) != 0) return Fail();
  char text[256];
  const int n = recv(s, text, sizeof(text) - 1, 0);
  if (n < 0) return Fail();
  text[n] = 0;
  std::printf("%s", n ? text : "nothing\n");
  Address peer;
  getpeername(s, peer.get(), &peer.length);
  Print("peer", peer);
  return 0;
}

int Bind(const char* host, const char* port) {
  Address at = Parse(host, port);
  const SOCKET s = socket(at.family(), SOCK_STREAM, IPPROTO_TCP);
  if (bind(s, at.get(), at.length) != 0 || listen(s, 1) != 0) return Fail();
  std::printf("ok\n");
  return 0;
}

int UdpServe(const char* host, const char* port, const char* id) {
  Address at = Parse(host, port);
  const SOCKET s = socket(at.family(), SOCK_DGRAM, IPPROTO_UDP);
  if (bind(s, at.get(), at.length) != 0) return Fail();
  Address name;
  getsockname(s, name.get(), &name.length);
  Print("bound", name);
  CloseHandle(CreateThread(nullptr, 0, EndWithInput, nullptr, 0, nullptr));
  for (;;) {
    char text[256];
    Address from;
    if (recvfrom(s, text, sizeof(text), 0, from.get(), &from.length) < 0) return Fail();
    Print("peer", from, false);
    if (sendto(s, id, static_cast<int>(std::strlen(id)), 0, from.get(), from.length) < 0)
      std::printf("send error %d\n", WSAGetLastError());
  }
}

int Udp(const char* host, const char* port, const std::string& how) {
  Address to = Parse(host, port);
  const SOCKET s = socket(to.family(), SOCK_DGRAM, IPPROTO_UDP);
  if (how == "connect") {
    if (connect(s, to.get(), to.length) != 0 || send(s, "x", 1, 0) < 0) return Fail();
  } else if (sendto(s, "x", 1, 0, to.get(), to.length) < 0) {
    return Fail();
  }
  DWORD second = 2000;
  setsockopt(s, SOL_SOCKET, SO_RCVTIMEO, reinterpret_cast<char*>(&second), sizeof(second));
  if (how != "late") Sleep(500);
  char text[256];
  Address from;
  const int n = recvfrom(s, text, sizeof(text) - 1, 0, from.get(), &from.length);
  if (n < 0) return Fail();
  text[n] = 0;
  std::printf("%s\n", text);
  if (how != "connect") Print("from", from);
  return 0;
}

int Resolve(const char* name) {
  addrinfo hints{}, *list = nullptr;
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_family = AF_INET;
  const int error = getaddrinfo(name, nullptr, &hints, &list);
  if (error == 0) {
    Address a;
    a.length = static_cast<int>(list->ai_addrlen);
    std::memcpy(&a.storage, list->ai_addr, list->ai_addrlen);
    Print("getaddrinfo", a, false);
  } else {
    std::printf("getaddrinfo error %d\n", error);
  }
  const hostent* host = gethostbyname(name);
  if (host)
    std::printf("gethostbyname %s\n", inet_ntoa(*reinterpret_cast<in_addr*>(host->h_addr_list[0])));
  else
    std::printf("gethostbyname error %d\n", WSAGetLastError());
  DNS_RECORDA* records = nullptr;
  const DNS_STATUS status = DnsQuery_A(name, DNS_TYPE_A, DNS_QUERY_STANDARD, nullptr,
                                       reinterpret_cast<PDNS_RECORD*>(&records), nullptr);
  std::printf("query %ld\n", static_cast<long>(status));
  return 0;
}

int Ping(const char* host) {
  const HANDLE icmp = IcmpCreateFile();
  char reply[256];
  const DWORD n =
      IcmpSendEcho(icmp, inet_addr(host), const_cast<char*>("plume"), 5, nullptr, reply, sizeof(reply), 2000);
  auto* echo = reinterpret_cast<ICMP_ECHO_REPLY*>(reply);
  if (n && echo->Status == IP_SUCCESS)
    std::printf("ok\n");
  else
    std::printf("error %lu\n", n ? echo->Status : GetLastError());
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  WSADATA data;
  WSAStartup(MAKEWORD(2, 2), &data);
  const std::string verb = argc > 1 ? argv[1] : "";
  const std::string last = argc > 4 ? argv[4] : "";
  if (verb == "serve" && argc > 4) return Serve(argv[2], argv[3], argv[4], argc > 5);
  if (verb == "connect" && argc > 3) return Connect(argv[2], argv[3], last);
  if (verb == "bind" && argc > 3) return Bind(argv[2], argv[3]);
  if (verb == "udp-serve" && argc > 4) return UdpServe(argv[2], argv[3], argv[4]);
  if (verb == "udp" && argc > 3) return Udp(argv[2], argv[3], last);
  if (verb == "resolve" && argc > 2) return Resolve(argv[2]);
  if (verb == "ping" && argc > 2) return Ping(argv[2]);
  return 2;
}
