// Copy-up. An upper key that exists is complete: class name and all values of the key it covers. Subkeys stay
// where they are and are merged.
#include "vl/calls/key_internal.h"

namespace plume::vl::key {
namespace {

struct Copying {
  const VlState* vl;
  CallScratch* scratch;
  const VPath* path;
  const Opened* lower;
};

// The base is known before the copy has its name.
NtStatus FillFromKey(void* context, Handle key) {
  const auto& copying = *static_cast<const Copying*>(context);
  view::KeyStamp stamp;
  const NtStatus status = CopyValues(*copying.scratch, copying.lower->handle, key, &stamp);
  if (!nt::Ok(status)) return status;
  const uint64_t base = copying.lower->source == Source::kHost ? stamp.Finish() : view::kBaseFromImage;
  return SetFlags(*copying.vl, *copying.path, copying.path->depth, VmIndex::kUpper, base);
}

// KEY_FLAGS_INFORMATION; not on Wine.
bool IsVolatile(const VlState& vl, Handle key) {
  if (vl.is_wine) return false;
  Ulong flags[3] = {}, size = 0;
  return nt::Ok(orig.NtQueryKey(key, nt::kKeyFlagsInformation, flags, sizeof(flags), &size)) &&
         (flags[1] & 1) != 0;
}

NtStatus BuildRoot(const VlState& vl, CallScratch& scratch, const VPath& path) {
  KeyBuilder builder;
  builder.parent = vl.registry_upper;
  builder.name = path.Prefix(0);
  const NtStatus status = BuildKey(vl, scratch, builder);
  if (status != nt::kObjectNameNotFound) return status;
  const NtStatus chain = CreateChain(scratch, vl.registry_upper, vl.user_key.size() + 1);
  return nt::Ok(chain) ? BuildKey(vl, scratch, builder) : chain;
}

// Builds the upper key of `path` from the opened lower one.
NtStatus BuildFrom(const VlState& vl, CallScratch& scratch, const VPath& path, const Opened& lower) {
  uint8_t* data = nullptr;
  Ulong size = 0;
  NtStatus status = QueryWhole(scratch, lower.handle, -1, nt::kKeyNodeInformation, &data, &size);
  if (!nt::Ok(status)) return status;
  const auto* node = reinterpret_cast<const nt::KeyNodeInformation*>(data);
  KeyBuilder builder;
  // Names keep the case they have below, but for the root of a mount, whose real name is the image's.
  builder.name = WView(node->name, node->name_length / 2);
  if (lower.mount >= 0 && MountDepth(vl, path, lower.mount) == path.depth) builder.name = path.Name();
  if (node->class_length) {
    builder.class_name =
        WView(reinterpret_cast<const char16_t*>(data + node->class_offset), node->class_length / 2);
  }
  builder.parent = UpperName(vl, scratch, path, path.depth - 1);
  if (Failed(builder.parent)) return nt::kNoMemory;
  if (IsVolatile(vl, lower.handle)) builder.options = nt::kRegOptionVolatile;
  nt::KeyFullInformation full;
  Ulong needed = 0;
  status = orig.NtQueryKey(lower.handle, nt::kKeyFullInformation, &full, sizeof(full), &needed);
  if (!nt::Ok(status) && status != nt::kBufferOverflow) return status;
  Copying copying{&vl, &scratch, &path, &lower};
  if (full.values) {
    builder.fill = FillFromKey;
    builder.context = &copying;
  } else {
    const uint64_t base = lower.source == Source::kHost ? view::KeyStamp().Finish() : view::kBaseFromImage;
    status = SetFlags(vl, path, path.depth, VmIndex::kUpper, base);
    if (!nt::Ok(status)) return status;
  }
  return BuildKey(vl, scratch, builder);
}

NtStatus BuildEmpty(const VlState& vl, CallScratch& scratch, const VPath& path) {
  KeyBuilder builder;
  builder.parent = UpperName(vl, scratch, path, path.depth - 1);
  builder.name = path.Name();
  return Failed(builder.parent) ? nt::kNoMemory : BuildKey(vl, scratch, builder);
}

NtStatus CopyUpOne(const VlState& vl, CallScratch& outer, const VPath& whole, int components) {
  CallScratch scratch;  // value data goes at once
  VPath* path = Prefix(scratch, whole, components);
  if (!path) return nt::kNoMemory;
  if (components == 0) {
    const NtStatus status = SetFlags(vl, *path, 0, VmIndex::kUpper);
    return nt::Ok(status) ? BuildRoot(vl, scratch, *path) : status;
  }
  view::Lookup look = LookUp(vl, *path);
  if (look.mode == view::Mode::kDeny) return nt::kAccessDenied;
  const bool stands_for_mount = look.virtual_directory;
  look.virtual_directory = false;
  NtStatus status;
  if (look.mode == view::Mode::kHost) {
    // On the way to a key that is virtual: only its place is needed.
    status = SetFlags(vl, *path, components, VmIndex::kUpper);
    return nt::Ok(status) ? BuildEmpty(vl, scratch, *path) : status;
  }
  Opened lower;
  status = OpenTop(vl, scratch, *path, look, nt::kKeyRead, 0, &lower);
  if (status == nt::kObjectNameNotFound && stands_for_mount && !look.lower_hidden) {
    status = SetFlags(vl, *path, components, VmIndex::kUpper);
    return nt::Ok(status) ? BuildEmpty(vl, scratch, *path) : status;
  }
  if (!nt::Ok(status)) return status;
  if (lower.source == Source::kUpper) {  // another process was first
    orig.NtClose(lower.handle);
    return nt::kSuccess;
  }
  WView real, canonical;
  Source source;
  int mount;
  status = lower.source == Source::kHost ? RealNameOf(scratch, lower.handle, &real) : nt::kSuccess;
  if (nt::Ok(status) && lower.source == Source::kHost &&
      (RealToCanonical(vl, scratch, real, &canonical, &source, &mount) != RealKind::kKey ||
       !view::EqualFolded(canonical, path->text))) {
    MarkLink(vl, *path, components);
    status = kResolveAgain;
  }
  if (nt::Ok(status)) status = SetFlags(vl, *path, components, VmIndex::kUpper);
  if (nt::Ok(status)) status = BuildFrom(vl, scratch, *path, lower);
  orig.NtClose(lower.handle);
  if (nt::Ok(status)) BumpCopyUps(vl);
  return status;
}

bool UpperExists(const VlState& vl, CallScratch& scratch, const VPath& path, int components) {
  const WView name = UpperName(vl, scratch, path, components);
  Handle handle = nullptr;
  if (Failed(name) || !nt::Ok(OpenReal(name, nt::kKeyQueryValue | Native(), nt::kObjOpenLink, &handle)))
    return false;
  orig.NtClose(handle);
  return true;
}

}  // namespace

NtStatus SetFlags(const VlState& vl, const VPath& path, int components, uint32_t flags, uint64_t base) {
  auto& index = const_cast<VmIndex&>(vl.index);
  return index.Set(path, components, flags, base) ? nt::kSuccess : nt::kInsufficientResources;
}

uint64_t BaseOfLower(const VlState& vl, CallScratch& scratch, const VPath& path) {
  Opened lower;
  if (!nt::Ok(OpenTop(vl, scratch, path, LookUp(vl, path), nt::kKeyQueryValue, nt::kObjOpenLink, &lower)))
    return 0;
  view::KeyStamp stamp;
  uint64_t base = view::kBaseFromImage;
  if (lower.source == Source::kHost) {
    base = nt::Ok(CopyValues(scratch, lower.handle, nullptr, &stamp)) ? stamp.Finish() : 0;
  }
  orig.NtClose(lower.handle);
  return base;
}

void BumpNames(const VlState& vl) { vl.index.Generation().fetch_add(1, std::memory_order_acq_rel); }
void BumpCopyUps(const VlState& vl) { vl.index.CopyUps().fetch_add(1, std::memory_order_acq_rel); }

NtStatus CopyUp(const VlState& vl, CallScratch& scratch, const VPath& path, int components) {
  int have = components;
  for (; have >= 0; --have) {
    if ((vl.index.Flags(path, have) & VmIndex::kUpper) && UpperExists(vl, scratch, path, have)) break;
  }
  for (int i = have + 1; i <= components; ++i) {
    if (const NtStatus status = CopyUpOne(vl, scratch, path, i); !nt::Ok(status)) return status;
  }
  return nt::kSuccess;
}

NtStatus CopyUpTree(const VlState& vl, CallScratch& scratch, const VPath& path, const VPath* renamed) {
  NtStatus status = CopyUp(vl, scratch, path, path.depth);
  if (nt::Ok(status) && renamed) {
    const uint32_t link = vl.index.Flags(path, path.depth) & VmIndex::kLink;
    status = SetFlags(vl, *renamed, renamed->depth, VmIndex::kUpper | link);
  }
  if (!nt::Ok(status)) return status;
  Listing* listing = nullptr;
  status = MakeListing(vl, scratch, path, LookUp(vl, path), &listing);
  if (!nt::Ok(status)) return status;
  for (uint32_t i = 0; i < listing->count && nt::Ok(status); ++i) {
    CallScratch inner;
    VPath* child = Child(inner, path, listing->keys[i].Name());
    VPath* child_renamed = renamed ? Child(inner, *renamed, listing->keys[i].Name()) : nullptr;
    status =
        child && (child_renamed || !renamed) ? CopyUpTree(vl, inner, *child, child_renamed) : nt::kNoMemory;
    if (status == nt::kObjectNameNotFound) status = nt::kSuccess;  // deleted meanwhile
  }
  FreeListing(listing);
  return status;
}

}  // namespace plume::vl::key
