// What the object space offers to the file calls: files can be opened by names of pipes, mailslots and
// objects.
#pragma once
#include "vl/low/guard.h"
#include "vl/low/handles.h"
#include "vl/low/memory.h"
#include "vl/low/state.h"

namespace plume::vl {

// Renames a captured name that is not one of a drive, if it is private to the VM. kAccessDenied if the policy
// refuses it.
nt::NtStatus RenameFileName(const VlState& vl, CallScratch& scratch, Captured* captured);

// Whether a name that RenameFileName has renamed is that of the VM's own service manager.
bool IsServiceManager(const VlState& vl, view::WView renamed);

// If `real` is the full real name of one of the VM's pipes or mailslots: what it is called, relative to its
// device ("\x").
bool PipeNameToVirtual(const VlState& vl, CallScratch& scratch, view::WView real, view::WView* name);

// The entry of a handle to the device of pipes or mailslots, made if it is not known yet; empty if it is
// none.
HandleRef PipeDeviceInfo(const VlState& vl, CallScratch& scratch, nt::Handle handle);

// What a guest sees in the device, read through `handle`, whose real name is `device`.
struct MergedListing;
nt::NtStatus BuildPipeListing(const VlState& vl, CallScratch& scratch, nt::Handle handle, view::WView device,
                              MergedListing** out);

}  // namespace plume::vl
