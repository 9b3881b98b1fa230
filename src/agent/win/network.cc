// winsock2.h must come before windows.h.
// clang-format off
#include <winsock2.h>
#include <ws2tcpip.h>
// clang-format on

#include "agent/win/network.h"

#include <chrono>
#include <condition_variable>
#include <cstring>
#include <map>
#include <memory>
#include <mutex>

#include "agent/policy_network.h"
#include "agent/win/thread.h"

namespace plume::agent {
namespace {

using Addresses = std::vector<std::vector<uint8_t>>;

// Answers that may come after nobody waits for them any more.
struct Answers {
  std::mutex mutex;
  std::condition_variable changed;
  std::map<std::string, Addresses> found;  // by name; an entry is there when its answer is
};

bool StartSockets() {
  static const bool started = [] {
    WSADATA data;
    return WSAStartup(MAKEWORD(2, 2), &data) == 0;
  }();
  return started;
}

Addresses Ask(const std::string& name) {
  Addresses out;
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* list = nullptr;
  if (getaddrinfo(name.c_str(), nullptr, &hints, &list) != 0) return out;
  for (const addrinfo* a = list; a; a = a->ai_next) {
    const auto* bytes = reinterpret_cast<const uint8_t*>(a->ai_addr);
    if (a->ai_family == AF_INET && a->ai_addrlen >= sizeof(sockaddr_in))
      out.emplace_back(bytes + offsetof(sockaddr_in, sin_addr), bytes + offsetof(sockaddr_in, sin_addr) + 4);
    if (a->ai_family == AF_INET6 && a->ai_addrlen >= sizeof(sockaddr_in6))
      out.emplace_back(bytes + offsetof(sockaddr_in6, sin6_addr),
                       bytes + offsetof(sockaddr_in6, sin6_addr) + 16);
  }
  freeaddrinfo(list);
  return out;
}

bool IsFree(int family, uint16_t port) {
  const SOCKET s = socket(family, SOCK_STREAM, IPPROTO_TCP);
  if (s == INVALID_SOCKET) return true;  // a family this machine does not have
  sockaddr_in6 any{};
  any.sin6_family = static_cast<short>(family);
  any.sin6_port = htons(port);  // at the same place in both families
  const int length = family == AF_INET ? sizeof(sockaddr_in) : sizeof(sockaddr_in6);
  const bool free = bind(s, reinterpret_cast<sockaddr*>(&any), length) == 0;
  closesocket(s);
  return free;
}

}  // namespace

std::vector<AddressRange> ResolveAllowed(const NetworkPolicy& policy, std::vector<std::string>* notes) {
  std::vector<AddressRange> out;
  std::set<std::string> names;
  auto answers = std::make_shared<Answers>();
  for (const NetworkPlace& place : policy.allow) {
    const auto ranges = NumericRanges(place);
    if (!ranges) continue;
    if (ranges->empty()) names.insert(place.host);
    out.insert(out.end(), ranges->begin(), ranges->end());
  }
  if (names.empty() || !StartSockets()) return out;
  for (const std::string& name : names) {
    const bool asked = StartThread([answers, name] {
      Addresses found = Ask(name);
      const std::lock_guard lock(answers->mutex);
      answers->found[name] = std::move(found);
      answers->changed.notify_all();
    });
    const std::lock_guard lock(answers->mutex);
    if (!asked) answers->found[name];  // as if it had not been found
  }
  std::unique_lock lock(answers->mutex);
  answers->changed.wait_for(lock, std::chrono::seconds(5),
                            [&] { return answers->found.size() == names.size(); });
  for (const NetworkPlace& place : policy.allow) {
    if (!names.contains(place.host)) continue;
    const auto found = answers->found.find(place.host);
    if (found == answers->found.end() || found->second.empty()) {
      notes->push_back("the host " + place.host + " (" + place.origin +
                       ") was not found: this VM does not reach it (start it again when the name resolves)");
      continue;
    }
    for (const std::vector<uint8_t>& address : found->second) {
      out.push_back({address, static_cast<uint8_t>(address.size() * 8), place.first_port, place.last_port,
                     place.origin, std::u16string(place.host.begin(), place.host.end())});
    }
  }
  return out;
}

std::vector<uint16_t> ChooseRealPorts(const NetworkPolicy& policy, const std::string& vm_id,
                                      const std::set<uint16_t>& taken) {
  constexpr uint32_t kFirst = 20000, kCount = 12000;
  std::vector<uint16_t> out;
  std::set<uint16_t> used = taken;
  const bool sockets = policy.private_ports.empty() || StartSockets();
  for (const uint16_t port : policy.private_ports) {
    uint32_t hash = 2166136261u ^ port;
    for (const char c : vm_id) hash = (hash ^ static_cast<uint8_t>(c)) * 16777619u;
    uint16_t real = 0;
    for (uint32_t i = 0; i < kCount && !real; ++i) {
      const auto candidate = static_cast<uint16_t>(kFirst + (hash + i) % kCount);
      if (used.contains(candidate)) continue;
      if (sockets && IsFree(AF_INET, candidate) && IsFree(AF_INET6, candidate)) real = candidate;
    }
    used.insert(real);
    out.push_back(real);
  }
  return out;
}

}  // namespace plume::agent
