// Handles of any kind: closing, duplicating, asking for names.
#include "vl/low/handles.h"
#include "vl/low/hooks.h"
#include "vl/low/state.h"

namespace plume::vl {

nt::NtStatus PLUME_NTAPI HookNtClose(nt::Handle handle) {
  Enter();
  // Forgotten before it is closed: afterwards the value may already belong to another thread's new object.
  Handles().Remove(handle);
  return orig.NtClose(handle);
}

}  // namespace plume::vl
