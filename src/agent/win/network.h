// What a VM's view needs to know of the network when it is prepared: addresses of the hosts it may reach, and
// real ports for its private ones. Windows.
#pragma once
#include <set>

#include "agent/policy.h"
#include "agent/view_compiler.h"

namespace plume::agent {

// Resolves the names of an allow-list; those that are not found in a few seconds are left out, and named in
// `notes`.
std::vector<AddressRange> ResolveAllowed(const NetworkPolicy& policy, std::vector<std::string>* notes);

// A free port of this machine for each private one, outside the range that the system hands out by itself,
// and none of `taken`.
std::vector<uint16_t> ChooseRealPorts(const NetworkPolicy& policy, const std::string& vm_id,
                                      const std::set<uint16_t>& taken);

}  // namespace plume::agent
