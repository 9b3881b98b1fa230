// Changes by handle: what NtSetInformationFile (file_rename.cc) hands on. Internal to calls/file_*.cc.
#pragma once
#include "vl/calls/file_space.h"

namespace plume::vl {

// True for a handle of a file or directory of a lower layer of the merged view: nothing may be changed
// through it.
bool IsLowerHandle(const VlState& vl, CallScratch& scratch, nt::Handle handle);
nt::AccessMask GrantedAccess(nt::Handle handle);
bool IsDirectoryHandle(nt::Handle handle);

nt::NtStatus SetDisposition(const VlState& vl, nt::Handle handle, nt::IoStatusBlock* io, void* buffer,
                            nt::Ulong length, nt::FileInformationClass kind);

}  // namespace plume::vl
