// The few registry operations the agent needs: keys below the current user's. Windows.
#pragma once
#include <string>
#include <vector>

#include "base/result.h"

namespace plume::agent {

// "\REGISTRY\USER\<sid>"
std::u16string CurrentUserKey();

// Paths are relative to HKEY_CURRENT_USER. Symbolic links are not followed.
Status MakeKey(const std::u16string& path);
Status RemoveKeyTree(const std::u16string& path);  // a missing key is success
std::vector<std::u16string> Subkeys(const std::u16string& path);

}  // namespace plume::agent
