// Names of global atoms, as the VM's own table has them.
#pragma once
#include <atomic>

#include "vl/low/state.h"

namespace plume::vl {

// The name that a guest gave an atom of this VM, from its real one. False: not this VM's.
bool OwnAtomName(const VlState& vl, view::WView real, view::WView* name);

// Registered messages and clipboard formats that this process has registered or met on its clipboard: their
// names it may ask for. (Under Wine the others of the session have numbers out of the same table.)
void NoteFormat(uint32_t format);
bool IsNotedFormat(const VlState& vl, uint32_t format);

// The name of a window property: an atom that the guest made from a text means that text. `room`: 256 units.
const char16_t* PropertyName(const VlState& vl, const char16_t* name, char16_t* room);

// While one lives, its thread may ask for the names of atoms that are not the VM's own.
class LenientAtoms {
 public:
  LenientAtoms();
  ~LenientAtoms();
  LenientAtoms(const LenientAtoms&) = delete;
  LenientAtoms& operator=(const LenientAtoms&) = delete;

 private:
  std::atomic<uint32_t>* slot_;
};

// Called when user32.dll has its imports: `base` is where it is mapped (window_user32.cc).
void OnUser32Ready(const VlState& vl, void* base);

}  // namespace plume::vl
