// NtCreateFile and NtOpenFile.
#include "vl/calls/device_open.h"
#include "vl/calls/file_set.h"
#include "vl/calls/file_space.h"
#include "vl/calls/object_file.h"
#include "vl/low/agent_client.h"

namespace plume::vl {
namespace {

using view::Mode;
using view::VPath;
using view::WView;

constexpr bool Creates(nt::Ulong disposition) {
  return disposition == nt::kCreate || disposition == nt::kOpenIf || disposition == nt::kOverwriteIf ||
         disposition == nt::kSupersede;
}
constexpr bool DropsContents(nt::Ulong disposition) {
  return disposition == nt::kSupersede || disposition == nt::kOverwrite || disposition == nt::kOverwriteIf;
}
constexpr bool MayDelete(const OpenArguments& a) {
  return (a.access & (nt::kDelete | nt::kGenericAll | nt::kMaximumAllowed)) ||
         (a.options & nt::kDeleteOnClose);
}

// One open: the arguments, where the result goes, and what is known of the target.
struct Open {
  const VlState& vl;
  CallScratch& scratch;
  FileTarget& target;
  OpenArguments arguments;
  nt::Handle* handle;
  nt::IoStatusBlock* io;

  const VPath& path() const { return *target.path; }
  const view::Lookup& found() const { return target.found; }
};

nt::NtStatus Original(Open& open, WView name) {
  if (!name.data()) return nt::kNoMemory;
  const OpenArguments& a = open.arguments;
  open.target.captured.SetName(name);
  return orig.NtCreateFile(open.handle, a.access, &open.target.captured.own, open.io, a.allocation_size,
                           a.attributes, a.share, a.disposition, a.options, a.ea, a.ea_length);
}

// Enters a successful open into the side table where it will be asked for: handles of lower files, whose
// changes must be stopped, and directories, for their listings and relative names. Others are mapped back by
// their real name.
nt::NtStatus Remember(const Open& open, nt::NtStatus s, Place place) {
  if (Tracing()) TellPlace(open.vl, open.scratch, open.path(), open.found(), place);
  if (!nt::Ok(s)) return s;
  const bool directory = (open.arguments.options & nt::kNonDirectoryFile) == 0;
  if (place == Place::kUpper && !directory) {
    // So that changes through it need not be asked about (IsLowerHandle).
    if (IsWriteLike(open.arguments.access, nt::kOpen, 0)) {
      HandleInfo* known = NewHandleInfo(HandleKind::kUpperFile);
      if (known) known->source = Source::kUpper;
      Handles().Insert(*open.handle, known);
    }
    return s;
  }
  HandleInfo* info = NewHandleInfo(directory ? HandleKind::kDirectory : HandleKind::kFile, open.path());
  if (!info) return s;
  info->source = SourceOf(place);
  if (place == Place::kImage) {
    info->mount = open.found().mount;
    info->entry = open.found().entry;
  }
  info->access = open.arguments.access;
  info->options = open.arguments.options;
  Handles().Insert(*open.handle, info);
  return s;
}

nt::NtStatus FromUpper(Open& open) {
  return Remember(open, Original(open, UpperName(open.vl, open.scratch, open.path())), Place::kUpper);
}

nt::NtStatus FromImage(Open& open) {
  const auto original = [&open] {
    const OpenArguments& a = open.arguments;
    return OpenImage(open.vl, open.scratch, open.found().mount, open.found().entry,
                     open.path().trailing_backslash, &open.target.captured, open.handle, a.access, open.io,
                     a.share, a.options);
  };
  nt::NtStatus s = original();
  if (s == nt::kSharingViolation) {
    const CopyTurn turn(open.path());
    s = original();
  }
  return Remember(open, s, Place::kImage);
}

nt::NtStatus FromHost(Open& open) {
  nt::NtStatus s = Original(open, HostName(open.scratch, open.path()));
  if (s == nt::kSharingViolation && open.found().mode != Mode::kHost) {
    const CopyTurn turn(open.path());
    s = Original(open, HostName(open.scratch, open.path()));
  }
  return Remember(open, s, Place::kHost);
}

// A directory that is there only because something is mounted below it gets a real one in the upper layer.
nt::NtStatus FromMountOnly(Open& open) {
  const nt::NtStatus s = EnsureUpperDirectory(open.vl, open.scratch, open.path(), open.path().depth);
  return nt::Ok(s) ? FromUpper(open) : s;
}

nt::NtStatus OfHost(const Open& open, nt::NtStatus known) {
  return open.found().host_visible ? known : nt::kSuccess;
}

nt::NtStatus Missing(const Open& open, nt::NtStatus known) {
  // "The name is not in its directory" stays true whatever other layers have; "no such path" needs a closer
  // look.
  return known == nt::kObjectNameNotFound && open.found().host_visible
             ? known
             : MissingStatus(open.vl, open.scratch, open.path(), OfHost(open, known));
}

// Creates in the upper layer. No lower layer has the name, so a new directory hides what they might get
// later; then nothing below it ever needs to be looked up there, as in a directory that an installer fills.
nt::NtStatus CreateInUpper(Open& open) {
  nt::NtStatus s = Mark(open.vl, open.path(), view::VmIndex::kUpper);
  if (!nt::Ok(s)) return s;
  s = FromUpper(open);
  if (nt::Ok(s) && (open.arguments.options & nt::kDirectoryFile) &&
      open.io->information == nt::kInfoCreated) {
    Mark(open.vl, open.path(), view::VmIndex::kUpper | view::VmIndex::kWhiteout);
  }
  return s;
}

// Only the upper layer can have the name: nothing is of an image or the machine, nor mounted below it.
bool IsUpperOnly(const view::Lookup& found) {
  return found.upper_possible && found.mount < 0 && !found.host_visible && !found.virtual_directory &&
         !found.blocked;
}
bool IsHostOnly(const view::Lookup& found) {
  return found.host_visible && found.mount < 0 && !found.upper_possible && !found.virtual_directory;
}

// A new name. The upper layer decides everything that concerns the file itself.
nt::NtStatus CreateNew(Open& open) {
  if (open.path().depth == 0) return nt::kObjectPathNotFound;
  nt::NtStatus s;
  if (open.vl.index.Flags(open.path(), open.path().depth - 1) & view::VmIndex::kUpper) {
    // The directory is in the upper layer already, most likely; then it is visible.
    s = CreateInUpper(open);
    if (s != nt::kObjectPathNotFound) return s;
  }
  s = MissingStatus(open.vl, open.scratch, open.path());
  if (s != nt::kObjectNameNotFound) return s;
  s = EnsureUpperDirectory(open.vl, open.scratch, open.path(), open.path().depth - 1);
  return nt::Ok(s) ? CreateInUpper(open) : s;
}

// Is this directory opened to be watched (file_notify.cc)?
bool IsForWatching(const VlState& vl, const OpenArguments& a) {
  constexpr nt::Ulong kSynchronousModes = nt::kSynchronousNonAlert | nt::kSynchronousAlert;
  // The way Wine's FindFirstChangeNotification opens, whose caller waits for the handle itself.
  if (vl.is_wine && a.access == (nt::kFileListDirectory | nt::kSynchronize) &&
      a.options == (nt::kDirectoryFile | nt::kSynchronousNonAlert)) {
    return true;
  }
  return (a.access & (nt::kFileListDirectory | nt::kGenericRead)) && (a.options & nt::kOpenForBackupIntent) &&
         !(a.options & (kSynchronousModes | nt::kNonDirectoryFile));
}

// A directory to be watched is opened in the upper layer. kObjectNameNotFound: it is something else, or not
// there.
nt::NtStatus OpenForWatching(Open& open) {
  Located at;
  nt::NtStatus s = Locate(open.vl, open.scratch, open.path(), open.found(), &at);
  if (!nt::Ok(s)) return s;
  if (at.place == Place::kNone || !at.directory()) return nt::kObjectNameNotFound;
  s = EnsureUpperDirectory(open.vl, open.scratch, open.path(), open.path().depth);
  return nt::Ok(s) ? FromUpper(open) : s;
}

// An existing name, read only.
nt::NtStatus OpenForReading(Open& open) {
  open.arguments.disposition = nt::kOpen;
  nt::NtStatus s = nt::kObjectPathNotFound;
  if (IsForWatching(open.vl, open.arguments)) {
    s = OpenForWatching(open);
    if (!IsMissing(s)) return s;
  }
  if (open.path().trailing_backslash) {
    // Where one layer alone can have it, a success there is the answer.
    if (IsUpperOnly(open.found()) || IsHostOnly(open.found())) {
      s = IsUpperOnly(open.found()) ? FromUpper(open) : FromHost(open);
      if (nt::Ok(s) || s == nt::kSharingViolation) return s;
    }
    // A refusal of the backslash must not look like a missing name.
    Located at;
    s = Locate(open.vl, open.scratch, open.path(), open.found(), &at);
    if (!nt::Ok(s)) return s;
    switch (at.place) {
      case Place::kUpper:
        return FromUpper(open);
      case Place::kImage:
        return FromImage(open);
      case Place::kHost:
        return FromHost(open);
      case Place::kMountOnly:
        return FromMountOnly(open);
      case Place::kNone:
        return Missing(open, at.status);
    }
  }
  if (open.found().upper_possible) {
    s = FromUpper(open);
    if (!IsMissing(s)) return s;
  }
  if (open.found().mount >= 0) return FromImage(open);
  s = nt::kObjectPathNotFound;
  if (open.found().host_visible) {
    s = FromHost(open);
    if (!IsMissing(s)) return s;
  }
  if (open.found().virtual_directory) return FromMountOnly(open);
  if (open.path().depth == 0 && open.found().mode == Mode::kPrivate) return FromMountOnly(open);
  return Missing(open, s);
}

// The refusals that do not depend on the file, for the cases in which no original is asked. Wine looks at
// some of them only after it has seen whether the file exists.
bool IsInvalid(const VlState& vl, const OpenArguments& a) {
  if (a.disposition > nt::kOverwriteIf) return true;
  if (vl.is_wine && a.disposition == nt::kCreate) return false;
  if ((a.options & nt::kDirectoryFile) && DropsContents(a.disposition)) return true;
  const nt::AccessMask maximum = vl.is_wine ? 0 : nt::kMaximumAllowed;  // Wine takes this literally
  return (a.options & nt::kDeleteOnClose) && !(a.access & (nt::kDelete | nt::kGenericAll | maximum));
}

// Would the system let this caller open the lower file like this? Its access rights, its sharing with those
// who have it open, and what it is, are asked by opening it; nothing is changed by that.
nt::NtStatus ProbeLower(Open& open, const Located& lower) {
  OpenArguments a = open.arguments;
  a.options &= ~nt::kDeleteOnClose;
  if (DropsContents(a.disposition))
    a.access |= a.disposition == nt::kSupersede ? nt::kDelete : nt::kFileWriteData;
  nt::Handle handle = nullptr;
  nt::IoStatusBlock io;
  nt::NtStatus s;
  if (lower.place == Place::kImage) {
    const WView name = ImageName(open.vl, open.scratch, open.found().mount, open.found().entry,
                                 open.path().trailing_backslash);
    if (!name.data()) return nt::kNoMemory;
    OwnAttributes object(name);
    s = orig.NtOpenFile(&handle, a.access, &object.attributes, &io, a.share, a.options);
    if (IsMissing(s)) {
      // Not here yet, so nobody has it open. It is fetched only if its contents are needed.
      if ((a.options & nt::kDirectoryFile) && !lower.directory()) return nt::kNotADirectory;
      if ((a.options & nt::kNonDirectoryFile) && lower.directory()) return nt::kFileIsADirectory;
      constexpr nt::AccessMask kData =
          nt::kGenericWrite | nt::kGenericAll | nt::kFileWriteData | nt::kFileAppendData;
      const bool read_only = !lower.directory() && (lower.info.file_attributes & nt::kAttrReadOnly);
      return read_only && (a.access & kData) ? nt::kAccessDenied : nt::kSuccess;
    }
  } else {
    OwnAttributes object(HostName(open.scratch, open.path()));
    s = orig.NtOpenFile(&handle, a.access, &object.attributes, &io, a.share, a.options);
  }
  if (nt::Ok(s)) orig.NtClose(handle);
  return s;
}

// Before an open of the upper file with DELETE access: lower namesakes are hidden first, so that whatever the
// real file system then does is the truth.
nt::NtStatus HideBeforeDelete(Open& open, const Located& at) {
  if (at.directory()) {
    // A directory's children must stay visible until it is really removed.
    if (!(open.arguments.options & nt::kDeleteOnClose)) return nt::kSuccess;
    if (IsInvalid(open.vl, open.arguments)) return nt::kSuccess;  // the system will refuse this
    const nt::NtStatus s = PrepareDirectoryRemoval(open.vl, open.path(), open.found());
    if (s != nt::kDirectoryNotEmpty) return s;
    // The system refuses a read-only one at once; another one it would find not empty at the close, and keep.
    if (at.info.file_attributes & nt::kAttrReadOnly) return nt::kCannotDelete;
    open.arguments.options &= ~nt::kDeleteOnClose;
    return nt::kSuccess;
  }
  if (open.found().lower_hidden) return nt::kSuccess;
  return Mark(open.vl, open.path(), view::VmIndex::kUpper | view::VmIndex::kWhiteout);
}

// Takes an empty copy back that was made for an open which the system then refused.
void TakeBack(const Open& open) {
  OwnAttributes object(UpperName(open.vl, open.scratch, open.path()));
  nt::Handle handle;
  nt::IoStatusBlock io;
  const nt::Ulong options = nt::kSynchronousNonAlert | nt::kNonDirectoryFile | nt::kDeleteOnClose;
  if (nt::Ok(orig.NtOpenFile(&handle, nt::kDelete | nt::kSynchronize, &object.attributes, &io, 0, options))) {
    orig.NtClose(handle);
  }
}

// A file of an image that is not here yet and is opened to be removed, and nothing else, is not fetched for
// that.
bool IsOnlyRemoved(const Open& open, const Located& lower) {
  constexpr nt::AccessMask kOther =
      nt::kDelete | nt::kSynchronize | nt::kReadControl | nt::kFileReadAttributes;
  if (lower.directory() || !(open.arguments.options & nt::kDeleteOnClose) ||
      (open.arguments.access & ~kOther))
    return false;
  if (lower.info.file_attributes & nt::kAttrReadOnly) return false;  // will be refused
  const WView name = ImageName(open.vl, open.scratch, open.found().mount, open.found().entry, false);
  if (!name.data()) return false;
  OwnAttributes object(name);
  nt::FileBasicInformation basic;
  return IsMissing(orig.NtQueryAttributesFile(&object.attributes, &basic));
}

nt::NtStatus OpenLowerForChange(Open& open, const Located& lower) {
  if (IsInvalid(open.vl, open.arguments)) return nt::kInvalidParameter;
  if (open.arguments.disposition == nt::kCreate) return nt::kObjectNameCollision;
  if (lower.place == Place::kMountOnly) return FromMountOnly(open);
  const CopyTurn turn(open.path());
  nt::NtStatus s = ProbeLower(open, lower);
  if (!nt::Ok(s)) return s;
  // Contents that are overwritten need not be copied. (Without write access some systems do not overwrite;
  // and a copy that is hidden behind cannot be taken back.)
  constexpr nt::AccessMask kWritesData = nt::kFileWriteData | nt::kGenericWrite | nt::kGenericAll;
  const bool empty = DropsContents(open.arguments.disposition) && (open.arguments.access & kWritesData) &&
                     !lower.directory() && !MayDelete(open.arguments);
  CopyContents contents = empty ? CopyContents::kNone : CopyContents::kAll;
  if (lower.place == Place::kImage && IsOnlyRemoved(open, lower)) contents = CopyContents::kNone;
  bool made = false;
  s = CopyUp(open.vl, open.scratch, open.path(), open.found(), lower, contents, &made);
  if (!nt::Ok(s)) return s;
  if (MayDelete(open.arguments)) {
    s = HideBeforeDelete(open, lower);
    if (!nt::Ok(s)) return s;
  }
  s = FromUpper(open);
  if (!nt::Ok(s) && empty && made) TakeBack(open);
  return s;
}

nt::NtStatus OpenForChange(Open& open) {
  nt::NtStatus s;
  if (IsUpperOnly(open.found()) && open.path().depth > 0 && !MayDelete(open.arguments) &&
      open.arguments.disposition <= nt::kOverwriteIf) {
    // The system's answer there is the answer; but what is missing needs a closer look.
    s = Creates(open.arguments.disposition) ? CreateInUpper(open) : FromUpper(open);
    if (!IsMissing(s)) return s;  // also a refusal: it may have made the file before
  }
  Located at;
  s = Locate(open.vl, open.scratch, open.path(), open.found(), &at);
  if (!nt::Ok(s)) return s;
  switch (at.place) {
    case Place::kUpper:
      if (MayDelete(open.arguments) && open.arguments.disposition != nt::kCreate) {
        s = HideBeforeDelete(open, at);
        if (!nt::Ok(s)) return s;
      }
      return FromUpper(open);
    case Place::kNone:
      if (Creates(open.arguments.disposition)) return CreateNew(open);
      s = Missing(open, at.status);
      return s == nt::kObjectNameNotFound && open.arguments.disposition > nt::kOverwriteIf
                 ? nt::kInvalidParameter
                 : s;
    default:
      break;
  }
  if (!IsWriteLike(open.arguments.access, open.arguments.disposition, open.arguments.options) &&
      open.arguments.disposition == nt::kOpenIf) {
    return OpenForReading(open);
  }
  return OpenLowerForChange(open, at);
}

// The kernel writes where the caller says before it does anything; a bad place must not leave a created file
// behind.
bool ProbeResults(nt::Handle* handle, nt::IoStatusBlock* io) {
  nt::Handle h;
  nt::IoStatusBlock block;
  return ReadUser(&h, handle) && WriteUser(handle, h) && ReadUser(&block, io) && WriteUser(io, block);
}

nt::NtStatus HookOpen(nt::Handle* handle, nt::ObjectAttributes* attributes, nt::IoStatusBlock* io,
                      const OpenArguments& arguments) {
  const VlState& vl = Enter();
  CallScratch scratch;
  FileTarget target;
  nt::NtStatus s = ParseTarget(vl, scratch, attributes, arguments.options, &target);
  if (!nt::Ok(s)) return s;
  if (TraceNote* note = TraceNow()) note->Detail(arguments.access);
  if (!target.IsVirtualized()) {
    s = CheckDevice(vl, scratch, target.kind, target.captured, arguments.access);
    if (!nt::Ok(s)) return s;
    const auto open = [&] {
      return orig.NtCreateFile(handle, arguments.access, &target.captured.own, io, arguments.allocation_size,
                               arguments.attributes, arguments.share, arguments.disposition,
                               arguments.options, arguments.ea, arguments.ea_length);
    };
    s = open();
    // A VM's own service manager runs from its first use on.
    if (s == nt::kObjectNameNotFound && target.captured.own.object_name &&
        IsServiceManager(vl, view::WView(target.captured.own.object_name->buffer,
                                         target.captured.own.object_name->length / 2)) &&
        nt::Ok(StartServices(vl))) {
      s = open();
    }
    return s;
  }
  if (!ProbeResults(handle, io)) return nt::kAccessViolation;
  nt::Handle opened = nullptr;
  nt::IoStatusBlock result{};
  OpenArguments as = arguments;
  as.options &= ~nt::kOpenByFileId;
  // Wine's way to open a file again looks at nothing but access, sharing and options.
  const bool again = vl.is_wine && !(arguments.options & nt::kOpenByFileId) && target.captured.root &&
                     target.captured.name.empty() && !IsDirectoryHandle(target.captured.root);
  if (again) as.disposition = nt::kOpen;
  s = OpenTarget(vl, scratch, target, as, &opened, &result);
  if (again && IsMissing(s)) s = nt::kNoSuchFile;
  if (!nt::Ok(s)) {
    if (vl.is_wine) {  // Wine clears the handle and tells the status twice
      WriteUser(handle, nt::Handle{nullptr});
      WriteUser(&io->status, s);
    }
    return s;
  }
  if (WriteUser(handle, opened) && WriteUser(io, result)) return s;
  Handles().Remove(opened);
  orig.NtClose(opened);
  return nt::kAccessViolation;
}

}  // namespace

bool IsWriteLike(nt::AccessMask access, nt::Ulong disposition, nt::Ulong options) {
  constexpr nt::AccessMask kWrites = nt::kGenericWrite | nt::kGenericAll | nt::kMaximumAllowed | nt::kDelete |
                                     nt::kWriteDac | nt::kWriteOwner | nt::kAccessSystemSecurity |
                                     nt::kFileWriteData | nt::kFileAppendData | nt::kFileWriteEa |
                                     nt::kFileWriteAttributes | nt::kFileDeleteChild;
  return (access & kWrites) || (options & nt::kDeleteOnClose) || DropsContents(disposition);
}

nt::NtStatus OpenTarget(const VlState& vl, CallScratch& scratch, FileTarget& target,
                        const OpenArguments& arguments, nt::Handle* handle, nt::IoStatusBlock* io) {
  Open open{vl, scratch, target, arguments, handle, io};
  switch (target.found.mode) {
    case Mode::kDeny:
      return nt::kAccessDenied;
    case Mode::kHost:
      return FromHost(open);
    case Mode::kMerge:
    case Mode::kPrivate:
      break;
  }
  if (arguments.disposition == nt::kOpen &&
      !IsWriteLike(arguments.access, arguments.disposition, arguments.options)) {
    return OpenForReading(open);
  }
  return OpenForChange(open);
}

nt::NtStatus PLUME_NTAPI HookNtCreateFile(nt::Handle* handle, nt::AccessMask access,
                                          nt::ObjectAttributes* attributes, nt::IoStatusBlock* io,
                                          nt::LargeInteger* allocation_size, nt::Ulong file_attributes,
                                          nt::Ulong share, nt::Ulong disposition, nt::Ulong options, void* ea,
                                          nt::Ulong ea_length) {
  return HookOpen(
      handle, attributes, io,
      OpenArguments{access, allocation_size, file_attributes, share, disposition, options, ea, ea_length});
}

nt::NtStatus PLUME_NTAPI HookNtOpenFile(nt::Handle* handle, nt::AccessMask access,
                                        nt::ObjectAttributes* attributes, nt::IoStatusBlock* io,
                                        nt::Ulong share, nt::Ulong options) {
  return HookOpen(handle, attributes, io,
                  OpenArguments{access, nullptr, 0, share, nt::kOpen, options, nullptr, 0});
}

}  // namespace plume::vl
