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

const char16_t* KeepName(RawKeys* raw, WView name) {
  const size_t bytes = name.size() * 2;
  RawKeys::Block* block = raw->names;
  if (!block || block->size - block->used < bytes) {
    const size_t size = bytes > 8000 ? bytes : 8000;
    block = static_cast<RawKeys::Block*>(HeapAlloc(sizeof(RawKeys::Block) + size));
    if (!block) return nullptr;
    *block = {raw->names, 0, size};
    raw->names = block;
  }
  auto* text = reinterpret_cast<char16_t*>(reinterpret_cast<uint8_t*>(block + 1) + block->used);
  for (size_t i = 0; i < name.size(); ++i) text[i] = name[i];
  block->used += bytes;
  return text;
}

bool Add(KeyArray* array, const ListedKey& key) {
  if (array->count == array->capacity) {
    const uint32_t capacity = array->capacity ? array->capacity * 2 : 32;
    auto* keys = static_cast<ListedKey*>(HeapAlloc(capacity * sizeof(ListedKey)));
    if (!keys) return false;
    for (uint32_t i = 0; i < array->count; ++i) keys[i] = array->keys[i];
    HeapFree(array->keys);
    array->keys = keys;
    array->capacity = capacity;
  }
  array->keys[array->count++] = key;
  return true;
}

void Release(RawKeys* raw) {
  if (!raw || raw->references.fetch_sub(1, std::memory_order_acq_rel) != 1) return;
  if (raw->key) orig.NtClose(raw->key);
  for (RawKeys::Block* block = raw->names; block;) {
    RawKeys::Block* next = block->next;
    HeapFree(block);
    block = next;
  }
  HeapFree(raw->array.keys);
  HeapDelete(raw);
}

// What tells that a real key got or lost a subkey. Wine does not set the time for subkeys made by an absolute
// name, so the number counts too. A subkey renamed on the host is noticed when its entry is asked for.
bool LastChange(Handle key, RawKeys* out) {
  nt::KeyFullInformation full;
  Ulong needed = 0;
  const NtStatus status = orig.NtQueryKey(key, nt::kKeyFullInformation, &full, sizeof(full), &needed);
  if (!nt::Ok(status) && status != nt::kBufferOverflow) return false;
  out->written = full.last_write_time;
  out->subkeys = full.sub_keys;
  return true;
}

bool Unchanged(const RawKeys& raw) {
  RawKeys now;
  return LastChange(raw.key, &now) && now.written == raw.written && now.subkeys == raw.subkeys;
}

// Every subkey of a real key, taking over the handle. The time is asked first: a change while the names are
// read makes them old at once.
NtStatus ReadRaw(CallScratch& scratch, Handle key, Source source, RawKeys** out) {
  auto* raw = HeapNew<RawKeys>();
  if (!raw) {
    orig.NtClose(key);
    return nt::kNoMemory;
  }
  raw->key = key;
  LastChange(key, raw);
  size_t room = 2048;
  auto* data = static_cast<uint8_t*>(scratch.Alloc(room));
  NtStatus status = data ? nt::kSuccess : nt::kNoMemory;
  for (Ulong index = 0; nt::Ok(status); ++index) {
    Ulong needed = 0;
    status =
        orig.NtEnumerateKey(key, index, nt::kKeyNodeInformation, data, static_cast<Ulong>(room), &needed);
    if (status == nt::kBufferOverflow || status == nt::kBufferTooSmall) {
      room = size_t{needed} + 512;
      data = static_cast<uint8_t*>(scratch.Alloc(room));
      status = data ? nt::kSuccess : nt::kNoMemory;
      --index;
      continue;
    }
    if (!nt::Ok(status)) break;
    const auto* node = reinterpret_cast<const nt::KeyNodeInformation*>(data);
    const WView name(node->name, node->name_length / 2);
    if (IsTemporary(name)) continue;
    const char16_t* text = KeepName(raw, name);
    const ListedKey listed{
        text, static_cast<uint16_t>(name.size()), static_cast<uint16_t>(node->class_length), source, index,
        -1};
    if (!text || !Add(&raw->array, listed)) status = nt::kNoMemory;
  }
  if (status == nt::kNoMoreEntries) {
    *out = raw;
    return nt::kSuccess;
  }
  Release(raw);
  return status;
}

// The raw list of one layer: the previous one if nothing changed in that key since.
NtStatus GetRaw(CallScratch& scratch, WView name, Source source, Ulong attributes, RawKeys* previous,
                RawKeys** out) {
  if (Failed(name)) return nt::kNoMemory;
  if (previous && Unchanged(*previous)) {
    previous->references.fetch_add(1, std::memory_order_relaxed);
    *out = previous;
    return nt::kSuccess;
  }
  Handle key = nullptr;
  const NtStatus status =
      OpenReal(name, nt::kKeyEnumerateSubKeys | nt::kKeyQueryValue | kNative, attributes, &key);
  return nt::Ok(status) ? ReadRaw(scratch, key, source, out) : status;
}

template <typename Shows>
bool AddShown(Listing* listing, const RawKeys& raw, Shows&& shows) {
  for (uint32_t i = 0; i < raw.array.count; ++i) {
    const ListedKey& key = raw.array.keys[i];
    if (shows(key.Name()) && !Add(&listing->array, key)) return false;
  }
  return true;
}

NtStatus AddImages(const VlState& vl, const VPath& path, const view::Lookup& look,
                   const view::ChildFilter& filter, Listing* listing) {
  for (view::Contributor at; view::NextContributor(vl.space, path, true, look, &at);) {
    const catalog::Reader& reader = vl.space.catalogs[vl.space.mounts[at.mount].layer];
    const catalog::Key& key = reader.key(at.entry);
    for (uint32_t i = 0; i < key.child_count(); ++i) {
      const WView name = reader.name(reader.key(key.first_child() + i));
      if (!filter.ShowsImage(name)) continue;
      const ListedKey listed{name.data(),
                             static_cast<uint16_t>(name.size()),
                             0,
                             Source::kImage,
                             key.first_child() + i,
                             at.mount,
                             reader.key(key.first_child() + i).value_count() == 0};
      if (!Add(&listing->array, listed)) return nt::kNoMemory;
    }
  }
  size_t next = 0;
  WView name;
  while (view::NextMountChild(vl.space, path, true, &next, &name)) {
    if (!filter.ShowsImage(name)) continue;
    // No layer's own key: comes last among equals. The name lies in the view.
    const ListedKey listed{name.data(), static_cast<uint16_t>(name.size()), 0, Source::kHost, UINT32_MAX,
                           INT32_MAX};
    if (!Add(&listing->array, listed)) return nt::kNoMemory;
  }
  return nt::kSuccess;
}

void Unite(const VlState& vl, Listing* listing) {
  ListedKey* keys = listing->array.keys;
  Sort(vl, keys, listing->array.count);
  uint32_t kept = 0;
  for (uint32_t i = 0; i < listing->array.count; ++i) {
    const ListedKey& key = keys[i];
    if (kept && Compare(vl, keys[kept - 1].Name(), key.Name()) == 0) {
      // The same rule as in OpenTop: which layer's key it is, is said by values.
      ListedKey& above = keys[kept - 1];
      if (above.only_subkeys && !key.only_subkeys && key.index != UINT32_MAX) above = key;
      continue;
    }
    keys[kept++] = key;
  }
  listing->array.count = kept;
  for (uint32_t i = 0; i < kept; ++i) {
    const ListedKey& key = keys[i];
    if (key.units * 2u > listing->max_name_bytes) listing->max_name_bytes = key.units * 2u;
    if (key.class_bytes > listing->max_class_bytes) listing->max_class_bytes = key.class_bytes;
  }
}

NtStatus Fill(const VlState& vl, CallScratch& scratch, const VPath& path, const view::Lookup& look,
              const Listing* previous, Listing* listing) {
  const view::ChildFilter filter(vl.space, path, true, look);
  NtStatus status;
  if (look.upper_possible) {
    status = GetRaw(scratch, UpperName(vl, scratch, path, path.depth), Source::kUpper, nt::kObjOpenLink,
                    previous ? previous->upper : nullptr, &listing->upper);
    if (!nt::Ok(status) && status != nt::kObjectNameNotFound) return status;
    if (listing->upper &&
        !AddShown(listing, *listing->upper, [&](WView n) { return filter.ShowsUpper(n); })) {
      return nt::kNoMemory;
    }
  }
  status = AddImages(vl, path, look, filter, listing);
  if (!nt::Ok(status)) return status;
  if (filter.NeedsHost()) {
    status = GetRaw(scratch, HostName(vl, scratch, path, path.depth), Source::kHost, 0,
                    previous ? previous->host : nullptr, &listing->host);
    // The host has none, or none that this user may see.
    if (!nt::Ok(status) && status != nt::kObjectNameNotFound && status != nt::kAccessDenied) return status;
    if (listing->host && !AddShown(listing, *listing->host, [&](WView n) { return filter.ShowsHost(n); })) {
      return nt::kNoMemory;
    }
  }
  Unite(vl, listing);
  return nt::kSuccess;
}

NtStatus MakeListing(const VlState& vl, CallScratch& scratch, const VPath& path, const view::Lookup& look,
                     const Listing* previous, Listing** out) {
  auto* listing = HeapNew<Listing>();
  if (!listing) return nt::kNoMemory;
  // Taken first: a change while the layers are read makes the listing old at once.
  listing->renames = vl.index.Renames().load(std::memory_order_acquire);
  listing->generation = vl.index.Generation().load(std::memory_order_acquire);
  const NtStatus status = Fill(vl, scratch, path, look, previous, listing);
  if (!nt::Ok(status)) {
    ReleaseListing(listing);
    return status;
  }
  *out = listing;
  return status;
}

// The listings used last, whatever the handle: programs like to open a key, read one name and close it again.
struct Cached {
  Listing* listing;
  char16_t* path;
  uint32_t units;
  uint64_t hash;
};
constexpr uint32_t kCached = 8;
constinit Cached g_cached[kCached] = {};
constinit uint32_t g_next = 0;
constinit Lock g_cache_lock;

Listing* FindCached(const VPath& path) {
  const uint64_t hash = path.hash[path.depth];
  LockGuard guard(g_cache_lock);
  for (const Cached& c : g_cached) {
    if (!c.listing || c.hash != hash || !view::EqualFolded(WView(c.path, c.units), path.text)) continue;
    c.listing->references.fetch_add(1, std::memory_order_relaxed);
    return c.listing;
  }
  return nullptr;
}

void PutCached(const VPath& path, Listing* listing) {
  auto* text = static_cast<char16_t*>(HeapAlloc(path.text.size() * 2 + 2));
  if (!text) return;
  for (size_t i = 0; i < path.text.size(); ++i) text[i] = path.text[i];
  listing->references.fetch_add(1, std::memory_order_relaxed);
  Cached fresh{listing, text, static_cast<uint32_t>(path.text.size()), path.hash[path.depth]}, old = {};
  {
    LockGuard guard(g_cache_lock);
    Cached* place = nullptr;
    for (Cached& c : g_cached) {
      if (c.listing && c.hash == fresh.hash && view::EqualFolded(WView(c.path, c.units), path.text))
        place = &c;
    }
    if (!place) place = &g_cached[g_next++ % kCached];
    old = *place;
    *place = fresh;
  }
  HeapFree(old.path);
  ReleaseListing(old.listing);
}

}  // namespace

void ReleaseListing(Listing* listing) {
  if (!listing || listing->references.fetch_sub(1, std::memory_order_acq_rel) != 1) return;
  Release(listing->upper);
  Release(listing->host);
  HeapFree(listing->array.keys);
  HeapDelete(listing);
}

bool NeedsListing(const VlState& vl, const VPath& path, const view::Lookup& look) {
  return look.mode != view::Mode::kDeny && look.merge_listing;
}

NtStatus GetListing(const VlState& vl, CallScratch& scratch, const VPath& path, const view::Lookup& look,
                    bool renew, bool afresh, Listing* mine, Listing** out) {
  Listing* known = mine;
  if (known) {
    known->references.fetch_add(1, std::memory_order_relaxed);
  } else {
    known = FindCached(path);
  }
  const uint32_t renames = vl.index.Renames().load(std::memory_order_acquire);
  if (known && (afresh || known->renames != renames)) {
    ReleaseListing(known);
    known = nullptr;
  }
  if (known && known->generation == vl.index.Generation().load(std::memory_order_acquire)) {
    const bool same = !renew || ((!known->upper || Unchanged(*known->upper)) &&
                                 (known->host ? Unchanged(*known->host) : !look.host_visible));
    if (same) {
      *out = known;
      return nt::kSuccess;
    }
  }
  const NtStatus status = MakeListing(vl, scratch, path, look, known, out);
  ReleaseListing(known);
  if (nt::Ok(status)) PutCached(path, *out);
  return status;
}

NtStatus HasSubkeys(const VlState& vl, CallScratch& scratch, const VPath& path, bool* has) {
  Listing* listing = nullptr;
  const NtStatus status = MakeListing(vl, scratch, path, LookUp(vl, path), nullptr, &listing);
  if (!nt::Ok(status)) return status;
  *has = listing->array.count != 0;
  ReleaseListing(listing);
  return status;
}

bool OnlyUpper(const VlState& vl, CallScratch& scratch, const VPath& path, const view::Lookup& look) {
  if (!look.upper_possible || look.mount >= 0 || look.virtual_directory) return false;
  for (const view::Rule& rule : vl.space.key_rules) {
    if (rule.prefix.size() > path.text.size() && rule.prefix[path.text.size()] == u'\\' &&
        view::EqualFolded(view::Sub(rule.prefix, 0, path.text.size()), path.text)) {
      return false;
    }
  }
  if (!look.host_visible) return true;
  Handle host = nullptr;
  const WView name = HostName(vl, scratch, path, path.depth);
  if (Failed(name)) return false;
  const NtStatus status = OpenReal(name, nt::kKeyEnumerateSubKeys | kNative, 0, &host);
  if (nt::Ok(status)) orig.NtClose(host);
  return status == nt::kObjectNameNotFound;
}

}  // namespace plume::vl::key
