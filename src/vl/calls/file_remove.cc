// Deleting: NtDeleteFile and the disposition of an open file.
//
// A file that is open with DELETE access is in the upper layer and its lower namesakes are hidden
// (file_open.cc), so only directories need care here: they may be removed only when nothing is visible in
// them.
#include "vl/calls/device_open.h"
#include "vl/calls/file_set.h"
#include "vl/calls/file_space.h"

namespace plume::vl {

using view::Mode;

nt::NtStatus PrepareDirectoryRemoval(const VlState& vl, const view::VPath& path, const view::Lookup& found) {
  bool empty = false;
  if (const nt::NtStatus s = IsMergedEmpty(vl, path, &empty); !nt::Ok(s)) return s;
  if (!empty) return nt::kDirectoryNotEmpty;
  if (found.lower_hidden) return nt::kSuccess;
  return Mark(vl, path, view::VmIndex::kUpper | view::VmIndex::kWhiteout);
}

bool IsLowerHandle(const VlState& vl, CallScratch& scratch, nt::Handle handle) {
  const HandleRef info = Handles().Find(handle);
  if (info && (info->kind == HandleKind::kKey || !IsLower(*info.get()))) return false;
  // Handles that were not opened here (inherited): only Wine lets them do more than they were opened for.
  if (!info && (!vl.is_wine || (GrantedAccess(handle) & nt::kFileWriteAttributes))) return false;
  bool of_host = false;
  const view::VPath* path = PathOfHandle(vl, scratch, handle, &of_host);
  if (!path || (!info && !of_host)) return false;
  const view::Lookup found = view::LookUp(vl.space, *path, false);
  return found.mode == Mode::kMerge || found.mode == Mode::kPrivate;
}

nt::AccessMask GrantedAccess(nt::Handle handle) {
  nt::FileAccessInformation access{};
  nt::IoStatusBlock io;
  const nt::NtStatus s =
      orig.NtQueryInformationFile(handle, &io, &access, sizeof(access), nt::kFileAccessInformation);
  return nt::Ok(s) ? access.access_flags : 0;
}

bool IsDirectoryHandle(nt::Handle handle) {
  if (const HandleRef known = Handles().Find(handle); known && known->kind == HandleKind::kUpperFile)
    return false;
  nt::FileStandardInformation standard{};
  nt::IoStatusBlock io;
  return nt::Ok(orig.NtQueryInformationFile(handle, &io, &standard, sizeof(standard),
                                            nt::kFileStandardInformation)) &&
         standard.directory;
}

nt::NtStatus SetDisposition(const VlState& vl, nt::Handle handle, nt::IoStatusBlock* io, void* buffer,
                            nt::Ulong length, nt::FileInformationClass kind) {
  const bool extended = kind == nt::kFileDispositionInformationEx;
  nt::Ulong flags = 0;
  const nt::Ulong size = extended ? sizeof(flags) : 1;
  const bool removes = length >= size && CopyIn(&flags, buffer, size) && (flags & nt::kDispositionDelete);
  if (!removes || (extended && vl.is_wine))
    return orig.NtSetInformationFile(handle, io, buffer, length, kind);
  CallScratch scratch;
  if (Tracing()) TellHandle(vl, scratch, handle);
  if (IsLowerHandle(vl, scratch, handle))
    return nt::kAccessDenied;  // not opened with DELETE, or it would be upper
  if ((GrantedAccess(handle) & nt::kDelete) && IsDirectoryHandle(handle)) {
    const view::VPath* path = PathOfHandle(vl, scratch, handle, nullptr);
    if (path) {
      const view::Lookup found = view::LookUp(vl.space, *path, false);
      if (found.mode == Mode::kMerge || found.mode == Mode::kPrivate) {
        const nt::NtStatus s = PrepareDirectoryRemoval(vl, *path, found);
        if (!nt::Ok(s)) return s;
      }
    }
  }
  return orig.NtSetInformationFile(handle, io, buffer, length, kind);
}

nt::NtStatus PLUME_NTAPI HookNtDeleteFile(nt::ObjectAttributes* attributes) {
  const VlState& vl = Enter();
  CallScratch scratch;
  FileTarget target;
  nt::NtStatus s = ParseTarget(vl, scratch, attributes, 0, &target);
  if (!nt::Ok(s)) return s;
  if (!target.IsVirtualized()) {
    s = CheckDevice(vl, scratch, target.kind, target.captured, nt::kDelete);
    return nt::Ok(s) ? orig.NtDeleteFile(&target.captured.own) : s;
  }
  // What the call is by its documentation: an open that deletes on close. Wine asks for more than DELETE,
  // which shows with read-only files.
  const nt::AccessMask access =
      vl.is_wine ? nt::kGenericRead | nt::kGenericWrite | nt::kDelete : nt::kDelete | nt::kSynchronize;
  const OpenArguments arguments{access, nullptr, 0, nt::kShareAll, nt::kOpen, nt::kDeleteOnClose, nullptr, 0};
  nt::Handle handle = nullptr;
  nt::IoStatusBlock io;
  s = OpenTarget(vl, scratch, target, arguments, &handle, &io);
  if (!nt::Ok(s)) return s;
  Handles().Remove(handle);
  return orig.NtClose(handle);
}

}  // namespace plume::vl
