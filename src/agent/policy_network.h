// Places of the network in policies: what their text means. Pure.
#pragma once
#include <optional>
#include <string_view>

#include "agent/policy.h"
#include "agent/view_compiler.h"

namespace plume::agent {

// "10.0.0.0/8", "::1", "*" (both families): the address ranges. Empty: `place.host` is a name, to be
// resolved. An address with impossible bits, or a name with any, is nullopt.
std::optional<std::vector<AddressRange>> NumericRanges(const NetworkPlace& place);

// "example.org:443", "[::1]:80", "10.0.0.1:5432" as a user writes one host and port. nullopt: it is something
// else (a path, a key).
struct HostAndPort {
  std::string host;
  uint16_t port = 0;
};
std::optional<HostAndPort> ParseHostAndPort(std::string_view text);

struct HostVerdict {
  bool reachable = false;
  std::string rule;  // what decides
};
// What a complete policy says of a host and port.
HostVerdict JudgeHost(const Policy& policy, const HostAndPort& place);

}  // namespace plume::agent
