// Replacing stubs of win32u.dll. Unlike ntdll's they are not there when a process is made a guest: the loader
// maps the module later, or never. So the layer looks at every image that is mapped and, before any code of
// win32u can run, does what the injector does with ntdll: each stub is copied verbatim, then begins with a
// jump. A missing function is left out; one of unknown shape ends the process (fail closed).
#pragma once
#include "vl/low/hooks.h"
#include "vl/low/state.h"
#include "vl/low/stub_shapes.h"
#include "vl/nt/user.h"

namespace plume::vl {

// One function of win32u. `handler` null: only called by the layer, not replaced.
struct UserRow {
  const char* name;
  void* handler;
  void** original;  // gets the trampoline, or the stub itself; null where it is missing
  uint32_t* pop;    // if not null: bytes of arguments that the stub takes off the stack (32-bit)
  bool on_windows;  // replaced on Windows only
};
// All rows; built by calls/window_gates.cc.
std::span<const UserRow> UserRows();

// The way to the real functions, valid once win32u.dll is mapped; a missing one is null.
extern constinit nt::UserFunctions g_user;
inline nt::UserFunctions& user = g_user;

// Called with the base of every image that has just been mapped into this process.
void OnImageMapped(const VlState& vl, void* base);
// Whether win32u.dll is there.
bool UserMapped();

}  // namespace plume::vl
