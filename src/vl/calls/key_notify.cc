// Notifications. What a guest changes, it changes in the upper layer: a watched key is copied up and the
// upper key is watched. Copying a subkey up later is a change of its own there, so a watch may fire without
// cause, never miss one.
#include "vl/calls/key_internal.h"

namespace plume::vl {
namespace key {
namespace {

// The key to watch: the upper one. Needs no write right of the caller, so it works on a handle of the layer's
// own.
NtStatus BeginWatch(const VlState& vl, CallScratch& scratch, Handle handle, Use* use) {
  NtStatus status = Begin(vl, scratch, handle, 0, use);
  if (!nt::Ok(status) || !use->lower || !Grants(use->info()->access, nt::kKeyNotify)) return status;
  for (int attempt = 0; attempt < kMaxAttempts; ++attempt) {
    VPath* path = PathOf(vl, scratch, use->info());
    if (!path) return nt::kNoMemory;
    status = CopyUp(vl, scratch, *path, path->depth);
    if (status == kResolveAgain) {
      // A link of the host: its target is watched as it is; changes are not made there.
      return nt::kSuccess;
    }
    if (!nt::Ok(status)) return status == nt::kObjectNameNotFound ? nt::kKeyDeleted : status;
    // CopyUp announced itself, so this finds the upper key.
    status = Begin(vl, scratch, handle, 0, use);
    if (!nt::Ok(status) || !use->lower) return status;
  }
  return nt::kSuccess;
}

}  // namespace
}  // namespace key

nt::NtStatus PLUME_NTAPI HookNtNotifyChangeKey(nt::Handle handle, nt::Handle event, nt::ApcRoutine* apc,
                                               void* context, nt::IoStatusBlock* io, nt::Ulong filter,
                                               uint8_t subtree, void* buffer, nt::Ulong length,
                                               uint8_t asynchronous) {
  const VlState& vl = Enter();
  nt::Handle real;
  key::Use use;  // keeps the watched handle open during a synchronous wait
  {
    CallScratch scratch;
    const nt::NtStatus status = key::BeginWatch(vl, scratch, handle, &use);
    if (!nt::Ok(status)) return status;
    real = use.real;
  }
  return orig.NtNotifyChangeKey(real, event, apc, context, io, filter, subtree, buffer, length, asynchronous);
}

nt::NtStatus PLUME_NTAPI HookNtNotifyChangeMultipleKeys(nt::Handle handle, nt::Ulong count,
                                                        nt::ObjectAttributes* others, nt::Handle event,
                                                        nt::ApcRoutine* apc, void* context,
                                                        nt::IoStatusBlock* io, nt::Ulong filter,
                                                        uint8_t subtree, void* buffer, nt::Ulong length,
                                                        uint8_t asynchronous) {
  const VlState& vl = Enter();
  CallScratch scratch;
  key::Use use;
  nt::NtStatus status = key::BeginWatch(vl, scratch, handle, &use);
  if (!nt::Ok(status)) return status;
  nt::ObjectAttributes* real_others = others;
  if (count == 1) {  // the system takes no more
    auto* captured = scratch.New<Captured>();
    auto* target = scratch.New<key::Target>();
    if (!captured || !target) return nt::kNoMemory;
    status = CaptureAttributes(scratch, others, captured);
    if (!nt::Ok(status)) return status;
    status = key::kResolveAgain;
    for (int attempt = 0; attempt < key::kMaxAttempts && status == key::kResolveAgain; ++attempt) {
      status = key::ResolveTarget(vl, scratch, *captured, 0, true, target);
      if (!nt::Ok(status) || target->kind != key::Target::kPath) break;
      const view::VPath& path = target->path;
      const bool direct = key::LookUp(vl, path).mode == view::Mode::kHost;
      if (!direct) status = key::CopyUp(vl, scratch, path, path.depth);
      if (!nt::Ok(status)) continue;
      const view::WView name = direct ? key::HostName(vl, scratch, path, path.depth)
                                      : key::UpperName(vl, scratch, path, path.depth);
      if (key::Failed(name)) return nt::kNoMemory;
      captured->SetName(name);
    }
    if (!nt::Ok(status)) return status;
    real_others = &captured->own;
  }
  return orig.NtNotifyChangeMultipleKeys(use.real, count, real_others, event, apc, context, io, filter,
                                         subtree, buffer, length, asynchronous);
}

}  // namespace plume::vl
