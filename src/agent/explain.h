// `plume vm explain` for things that are no file and no key: which rule decides. Pure; the answers are those
// of Agent::VmExplain.
#pragma once
#include <string>

#include "agent/control.h"
#include "agent/policy.h"
#include "agent/policy_network.h"

namespace plume::agent {

// "\\.\COM1", "\??\COM1", "\Device\Serial0"?
bool IsDeviceText(std::string_view text);
Json ExplainDevice(const Policy& complete, const std::string& text);

Json ExplainHost(const Policy& complete, const std::string& text, const HostAndPort& place);

}  // namespace plume::agent
