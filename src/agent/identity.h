// Whose a state folder is. Half of a VM is in the folder, the other half in its user's registry, under a name
// made from the folder's path: a folder that was moved, copied, or opened by another user must not be used
// with the wrong half, or with none. docs/formats/state.md.
#pragma once
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"

namespace plume::agent {

// state.json. The same id is in the registry half.
struct StateIdentity {
  std::string id;
  std::u16string path, user_sid;

  std::string ToText() const;
  static Result<StateIdentity> FromText(std::string_view text);
};

// What is found when a folder is opened.
struct IdentityFacts {
  std::u16string path, user_sid;         // of now
  std::optional<StateIdentity> written;  // state.json
  bool has_vms = false;
  std::optional<std::string> registry_id;  // of the registry half that belongs to `path`
  // Asked only if the written path is another one:
  std::optional<std::string> old_registry_id;  // of the registry half that belongs to the written path
  bool old_folder_lives = false;  // there is a folder of this id at the written path, and it is another one
};

enum class StateClaim {
  kAsItIs,
  kAdopt,  // write state.json and the registry's id; there is nothing to lose
  kMove,   // the registry half goes to where the folder went, then as kAdopt
};

// Or why the folder cannot be used, and what to do.
Result<StateClaim> ClaimState(const IdentityFacts& facts);

#ifdef _WIN32
class StatePaths;
// Makes sure that `state` is this user's, with both halves; the lock on it is held. *moved: every compiled
// view names places that are no more.
Status ClaimState(const StatePaths& state, const std::u16string& user_sid, bool* moved);
#endif

}  // namespace plume::agent
