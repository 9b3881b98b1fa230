// Hives. Saving works on the merged subtree. Loading, replacing and restoring would bring a file's keys into
// the host's registry: a guest has not the privilege to do that, and is told so in the system's own words.
#include "vl/calls/key_internal.h"

namespace plume::vl {
namespace key {
namespace {

// The upper key with the whole merged subtree below it, for a handle that may read.
NtStatus BeginSave(const VlState& vl, CallScratch& scratch, Handle handle, Use* use, Handle* real) {
  NtStatus status = Begin(vl, scratch, handle, 0, use);
  if (!nt::Ok(status)) return status;
  *real = nullptr;
  if (!use->ref || use->info()->entry == kDirect) return status;
  VPath* path = PathOf(vl, scratch, use->info());
  if (!path) return nt::kNoMemory;
  status = CopyUpTree(vl, scratch, *path, nullptr);
  if (status == kResolveAgain) return nt::kAccessDenied;  // a link of the host below: not ours to follow
  if (!nt::Ok(status)) return status;
  const WView name = UpperName(vl, scratch, *path, path->depth);
  return Failed(name) ? nt::kNoMemory : OpenReal(name, nt::kKeyRead | Native(), nt::kObjOpenLink, real);
}

}  // namespace
}  // namespace key

nt::NtStatus PLUME_NTAPI HookNtSaveKey(nt::Handle handle, nt::Handle file) {
  const VlState& vl = Enter();
  CallScratch scratch;
  key::Use use;
  nt::Handle real = nullptr;
  nt::NtStatus status = key::BeginSave(vl, scratch, handle, &use, &real);
  if (!nt::Ok(status)) return status;
  status = orig.NtSaveKey(real ? real : use.real, file);
  if (real) orig.NtClose(real);
  return status;
}

nt::NtStatus PLUME_NTAPI HookNtSaveKeyEx(nt::Handle handle, nt::Handle file, nt::Ulong format) {
  const VlState& vl = Enter();
  CallScratch scratch;
  key::Use use;
  nt::Handle real = nullptr;
  nt::NtStatus status = key::BeginSave(vl, scratch, handle, &use, &real);
  if (!nt::Ok(status)) return status;
  status = orig.NtSaveKeyEx(real ? real : use.real, file, format);
  if (real) orig.NtClose(real);
  return status;
}

nt::NtStatus PLUME_NTAPI HookNtRestoreKey(nt::Handle, nt::Handle, nt::Ulong) { return nt::kPrivilegeNotHeld; }
nt::NtStatus PLUME_NTAPI HookNtReplaceKey(nt::ObjectAttributes*, nt::Handle, nt::ObjectAttributes*) {
  return nt::kPrivilegeNotHeld;
}
nt::NtStatus PLUME_NTAPI HookNtLoadKey(nt::ObjectAttributes*, nt::ObjectAttributes*) {
  return nt::kPrivilegeNotHeld;
}
nt::NtStatus PLUME_NTAPI HookNtLoadKey2(nt::ObjectAttributes*, nt::ObjectAttributes*, nt::Ulong) {
  return nt::kPrivilegeNotHeld;
}
nt::NtStatus PLUME_NTAPI HookNtLoadKeyEx(nt::ObjectAttributes*, nt::ObjectAttributes*, nt::Ulong, nt::Handle,
                                         nt::Handle, nt::AccessMask, nt::Handle*, nt::IoStatusBlock*) {
  return nt::kPrivilegeNotHeld;
}
nt::NtStatus PLUME_NTAPI HookNtUnloadKey(nt::ObjectAttributes*) { return nt::kPrivilegeNotHeld; }
nt::NtStatus PLUME_NTAPI HookNtUnloadKey2(nt::ObjectAttributes*, nt::Ulong) { return nt::kPrivilegeNotHeld; }
nt::NtStatus PLUME_NTAPI HookNtUnloadKeyEx(nt::ObjectAttributes*, nt::Handle) {
  return nt::kPrivilegeNotHeld;
}
// Counts open handles below a key: of the host's key, which a guest has no business with.
nt::NtStatus PLUME_NTAPI HookNtQueryOpenSubKeys(nt::ObjectAttributes*, nt::Ulong*) {
  return nt::kPrivilegeNotHeld;
}

}  // namespace plume::vl
