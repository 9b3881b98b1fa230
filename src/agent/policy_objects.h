// The rules for object names that every VM has (view/system_objects.h). Pure.
#pragma once
#include <vector>

#include "agent/policy.h"

namespace plume::agent {

// Appends the system's names of this machine's platform to `rules`.
void AddSystemObjects(bool is_wine, std::vector<PolicyNameRule>* rules);

}  // namespace plume::agent
