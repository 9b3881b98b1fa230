// What the registry space offers to the other kinds of calls. Implemented in calls/key_resolve.cc.
#pragma once
#include "vl/low/memory.h"
#include "vl/low/state.h"

namespace plume::vl {

// The virtual name of a key handle for ObjectNameInformation ("\REGISTRY\MACHINE\Software\.."); false: not ours, the
// original answer is right.
bool KeyHandleToVirtual(const VlState& vl, CallScratch& scratch, nt::Handle handle, view::WView* virtual_name);

}  // namespace plume::vl
