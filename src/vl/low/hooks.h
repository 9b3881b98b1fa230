// Which stubs are replaced, and by what. Each kind of call owns one list:
//   calls/file_hooks.inc, calls/key_hooks.inc, calls/process_hooks.inc    rows  PLUME_HOOK(NtCreateFile)
// A row needs `HookNtCreateFile` with exactly the type nt::NtCreateFileFn, defined in namespace plume::vl:
//   nt::NtStatus PLUME_NTAPI HookNtCreateFile(nt::Handle* handle, ...) { ... orig.NtCreateFile(...) ... }
// A function of nt/functions.inc without a row is not patched; `orig` then points at the stub itself. Whether
// a system may lack the stub is said in functions.inc.
#pragma once
#include "vl/nt/functions.h"

namespace plume::vl {

#define PLUME_HOOK(name) nt::name##Fn Hook##name;
#include "vl/calls/hooks.inc"
#undef PLUME_HOOK

// The original functions: always used for the layer's own calls, so nothing re-enters a handler.
extern "C" nt::Functions plume_originals;
inline nt::Functions& orig = plume_originals;

}  // namespace plume::vl
