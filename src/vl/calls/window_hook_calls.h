// What the gates need of the hooks.
#pragma once
#include "vl/low/state.h"

namespace plume::vl {

// Procedures that can be called through us at a time.
inline constexpr uint32_t kHookThunks = 64;  // as many entries as window_gate_*.S makes

// A procedure is about to be called: where to go, or null, the value to return and the bytes to take off the
// stack.
void* DecideHookThunk(const VlState& vl, uint32_t index, uintptr_t* args, uintptr_t* value, uintptr_t* pop);

// Called when a thread makes a window: the VM's hooks for everybody are for it too.
void ExtendHooksToThread(const VlState& vl);

}  // namespace plume::vl
