// Key handles: what is remembered about them, and bringing one up to date before it is used.
#include "vl/calls/key_internal.h"

namespace plume::vl::key {
namespace {

void DestroyState(void* state) { HeapDelete(static_cast<KeyState*>(state)); }

WView CurrentPath(const HandleInfo& info, const KeyState& state) {
  return state.moved ? WView(state.moved, state.moved_units) : info.Path();
}

bool Move(KeyState* state, WView to) {
  auto* text = static_cast<char16_t*>(HeapAlloc(to.size() * 2 + 2));
  if (!text) return false;
  for (size_t i = 0; i < to.size(); ++i) text[i] = to[i];
  HeapFree(state->moved);
  state->moved = text;
  state->moved_units = static_cast<uint32_t>(to.size());
  return true;
}

// Applies the entries of the rename log this handle has not seen. Each is a value of the key "R" beside the
// upper roots: name = number (8 hexadecimal digits), data = old path, 0, new path.
void ApplyRenames(const VlState& vl, CallScratch& scratch, HandleInfo* info, KeyState* state) {
  const uint32_t last = vl.index.Renames().load(std::memory_order_acquire);
  if (state->renames == last) return;
  const WView log = Join(scratch, {vl.registry_upper, u"\\R"});
  Handle key = nullptr;
  if (Failed(log) || !nt::Ok(OpenReal(log, nt::kKeyQueryValue | Native(), 0, &key))) return;
  constexpr Ulong kRoom = 16384;
  auto* data = static_cast<uint8_t*>(scratch.Alloc(kRoom));
  while (data && state->renames != last) {
    const uint32_t number = ++state->renames;
    char16_t digits[8];
    for (int i = 0; i < 8; ++i) digits[i] = u"0123456789abcdef"[(number >> (28 - 4 * i)) & 15];
    nt::UnicodeString name{16, 16, digits};
    Ulong needed = 0;
    if (!nt::Ok(orig.NtQueryValueKey(key, &name, nt::kKeyValuePartialInformation, data, kRoom, &needed)))
      continue;
    const auto* value = reinterpret_cast<const nt::KeyValuePartialInformation*>(data);
    const WView both(reinterpret_cast<const char16_t*>(value->data), value->data_length / 2);
    size_t split = 0;
    while (split < both.size() && both[split]) ++split;
    if (split == both.size()) continue;
    const WView from = view::Sub(both, 0, split), to = view::Sub(both, split + 1, both.size() - split - 1);
    const WView path = CurrentPath(*info, *state);
    if (path.size() < from.size() || !view::EqualFolded(view::Sub(path, 0, from.size()), from)) continue;
    if (path.size() > from.size() && path[from.size()] != u'\\') continue;
    const WView moved = Join(scratch, {to, view::Sub(path, from.size(), path.size() - from.size())});
    if (!Failed(moved)) Move(state, moved);
  }
  orig.NtClose(key);
}

// An unknown handle (inherited, duplicated from elsewhere): its real name tells.
NtStatus Adopt(const VlState& vl, CallScratch& scratch, Handle handle, HandleRef* ref, bool* root) {
  WView real, canonical;
  const uint32_t changes = Changes(vl);
  if (const NtStatus status = RealNameOf(scratch, handle, &real); !nt::Ok(status)) return status;
  Opened opened;
  opened.handle = handle;
  switch (RealToCanonical(vl, scratch, real, &canonical, &opened.source, &opened.mount)) {
    case RealKind::kOtherHive:
      return nt::kSuccess;
    case RealKind::kRegistryRoot:
      *root = true;
      return nt::kSuccess;
    case RealKind::kKey:
      break;
  }
  VPath* path = ParsePath(scratch, canonical);
  if (!path) return nt::kSuccess;  // the layer's own keys ("R", scratch): nothing a guest can have
  opened.direct = LookUp(vl, *path).mode == view::Mode::kHost;
  struct {
    Ulong attributes;
    AccessMask granted;
    Ulong counts[12];
  } basic = {};
  Ulong size = 0;
  orig.NtQueryObject(handle, nt::kObjectBasicInformation, &basic, 56, &size);
  // A lower key that was copied up before counts as changed.
  Remember(vl, handle, *path, opened, basic.granted, opened.source == Source::kUpper ? changes : changes - 1);
  *ref = Handles().Find(handle);
  return nt::kSuccess;
}

NtStatus FindOrAdopt(const VlState& vl, CallScratch& scratch, Handle handle, HandleRef* ref, bool* root) {
  *ref = Handles().Find(handle);
  if (*ref && (*ref)->kind == HandleKind::kKey) return nt::kSuccess;
  *ref = HandleRef();
  return Adopt(vl, scratch, handle, ref, root);
}

// The upper key of `path` for a lower handle, if there is one.
NtStatus OpenShadow(const VlState& vl, CallScratch& scratch, const VPath& path, const HandleInfo& info,
                    KeyState* state) {
  const WView name = UpperName(vl, scratch, path, path.depth);
  if (Failed(name)) return nt::kNoMemory;
  Handle shadow = nullptr;
  const NtStatus status = OpenReal(name, UpperAccess(info.access), 0, &shadow);
  if (nt::Ok(status)) state->shadow.store(shadow, std::memory_order_release);
  return status;
}

// Looks at the layers again for a lower handle. REQUIRES info.lock.
NtStatus Look(const VlState& vl, CallScratch& scratch, HandleInfo* info, KeyState* state, uint32_t changes) {
  if (state->shadow.load(std::memory_order_relaxed) || state->dead.load(std::memory_order_relaxed))
    return nt::kSuccess;
  ApplyRenames(vl, scratch, info, state);
  VPath* path = ParsePath(scratch, CurrentPath(*info, *state));
  if (!path) return nt::kNoMemory;
  const view::Lookup look = LookUp(vl, *path);
  NtStatus status = nt::kObjectNameNotFound;
  const bool moved = state->moved != nullptr;
  if (look.lower_hidden && !moved) {
    state->dead.store(true, std::memory_order_release);
    return nt::kSuccess;
  }
  if (look.upper_possible) status = OpenShadow(vl, scratch, *path, *info, state);
  // A renamed key is in the upper layer as a whole.
  if (status == nt::kObjectNameNotFound && moved) state->dead.store(true, std::memory_order_release);
  if (!nt::Ok(status) && status != nt::kObjectNameNotFound) return status;
  state->seen.store(changes, std::memory_order_release);
  return nt::kSuccess;
}

NtStatus MakeWritable(const VlState& vl, CallScratch& scratch, HandleInfo* info, KeyState* state) {
  for (int attempt = 0; attempt < kMaxAttempts; ++attempt) {
    VPath* path = ParsePath(scratch, CurrentPath(*info, *state));
    if (!path) return nt::kNoMemory;
    NtStatus status = CopyUp(vl, scratch, *path, path->depth);
    if (status == kResolveAgain) {
      // The handle was opened through a link nobody knew of: from now on it means the link's target.
      status = FollowLinks(vl, scratch, path, true);
      if (!nt::Ok(status)) return status;
      if (!Move(state, path->text)) return nt::kNoMemory;
      continue;
    }
    if (status == nt::kObjectNameNotFound) {
      state->dead.store(true, std::memory_order_release);
      return nt::kSuccess;
    }
    return nt::Ok(status) ? OpenShadow(vl, scratch, *path, *info, state) : status;
  }
  return nt::kObjectNameNotFound;
}

NtStatus BringUpToDate(const VlState& vl, CallScratch& scratch, Handle handle, AccessMask right, Use* out) {
  bool root = false;
  out->real = handle;
  if (const NtStatus status = FindOrAdopt(vl, scratch, handle, &out->ref, &root); !nt::Ok(status))
    return status;
  HandleInfo* info = out->info();
  if (!info || info->source == Source::kUpper || info->entry == kDirect) return nt::kSuccess;
  const uint32_t changes = Changes(vl);
  // The usual case: nothing happened in this VM since the key was opened.
  const bool write = (right & kWriteRights) != 0;
  if (!write && static_cast<uint32_t>(info->hash) == changes &&
      !info->extension.load(std::memory_order_acquire)) {
    out->lower = true;
    return nt::kSuccess;
  }
  KeyState* state = StateOf(info);
  if (!state) return nt::kNoMemory;
  if (!state->shadow.load(std::memory_order_acquire) &&
      state->seen.load(std::memory_order_acquire) != changes) {
    LockGuard guard(info->lock);
    if (const NtStatus status = Look(vl, scratch, info, state, changes); !nt::Ok(status)) return status;
  }
  if (write && !state->shadow.load(std::memory_order_acquire) &&
      !state->dead.load(std::memory_order_acquire) && Grants(info->access, right)) {
    LockGuard guard(info->lock);
    if (!state->shadow.load(std::memory_order_acquire)) {
      if (const NtStatus status = MakeWritable(vl, scratch, info, state); !nt::Ok(status)) return status;
    }
  }
  if (state->dead.load(std::memory_order_acquire)) {
    return Grants(info->access, right) ? nt::kKeyDeleted : nt::kAccessDenied;
  }
  const Handle shadow = state->shadow.load(std::memory_order_acquire);
  out->real = shadow ? shadow : handle;
  out->lower = shadow == nullptr;
  return nt::kSuccess;
}

}  // namespace

uint32_t Changes(const VlState& vl) {
  return vl.index.Generation().load(std::memory_order_acquire) +
         vl.index.CopyUps().load(std::memory_order_acquire) +
         vl.index.Renames().load(std::memory_order_acquire);
}

KeyState::~KeyState() {
  if (Handle handle = shadow.load(std::memory_order_acquire)) orig.NtClose(handle);
  HeapFree(moved);
  FreeListing(listing);
}

KeyState* StateOf(HandleInfo* info) {
  if (void* state = info->extension.load(std::memory_order_acquire)) return static_cast<KeyState*>(state);
  auto* mine = HeapNew<KeyState>();
  if (!mine) return nullptr;
  mine->renames = info->options;
  mine->seen.store(static_cast<uint32_t>(info->hash), std::memory_order_relaxed);
  return static_cast<KeyState*>(info->SetExtension(mine, DestroyState));
}

void Remember(const VlState& vl, Handle handle, const VPath& path, const Opened& opened, AccessMask access,
              uint32_t changes) {
  HandleInfo* info = NewHandleInfo(HandleKind::kKey, path);
  if (!info) return;
  info->source = opened.source;
  info->mount = opened.mount;
  if (opened.direct) info->entry = kDirect;
  info->access = access;
  info->options = vl.index.Renames().load(std::memory_order_acquire);
  info->hash = changes;
  Handles().Insert(handle, info);
}

VPath* PathOf(const VlState& vl, CallScratch& scratch, HandleInfo* info) {
  if (info->options == vl.index.Renames().load(std::memory_order_acquire) &&
      !info->extension.load(std::memory_order_acquire)) {
    return ParsePath(scratch, info->Path());
  }
  KeyState* state = StateOf(info);
  if (!state) return nullptr;
  LockGuard guard(info->lock);
  ApplyRenames(vl, scratch, info, state);
  return ParsePath(scratch, CurrentPath(*info, *state));
}

NtStatus PathOfHandle(const VlState& vl, CallScratch& scratch, Handle handle, VPath** path, bool* root) {
  HandleRef ref;
  *path = nullptr;
  if (const NtStatus status = FindOrAdopt(vl, scratch, handle, &ref, root); !nt::Ok(status)) return status;
  if (!ref) return nt::kSuccess;
  // A deleted key has no relatives, even if another key has its name by now.
  Use use;
  if (const NtStatus status = Begin(vl, scratch, handle, 0, &use); !nt::Ok(status)) return status;
  *path = PathOf(vl, scratch, ref.get());
  if (!*path) return nt::kNoMemory;
  if (!use.lower && ref->entry != kDirect && MaybeDeleted(vl, **path)) {
    WView name;
    if (const NtStatus status = RealNameOf(scratch, use.real, &name); !nt::Ok(status)) return status;
  }
  return nt::kSuccess;
}

NtStatus Begin(const VlState& vl, CallScratch& scratch, Handle handle, AccessMask right, Use* out) {
  const NtStatus status = BringUpToDate(vl, scratch, handle, right, out);
  if (Tracing()) TellUse(vl, scratch, *out);
  return status;
}

}  // namespace plume::vl::key
