// The guest's side of the guest pipe (wire/messages.h): asked only when a file's bytes are not on this
// machine yet, and for the first use of the VM's service manager.
#pragma once
#include "vl/low/state.h"

namespace plume::vl {

// Asks the agent to make catalog entry `entry` of layer number `layer` (space.mounts[i].layer) present and
// verified. Blocks until it is there. While the agent restarts (pipe absent, busy or broken) it retries for
// 15 seconds, then answers kFileIsOffline. Any thread; no lock of the layer may be held.
nt::NtStatus Hydrate(const VlState& vl, uint16_t layer, uint32_t entry);

// Has the agent start the VM's own service manager, if it does not run; it serves when this returns success.
nt::NtStatus StartServices(const VlState& vl);

}  // namespace plume::vl
