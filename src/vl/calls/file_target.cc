// Names: from what a caller gave to a canonical virtual path and what the layers say about it, and back.
#include <cstring>

#include "view/short_name.h"
#include "vl/calls/file_resolve.h"
#include "vl/calls/file_space.h"
#include "vl/calls/object_file.h"
#include "vl/calls/object_names.h"

namespace plume::vl {
namespace {

using view::NameKind;
using view::VPath;
using view::WView;

bool MayBeShortName(WView component) {
  if (component.size() > 12) return false;
  for (char16_t c : component) {
    if (c == u'~') return true;
  }
  return false;
}

uint32_t ImageChildByShortName(const VlState& vl, const catalog::Reader& reader, uint32_t directory,
                               WView name) {
  const uint32_t entry = reader.ChildByShortName(directory, name);
  if (entry != catalog::kNone || !vl.is_wine) return entry;
  // Wine makes short names from long ones alone: the same as the file will have once it is on disk.
  const catalog::Entry& e = reader.entry(directory);
  for (uint32_t i = 0; i < e.child_count(); ++i) {
    const WView long_name = reader.name(reader.entry(e.first_child() + i));
    if (view::EqualFolded(view::WineShortName(long_name).View(), name)) return e.first_child() + i;
  }
  return catalog::kNone;
}

// The long name of the child `name` of `directory` if `name` is its short name: into `long_name` (256 units),
// its length. 0: not a short name, or also somebody's long name. `gone` becomes true if it is the short name
// of a host file that is deleted here: the name is free, but the host must not be asked for it.
size_t LongNameOf(const VlState& vl, CallScratch& scratch, const VPath& directory, WView name,
                  char16_t* long_name, bool* gone) {
  const view::Lookup found = view::LookUp(vl.space, directory, false);
  const view::ChildFilter filter(vl.space, directory, false, found);
  size_t candidate = 0;
  // True when the search is over. The topmost layer decides; a long name beats every short one.
  auto consider = [&](size_t length, char16_t* text, bool shown) {
    if (length == 0 || !shown) return false;
    if (view::EqualFolded(WView(text, length), name)) {
      candidate = 0;
      return true;
    }
    if (candidate == 0) {
      std::memcpy(long_name, text, length * sizeof(char16_t));
      candidate = length;
    }
    return false;
  };
  char16_t* text = scratch.Units(256);
  if (!text) return 0;
  if (UpperMayHaveChildren(vl, directory, found)) {
    const WView upper = UpperName(vl, scratch, directory);
    const size_t length = FindByAnyName(scratch, upper, name, text);
    if (consider(length, text, length && filter.ShowsUpper(WView(text, length)))) return 0;
  }
  view::Contributor layer;
  while (view::NextContributor(vl.space, directory, false, found, &layer)) {
    const catalog::Reader& reader = vl.space.catalogs[vl.space.mounts[layer.mount].layer];
    if (reader.Child(layer.entry, name) != catalog::kNone && filter.ShowsImage(name)) return 0;
    const uint32_t entry = ImageChildByShortName(vl, reader, layer.entry, name);
    if (entry == catalog::kNone) continue;
    const WView is = reader.name(reader.entry(entry));
    std::memcpy(text, is.data(), is.size() * sizeof(char16_t));
    if (consider(is.size(), text, filter.ShowsImage(is))) return 0;
  }
  if (found.lower_hidden) return candidate;
  // Not filtered by policy: what it hides is hidden by its long name.
  const size_t length = FindByAnyName(scratch, HostName(scratch, directory), name, text);
  const view::VmIndex::Record* record = length ? vl.index.FindChild(directory, WView(text, length)) : nullptr;
  if (record && (record->flags.load(std::memory_order_acquire) & view::VmIndex::kWhiteout)) {
    if (candidate == 0) *gone = true;
    return candidate;
  }
  return consider(length, text, true) ? 0 : candidate;
}

// Replaces short names by long ones. Only paths with a "~" in a component of at most 12 units pay for it.
// `gone` becomes the first component (counted from 1) that is the short name of a deleted host file.
VPath* ExpandShortNames(const VlState& vl, CallScratch& scratch, VPath* path, int* gone) {
  bool any = false;
  for (int i = 1; i <= path->depth; ++i) {
    any |= MayBeShortName(view::Sub(path->text, path->end[i - 1] + 1u, path->end[i] - path->end[i - 1] - 1u));
  }
  if (!any) return path;
  VPath* done = PrefixPath(scratch, *path, 0);
  char16_t* long_name = scratch.Units(256);
  if (!done || !long_name) return nullptr;
  for (int i = 1; i <= path->depth; ++i) {
    WView component = view::Sub(path->text, path->end[i - 1] + 1u, path->end[i] - path->end[i - 1] - 1u);
    if (MayBeShortName(component)) {
      // In every mode: the policy of a name must not depend on how it is written.
      bool deleted = false;
      const size_t length = LongNameOf(vl, scratch, *done, component, long_name, &deleted);
      if (length) component = WView(long_name, length);
      if (deleted && *gone == 0) *gone = i;
    }
    VPath* next = ChildPath(scratch, *done, component);
    if (!next) return nullptr;
    done = next;
  }
  done->trailing_backslash = path->trailing_backslash;
  return done;
}

nt::NtStatus Finish(const VlState& vl, CallScratch& scratch, VPath* path, FileTarget* out) {
  int gone = 0;
  out->path = ExpandShortNames(vl, scratch, path, &gone);
  if (!out->path) return nt::kNoMemory;
  out->found = view::LookUp(vl.space, *out->path, false);
  if (Tracing()) TellPath(vl, *out->path, out->found);
  if (gone && (out->found.mode == view::Mode::kMerge || out->found.mode == view::Mode::kPrivate)) {
    // Below a folder that is gone there is nothing, nor can anything be made there.
    if (gone < out->path->depth) return nt::kObjectPathNotFound;
    out->found.lower_hidden = true;
    out->found.mount = -1;
    out->found.host_visible = out->found.blocked = out->found.virtual_directory = false;
  }
  return nt::kSuccess;
}

// "\Device\HarddiskVolume1\x" and "\??\C:\x" are parsed; "C:\x" is canonical already.
NameKind ParseAnyForm(const VlState& vl, WView name, std::span<char16_t> storage, VPath* out) {
  if (name.size() >= 2 && name[1] == u':') {
    if (name.size() == 3 && name[2] == u'\\') name = view::Sub(name, 0, 2);
    return view::ParseCanonical(name, storage, out);
  }
  return view::ParseFileName(name, vl.names, storage, out);
}

VPath* ParseReal(const VlState& vl, CallScratch& scratch, WView real) {
  auto* path = scratch.New<VPath>();
  const size_t room = real.size() + vl.names.system_root.size() + 8;
  char16_t* storage = scratch.Units(room);
  if (!path || !storage) return nullptr;
  return ParseAnyForm(vl, real, {storage, room}, path) == NameKind::kDrivePath ? path : nullptr;
}

// If `path` lies at or below the NT path `root`: what follows `root` ("" or "\x\y").
bool Below(const VPath& path, WView root, WView* rest) {
  if (root.size() < 4) return false;
  root = view::Sub(root, 4, root.size() - 4);  // without "\??\"
  if (!view::HasPrefix(path, root)) return false;
  *rest = view::Sub(path.text, root.size(), path.text.size() - root.size());
  return true;
}

// The virtual text of a real path, or an empty view.
WView MapBack(const VlState& vl, CallScratch& scratch, const VPath& real) {
  WView rest;
  if (Below(real, vl.upper, &rest)) {
    // "\C\Program Files" -> "C:\Program Files"
    if (rest.size() < 2 || (rest.size() > 2 && rest[2] != u'\\')) return WView();
    char16_t drive[2] = {rest[1], u':'};
    return Concat(scratch, WView(drive, 2), view::Sub(rest, 2, rest.size() - 2));
  }
  for (size_t i = 0; i < vl.mount_real.size(); ++i) {
    if (vl.space.mounts[i].registry || !Below(real, vl.mount_real[i], &rest)) continue;
    return Concat(scratch, vl.space.mounts[i].prefix, rest);
  }
  return WView();
}

}  // namespace

VPath* PrefixPath(CallScratch& scratch, const VPath& path, int components) {
  auto* out = static_cast<VPath*>(scratch.Alloc(sizeof(VPath), alignof(VPath)));
  if (!out) return nullptr;
  out->text = path.Prefix(components);
  out->depth = static_cast<uint16_t>(components);
  out->trailing_backslash = false;
  std::memcpy(out->end, path.end, (components + 1) * sizeof(path.end[0]));
  std::memcpy(out->hash, path.hash, (components + 1) * sizeof(path.hash[0]));
  return out;
}

VPath* ChildPath(CallScratch& scratch, const VPath& directory, WView name) {
  const size_t size = directory.text.size() + 1 + name.size();
  if (size > view::kMaxPathUnits || directory.depth >= view::kMaxDepth) return nullptr;
  VPath* out = PrefixPath(scratch, directory, directory.depth);
  char16_t* text = scratch.Units(size + 1);
  if (!out || !text) return nullptr;
  std::memcpy(text, directory.text.data(), directory.text.size() * sizeof(char16_t));
  text[directory.text.size()] = u'\\';
  std::memcpy(text + directory.text.size() + 1, name.data(), name.size() * sizeof(char16_t));
  text[size] = 0;
  out->text = WView(text, size);
  ++out->depth;
  out->end[out->depth] = static_cast<uint16_t>(size);
  out->hash[out->depth] = view::HashAppend(out->hash[out->depth - 1], name);
  return out;
}

VPath* PathOfHandle(const VlState& vl, CallScratch& scratch, nt::Handle handle, bool* of_host) {
  if (of_host) *of_host = false;
  auto* path = scratch.New<VPath>();
  if (!path) return nullptr;
  if (HandleRef known = Handles().Find(handle); known && known->kind != HandleKind::kUpperFile) {
    if (known->kind == HandleKind::kKey || known->kind == HandleKind::kObjectDirectory ||
        known->kind == HandleKind::kPipeDevice)
      return nullptr;
    const WView text = known->Path();
    char16_t* storage = scratch.Units(text.size() + 8);
    if (!storage || view::ParseCanonical(text, {storage, text.size() + 8}, path) != NameKind::kDrivePath)
      return nullptr;
    if (of_host) *of_host = known->source == Source::kHost;
    return path;
  }
  const WView real = QueryRealName(scratch, handle);
  if (real.empty()) return nullptr;
  VPath* at = ParseReal(vl, scratch, real);
  if (!at) return nullptr;
  const WView mapped = MapBack(vl, scratch, *at);
  if (mapped.empty()) {
    if (of_host) *of_host = true;
    return at;
  }
  char16_t* storage = scratch.Units(mapped.size() + 8);
  if (!storage || view::ParseCanonical(mapped, {storage, mapped.size() + 8}, path) != NameKind::kDrivePath)
    return nullptr;
  return path;
}

namespace {

// A name relative to something that is no file: a device, or a directory of objects, from which a whole path
// may follow.
nt::NtStatus ParseBelowObject(const VlState& vl, CallScratch& scratch, nt::Handle root, WView name,
                              FileTarget* out) {
  out->kind = NameKind::kDevice;
  const WView above = QueryRealName(scratch, root);
  if (above.empty() || above[0] != u'\\' || name.empty() || name[0] == u'\\') return nt::kSuccess;
  const WView whole = Concat(scratch, above, above.size() > 1 ? WView(u"\\", 1) : WView(), name);
  const size_t room = whole.size() + vl.names.system_root.size() + 8;
  char16_t* storage = scratch.Units(room);
  auto* path = scratch.New<VPath>();
  if (!whole.data() || !storage || !path) return nt::kNoMemory;
  const NameKind kind = ParseAbsoluteName(vl, scratch, whole, {storage, room}, path);
  if (kind == NameKind::kVolume) out->kind = kind;
  if (kind != NameKind::kDrivePath) return nt::kSuccess;
  out->kind = kind;
  return Finish(vl, scratch, path, out);
}

}  // namespace

nt::NtStatus ParseTargetName(const VlState& vl, CallScratch& scratch, nt::Handle root, WView name,
                             FileTarget* out) {
  auto* path = static_cast<VPath*>(scratch.Alloc(sizeof(VPath), alignof(VPath)));
  if (!path) return nt::kNoMemory;
  if (root) {
    const VPath* base = PathOfHandle(vl, scratch, root, nullptr);
    if (!base) return ParseBelowObject(vl, scratch, root, name, out);
    const size_t room = base->text.size() + name.size() + 8;
    char16_t* storage = scratch.Units(room);
    if (!storage) return nt::kNoMemory;
    if (!name.empty() && name[0] == u'\\') return vl.is_wine ? nt::kInvalidParameter : nt::kObjectNameInvalid;
    out->kind = view::ParseRelative(*base, name, {storage, room}, path);
  } else {
    if (name.empty() || name[0] != u'\\') return nt::kObjectPathSyntaxBad;
    const size_t room = name.size() + vl.names.system_root.size() + 8;
    char16_t* storage = scratch.Units(room);
    if (!storage) return nt::kNoMemory;
    out->kind = ParseAbsoluteName(vl, scratch, name, {storage, room}, path);
  }
  if (const nt::NtStatus s = Refusal(vl, out->kind); !nt::Ok(s)) return s;
  return out->kind == NameKind::kDrivePath ? Finish(vl, scratch, path, out) : nt::kSuccess;
}

namespace {

nt::NtStatus OpenById(FileTarget& target, nt::Handle root, nt::Ulong options, nt::Handle* handle) {
  constexpr nt::Ulong kKept = nt::kOpenByFileId | nt::kOpenReparsePoint;
  nt::ObjectAttributes object = target.captured.own;
  object.root_directory = root;
  nt::IoStatusBlock io;
  return orig.NtOpenFile(handle, nt::kFileReadAttributes | nt::kSynchronize, &object, &io, nt::kShareAll,
                         (options & kKept) | nt::kSynchronousNonAlert | nt::kOpenForBackupIntent);
}

// The same below the directory that another layer has under this name. kObjectNameNotFound if it has none.
nt::NtStatus OpenByIdBelow(FileTarget& target, WView directory, nt::Ulong options, nt::Handle* handle) {
  if (!directory.data()) return nt::kNoMemory;
  OwnAttributes object(directory);
  nt::Handle root;
  nt::IoStatusBlock io;
  if (!nt::Ok(orig.NtOpenFile(&root, nt::kFileListDirectory | nt::kSynchronize, &object.attributes, &io,
                              nt::kShareAll,
                              nt::kDirectoryFile | nt::kSynchronousNonAlert | nt::kOpenForBackupIntent))) {
    return nt::kObjectNameNotFound;
  }
  const nt::NtStatus s = OpenById(target, root, options, handle);
  orig.NtClose(root);
  return s;
}

// Wine looks for an id below the directory that is given, not on its volume: so in that of each layer.
nt::NtStatus OpenByIdInLayers(const VlState& vl, CallScratch& scratch, FileTarget& target, nt::Ulong options,
                              nt::Handle* handle) {
  const VPath* path = PathOfHandle(vl, scratch, target.captured.root, nullptr);
  if (!path) return nt::kObjectNameNotFound;
  const view::Lookup found = view::LookUp(vl.space, *path, false);
  nt::NtStatus s = nt::kObjectNameNotFound;
  if (found.mode != view::Mode::kMerge && found.mode != view::Mode::kPrivate) return s;
  if (UpperMayHaveChildren(vl, *path, found)) {
    s = OpenByIdBelow(target, UpperName(vl, scratch, *path), options, handle);
  }
  view::Contributor layer;
  while (IsMissing(s) && view::NextContributor(vl.space, *path, false, found, &layer)) {
    s = OpenByIdBelow(target, ImageName(vl, scratch, layer.mount, layer.entry, false), options, handle);
  }
  if (IsMissing(s) && view::ChildFilter(vl.space, *path, false, found).NeedsHost()) {
    s = OpenByIdBelow(target, HostName(scratch, *path), options, handle);
  }
  return s;
}

// An id is one of a real file, of whatever layer: what it means here is what has that file's name here.
nt::NtStatus ParseById(const VlState& vl, CallScratch& scratch, nt::Ulong options, FileTarget* out) {
  nt::Handle handle;
  nt::NtStatus s = OpenById(*out, out->captured.own.root_directory, options, &handle);
  if (vl.is_wine && IsMissing(s) && out->captured.root) {
    s = OpenByIdInLayers(vl, scratch, *out, options, &handle);
  }
  if (!nt::Ok(s)) return s;
  const WView real = QueryRealName(scratch, handle);
  orig.NtClose(handle);
  const VPath* path = real.empty() ? nullptr : ParseReal(vl, scratch, real);
  if (!path) return nt::kInvalidParameter;
  const WView mapped = MapBack(vl, scratch, *path);
  const WView name = Concat(scratch, WView(u"\\??\\", 4), mapped.empty() ? path->text : mapped,
                            path->depth == 0 ? WView(u"\\", 1) : WView());
  return name.data() ? ParseTargetName(vl, scratch, nullptr, name, out) : nt::kNoMemory;
}

}  // namespace

nt::NtStatus ParseTarget(const VlState& vl, CallScratch& scratch, const nt::ObjectAttributes* user,
                         nt::Ulong options, FileTarget* out) {
  if (const nt::NtStatus s = CaptureAttributes(scratch, user, &out->captured); !nt::Ok(s)) return s;
  if (TraceNote* note = TraceNow()) note->Name(trace::Space::kFile, out->captured.name);
  if (options & nt::kOpenByFileId) return ParseById(vl, scratch, options, out);
  if (!out->captured.has_name && !out->captured.root) {
    out->kind = NameKind::kDevice;  // the original refuses it
    return nt::kSuccess;
  }
  const nt::NtStatus s = ParseTargetName(vl, scratch, out->captured.root, out->captured.name, out);
  return nt::Ok(s) && !out->IsVirtualized() ? RenameFileName(vl, scratch, &out->captured) : s;
}

bool FileNameToVirtual(const VlState& vl, CallScratch& scratch, WView real, WView* virtual_path) {
  const VPath* path = ParseReal(vl, scratch, real);
  if (!path) return false;
  *virtual_path = MapBack(vl, scratch, *path);
  // A drive's root is shown with its backslash.
  if (virtual_path->size() == 2) *virtual_path = Concat(scratch, *virtual_path, WView(u"\\", 1));
  return !virtual_path->empty();
}

bool FileHandleToVirtual(const VlState& vl, CallScratch& scratch, nt::Handle handle, WView* virtual_path) {
  const WView real = QueryRealName(scratch, handle);
  return !real.empty() && FileNameToVirtual(vl, scratch, real, virtual_path);
}

}  // namespace plume::vl
