// Window properties: by text they are the same for everybody who may see the window; an atom that stands for
// a text is turned into it first, because the VM's atoms have other real names.
#include "vl/calls/window_atoms.h"
#include "vl/calls/window_side.h"
#include "vl/low/user_patch.h"

namespace plume::vl {

#define PLUME_USER_HOOK(name) nt::name##Fn Hook##name;
#include "vl/calls/window_user_hooks.inc"
#undef PLUME_USER_HOOK

nt::Handle PLUME_NTAPI HookNtUserGetProp(nt::Hwnd window, const char16_t* name) {
  const VlState& vl = Enter();
  char16_t room[256];
  if (MayFind(vl, window)) return user.NtUserGetProp(window, PropertyName(vl, name, room));
  SayNoWindow();
  return nullptr;
}

int32_t PLUME_NTAPI HookNtUserSetProp(nt::Hwnd window, const char16_t* name, nt::Handle value) {
  const VlState& vl = Enter();
  char16_t room[256];
  if (MayChange(vl, window)) return user.NtUserSetProp(window, PropertyName(vl, name, room), value);
  SayNoWindow();
  return 0;
}

nt::Handle PLUME_NTAPI HookNtUserRemoveProp(nt::Hwnd window, const char16_t* name) {
  const VlState& vl = Enter();
  char16_t room[256];
  if (MayChange(vl, window)) return user.NtUserRemoveProp(window, PropertyName(vl, name, room));
  SayNoWindow();
  return nullptr;
}

}  // namespace plume::vl
