// The system's rows of the window space: the desktop's own windows, which every program must be able to find.
#pragma once
#include "agent/policy.h"

namespace plume::agent {

// Appended after the user's rules, so a rule of the policy for the same class decides first.
void AddSystemWindowRules(std::vector<PolicyNameRule>* rules);

// "host", "seen" or "private": the words of the window space (docs/formats/policy.md).
const char* WindowModeName(view::Mode mode);

// Which rule decides about windows of a class outside the VM; null: none does, they are hidden.
const PolicyNameRule* FindWindowRule(const Policy& complete, std::u16string_view window_class);

}  // namespace plume::agent
