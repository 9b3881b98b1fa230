// The VM's job object: what a process of the VM is in, and what ends them all.
#pragma once
#include "vl/low/state.h"

namespace plume::vl {

// The VM's job, open for queries as long as this process lives. Null if it cannot be opened.
nt::Handle VmJob(const VlState& vl);

}  // namespace plume::vl
