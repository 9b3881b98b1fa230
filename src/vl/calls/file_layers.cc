// The layers on disk: real names, existence, directories that must exist for real.
#include <cstring>

#include "view/base_stamp.h"
#include "vl/calls/file_space.h"
#include "vl/low/agent_client.h"
#include "vl/low/start.h"

namespace plume::vl {

using view::VPath;
using view::WView;

OwnAttributes::OwnAttributes(WView nt_name) {
  name.buffer = const_cast<char16_t*>(nt_name.data());
  name.length = static_cast<uint16_t>(nt_name.size() * 2);
  name.maximum_length = name.length;
  attributes = nt::ObjectAttributes{sizeof(nt::ObjectAttributes), nullptr, &name,
                                    nt::kObjCaseInsensitive,      nullptr, nullptr};
}

WView Concat(CallScratch& scratch, WView a, WView b, WView c) {
  const size_t size = a.size() + b.size() + c.size();
  char16_t* text = size <= view::kMaxPathUnits ? scratch.Units(size + 1) : nullptr;
  if (!text) return WView();
  std::memcpy(text, a.data(), a.size() * sizeof(char16_t));
  std::memcpy(text + a.size(), b.data(), b.size() * sizeof(char16_t));
  std::memcpy(text + a.size() + b.size(), c.data(), c.size() * sizeof(char16_t));
  text[size] = 0;
  return WView(text, size);
}

namespace {

// A drive's root needs its backslash: "\??\C:" would be the volume.
WView Tail(const VPath& path) {
  return path.trailing_backslash || path.depth == 0 ? WView(u"\\", 1) : WView();
}

}  // namespace

WView UpperName(const VlState& vl, CallScratch& scratch, const VPath& path) {
  // "\??\...\upper" "\C" "\Program Files"
  char16_t drive[2] = {u'\\', path.text[0]};
  const WView below = view::Sub(path.text, 2, path.text.size() - 2);
  const WView name = Concat(scratch, vl.upper, WView(drive, 2), below);
  return path.trailing_backslash && name.data() ? Concat(scratch, name, WView(u"\\", 1)) : name;
}

WView HostName(CallScratch& scratch, const VPath& path) {
  return Concat(scratch, WView(u"\\??\\", 4), path.text, Tail(path));
}

WView ImageName(const VlState& vl, CallScratch& scratch, int mount, uint32_t entry, bool trailing_backslash) {
  const view::MountPoint& point = vl.space.mounts[mount];
  const catalog::Reader& reader = vl.space.catalogs[point.layer];
  const WView real = vl.mount_real[mount];
  size_t size = real.size() + (trailing_backslash ? 1 : 0);
  for (uint32_t at = entry; at != point.root; at = reader.entry(at).parent()) {
    size += 1 + reader.name(reader.entry(at)).size();
  }
  char16_t* text = size <= view::kMaxPathUnits ? scratch.Units(size + 1) : nullptr;
  if (!text) return WView();
  text[size] = 0;
  size_t end = size;
  if (trailing_backslash) text[--end] = u'\\';
  for (uint32_t at = entry; at != point.root; at = reader.entry(at).parent()) {
    const WView name = reader.name(reader.entry(at));
    end -= name.size();
    std::memcpy(text + end, name.data(), name.size() * sizeof(char16_t));
    text[--end] = u'\\';
  }
  std::memcpy(text, real.data(), real.size() * sizeof(char16_t));
  return WView(text, size);
}

bool IsMissing(nt::NtStatus s) {
  // Not kNotADirectory: that is about a file that is there (a file on the way gives kObjectPathNotFound).
  return s == nt::kObjectNameNotFound || s == nt::kObjectPathNotFound || s == nt::kNoSuchFile ||
         s == nt::kObjectPathInvalid;
}

nt::FileNetworkOpenInformation EntryInformation(const VlState& vl, int mount, uint32_t entry) {
  const catalog::Reader& reader = vl.space.catalogs[vl.space.mounts[mount].layer];
  const catalog::Entry& e = reader.entry(entry);
  nt::FileNetworkOpenInformation info{};
  info.creation_time = e.created();
  info.last_access_time = info.last_write_time = info.change_time = e.modified();
  const bool directory = (e.flags() & catalog::kDirectory) != 0;
  if (!directory) {
    info.end_of_file = static_cast<int64_t>(e.size());
    info.allocation_size = (info.end_of_file + 4095) & ~int64_t{4095};
  }
  info.file_attributes = e.attributes() & ~(nt::kAttrDirectory | nt::kAttrNormal);
  if (directory) info.file_attributes |= nt::kAttrDirectory;
  if (info.file_attributes == 0) info.file_attributes = nt::kAttrNormal;
  return info;
}

nt::NtStatus LocateLower(const VlState& vl, CallScratch& scratch, const VPath& path,
                         const view::Lookup& found, Located* out) {
  out->place = Place::kNone;
  out->status = nt::kObjectNameNotFound;
  if (found.mount >= 0) {
    out->place = Place::kImage;
    out->info = EntryInformation(vl, found.mount, found.entry);
    return nt::kSuccess;
  }
  if (found.host_visible) {
    const WView name = HostName(scratch, path);
    if (!name.data()) return nt::kNoMemory;
    OwnAttributes object(name);
    const nt::NtStatus s = orig.NtQueryFullAttributesFile(&object.attributes, &out->info);
    if (nt::Ok(s)) {
      out->place = Place::kHost;
      return nt::kSuccess;
    }
    if (!IsMissing(s)) return s;
    out->status = s;
  }
  if (found.virtual_directory || (found.mode == view::Mode::kPrivate && path.depth == 0)) {
    out->place = Place::kMountOnly;
    out->info.file_attributes = nt::kAttrDirectory;
  }
  return nt::kSuccess;
}

nt::NtStatus Locate(const VlState& vl, CallScratch& scratch, const VPath& path, const view::Lookup& found,
                    Located* out) {
  if (path.trailing_backslash) {
    // The question is what is there. Whether the backslash was right is for the open to say.
    const VPath* plain = PrefixPath(scratch, path, path.depth);
    return plain ? Locate(vl, scratch, *plain, found, out) : nt::kNoMemory;
  }
  if (found.upper_possible) {
    const WView name = UpperName(vl, scratch, path);
    if (!name.data()) return nt::kNoMemory;
    OwnAttributes object(name);
    const nt::NtStatus s = orig.NtQueryFullAttributesFile(&object.attributes, &out->info);
    if (nt::Ok(s)) {
      out->place = Place::kUpper;
      return nt::kSuccess;
    }
    if (!IsMissing(s)) return s;
  }
  return LocateLower(vl, scratch, path, found, out);
}

nt::NtStatus MissingStatus(const VlState& vl, CallScratch& scratch, const VPath& path, nt::NtStatus of_host) {
  if (path.depth == 0) return nt::kObjectPathNotFound;
  const VPath* parent = ParentPath(scratch, path);
  if (!parent) return nt::kNoMemory;
  const view::Lookup found = view::LookUp(vl.space, *parent, false);
  // Where only the host can have the directory, it has said already that it has not.
  if (of_host == nt::kObjectPathNotFound && !found.upper_possible && found.mount < 0 &&
      !found.virtual_directory) {
    return of_host;
  }
  Located at;
  if (const nt::NtStatus s = Locate(vl, scratch, *parent, found, &at); !nt::Ok(s))
    return nt::kObjectPathNotFound;
  return at.place != Place::kNone && at.directory() ? nt::kObjectNameNotFound : nt::kObjectPathNotFound;
}

nt::NtStatus Mark(const VlState& vl, const VPath& path, uint32_t flags, uint64_t base) {
  // The state is immutable, the mapping that the index is a view of is not.
  auto& index = const_cast<view::VmIndex&>(vl.index);
  return index.Set(path, path.depth, flags, base) ? nt::kSuccess : nt::kDiskFull;
}

uint64_t BaseOf(const Located& lower) {
  if (lower.place == Place::kImage) return view::kBaseFromImage;
  if (lower.place != Place::kHost || lower.directory()) return 0;
  return view::FileStamp(static_cast<uint64_t>(lower.info.end_of_file), lower.info.last_write_time);
}

namespace {

// Creates a directory; `made` tells whether it was not there before. The handle may set attributes.
nt::NtStatus CreateRealDirectory(WView name, nt::Handle* handle, bool* made) {
  OwnAttributes object(name);
  nt::IoStatusBlock io{};
  const nt::NtStatus s =
      orig.NtCreateFile(handle, nt::kFileReadAttributes | nt::kFileWriteAttributes | nt::kSynchronize,
                        &object.attributes, &io, nullptr, nt::kAttrNormal, nt::kShareAll, nt::kOpenIf,
                        nt::kDirectoryFile | nt::kSynchronousNonAlert | nt::kOpenForBackupIntent, nullptr, 0);
  *made = nt::Ok(s) && io.information == nt::kInfoCreated;
  return s;
}

void SetBasic(nt::Handle handle, const nt::FileNetworkOpenInformation& info) {
  nt::FileBasicInformation basic{info.creation_time, info.last_access_time, info.last_write_time, 0,
                                 info.file_attributes & ~nt::kAttrDirectory};
  if (basic.file_attributes == 0) basic.file_attributes = nt::kAttrNormal;
  nt::IoStatusBlock io;
  // A file system without some attribute is no reason to refuse the copy.
  orig.NtSetInformationFile(handle, &io, &basic, sizeof(basic), nt::kFileBasicInformation);
}

bool IsRealDirectory(WView name) {
  OwnAttributes object(name);
  nt::FileBasicInformation basic;
  return nt::Ok(orig.NtQueryAttributesFile(&object.attributes, &basic)) &&
         (basic.file_attributes & nt::kAttrDirectory);
}

}  // namespace

nt::NtStatus EnsureImageDirectory(const VlState& vl, CallScratch& scratch, int mount, uint32_t entry) {
  const view::MountPoint& point = vl.space.mounts[mount];
  const catalog::Reader& reader = vl.space.catalogs[point.layer];
  // Upwards to what exists, then downwards again. The tree's own root is the agent's.
  uint32_t chain[view::kMaxDepth + 1];
  int missing = 0;
  for (uint32_t at = entry; missing <= view::kMaxDepth; at = reader.entry(at).parent()) {
    const WView name = ImageName(vl, scratch, mount, at, false);
    if (!name.data()) return nt::kNoMemory;
    if (IsRealDirectory(name)) break;
    chain[missing++] = at;
    if (at == point.root) break;
  }
  const int count = missing;
  while (missing > 0) {
    const WView name = ImageName(vl, scratch, mount, chain[--missing], false);
    if (!name.data()) return nt::kNoMemory;
    nt::Handle handle;
    bool made;
    const nt::NtStatus s = CreateRealDirectory(name, &handle, &made);
    if (!nt::Ok(s)) return s;
    orig.NtClose(handle);
  }
  // Times last and from below: making a child changed its directory's.
  for (int i = 0; i < count; ++i) {
    OwnAttributes object(ImageName(vl, scratch, mount, chain[i], false));
    nt::Handle handle;
    nt::IoStatusBlock io;
    if (nt::Ok(orig.NtOpenFile(&handle, nt::kFileWriteAttributes | nt::kSynchronize, &object.attributes, &io,
                               nt::kShareAll,
                               nt::kDirectoryFile | nt::kSynchronousNonAlert | nt::kOpenForBackupIntent))) {
      SetBasic(handle, EntryInformation(vl, mount, chain[i]));
      orig.NtClose(handle);
    }
  }
  return nt::kSuccess;
}

nt::NtStatus OpenImage(const VlState& vl, CallScratch& scratch, int mount, uint32_t entry,
                       bool trailing_backslash, Captured* like, nt::Handle* handle, nt::AccessMask access,
                       nt::IoStatusBlock* io, nt::Ulong share, nt::Ulong options) {
  const view::MountPoint& point = vl.space.mounts[mount];
  const bool directory = (vl.space.catalogs[point.layer].entry(entry).flags() & catalog::kDirectory) != 0;
  const WView name = ImageName(vl, scratch, mount, entry, trailing_backslash);
  if (!name.data()) return nt::kNoMemory;
  OwnAttributes own(name);
  if (like) like->SetName(name);
  nt::ObjectAttributes* object = like ? &like->own : &own.attributes;
  if (!directory) NoteTouch(vl, point.layer, entry);
  nt::NtStatus s = orig.NtOpenFile(handle, access, object, io, share, options);
  if (s == nt::kSharingViolation && !directory && nt::Ok(Hydrate(vl, point.layer, entry))) {
    // It was getting its name just now, which the agent's handle of it is needed for; now that is closed.
    return orig.NtOpenFile(handle, access, object, io, share, options);
  }
  if (!IsMissing(s)) return s;
  s = directory ? EnsureImageDirectory(vl, scratch, mount, entry) : Hydrate(vl, point.layer, entry);
  if (!nt::Ok(s)) return s;
  s = orig.NtOpenFile(handle, access, object, io, share, options);
  // The agent said it is there. Never let the guest believe that the image lacks the file.
  return IsMissing(s) && !trailing_backslash ? nt::kFileIsOffline : s;
}

void RefineHostInformation(CallScratch& scratch, const VPath& path, nt::FileNetworkOpenInformation* info) {
  OwnAttributes object(HostName(scratch, path));
  nt::Handle handle;
  nt::IoStatusBlock io;
  if (!nt::Ok(orig.NtOpenFile(&handle, nt::kFileReadAttributes | nt::kSynchronize, &object.attributes, &io,
                              nt::kShareAll, nt::kSynchronousNonAlert | nt::kOpenForBackupIntent))) {
    return;
  }
  nt::FileBasicInformation basic;
  if (nt::Ok(orig.NtQueryInformationFile(handle, &io, &basic, sizeof(basic), nt::kFileBasicInformation))) {
    info->file_attributes = basic.file_attributes;
  }
  orig.NtClose(handle);
}

KeepTimes::KeepTimes(CallScratch& scratch, WView directory) {
  OwnAttributes object(directory);
  nt::IoStatusBlock io;
  if (!nt::Ok(orig.NtOpenFile(&handle_, nt::kFileReadAttributes | nt::kFileWriteAttributes | nt::kSynchronize,
                              &object.attributes, &io, nt::kShareAll,
                              nt::kDirectoryFile | nt::kSynchronousNonAlert | nt::kOpenForBackupIntent))) {
    handle_ = nullptr;
    return;
  }
  if (!nt::Ok(
          orig.NtQueryInformationFile(handle_, &io, &basic_, sizeof(basic_), nt::kFileBasicInformation))) {
    orig.NtClose(handle_);
    handle_ = nullptr;
  }
}

KeepTimes::~KeepTimes() {
  if (!handle_) return;
  nt::IoStatusBlock io;
  basic_.file_attributes = 0;  // unchanged
  orig.NtSetInformationFile(handle_, &io, &basic_, sizeof(basic_), nt::kFileBasicInformation);
  orig.NtClose(handle_);
}

namespace {

// Creates one directory of the upper layer after the lower one of the same path.
nt::NtStatus CreateUpperDirectory(const VlState& vl, CallScratch& scratch, const VPath& path,
                                  WView spelling) {
  const view::Lookup found = view::LookUp(vl.space, path, false);
  Located lower;
  if (const nt::NtStatus s = LocateLower(vl, scratch, path, found, &lower); !nt::Ok(s)) return s;
  if (const nt::NtStatus s = Mark(vl, path, view::VmIndex::kUpper); !nt::Ok(s)) return s;
  VPath spelled = path;
  spelled.text = spelling;
  const WView name = UpperName(vl, scratch, spelled);
  if (!name.data()) return nt::kNoMemory;
  nt::Handle handle;
  bool made;
  const nt::NtStatus s = CreateRealDirectory(name, &handle, &made);
  if (!nt::Ok(s)) return s == nt::kObjectNameCollision ? nt::kNotADirectory : s;
  if (made && lower.place == Place::kHost) RefineHostInformation(scratch, path, &lower.info);
  if (made && (lower.place == Place::kImage || lower.place == Place::kHost)) SetBasic(handle, lower.info);
  orig.NtClose(handle);
  return nt::kSuccess;
}

}  // namespace

nt::NtStatus EnsureUpperDirectory(const VlState& vl, CallScratch& scratch, const VPath& path,
                                  int components) {
  VPath* at = PrefixPath(scratch, path, components);
  if (!at) return nt::kNoMemory;
  // Upwards to what exists already.
  int exists = components;
  for (; exists >= 0; --exists) {
    at->depth = static_cast<uint16_t>(exists);
    at->text = path.Prefix(exists);
    // The flags of the index would spare the question, but after a renamed directory they say nothing about
    // children.
    const WView name = UpperName(vl, scratch, *at);
    if (!name.data()) return nt::kNoMemory;
    if (IsRealDirectory(name)) break;
  }
  if (exists == components) return nt::kSuccess;
  at->depth = static_cast<uint16_t>(components);
  at->text = path.Prefix(components);
  const WView spelling = TrueSpelling(vl, scratch, *at, view::LookUp(vl.space, *at, false));
  if (!spelling.data()) return nt::kNoMemory;
  for (int i = exists + 1; i <= components; ++i) {
    // A new child must not show in the times of the directory that it is in.
    WView above = vl.upper;
    if (i > 0) {
      at->depth = static_cast<uint16_t>(i - 1);
      at->text = view::Sub(spelling, 0, path.end[i - 1]);
      above = UpperName(vl, scratch, *at);
      if (!above.data()) return nt::kNoMemory;
    }
    KeepTimes keep(scratch, above);
    at->depth = static_cast<uint16_t>(i);
    at->text = path.Prefix(i);
    const nt::NtStatus s = CreateUpperDirectory(vl, scratch, *at, view::Sub(spelling, 0, path.end[i]));
    if (!nt::Ok(s)) return s;
  }
  return nt::kSuccess;
}

WView TrueSpelling(const VlState& vl, CallScratch& scratch, const VPath& path, const view::Lookup& found) {
  const WView typed = Concat(scratch, path.text, WView());
  char16_t* text = const_cast<char16_t*>(typed.data());
  if (!text) return WView();
  // Upwards to the deepest directory that a lower layer has: its name says how all components above are
  // spelled.
  view::Lookup at_found = found;
  for (int depth = path.depth; depth > 0; --depth) {
    VPath* at = PrefixPath(scratch, path, depth);
    if (!at) return WView();
    if (depth != path.depth) at_found = view::LookUp(vl.space, *at, false);
    if (at_found.mount >= 0) {
      const view::MountPoint& point = vl.space.mounts[at_found.mount];
      const catalog::Reader& reader = vl.space.catalogs[point.layer];
      int component = depth;
      for (uint32_t entry = at_found.entry; entry != point.root && component > 0;
           entry = reader.entry(entry).parent()) {
        const WView name = reader.name(reader.entry(entry));
        if (name.size() != path.end[component] - path.end[component - 1] - 1u) break;
        std::memcpy(text + path.end[component - 1] + 1, name.data(), name.size() * sizeof(char16_t));
        --component;
      }
      return typed;
    }
    if (!at_found.host_visible) continue;
    OwnAttributes object(HostName(scratch, *at));
    nt::IoStatusBlock io;
    nt::Handle handle;
    if (!nt::Ok(orig.NtOpenFile(
            &handle, nt::kFileReadAttributes | nt::kSynchronize, &object.attributes, &io, nt::kShareAll,
            nt::kSynchronousNonAlert | nt::kOpenForBackupIntent | nt::kOpenReparsePoint))) {
      continue;
    }
    const size_t size = at->text.size() * 2 + 64;
    auto* name = static_cast<nt::FileNameInformation*>(scratch.Alloc(size));
    nt::NtStatus s = nt::kNoMemory;
    if (name) {
      s = orig.NtQueryInformationFile(handle, &io, name, static_cast<nt::Ulong>(size),
                                      nt::kFileNameInformation);
    }
    orig.NtClose(handle);
    if (nt::Ok(s)) {
      const WView real(name->file_name, name->file_name_length / 2);
      if (view::EqualFolded(real, view::Sub(at->text, 2, at->text.size() - 2))) {
        std::memcpy(text + 2, real.data(), real.size() * sizeof(char16_t));
      }
    }
    return typed;
  }
  return typed;
}

}  // namespace plume::vl
