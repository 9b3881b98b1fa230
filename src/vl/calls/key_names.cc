#include "vl/calls/key_internal.h"
#include "vl/calls/key_resolve.h"

namespace plume::vl::key {
namespace {

constexpr WView kRegistry = u"\\REGISTRY";
constexpr size_t kLongestName = 256;  // of one component, in units

bool StartsWith(WView s, WView prefix) {
  return s.size() >= prefix.size() && view::EqualFolded(view::Sub(s, 0, prefix.size()), prefix) &&
         (s.size() == prefix.size() || s[prefix.size()] == u'\\');
}

WView From(WView s, size_t at) { return view::Sub(s, at, s.size() - at); }

// Where a relative name with a component too long for the system fails: at its parent, if that is missing.
NtStatus LongNameStatus(const VlState& vl, CallScratch& scratch, const VPath* base, WView name) {
  size_t start = 0;
  for (size_t i = 0; i <= name.size(); ++i) {
    if (i < name.size() && name[i] != u'\\') continue;
    if (i - start > kLongestName) break;
    start = i + 1;
  }
  if (start >= name.size()) return nt::kObjectNameInvalid;
  WView parent = view::Sub(name, 0, start ? start - 1 : 0);
  auto* path = scratch.New<VPath>();
  char16_t* storage = scratch.Units((base ? base->text.size() : 0) + parent.size() + 2);
  if (!path || !storage) return nt::kNoMemory;
  const std::span<char16_t> room(storage, (base ? base->text.size() : 0) + parent.size() + 2);
  const view::NameKind kind =
      base ? view::ParseRelative(*base, parent, room, path) : view::ParseKeyName(parent, room, path);
  if (kind != view::NameKind::kKeyPath) return nt::kObjectNameInvalid;
  NtStatus status = FollowLinks(vl, scratch, path, true);
  if (!nt::Ok(status)) return status;
  Opened opened;
  status =
      OpenTop(vl, scratch, *path, LookUp(vl, *path), nt::kKeyQueryValue, nt::kObjCaseInsensitive, &opened);
  if (!nt::Ok(status)) return nt::kObjectNameNotFound;
  orig.NtClose(opened.handle);
  return nt::kInvalidParameter;
}

// Key names of the 32-bit view (documented in Microsoft's "Registry Keys Affected by WOW64").
bool IsRedirectedClass(WView name) {
  for (WView redirected : {WView(u"CLSID"), WView(u"DirectShow"), WView(u"Interface"), WView(u"Media Type"),
                           WView(u"MediaFoundation")}) {
    if (view::EqualFolded(name, redirected)) return true;
  }
  return false;
}

WView Component(const VPath& path, int i) {  // 1-based
  return view::Sub(path.text, path.end[i - 1] + 1u, path.end[i] - path.end[i - 1] - 1u);
}

// The path without component `i` (1-based).
NtStatus DropComponent(CallScratch& scratch, VPath* path, int i) {
  WView text = Join(scratch, {path->Prefix(i - 1), From(path->text, path->end[i])});
  if (Failed(text)) return nt::kNoMemory;
  VPath* shorter = ParsePath(scratch, text);
  if (!shorter) return nt::kObjectNameInvalid;
  *path = *shorter;
  return nt::kSuccess;
}

NtStatus RedirectTo32(CallScratch& scratch, VPath* path) {
  const bool machine = path->end[0] == 1 && view::Upcase(path->text[0]) == u'M';
  const int software = machine ? 1 : 2;
  auto is = [&](int i, WView name) {
    return path->depth >= i && view::EqualFolded(Component(*path, i), name);
  };
  if (path->depth <= software || !is(software, u"Software")) return nt::kSuccess;
  int insert_after = software;  // Wow6432Node goes behind this component
  if (is(software + 1, u"Wow6432Node")) {
    // Classes has its 32-bit node within; this is another name of it.
    if (!machine || !is(software + 2, u"Classes") || path->depth < software + 3) return nt::kSuccess;
    if (const NtStatus s = DropComponent(scratch, path, software + 1); !nt::Ok(s)) return s;
  }
  if (is(software + 1, u"Classes")) {
    if (path->depth < software + 2) return nt::kSuccess;
    const WView name = Component(*path, software + 2);
    if (view::EqualFolded(name, u"Wow6432Node")) {
      // What both views share is below the 32-bit node too.
      if (path->depth < software + 3 || IsRedirectedClass(Component(*path, software + 3)))
        return nt::kSuccess;
      return DropComponent(scratch, path, software + 2);
    }
    if (!IsRedirectedClass(name)) return nt::kSuccess;
    insert_after = software + 1;
  } else if (!machine) {
    return nt::kSuccess;
  }
  WView text = Join(
      scratch, {path->Prefix(insert_after), u"\\Wow6432Node", From(path->text, path->end[insert_after])});
  if (Failed(text)) return nt::kNoMemory;
  VPath* redirected = ParsePath(scratch, text);
  if (!redirected) return nt::kObjectNameInvalid;
  *path = *redirected;
  return nt::kSuccess;
}

}  // namespace

WView Join(CallScratch& scratch, std::initializer_list<WView> parts) {
  size_t units = 1;
  for (WView p : parts) units += p.size();
  char16_t* text = scratch.Units(units);
  if (!text) return {};
  size_t at = 0;
  for (WView p : parts) {
    for (char16_t c : p) text[at++] = c;
  }
  text[at] = 0;
  return WView(text, at);
}

VPath* ParsePath(CallScratch& scratch, WView canonical) {
  auto* path = scratch.New<VPath>();
  char16_t* storage = scratch.Units(canonical.size() + 1);
  if (!path || !storage) return nullptr;
  return view::ParseCanonical(canonical, {storage, canonical.size() + 1}, path) == view::NameKind::kKeyPath
             ? path
             : nullptr;
}

VPath* Prefix(CallScratch& scratch, const VPath& path, int components) {
  auto* prefix = scratch.New<VPath>();
  if (!prefix) return nullptr;
  *prefix = path;
  prefix->depth = static_cast<uint16_t>(components);
  prefix->text = path.Prefix(components);
  return prefix;
}

VPath* Child(CallScratch& scratch, const VPath& parent, WView name) {
  auto* child = scratch.New<VPath>();
  const size_t units = parent.text.size() + name.size() + 2;
  char16_t* storage = scratch.Units(units);
  if (!child || !storage) return nullptr;
  return view::ParseRelative(parent, name, {storage, units}, child) == view::NameKind::kKeyPath ? child
                                                                                                : nullptr;
}

NtStatus ResolveTarget(const VlState& vl, CallScratch& scratch, const Captured& attributes, AccessMask access,
                       bool follow_last, Target* out) {
  VPath* base = nullptr;
  WView name = attributes.name;
  if (!attributes.has_name) return nt::kAccessViolation;
  bool absolute = attributes.root == nullptr;
  if (!absolute) {
    bool registry_root = false;
    if (NtStatus status = PathOfHandle(vl, scratch, attributes.root, &base, &registry_root); !nt::Ok(status))
      return status;
    if (!base && !registry_root) {
      out->kind = Target::kOtherHive;
      return nt::kSuccess;
    }
    if (!base) {
      if (name.empty()) {
        out->kind = Target::kRegistryRoot;
        return nt::kSuccess;
      }
      name = Join(scratch, {kRegistry, u"\\", name});
      if (Failed(name)) return nt::kNoMemory;
      absolute = true;
    }
  }
  const size_t units = (base ? base->text.size() : 0) + name.size() + 16;
  char16_t* storage = scratch.Units(units);
  if (!storage) return nt::kNoMemory;
  const view::NameKind kind = absolute ? view::ParseKeyName(name, {storage, units}, &out->path)
                                       : view::ParseRelative(*base, name, {storage, units}, &out->path);
  switch (kind) {
    case view::NameKind::kKeyPath:
      break;
    case view::NameKind::kRegistryRoot:
      out->kind = Target::kRegistryRoot;
      return nt::kSuccess;
    case view::NameKind::kDevice:
      // Other hives (\REGISTRY\A) are passed on; any other object name could lead to the registry by an
      // object link.
      if (!StartsWith(name, kRegistry)) return nt::kObjectPathNotFound;
      out->kind = Target::kOtherHive;
      return nt::kSuccess;
    default:
      if (absolute ? name.empty() || name[0] != u'\\' : !name.empty() && name[0] == u'\\')
        return nt::kObjectPathSyntaxBad;
      return LongNameStatus(vl, scratch, absolute ? nullptr : base, name);
  }
  out->kind = Target::kPath;
  const bool wants32 = Is32BitProgram() ? (access & nt::kKeyWow64_64Key) == 0
                                        : (access & nt::kKeyWow64_32Key) != 0 && !vl.is_wine;
  if (wants32) {
    if (NtStatus status = RedirectTo32(scratch, &out->path); !nt::Ok(status)) return status;
  }
  const NtStatus status = FollowLinks(vl, scratch, &out->path, follow_last);
  if (Tracing() && nt::Ok(status)) TellKey(vl, out->path);
  return status;
}

WView UpperName(const VlState& vl, CallScratch& scratch, const VPath& path, int components) {
  return Join(scratch, {vl.registry_upper, u"\\", path.Prefix(components)});
}

WView HostName(const VlState& vl, CallScratch& scratch, const VPath& path, int components) {
  const bool machine = view::Upcase(path.text[0]) == u'M';
  const WView prefix = path.Prefix(components);
  return Join(scratch,
              {machine ? WView(u"\\REGISTRY\\MACHINE") : WView(u"\\REGISTRY\\USER"), From(prefix, 1)});
}

int MountDepth(const VlState& vl, const VPath& path, int mount) {
  const size_t units = vl.space.mounts[mount].prefix.size();
  int depth = 0;
  while (depth < path.depth && path.end[depth] < units) ++depth;
  return depth;
}

WView ImageName(const VlState& vl, CallScratch& scratch, const VPath& path, int components, int mount) {
  const WView prefix = path.Prefix(components);
  const size_t skip = vl.space.mounts[mount].prefix.size();
  return Join(scratch, {vl.mount_real[mount], skip < prefix.size() ? From(prefix, skip) : WView(u"")});
}

RealKind RealToCanonical(const VlState& vl, CallScratch& scratch, WView real, WView* canonical,
                         Source* source, int* mount) {
  *mount = -1;
  if (StartsWith(real, vl.registry_upper) && real.size() > vl.registry_upper.size()) {
    *source = Source::kUpper;
    *canonical = From(real, vl.registry_upper.size() + 1);
    return RealKind::kKey;
  }
  for (size_t i = 0; i < vl.space.mounts.size(); ++i) {
    if (!vl.space.mounts[i].registry || !StartsWith(real, vl.mount_real[i])) continue;
    *source = Source::kImage;
    *mount = static_cast<int>(i);
    *canonical = Join(scratch, {vl.space.mounts[i].prefix, From(real, vl.mount_real[i].size())});
    return RealKind::kKey;
  }
  *source = Source::kHost;
  auto* path = scratch.New<VPath>();
  char16_t* storage = scratch.Units(real.size() + 16);
  if (!path || !storage) return RealKind::kOtherHive;
  switch (view::ParseKeyName(real, {storage, real.size() + 16}, path)) {
    case view::NameKind::kKeyPath:
      *canonical = path->text;
      return RealKind::kKey;
    case view::NameKind::kRegistryRoot:
      return RealKind::kRegistryRoot;
    default:
      return RealKind::kOtherHive;
  }
}

WView DisplayName(const VlState& vl, CallScratch& scratch, WView canonical) {
  const bool machine = view::Upcase(canonical[0]) == u'M';
  // Windows and Wine write the two roots differently.
  const WView root = vl.is_wine ? (machine ? WView(u"\\REGISTRY\\Machine") : WView(u"\\REGISTRY\\User"))
                                : (machine ? WView(u"\\REGISTRY\\MACHINE") : WView(u"\\REGISTRY\\USER"));
  return Join(scratch, {root, From(canonical, 1)});
}

}  // namespace plume::vl::key

namespace plume::vl {

nt::NtStatus KeyHandleToVirtual(const VlState& vl, CallScratch& scratch, nt::Handle handle, bool* ours,
                                view::WView* virtual_name) {
  *ours = false;
  key::Use use;
  const nt::NtStatus status = key::Begin(vl, scratch, handle, 0, &use);
  if (!nt::Ok(status)) return status == nt::kKeyDeleted ? status : nt::kSuccess;
  view::WView real, canonical;
  Source source = Source::kHost;
  int mount = -1;
  if (!use.ref || use.info()->entry == key::kDirect) return nt::kSuccess;
  if (const nt::NtStatus s = key::RealNameOf(scratch, use.real, &real); !nt::Ok(s)) return s;
  if (key::RealToCanonical(vl, scratch, real, &canonical, &source, &mount) != key::RealKind::kKey)
    return nt::kSuccess;
  if (source == Source::kHost) return nt::kSuccess;
  *virtual_name = key::DisplayName(vl, scratch, canonical);
  *ours = true;
  return key::Failed(*virtual_name) ? nt::kNoMemory : nt::kSuccess;
}

}  // namespace plume::vl
