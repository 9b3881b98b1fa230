// The few registry operations the agent needs: keys below the current user's. Windows.
#pragma once
#include <string>
#include <vector>

#include "base/result.h"

namespace plume::agent {

// Paths are relative to HKEY_CURRENT_USER.
Status MakeKey(const std::u16string& path);
Status RemoveKeyTree(const std::u16string& path);  // a missing key is success
std::vector<std::u16string> Subkeys(const std::u16string& path);

}  // namespace plume::agent
