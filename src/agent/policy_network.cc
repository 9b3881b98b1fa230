#include "agent/policy_network.h"

#include <algorithm>
#include <charconv>

#include "agent/text.h"
#include "view/network.h"

namespace plume::agent {
namespace {

std::vector<uint8_t> Address(std::string_view text) {
  uint8_t bytes[16];
  const size_t size = view::ParseAddress(ToUtf16(text), bytes);
  return {bytes, bytes + size};
}

std::optional<unsigned> Number(std::string_view text, unsigned most) {
  unsigned value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || value > most) return std::nullopt;
  return value;
}

bool SameText(std::string_view a, std::string_view b) { return view::EqualFolded(ToUtf16(a), ToUtf16(b)); }

bool IsLoopback(const HostAndPort& place) {
  if (SameText(place.host, "localhost")) return true;
  const std::vector<uint8_t> bytes = Address(place.host);
  view::NetAddress a;
  a.size = static_cast<uint8_t>(bytes.size());
  std::copy(bytes.begin(), bytes.end(), a.bytes);
  return a.IsLoopback();
}

bool Covers(const NetworkPlace& rule, const HostAndPort& place) {
  if (place.port < rule.first_port || place.port > rule.last_port) return false;
  if (SameText(rule.host, place.host)) return true;
  const auto ranges = NumericRanges(rule);
  const std::vector<uint8_t> bytes = Address(place.host);
  if (!ranges) return false;
  if (rule.host == "*") return true;
  view::NetAddress a;
  a.size = static_cast<uint8_t>(bytes.size());
  std::copy(bytes.begin(), bytes.end(), a.bytes);
  a.port = place.port;
  for (const AddressRange& r : *ranges) {
    const view::NetworkRule one[] = {{r.address, r.bits, r.first_port, r.last_port, {}}};
    view::NetworkRules rules;
    rules.all = false;
    rules.allow = one;
    if (view::IsAllowed(rules, a)) return true;
  }
  return false;
}

}  // namespace

std::optional<std::vector<AddressRange>> NumericRanges(const NetworkPlace& place) {
  auto range = [&](std::vector<uint8_t> address, unsigned bits) {
    return AddressRange{
        std::move(address), static_cast<uint8_t>(bits), place.first_port, place.last_port, place.origin, {}};
  };
  if (place.host == "*")
    return std::vector{range(std::vector<uint8_t>(4), 0), range(std::vector<uint8_t>(16), 0)};
  const size_t slash = place.host.find('/');
  std::vector<uint8_t> address = Address(std::string_view(place.host).substr(0, slash));
  const unsigned most = static_cast<unsigned>(address.size() * 8);
  if (slash == place.host.npos) {
    if (address.empty()) return std::vector<AddressRange>();
    return std::vector{range(std::move(address), most)};
  }
  const auto bits = Number(std::string_view(place.host).substr(slash + 1), most);
  if (address.empty() || !bits) return std::nullopt;
  return std::vector{range(std::move(address), *bits)};
}

std::optional<HostAndPort> ParseHostAndPort(std::string_view text) {
  if (text.find_first_of("\\/ ") != text.npos) return std::nullopt;
  const size_t colon = text.rfind(':');
  if (colon == text.npos || colon < 2) return std::nullopt;  // "C:x" is a path
  const auto port = Number(text.substr(colon + 1), 65535);
  if (!port) return std::nullopt;
  std::string_view host = text.substr(0, colon);
  if (host.front() == '[' && host.back() == ']') host = host.substr(1, host.size() - 2);
  if (host.empty()) return std::nullopt;
  return HostAndPort{std::string(host), static_cast<uint16_t>(*port)};
}

HostVerdict JudgeHost(const Policy& policy, const HostAndPort& place) {
  const NetworkPolicy network = policy.network.value_or(NetworkPolicy());
  const bool loopback = IsLoopback(place);
  if (loopback && std::find(network.private_ports.begin(), network.private_ports.end(), place.port) !=
                      network.private_ports.end()) {
    return {true, network.origin + ": a private port, the VM's own listener"};
  }
  if (network.mode == NetworkMode::kAll) return {true, network.origin};
  if (network.mode == NetworkMode::kList)
    for (const NetworkPlace& rule : network.allow)
      if (Covers(rule, place)) return {true, rule.origin};
  if (loopback) return {true, network.origin + ": the VM's own listeners only"};
  return {false, network.origin};
}

}  // namespace plume::agent
