// NtSetInformationFile: renaming and linking, whose target names are virtual; changes through handles of
// lower files.
#include <cstring>

#include "vl/calls/file_set.h"
#include "vl/calls/file_space.h"

namespace plume::vl {
namespace {

using view::Mode;
using view::VmIndex;
using view::VPath;
using view::WView;

constexpr bool IsLink(nt::FileInformationClass kind) {
  return kind == nt::kFileLinkInformation || kind == nt::kFileLinkInformationEx;
}
constexpr bool IsMerged(const view::Lookup& found) {
  return found.mode == Mode::kMerge || found.mode == Mode::kPrivate;
}

// The caller's request, in memory of the layer.
struct Request {
  nt::Handle handle;
  nt::FileInformationClass kind;
  nt::FileRenameInformation head;
  WView name;
  bool replace;
};

// False: malformed in a way that the original answers.
bool Capture(CallScratch& scratch, const void* buffer, nt::Ulong length, Request* out) {
  constexpr size_t kHead = offsetof(nt::FileRenameInformation, file_name);
  if (length < sizeof(nt::FileRenameInformation) || !CopyIn(&out->head, buffer, kHead)) return false;
  const nt::Ulong bytes = out->head.file_name_length;
  if (bytes > length - kHead || (bytes & 1) || bytes > view::kMaxPathUnits * 2) return false;
  char16_t* text = scratch.Units(bytes / 2 + 1);
  if (!text || !CopyIn(text, static_cast<const uint8_t*>(buffer) + kHead, bytes)) return false;
  text[bytes / 2] = 0;
  out->name = WView(text, bytes / 2);
  const bool extended = out->kind == nt::kFileRenameInformationEx || out->kind == nt::kFileLinkInformationEx;
  out->replace =
      extended ? (out->head.flags & nt::kRenameReplaceIfExists) != 0 : out->head.replace_if_exists != 0;
  return true;
}

// The original call with another target name.
nt::NtStatus Original(CallScratch& scratch, const Request& request, nt::Handle handle, nt::Handle root,
                      WView name, nt::IoStatusBlock* io) {
  if (!name.data()) return nt::kNoMemory;
  const size_t size = offsetof(nt::FileRenameInformation, file_name) + name.size() * 2;
  auto* info =
      static_cast<nt::FileRenameInformation*>(scratch.Alloc(size + sizeof(nt::FileRenameInformation)));
  if (!info) return nt::kNoMemory;
  info->flags = request.head.flags;
  info->root_directory = root;
  info->file_name_length = static_cast<nt::Ulong>(name.size() * 2);
  std::memcpy(info->file_name, name.data(), name.size() * 2);
  return orig.NtSetInformationFile(
      handle, io, info, static_cast<nt::Ulong>(size < sizeof(*info) ? sizeof(*info) : size), request.kind);
}

// May a lower file be replaced? The system refuses read-only files (not Wine), directories and files in use.
nt::NtStatus MayReplaceLower(const VlState& vl, CallScratch& scratch, const FileTarget& target,
                             const Located& lower) {
  if (lower.directory()) return nt::kAccessDenied;
  if (!vl.is_wine && (lower.info.file_attributes & nt::kAttrReadOnly)) return nt::kAccessDenied;
  const WView name = lower.place == Place::kImage
                         ? ImageName(vl, scratch, target.found.mount, target.found.entry, false)
                         : HostName(scratch, *target.path);
  if (!name.data()) return nt::kNoMemory;
  OwnAttributes object(name);
  nt::Handle handle;
  nt::IoStatusBlock io;
  const nt::NtStatus s = orig.NtOpenFile(&handle, nt::kFileReadData | nt::kSynchronize, &object.attributes,
                                         &io, 0, nt::kSynchronousNonAlert | nt::kNonDirectoryFile);
  if (nt::Ok(s)) orig.NtClose(handle);
  return s == nt::kSharingViolation ? nt::kAccessDenied : nt::kSuccess;
}

// Makes everything ready for a new name in the merged view; the real name of it.
// `hide` becomes true if lower namesakes must be hidden once the name is taken: the file that takes it may go
// away with its handle, and what it replaced must not come to light.
nt::NtStatus PrepareTarget(const VlState& vl, CallScratch& scratch, const Request& request,
                           const FileTarget& target, const VPath& source, WView* real, bool* hide) {
  Located at;
  nt::NtStatus s = Locate(vl, scratch, *target.path, target.found, &at);
  if (!nt::Ok(s)) return s;
  if (at.place == Place::kNone) {
    s = MissingStatus(vl, scratch, *target.path);
    if (s != nt::kObjectNameNotFound) return s;
  } else if (at.place == Place::kUpper) {
    *hide = request.replace && !target.found.lower_hidden && !at.directory();
  } else if (!view::EqualFolded(source.text, target.path->text)) {
    if (vl.is_wine && target.path->trailing_backslash && !at.directory()) {
      return IsLink(request.kind) ? nt::kObjectNameCollision : nt::kNotADirectory;
    }
    if (!request.replace) return nt::kObjectNameCollision;
    s = MayReplaceLower(vl, scratch, target, at);
    if (!nt::Ok(s)) return s;
    *hide = true;
    // Wine keeps the spelling of a replaced name.
    if (vl.is_wine) target.path->text = TrueSpelling(vl, scratch, *target.path, target.found);
    if (!target.path->text.data()) return nt::kNoMemory;
  }
  if (target.path->depth == 0) return nt::kAccessDenied;
  s = EnsureUpperDirectory(vl, scratch, *target.path, target.path->depth - 1);
  if (!nt::Ok(s)) return s;
  *real = UpperName(vl, scratch, *target.path);
  if (!real->data()) return nt::kNoMemory;
  return Mark(vl, *target.path, VmIndex::kUpper, at.place == Place::kUpper ? 0 : BaseOf(at));
}

// A directory that moves takes everything that is visible in it along.
nt::NtStatus PrepareTree(const VlState& vl, CallScratch& scratch, const VPath& source,
                         const FileTarget& target) {
  nt::NtStatus s = CopyUpTree(vl, source);
  if (!nt::Ok(s)) return s;
  s = Mark(vl, source, VmIndex::kUpper | VmIndex::kWhiteout);
  if (!nt::Ok(s) || !IsMerged(target.found)) return s;
  return Mark(vl, *target.path, VmIndex::kUpper | VmIndex::kSubtreeUpper);
}

// Opens the upper copy of a lower file, made if need be, for a change that the system allows with any handle.
nt::NtStatus OpenCopy(const VlState& vl, CallScratch& scratch, const VPath& source, nt::Handle of,
                      nt::Handle* handle) {
  const view::Lookup found = view::LookUp(vl.space, source, false);
  Located at;
  nt::NtStatus s = Locate(vl, scratch, source, found, &at);
  if (nt::Ok(s) && at.place == Place::kNone) s = nt::kFileDeleted;
  if (nt::Ok(s) && at.place != Place::kUpper) {
    s = CopyUp(vl, scratch, source, found, at, CopyContents::kAll, nullptr, of);
  }
  if (!nt::Ok(s)) return s;
  OwnAttributes object(UpperName(vl, scratch, source));
  nt::IoStatusBlock io;
  return orig.NtOpenFile(handle, nt::kFileReadAttributes | nt::kFileWriteAttributes | nt::kSynchronize,
                         &object.attributes, &io, nt::kShareAll,
                         nt::kSynchronousNonAlert | nt::kOpenForBackupIntent);
}

// A link to a lower file is a link to its copy. None is made for a link that cannot be: whoever opens the
// file afterwards gets the copy, which knows nothing of how the lower file is shared.
nt::NtStatus LinkLower(const VlState& vl, CallScratch& scratch, const Request& request, const VPath& source,
                       WView real, nt::IoStatusBlock* io) {
  OwnAttributes taken(real);
  nt::FileBasicInformation basic;
  if (nt::Ok(orig.NtQueryAttributesFile(&taken.attributes, &basic))) {
    if (!request.replace) return nt::kObjectNameCollision;
    if (basic.file_attributes & nt::kAttrDirectory) return nt::kAccessDenied;
  }
  nt::Handle handle;
  nt::NtStatus s = OpenCopy(vl, scratch, source, request.handle, &handle);
  if (!nt::Ok(s)) return s;
  s = Original(scratch, request, handle, nullptr, real, io);
  orig.NtClose(handle);
  return s;
}

// After a rename: the side table's path follows.
void Moved(nt::Handle handle, const VPath& to) {
  const HandleRef old = Handles().Find(handle);
  if (!old || old->kind == HandleKind::kUpperFile) return;
  HandleInfo* info = NewHandleInfo(old->kind, to);
  if (!info) return Handles().Remove(handle);
  info->source = old->source;
  {
    // The position in a listing survives.
    LockGuard guard(old->lock);
    info->destroy = old->destroy;
    info->extension.store(old->extension.exchange(nullptr, std::memory_order_acq_rel),
                          std::memory_order_release);
  }
  info->access = old->access;
  info->options = old->options;
  Handles().Insert(handle, info);
}

nt::NtStatus RenameOrLink(const VlState& vl, nt::Handle handle, nt::IoStatusBlock* io, void* buffer,
                          nt::Ulong length, nt::FileInformationClass kind) {
  CallScratch scratch;
  if (TraceNote* note = TraceNow()) note->Detail(static_cast<uint32_t>(kind));
  Request request{handle, kind, {}, {}, false};
  if (!Capture(scratch, buffer, length, &request))
    return orig.NtSetInformationFile(handle, io, buffer, length, kind);
  bool of_host = false;
  const VPath* source = PathOfHandle(vl, scratch, handle, &of_host);
  if (!source) return Original(scratch, request, handle, request.head.root_directory, request.name, io);

  FileTarget target;
  nt::NtStatus s;
  if (!request.head.root_directory && (request.name.empty() || request.name[0] != u'\\')) {
    // A new name in the same directory. Wine's file systems do not know this form.
    if (vl.is_wine || source->depth == 0 || !view::IsLegalFileName(request.name))
      return nt::kObjectPathSyntaxBad;
    target.kind = view::NameKind::kDrivePath;
    const VPath* above = ParentPath(scratch, *source);
    target.path = above ? ChildPath(scratch, *above, request.name) : nullptr;
    if (!target.path) return nt::kNoMemory;
    target.found = view::LookUp(vl.space, *target.path, false);
  } else {
    const nt::Handle root = request.head.root_directory;
    if (vl.is_wine && root && PathOfHandle(vl, scratch, root, nullptr) && !IsDirectoryHandle(root)) {
      return nt::kBadDeviceType;
    }
    s = ParseTargetName(vl, scratch, root, request.name, &target);
    if (!nt::Ok(s)) return s;
    if (!target.IsVirtualized())
      return Original(scratch, request, handle, request.head.root_directory, request.name, io);
  }
  if (Tracing()) TellMove(vl, scratch, *source, target);
  if (target.found.mode == Mode::kDeny) return nt::kAccessDenied;

  const view::Lookup source_found = view::LookUp(vl.space, *source, false);
  const bool lower = IsMerged(source_found) && (of_host || IsLowerHandle(vl, scratch, handle));
  const bool directory = IsDirectoryHandle(handle);
  // Only a handle with DELETE access may rename, and opening it so has made it one of the upper layer.
  if (!IsLink(kind) && lower) return nt::kAccessDenied;

  if (IsLink(kind) && directory) {
    s = MissingStatus(vl, scratch, *target.path);
    return s == nt::kObjectPathNotFound ? s : nt::kFileIsADirectory;
  }

  WView real;
  bool hide = false;
  if (IsMerged(target.found)) {
    s = PrepareTarget(vl, scratch, request, target, *source, &real, &hide);
    if (!nt::Ok(s)) return s;
  } else {
    real = HostName(scratch, *target.path);
  }
  if (IsLink(kind)) {
    s = lower ? LinkLower(vl, scratch, request, *source, real, io)
              : Original(scratch, request, handle, nullptr, real, io);
  } else {
    const bool may = vl.is_wine || (GrantedAccess(handle) & nt::kDelete);
    if (directory && may && IsMerged(source_found) && !view::HasPrefix(*target.path, source->text)) {
      s = PrepareTree(vl, scratch, *source, target);
      if (!nt::Ok(s)) return s;
      // It must not mix with anything that a lower layer might get at its new place.
      hide = IsMerged(target.found);
    }
    s = Original(scratch, request, handle, nullptr, real, io);
    if (nt::Ok(s)) Moved(handle, *target.path);
  }
  if (nt::Ok(s) && hide) Mark(vl, *target.path, VmIndex::kUpper | VmIndex::kWhiteout);
  return s;
}

}  // namespace

nt::NtStatus PLUME_NTAPI HookNtSetInformationFile(nt::Handle handle, nt::IoStatusBlock* io, void* buffer,
                                                  nt::Ulong length, nt::FileInformationClass kind) {
  const VlState& vl = Enter();
  switch (kind) {
    case nt::kFileRenameInformation:
    case nt::kFileRenameInformationEx:
    case nt::kFileLinkInformation:
    case nt::kFileLinkInformationEx:
      return RenameOrLink(vl, handle, io, buffer, length, kind);
    case nt::kFileRenameInformationBypassAccessCheck:
    case nt::kFileLinkInformationBypassAccessCheck:
    case nt::kFileRenameInformationExBypassAccessCheck:
    case nt::kFileLinkInformationExBypassAccessCheck:
      return nt::kInvalidInfoClass;  // the kernel's own
    case nt::kFileDispositionInformation:
    case nt::kFileDispositionInformationEx:
      return SetDisposition(vl, handle, io, buffer, length, kind);
    case nt::kFileBasicInformation: {
      // Needs access that would have copied the file up at its open. Wine does not look, and its own Win32
      // calls open without that access: there the copy is made now, and changed. (What concerns a file's
      // length, Wine checks.)
      CallScratch scratch;
      if (Tracing()) TellHandle(vl, scratch, handle);
      if (!IsLowerHandle(vl, scratch, handle)) break;
      if (!vl.is_wine) return nt::kAccessDenied;
      const VPath* path = PathOfHandle(vl, scratch, handle, nullptr);
      nt::Handle copy;
      nt::NtStatus s = path ? OpenCopy(vl, scratch, *path, handle, &copy) : nt::kNoMemory;
      if (!nt::Ok(s)) return s;
      s = orig.NtSetInformationFile(copy, io, buffer, length, kind);
      orig.NtClose(copy);
      return s;
    }
    default:
      break;
  }
  return orig.NtSetInformationFile(handle, io, buffer, length, kind);
}

}  // namespace plume::vl
