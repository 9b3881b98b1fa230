// Merged subkeys.
#include "vl/calls/key_internal.h"

namespace plume::vl::key {
namespace {

// The order in which the system lists: Windows sorts by upper case, Wine by lower case, which differs for the
// signs between the two ('_', '[', ...). `c` is upper case already; the ranges are the ones where lower case
// sorts apart.
char16_t SortUnit(const VlState& vl, char16_t unit) {
  const char16_t c = view::Upcase(unit);
  if (!vl.is_wine) return c;
  if ((c >= u'A' && c <= u'Z') || (c >= 0xC0 && c <= 0xDE && c != 0xD7) || (c >= 0x391 && c <= 0x3A9) ||
      (c >= 0x410 && c <= 0x42F)) {
    return static_cast<char16_t>(c + 32);
  }
  if (c >= 0x400 && c <= 0x40F) return static_cast<char16_t>(c + 80);
  return c;
}

int Compare(const VlState& vl, WView a, WView b) {
  const size_t n = a.size() < b.size() ? a.size() : b.size();
  for (size_t i = 0; i < n; ++i) {
    if (a[i] == b[i]) continue;
    const int difference = SortUnit(vl, a[i]) - SortUnit(vl, b[i]);
    if (difference) return difference;
  }
  return static_cast<int>(a.size()) - static_cast<int>(b.size());
}

// By name, the upper layer first among equals.
int CompareKeys(const VlState& vl, const ListedKey& a, const ListedKey& b) {
  const int difference = Compare(vl, a.Name(), b.Name());
  if (difference) return difference;
  if (a.source != b.source) return static_cast<int>(a.source) - static_cast<int>(b.source);
  return a.mount - b.mount;
}

void SiftDown(const VlState& vl, ListedKey* keys, uint32_t from, uint32_t count) {
  for (uint32_t at = from;;) {
    uint32_t child = 2 * at + 1;
    if (child >= count) return;
    if (child + 1 < count && CompareKeys(vl, keys[child], keys[child + 1]) < 0) ++child;
    if (CompareKeys(vl, keys[at], keys[child]) >= 0) return;
    const ListedKey swapped = keys[at];
    keys[at] = keys[child];
    keys[child] = swapped;
    at = child;
  }
}

void Sort(const VlState& vl, ListedKey* keys, uint32_t count) {
  bool sorted = true;
  for (uint32_t i = 1; i < count && sorted; ++i) sorted = CompareKeys(vl, keys[i - 1], keys[i]) <= 0;
  if (sorted) return;
  for (uint32_t i = count / 2; i-- > 0;) SiftDown(vl, keys, i, count);
  for (uint32_t end = count; end-- > 1;) {
    const ListedKey swapped = keys[0];
    keys[0] = keys[end];
    keys[end] = swapped;
    SiftDown(vl, keys, 0, end);
  }
}

const char16_t* KeepName(Listing* listing, WView name) {
  const size_t bytes = name.size() * 2;
  Listing::Block* block = listing->names;
  if (!block || block->size - block->used < bytes) {
    const size_t size = bytes > 8000 ? bytes : 8000;
    block = static_cast<Listing::Block*>(HeapAlloc(sizeof(Listing::Block) + size));
    if (!block) return nullptr;
    *block = {listing->names, 0, size};
    listing->names = block;
  }
  auto* text = reinterpret_cast<char16_t*>(reinterpret_cast<uint8_t*>(block + 1) + block->used);
  for (size_t i = 0; i < name.size(); ++i) text[i] = name[i];
  block->used += bytes;
  return text;
}

bool Add(Listing* listing, WView name, Source source, uint32_t index, int mount, Ulong class_bytes) {
  if (listing->count == listing->capacity) {
    const uint32_t capacity = listing->capacity ? listing->capacity * 2 : 32;
    auto* keys = static_cast<ListedKey*>(HeapAlloc(capacity * sizeof(ListedKey)));
    if (!keys) return false;
    for (uint32_t i = 0; i < listing->count; ++i) keys[i] = listing->keys[i];
    HeapFree(listing->keys);
    listing->keys = keys;
    listing->capacity = capacity;
  }
  const char16_t* text = KeepName(listing, name);
  if (!text) return false;
  listing->keys[listing->count++] = {
      text, static_cast<uint16_t>(name.size()), static_cast<uint16_t>(class_bytes), source, index, mount};
  return true;
}

// Every subkey of a real key.
template <typename Shows>
NtStatus AddReal(CallScratch& scratch, Listing* listing, Handle key, Source source, Shows&& shows) {
  size_t room = 2048;
  auto* data = static_cast<uint8_t*>(scratch.Alloc(room));
  if (!data) return nt::kNoMemory;
  for (Ulong index = 0;; ++index) {
    Ulong needed = 0;
    NtStatus status =
        orig.NtEnumerateKey(key, index, nt::kKeyNodeInformation, data, static_cast<Ulong>(room), &needed);
    if (status == nt::kNoMoreEntries) return nt::kSuccess;
    if (status == nt::kBufferOverflow || status == nt::kBufferTooSmall) {
      room = size_t{needed} + 512;
      data = static_cast<uint8_t*>(scratch.Alloc(room));
      if (!data) return nt::kNoMemory;
      --index;
      continue;
    }
    if (!nt::Ok(status)) return status;
    const auto* node = reinterpret_cast<const nt::KeyNodeInformation*>(data);
    const WView name(node->name, node->name_length / 2);
    if (IsTemporary(name) || !shows(name)) continue;
    if (!Add(listing, name, source, index, -1, node->class_length)) return nt::kNoMemory;
  }
}

NtStatus AddImages(const VlState& vl, const VPath& path, const view::Lookup& look,
                   const view::ChildFilter& filter, Listing* listing) {
  for (view::Contributor at; view::NextContributor(vl.space, path, true, look, &at);) {
    const catalog::Reader& reader = vl.space.catalogs[vl.space.mounts[at.mount].layer];
    const catalog::Key& key = reader.key(at.entry);
    for (uint32_t i = 0; i < key.child_count(); ++i) {
      const WView name = reader.name(reader.key(key.first_child() + i));
      if (!filter.ShowsImage(name)) continue;
      if (!Add(listing, name, Source::kImage, key.first_child() + i, at.mount, 0)) return nt::kNoMemory;
    }
  }
  size_t next = 0;
  WView name;
  while (view::NextMountChild(vl.space, path, true, &next, &name)) {
    // No layer's own key: comes last among equals.
    if (filter.ShowsImage(name) && !Add(listing, name, Source::kHost, UINT32_MAX, INT32_MAX, 0))
      return nt::kNoMemory;
  }
  return nt::kSuccess;
}

void Unite(const VlState& vl, Listing* listing) {
  Sort(vl, listing->keys, listing->count);
  uint32_t kept = 0;
  for (uint32_t i = 0; i < listing->count; ++i) {
    const ListedKey& key = listing->keys[i];
    if (kept && Compare(vl, listing->keys[kept - 1].Name(), key.Name()) == 0) continue;
    listing->keys[kept++] = key;
    if (key.units * 2u > listing->max_name_bytes) listing->max_name_bytes = key.units * 2u;
    if (key.class_bytes > listing->max_class_bytes) listing->max_class_bytes = key.class_bytes;
  }
  listing->count = kept;
}

NtStatus Fill(const VlState& vl, CallScratch& scratch, const VPath& path, const view::Lookup& look,
              Listing* listing) {
  const view::ChildFilter filter(vl.space, path, true, look);
  const AccessMask access = nt::kKeyEnumerateSubKeys | nt::kKeyQueryValue | Native();
  NtStatus status;
  if (look.upper_possible) {
    const WView name = UpperName(vl, scratch, path, path.depth);
    if (Failed(name)) return nt::kNoMemory;
    status = OpenReal(name, access, nt::kObjOpenLink, &listing->upper);
    if (nt::Ok(status)) {
      status = AddReal(scratch, listing, listing->upper, Source::kUpper,
                       [&](WView n) { return filter.ShowsUpper(n); });
    } else if (status == nt::kObjectNameNotFound) {
      status = nt::kSuccess;
    }
    if (!nt::Ok(status)) return status;
  }
  status = AddImages(vl, path, look, filter, listing);
  if (!nt::Ok(status)) return status;
  if (filter.NeedsHost()) {
    const WView name = HostName(vl, scratch, path, path.depth);
    if (Failed(name)) return nt::kNoMemory;
    status = OpenReal(name, access, 0, &listing->host);
    if (nt::Ok(status)) {
      status = AddReal(scratch, listing, listing->host, Source::kHost,
                       [&](WView n) { return filter.ShowsHost(n); });
    } else if (status == nt::kObjectNameNotFound || status == nt::kAccessDenied) {
      status = nt::kSuccess;  // the host has none, or none that this user may see
    }
    if (!nt::Ok(status)) return status;
  }
  Unite(vl, listing);
  return nt::kSuccess;
}

}  // namespace

void FreeListing(Listing* listing) {
  if (!listing) return;
  if (listing->upper) orig.NtClose(listing->upper);
  if (listing->host) orig.NtClose(listing->host);
  for (Listing::Block* block = listing->names; block;) {
    Listing::Block* next = block->next;
    HeapFree(block);
    block = next;
  }
  HeapFree(listing->keys);
  HeapDelete(listing);
}

bool NeedsListing(const VlState& vl, const VPath& path, const view::Lookup& look) {
  return look.mode != view::Mode::kDeny && look.merge_listing;
}

NtStatus MakeListing(const VlState& vl, CallScratch& scratch, const VPath& path, const view::Lookup& look,
                     Listing** out) {
  auto* listing = HeapNew<Listing>();
  if (!listing) return nt::kNoMemory;
  // Taken first: a change while the layers are read makes the listing old at once.
  listing->generation = ListingStamp(vl);
  const NtStatus status = Fill(vl, scratch, path, look, listing);
  if (!nt::Ok(status)) {
    FreeListing(listing);
    return status;
  }
  *out = listing;
  return status;
}

NtStatus HasSubkeys(const VlState& vl, CallScratch& scratch, const VPath& path, bool* has) {
  Listing* listing = nullptr;
  const NtStatus status = MakeListing(vl, scratch, path, LookUp(vl, path), &listing);
  if (!nt::Ok(status)) return status;
  *has = listing->count != 0;
  FreeListing(listing);
  return status;
}

}  // namespace plume::vl::key
