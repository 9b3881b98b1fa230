// The global atoms that guests made: the session keeps an atom until somebody deletes it, whoever ended.
// Windows.
#pragma once
#include <set>
#include <string>

namespace plume::agent {

// Removes those of VMs whose guests have all ended. Costs nothing worth speaking of if they have none.
void RemoveAtoms(const std::set<std::u16string>& vm_ids);

}  // namespace plume::agent
