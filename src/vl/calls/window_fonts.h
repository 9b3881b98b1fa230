// Fonts of images and of the VM: each guest loads them from where their files really are, for itself alone.
#pragma once
#include "vl/low/state.h"

namespace plume::vl {

// Loads the VM's fonts into this process, once; who comes meanwhile waits. Hydrates their files.
void LoadVmFonts(const VlState& vl);

}  // namespace plume::vl
