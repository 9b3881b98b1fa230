// NtEnumerateKey and NtQueryKey. A key that only one layer knows goes straight to the system.
#include "vl/calls/key_internal.h"

namespace plume::vl {
namespace key {

namespace {

Ulong FixedPart(nt::KeyInformationClass information_class) {
  switch (information_class) {
    case nt::kKeyBasicInformation:
      return offsetof(nt::KeyBasicInformation, name);
    case nt::kKeyNodeInformation:
      return offsetof(nt::KeyNodeInformation, name);
    case nt::kKeyFullInformation:
      return offsetof(nt::KeyFullInformation, class_name);
    case nt::kKeyNameInformation:
      return offsetof(nt::KeyNameInformation, name);
    case nt::kKeyCachedInformation:
      return sizeof(nt::KeyCachedInformation);
    default:
      return 0;
  }
}

// No answer is longer: names and classes have 16-bit lengths.
constexpr Ulong kLongestAnswer = 0x30000, kLongestFixedPart = 64;

// Wine's lengths count what fitted; Windows' what there is.
void CountWhatFits(nt::KeyInformationClass information_class, uint8_t* data, Ulong fits) {
  if (information_class == nt::kKeyBasicInformation) {
    auto* basic = reinterpret_cast<nt::KeyBasicInformation*>(data);
    if (basic->name_length > fits) basic->name_length = fits;
  } else if (information_class == nt::kKeyNodeInformation) {
    auto* node = reinterpret_cast<nt::KeyNodeInformation*>(data);
    if (node->name_length > fits) node->name_length = fits;
    const Ulong left = fits - node->name_length;
    if (node->class_length > left) node->class_length = left;
    if (!node->class_length) node->class_offset = UINT32_MAX;
  } else if (information_class == nt::kKeyFullInformation) {
    auto* full = reinterpret_cast<nt::KeyFullInformation*>(data);
    if (full->class_length > fits) full->class_length = fits;
    if (!full->class_length) full->class_offset = UINT32_MAX;
  } else if (information_class == nt::kKeyNameInformation) {
    if (!fits) reinterpret_cast<nt::KeyNameInformation*>(data)->name_length = 0;
  }
}

// Puts a whole answer of `size` bytes, in memory of the layer, into the caller's buffer as the system does.
NtStatus Answer(const VlState& vl, nt::KeyInformationClass information_class, uint8_t* data, Ulong size,
                void* buffer, Ulong length, Ulong* result_length) {
  const Ulong fixed = FixedPart(information_class), bytes = length < size ? length : size;
  if (vl.is_wine && length < size && length >= fixed) CountWhatFits(information_class, data, length - fixed);
  if (bytes && !CopyOut(buffer, data, bytes)) return nt::kAccessViolation;
  if (!WriteUser(result_length, size)) return nt::kAccessViolation;
  if (length < fixed) return nt::kBufferTooSmall;
  return length < size ? nt::kBufferOverflow : nt::kSuccess;
}

// The listing of a handle, made or renewed. `renew`: whatever its age. REQUIRES the lock of the handle's
// info.
NtStatus CurrentListing(const VlState& vl, CallScratch& scratch, KeyState* state, const VPath& path,
                        const view::Lookup& look, bool renew, Listing** out) {
  if (state->listing && !renew && state->listing->generation == ListingStamp(vl)) {
    *out = state->listing;
    return nt::kSuccess;
  }
  Listing* fresh = nullptr;
  const NtStatus status = MakeListing(vl, scratch, path, look, &fresh);
  if (!nt::Ok(status)) return status;
  FreeListing(state->listing);
  *out = state->listing = fresh;
  return status;
}

// A whole answer with `name` in place of the name it has. Basic and node only.
NtStatus Renamed(CallScratch& scratch, nt::KeyInformationClass information_class, WView name, uint8_t** data,
                 Ulong* size) {
  const bool node = information_class == nt::kKeyNodeInformation;
  const auto* old = reinterpret_cast<const nt::KeyNodeInformation*>(*data);
  const Ulong fixed = FixedPart(information_class), name_bytes = static_cast<Ulong>(name.size() * 2);
  const Ulong class_bytes = node ? old->class_length : 0;
  auto* fresh = static_cast<uint8_t*>(scratch.Alloc(fixed + name_bytes + class_bytes + 8));
  if (!fresh) return nt::kNoMemory;
  for (Ulong i = 0; i < fixed; ++i) fresh[i] = (*data)[i];
  auto* text = reinterpret_cast<char16_t*>(fresh + fixed);
  for (size_t i = 0; i < name.size(); ++i) text[i] = name[i];
  if (node) {
    auto* made = reinterpret_cast<nt::KeyNodeInformation*>(fresh);
    made->name_length = name_bytes;
    for (Ulong i = 0; i < class_bytes; ++i) fresh[fixed + name_bytes + i] = (*data)[old->class_offset + i];
    if (class_bytes) made->class_offset = fixed + name_bytes;
  } else {
    reinterpret_cast<nt::KeyBasicInformation*>(fresh)->name_length = name_bytes;
  }
  *data = fresh;
  *size = fixed + name_bytes + class_bytes;
  return nt::kSuccess;
}

void PutCounts(nt::KeyInformationClass information_class, uint8_t* data, const Listing& listing) {
  if (information_class == nt::kKeyFullInformation) {
    auto* full = reinterpret_cast<nt::KeyFullInformation*>(data);
    full->sub_keys = listing.count;
    full->max_name_length = listing.max_name_bytes;
    full->max_class_length = listing.max_class_bytes;
  } else {
    auto* cached = reinterpret_cast<nt::KeyCachedInformation*>(data);
    cached->sub_keys = listing.count;
    cached->max_name_length = listing.max_name_bytes;
  }
}

bool Counts(nt::KeyInformationClass c) {
  return c == nt::kKeyFullInformation || c == nt::kKeyCachedInformation;
}

// The name a key shows where its real one differs: the roots, and the root of an image's mount.
bool HasOwnName(const VlState& vl, const VPath& path, Source source, int mount) {
  return path.depth == 0 ||
         (source == Source::kImage && mount >= 0 && MountDepth(vl, path, mount) == path.depth);
}
WView OwnName(const VlState& vl, const VPath& path) {
  if (path.depth != 0) return path.Name();
  const bool machine = view::Upcase(path.text[0]) == u'M';
  if (vl.is_wine) return machine ? WView(u"Machine") : WView(u"User");
  return machine ? WView(u"MACHINE") : WView(u"USER");
}

// The virtual name of a real key, as the answer of the name class.
NtStatus NameAnswer(const VlState& vl, CallScratch& scratch, Handle real_key, uint8_t** data, Ulong* size) {
  WView real, canonical;
  Source source;
  int mount;
  const NtStatus status = RealNameOf(scratch, real_key, &real);
  if (!nt::Ok(status)) return status;
  WView name = real;
  if (RealToCanonical(vl, scratch, real, &canonical, &source, &mount) == RealKind::kKey &&
      source != Source::kHost) {
    name = DisplayName(vl, scratch, canonical);
  }
  const Ulong fixed = FixedPart(nt::kKeyNameInformation);
  *size = static_cast<Ulong>(fixed + name.size() * 2);
  *data = static_cast<uint8_t*>(scratch.Alloc(*size));
  if (Failed(name) || !*data) return nt::kNoMemory;
  auto* information = reinterpret_cast<nt::KeyNameInformation*>(*data);
  information->name_length = static_cast<Ulong>(name.size() * 2);
  for (size_t i = 0; i < name.size(); ++i) information->name[i] = name[i];
  return status;
}

// Everything about one key, seen from outside, in scratch.
NtStatus Describe(const VlState& vl, CallScratch& scratch, const VPath& path,
                  nt::KeyInformationClass information_class, uint8_t** data, Ulong* size) {
  const view::Lookup look = LookUp(vl, path);
  Opened opened;
  NtStatus status = OpenTop(vl, scratch, path, look, nt::kKeyRead, nt::kObjOpenLink, &opened);
  if (!nt::Ok(status)) return status;
  const bool wants_name = information_class == nt::kKeyNameInformation;
  status = wants_name ? NameAnswer(vl, scratch, opened.handle, data, size)
                      : QueryWhole(scratch, opened.handle, -1, information_class, data, size);
  orig.NtClose(opened.handle);
  if (!nt::Ok(status) || wants_name) return status;
  if (!Counts(information_class)) {
    if (HasOwnName(vl, path, opened.source, opened.mount)) {
      return Renamed(scratch, information_class, OwnName(vl, path), data, size);
    }
    return status;
  }
  if (!NeedsListing(vl, path, look)) return status;
  Listing* listing = nullptr;
  status = MakeListing(vl, scratch, path, look, &listing);
  if (!nt::Ok(status)) return status;
  PutCounts(information_class, *data, *listing);
  FreeListing(listing);
  return status;
}

// The answer for a subkey without opening it: its entry in the layer's own key, if it still is at that index.
NtStatus FromLayer(CallScratch& scratch, const Listing& listing, const ListedKey& key,
                   nt::KeyInformationClass information_class, uint8_t** data, Ulong* size) {
  const Handle layer = key.source == Source::kUpper  ? listing.upper
                       : key.source == Source::kHost ? listing.host
                                                     : nullptr;
  if (!layer || key.index == UINT32_MAX) return nt::kNoMoreEntries;
  const NtStatus status = QueryWhole(scratch, layer, key.index, information_class, data, size);
  if (!nt::Ok(status)) return status;
  WView name;
  if (information_class == nt::kKeyBasicInformation) {
    const auto* basic = reinterpret_cast<const nt::KeyBasicInformation*>(*data);
    name = WView(basic->name, basic->name_length / 2);
  } else {
    const auto* node = reinterpret_cast<const nt::KeyNodeInformation*>(*data);
    name = WView(node->name, node->name_length / 2);
  }
  return name == key.Name() ? status : nt::kNoMoreEntries;
}

// An image key's basic facts are in the catalog: nothing needs to be materialised for a listing.
NtStatus FromCatalog(const VlState& vl, CallScratch& scratch, const ListedKey& key,
                     nt::KeyInformationClass information_class, uint8_t** data, Ulong* size) {
  const catalog::Reader& reader = vl.space.catalogs[vl.space.mounts[key.mount].layer];
  const Ulong fixed = FixedPart(information_class);
  *data = static_cast<uint8_t*>(scratch.Alloc(fixed));
  if (!*data) return nt::kNoMemory;
  for (Ulong i = 0; i < fixed; ++i) (*data)[i] = 0;
  const nt::LargeInteger modified = reader.key(key.index).modified();
  reinterpret_cast<nt::KeyBasicInformation*>(*data)->last_write_time = modified;
  if (information_class == nt::kKeyNodeInformation) {
    reinterpret_cast<nt::KeyNodeInformation*>(*data)->class_offset = UINT32_MAX;
  }
  return Renamed(scratch, information_class, key.Name(), data, size);
}

NtStatus Enumerate(const VlState& vl, CallScratch& scratch, HandleInfo* info, const VPath& path,
                   const view::Lookup& look, Ulong index, nt::KeyInformationClass information_class,
                   uint8_t** data, Ulong* size) {
  KeyState* state = StateOf(info);
  if (!state) return nt::kNoMemory;
  LockGuard guard(info->lock);
  for (int attempt = 0; attempt < kMaxAttempts; ++attempt) {
    Listing* listing = nullptr;
    NtStatus status = CurrentListing(vl, scratch, state, path, look, index == 0 || attempt > 0, &listing);
    if (!nt::Ok(status)) return status;
    if (index >= listing->count) return nt::kNoMoreEntries;
    const ListedKey& key = listing->keys[index];
    if (!Counts(information_class) && information_class != nt::kKeyNameInformation) {
      status = key.source == Source::kImage
                   ? FromCatalog(vl, scratch, key, information_class, data, size)
                   : FromLayer(scratch, *listing, key, information_class, data, size);
      if (nt::Ok(status)) return status;
    }
    VPath* child = Child(scratch, path, key.Name());
    if (!child) return nt::kNoMemory;
    status = Describe(vl, scratch, *child, information_class, data, size);
    if (status != nt::kObjectNameNotFound && status != nt::kKeyDeleted) return status;
    // Deleted on the host meanwhile: list again.
  }
  return nt::kNoMoreEntries;
}

}  // namespace
}  // namespace key

nt::NtStatus PLUME_NTAPI HookNtEnumerateKey(nt::Handle handle, nt::Ulong index,
                                            nt::KeyInformationClass information_class, void* buffer,
                                            nt::Ulong length, nt::Ulong* result_length) {
  using namespace key;
  const VlState& vl = Enter();
  CallScratch scratch;
  Use use;
  NtStatus status = Begin(vl, scratch, handle, nt::kKeyEnumerateSubKeys, &use);
  if (TraceNote* note = TraceNow()) note->Detail(index);
  if (!nt::Ok(status) && !NotAKey(status) && FixedPart(information_class)) return status;
  const auto pass_on = [&] {
    return orig.NtEnumerateKey(use.real, index, information_class, buffer, length, result_length);
  };
  const bool ours = information_class == nt::kKeyBasicInformation ||
                    information_class == nt::kKeyNodeInformation || Counts(information_class) ||
                    (information_class == nt::kKeyNameInformation && vl.is_wine);
  // The system judges rights and unknown classes.
  if (!use.ref || use.info()->entry == kDirect || !ours ||
      !Grants(use.info()->access, nt::kKeyEnumerateSubKeys))
    return pass_on();
  VPath* path = PathOf(vl, scratch, use.info());
  if (!path) return nt::kNoMemory;
  const view::Lookup look = LookUp(vl, *path);
  if (!NeedsListing(vl, *path, look)) return pass_on();
  if (!use.lower && MaybeDeleted(vl, *path)) {
    // A handle may outlive its key, and another key have its name.
    Ulong none = 0;
    status = orig.NtQueryKey(use.real, nt::kKeyBasicInformation, nullptr, 0, &none);
    if (status == nt::kKeyDeleted) return status;
  }
  uint8_t* data = nullptr;
  Ulong size = 0;
  status = Enumerate(vl, scratch, use.info(), *path, look, index, information_class, &data, &size);
  return nt::Ok(status) ? Answer(vl, information_class, data, size, buffer, length, result_length) : status;
}

nt::NtStatus PLUME_NTAPI HookNtQueryKey(nt::Handle handle, nt::KeyInformationClass information_class,
                                        void* buffer, nt::Ulong length, nt::Ulong* result_length) {
  using namespace key;
  const VlState& vl = Enter();
  CallScratch scratch;
  Use use;
  NtStatus status = Begin(vl, scratch, handle, 0, &use);
  if (!nt::Ok(status) && !NotAKey(status) && FixedPart(information_class)) return status;
  const auto pass_on = [&] {
    return orig.NtQueryKey(use.real, information_class, buffer, length, result_length);
  };
  if (!use.ref || use.info()->entry == kDirect || FixedPart(information_class) == 0) return pass_on();
  HandleInfo* info = use.info();
  const bool host = info->source == Source::kHost && use.lower;
  uint8_t* data = nullptr;
  Ulong size = 0;
  if (information_class == nt::kKeyNameInformation) {
    if (host) return pass_on();
    status = NameAnswer(vl, scratch, use.real, &data, &size);
    if (!nt::Ok(status)) return status;
    return Answer(vl, information_class, data, size, buffer, length, result_length);
  }
  VPath* path = PathOf(vl, scratch, info);
  if (!path) return nt::kNoMemory;
  if (!Counts(information_class)) {
    if (!HasOwnName(vl, *path, use.lower ? info->source : Source::kUpper, info->mount)) return pass_on();
    status = QueryWhole(scratch, use.real, -1, information_class, &data, &size);
    if (nt::Ok(status)) status = Renamed(scratch, information_class, OwnName(vl, *path), &data, &size);
  } else {
    const view::Lookup look = LookUp(vl, *path);
    if (!NeedsListing(vl, *path, look)) return pass_on();
    // Into a buffer of the caller's length, so that a short one is treated as the system treats it.
    const Ulong room = length < kLongestAnswer ? length : kLongestAnswer;
    data = static_cast<uint8_t*>(scratch.Alloc(room + kLongestFixedPart));
    if (!data) return nt::kNoMemory;
    const NtStatus answered = orig.NtQueryKey(use.real, information_class, data, room, &size);
    if (answered != nt::kBufferOverflow && answered != nt::kBufferTooSmall && !nt::Ok(answered))
      return answered;
    KeyState* state = StateOf(info);
    if (!state) return nt::kNoMemory;
    LockGuard guard(info->lock);
    Listing* listing = nullptr;
    status = CurrentListing(vl, scratch, state, *path, look, true, &listing);
    if (!nt::Ok(status)) return status;
    PutCounts(information_class, data, *listing);
    const Ulong bytes = room < size ? room : size;
    const bool out = (!bytes || CopyOut(buffer, data, bytes)) && WriteUser(result_length, size);
    return out ? answered : nt::kAccessViolation;
  }
  return nt::Ok(status) ? Answer(vl, information_class, data, size, buffer, length, result_length) : status;
}

}  // namespace plume::vl
