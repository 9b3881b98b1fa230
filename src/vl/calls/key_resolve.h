// What the registry space offers to the other kinds of calls. Implemented in calls/key_resolve.cc.
#pragma once
#include "vl/low/memory.h"
#include "vl/low/state.h"

namespace plume::vl {

// The virtual name of a key handle for ObjectNameInformation ("\REGISTRY\MACHINE\Software\.."). *ours false:
// the original answer is right. kKeyDeleted: the key was deleted in the VM.
nt::NtStatus KeyHandleToVirtual(const VlState& vl, CallScratch& scratch, nt::Handle handle, bool* ours,
                                view::WView* virtual_name);

}  // namespace plume::vl
