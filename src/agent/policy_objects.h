// Object names in policies: the rules that every VM has (view/system_objects.h), and what rules say about a
// name. Pure.
#pragma once
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "agent/policy.h"

namespace plume::agent {

// Appends the system's names of this machine's platform to `rules`.
void AddSystemObjects(bool is_wine, std::vector<PolicyNameRule>* rules);

// What people call an object -> its full NT name: "Local\x" and the other canonical forms, "\\.\pipe\x",
// "\\server\pipe\x", "\BaseNamedObjects\x". Nothing if `text` is no object's name.
std::optional<std::u16string> ObjectNtName(std::u16string_view text, uint32_t session);

struct ObjectExplanation {
  std::u16string canonical;
  view::Mode mode = view::Mode::kPrivate;  // kHost, kPrivate, kDeny
  std::string rule;                        // where that comes from
  std::u16string real;                     // full NT name; empty if it is refused
};
// REQUIRES a name that ObjectNtName gave. `vm_key`: the key of the VM's upper layer.
ObjectExplanation ExplainObject(std::u16string_view nt_name, uint32_t session,
                                const std::vector<PolicyNameRule>& rules, std::u16string_view vm_key);

}  // namespace plume::agent
