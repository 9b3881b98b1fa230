// Change notification. Changes of merged directories happen in the upper layer (a lower file is copied up
// before it is changed, renamed or deleted), so that is where they are watched.
//
// A directory opened without synchronous I/O but with the right to list is opened to be watched: file_open.cc
// gives out a handle of its upper directory, and everything about completion (event, port, APC, the handle
// itself being signalled) is the system's. For other handles a second one is opened here, kept with the
// guest's, and the caller's own event and status block are used with it.
#include "vl/calls/file_directory_state.h"
#include "vl/calls/file_space.h"

namespace plume::vl {
namespace {

using view::Mode;
using view::VPath;

// The handle to watch instead of `handle`; `handle` itself if the system's answer is right.
nt::NtStatus WatchedHandle(const VlState& vl, nt::Handle handle, nt::Handle* watched) {
  *watched = handle;
  CallScratch scratch;
  const HandleRef info = DirectoryInfo(vl, scratch, handle);
  if (!info || info->kind != HandleKind::kDirectory || info->source == Source::kUpper) return nt::kSuccess;
  if (Tracing()) TellHandle(vl, scratch, handle);
  const VPath* path = PathOfHandle(vl, scratch, handle, nullptr);
  if (!path) return nt::kSuccess;
  const view::Lookup found = view::LookUp(vl.space, *path, false);
  if (found.mode != Mode::kMerge && found.mode != Mode::kPrivate) return nt::kSuccess;
  DirectoryState* state = StateOf(*info.get());
  if (!state) return nt::kNoMemory;
  LockGuard guard(info->lock);
  if (!state->watched) {
    nt::NtStatus s = EnsureUpperDirectory(vl, scratch, *path, path->depth);
    if (!nt::Ok(s)) return s;
    OwnAttributes object(UpperName(vl, scratch, *path));
    nt::IoStatusBlock io;
    constexpr nt::Ulong kModes = nt::kSynchronousNonAlert | nt::kSynchronousAlert;
    s = orig.NtOpenFile(&state->watched, nt::kFileListDirectory | nt::kSynchronize, &object.attributes, &io,
                        nt::kShareAll,
                        nt::kDirectoryFile | nt::kOpenForBackupIntent | (info->options & kModes));
    if (!nt::Ok(s)) {
      state->watched = nullptr;
      return s;
    }
  }
  *watched = state->watched;
  return nt::kSuccess;
}

}  // namespace

nt::NtStatus PLUME_NTAPI HookNtNotifyChangeDirectoryFile(nt::Handle handle, nt::Handle event,
                                                         nt::ApcRoutine* apc, void* context,
                                                         nt::IoStatusBlock* io, void* buffer,
                                                         nt::Ulong length, nt::Ulong filter,
                                                         uint8_t subtree) {
  const VlState& vl = Enter();
  nt::Handle watched;
  const nt::NtStatus s = WatchedHandle(vl, handle, &watched);
  if (!nt::Ok(s)) return s;
  return orig.NtNotifyChangeDirectoryFile(watched, event, apc, context, io, buffer, length, filter, subtree);
}

nt::NtStatus PLUME_NTAPI HookNtNotifyChangeDirectoryFileEx(nt::Handle handle, nt::Handle event,
                                                           nt::ApcRoutine* apc, void* context,
                                                           nt::IoStatusBlock* io, void* buffer,
                                                           nt::Ulong length, nt::Ulong filter,
                                                           uint8_t subtree, nt::Ulong information_class) {
  const VlState& vl = Enter();
  nt::Handle watched;
  const nt::NtStatus s = WatchedHandle(vl, handle, &watched);
  if (!nt::Ok(s)) return s;
  return orig.NtNotifyChangeDirectoryFileEx(watched, event, apc, context, io, buffer, length, filter, subtree,
                                            information_class);
}

}  // namespace plume::vl
