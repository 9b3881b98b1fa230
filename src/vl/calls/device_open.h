// Devices: closed unless a rule opens them.
#pragma once
#include "vl/low/guard.h"
#include "vl/low/state.h"

namespace plume::vl {

// May a name that is not a path on a drive be opened with this access? `kind` is what the name parser made of
// it. kAccessDenied (a volume, for more than asking about it) or kObjectNameNotFound (a device: as if the
// machine had none) otherwise. Pipes, mailslots and ids of files are not decided here.
nt::NtStatus CheckDevice(const VlState& vl, CallScratch& scratch, view::NameKind kind, const Captured& name,
                         nt::AccessMask access);

// The mode of a device by its name as DeviceName gives it (`dos`: in the directory of DOS devices); a DOS
// name that no rule knows is followed to the device it stands for. kDeny if no rule does.
view::Mode DeviceMode(const VlState& vl, CallScratch& scratch, view::WView name, bool dos);

}  // namespace plume::vl
