// Directory listings. A directory that only one real directory makes up is listed by the system; any other gets a
// merged listing at the first query and at every restart, which then is handed out piece by piece.
#include "view/listing.h"

#include <cstring>

#include "view/short_name.h"
#include "vl/calls/file_directory_state.h"
#include "vl/calls/file_set.h"
#include "vl/calls/file_space.h"
#include "vl/calls/object_file.h"

namespace plume::vl {

using view::Mode;
using view::VPath;
using view::WView;

ListingArena::~ListingArena() {
  while (blocks_) {
    Block* next = blocks_->next;
    HeapFree(blocks_);
    blocks_ = next;
  }
}

void* ListingArena::Alloc(void* context, size_t bytes) {
  auto& self = *static_cast<ListingArena*>(context);
  constexpr size_t kHead = 32, kFirst = 16 << 10, kMost = 1 << 20;
  bytes = (bytes + 15) & ~size_t{15};
  if (!self.blocks_ || self.blocks_->size - self.blocks_->used < bytes) {
    size_t size = self.blocks_ ? self.blocks_->size * 2 : kFirst;
    if (size > kMost) size = kMost;
    if (size < bytes + kHead) size = bytes + kHead;
    auto* block = static_cast<Block*>(HeapAlloc(size));
    if (!block) return nullptr;
    *block = Block{self.blocks_, size, kHead};
    self.blocks_ = block;
  }
  void* at = reinterpret_cast<uint8_t*>(self.blocks_) + self.blocks_->used;
  self.blocks_->used += bytes;
  return at;
}

DirectoryState::~DirectoryState() {
  HeapDelete(merged);
  HeapFree(pattern);
  if (watched) orig.NtClose(watched);
}

void DirectoryState::Destroy(void* state) { HeapDelete(static_cast<DirectoryState*>(state)); }

HandleRef DirectoryInfo(const VlState& vl, CallScratch& scratch, nt::Handle handle) {
  HandleRef known = Handles().Find(handle);
  if (known || !IsDirectoryHandle(handle)) return known;
  bool of_host = false;
  const VPath* path = PathOfHandle(vl, scratch, handle, &of_host);
  HandleInfo* info = path ? NewHandleInfo(HandleKind::kDirectory, *path) : nullptr;
  if (!info) return HandleRef();
  // Never guarded against changes: whoever opened it decided.
  info->source = of_host ? Source::kHost : Source::kUpper;
  info->access = GrantedAccess(handle);
  Handles().Insert(handle, info);
  return Handles().Find(handle);
}

DirectoryState* StateOf(HandleInfo& info) {
  if (void* state = info.extension.load(std::memory_order_acquire)) return static_cast<DirectoryState*>(state);
  auto* mine = HeapNew<DirectoryState>();
  return mine ? static_cast<DirectoryState*>(info.SetExtension(mine, DirectoryState::Destroy)) : nullptr;
}

namespace {

constexpr nt::Ulong kMostBytes = 128 << 10;  // handed out by one query

view::DirEntry FromReal(const nt::FileIdBothDirectoryInformation& e) {
  view::DirEntry out;
  out.name = NameOf(e);
  out.short_name = WView(e.short_name, static_cast<uint8_t>(e.short_name_length) / 2);
  out.attributes = e.file_attributes;
  out.ea_size = e.ea_size;
  out.created = e.creation_time;
  out.accessed = e.last_access_time;
  out.written = e.last_write_time;
  out.changed = e.change_time;
  out.size = static_cast<uint64_t>(e.end_of_file);
  out.allocation = static_cast<uint64_t>(e.allocation_size);
  out.id = static_cast<uint64_t>(e.file_id);
  return out;
}

view::DirEntry FromInformation(WView name, const nt::FileNetworkOpenInformation& info, uint64_t id) {
  view::DirEntry out;
  out.name = name;
  out.attributes = info.file_attributes;
  out.created = info.creation_time;
  out.accessed = info.last_access_time;
  out.written = info.last_write_time;
  out.changed = info.change_time;
  out.size = static_cast<uint64_t>(info.end_of_file);
  out.allocation = static_cast<uint64_t>(info.allocation_size);
  out.id = id;
  return out;
}

constexpr bool SameLayer(view::Source a, Source b) {
  return a == view::Source::kUpper ? b == Source::kUpper : a == view::Source::kHost && b == Source::kHost;
}

// One listing in the making.
struct Builder {
  const VlState& vl;
  CallScratch& scratch;
  const VPath& path;
  const view::Lookup& found;
  const view::ChildFilter& filter;
  view::Listing& listing;
  nt::Handle handle;           // the one that is listed,
  Source handle_source;        // and its layer

  nt::NtStatus AddReal(view::Source source, WView name);
  nt::NtStatus AddImages();
  nt::NtStatus AddMounts();
  bool AddDots(int mount, uint32_t entry);
};

nt::NtStatus Builder::AddReal(view::Source source, WView name) {
  RealDirectory directory;
  nt::NtStatus s = directory.Open(scratch, name);
  if (s == nt::kSharingViolation && SameLayer(source, handle_source)) s = directory.Borrow(scratch, handle);
  // A layer that does not have the directory, or has a file of that name, has nothing to show.
  if (!nt::Ok(s)) return IsMissing(s) || s == nt::kNotADirectory ? nt::kSuccess : s;
  if (path.depth > 0) directory.KeepDots();
  while (const auto* entry = directory.Next()) {
    if (!listing.Add(source, FromReal(*entry))) return nt::kNoMemory;
  }
  return directory.status() == nt::kNoMoreFiles ? nt::kSuccess : directory.status();
}

// "." and ".." of an image directory, as its catalog has them.
bool Builder::AddDots(int mount, uint32_t entry) {
  if (path.depth == 0) return true;
  const catalog::Reader& reader = vl.space.catalogs[vl.space.mounts[mount].layer];
  return listing.Add(view::Source::kImage, FromInformation(WView(u".", 1), EntryInformation(vl, mount, entry), path.hash[path.depth])) &&
         listing.Add(view::Source::kImage,
                     FromInformation(WView(u"..", 2), EntryInformation(vl, mount, reader.entry(entry).parent()),
                                     path.hash[path.depth - 1]));
}

nt::NtStatus Builder::AddImages() {
  view::Contributor layer;
  while (view::NextContributor(vl.space, path, false, found, &layer)) {
    const catalog::Reader& reader = vl.space.catalogs[vl.space.mounts[layer.mount].layer];
    const catalog::Entry& directory = reader.entry(layer.entry);
    if (!AddDots(layer.mount, layer.entry)) return nt::kNoMemory;
    for (uint32_t i = 0; i < directory.child_count(); ++i) {
      const uint32_t child = directory.first_child() + i;
      const WView name = reader.name(reader.entry(child));
      view::DirEntry e = FromInformation(name, EntryInformation(vl, layer.mount, child),
                                         view::HashAppend(path.hash[path.depth], name));
      e.attributes = AttributesByName(vl, name, e.attributes);
      view::ShortName made;
      e.short_name = reader.short_name(reader.entry(child));
      if (e.short_name.empty() && vl.is_wine) {
        made = view::WineShortName(name);
        e.short_name = made.View();
      }
      if (!listing.Add(view::Source::kImage, e)) return nt::kNoMemory;
    }
  }
  return nt::kSuccess;
}

// Directories that exist because something is mounted in them.
nt::NtStatus Builder::AddMounts() {
  nt::FileNetworkOpenInformation info{};
  info.file_attributes = nt::kAttrDirectory;
  size_t at = 0;
  WView name;
  while (!found.lower_hidden && view::NextMountChild(vl.space, path, false, &at, &name)) {
    if (!listing.Add(view::Source::kImage, FromInformation(name, info, view::HashAppend(path.hash[path.depth], name)))) {
      return nt::kNoMemory;
    }
  }
  return nt::kSuccess;
}

nt::NtStatus Build(const VlState& vl, CallScratch& scratch, const VPath& path, const view::Lookup& found,
                   nt::Handle handle, Source handle_source, MergedListing** out) {
  const view::ChildFilter filter(vl.space, path, false, found);
  auto* merged = HeapNew<MergedListing>(&filter);
  if (!merged) return nt::kNoMemory;
  Builder builder{vl, scratch, path, found, filter, merged->listing, handle, handle_source};
  nt::NtStatus s = nt::kSuccess;
  if (UpperMayHaveChildren(vl, path, found)) s = builder.AddReal(view::Source::kUpper, UpperName(vl, scratch, path));
  if (nt::Ok(s)) s = builder.AddImages();
  // The host before the mounts: a real directory says more about itself.
  if (nt::Ok(s) && filter.NeedsHost()) s = builder.AddReal(view::Source::kHost, HostName(scratch, path));
  if (nt::Ok(s)) s = builder.AddMounts();
  if (nt::Ok(s) && !merged->listing.Sort()) s = nt::kNoMemory;
  if (!nt::Ok(s)) {
    HeapDelete(merged);
    return s;
  }
  *out = merged;
  return s;
}

struct Query {
  nt::Handle handle, event;
  nt::ApcRoutine* apc;
  void* context;
  nt::IoStatusBlock* io;
  void* buffer;
  nt::Ulong length;
  nt::FileInformationClass kind;
  bool single, restart;
  const nt::UnicodeString* mask;
};

// The pattern of the first query holds for the life of the handle.
nt::NtStatus FixPattern(CallScratch& scratch, DirectoryState& state, const nt::UnicodeString* mask) {
  WView pattern;
  const nt::NtStatus s = CaptureString(scratch, mask, &pattern);
  if (!nt::Ok(s) || pattern.empty()) return s;
  state.pattern = static_cast<char16_t*>(HeapAlloc(pattern.size() * sizeof(char16_t)));
  if (!state.pattern) return nt::kNoMemory;
  std::memcpy(state.pattern, pattern.data(), pattern.size() * sizeof(char16_t));
  state.pattern_size = pattern.size();
  return s;
}

// Decides how this scan is answered. REQUIRES the entry's lock.
nt::NtStatus Begin(const VlState& vl, CallScratch& scratch, const Query& query, HandleInfo& info, DirectoryState& state) {
  nt::NtStatus s = state.started ? nt::kSuccess : FixPattern(scratch, state, query.mask);
  if (!nt::Ok(s)) return s;
  state.started = true;
  state.passes = true;
  HeapDelete(state.merged);
  state.merged = nullptr;
  if (info.kind == HandleKind::kPipeDevice) {
    s = BuildPipeListing(vl, scratch, query.handle, info.Path(), &state.merged);
    if (!nt::Ok(s)) return nt::kSuccess;  // the original says why
    state.passes = false;
    state.cursor = view::Cursor{WView(state.pattern, state.pattern_size), 0, state.cursor.started};
    return s;
  }
  const VPath* path = PathOfHandle(vl, scratch, query.handle, nullptr);
  if (!path) return nt::kSuccess;
  const view::Lookup found = view::LookUp(vl.space, *path, false);
  // A directory whose host namesake was replaced shows only what is its own, so even one layer is listed by us if the
  // handle is not of that layer.
  if (!found.merge_listing && !(found.lower_hidden && info.source != Source::kUpper)) return nt::kSuccess;
  if (!IsDirectoryHandle(query.handle)) return nt::kSuccess;  // the original refuses it
  const bool was_started = state.cursor.started;
  s = Build(vl, scratch, *path, found, query.handle, info.source, &state.merged);
  if (!nt::Ok(s)) return s;
  state.passes = false;
  state.cursor = view::Cursor{WView(state.pattern, state.pattern_size), 0, was_started};
  VL_TRACE(vl, "NtQueryDirectoryFile(merged)", s, path->text);
  return s;
}

nt::NtStatus PassOn(const VlState& vl, const Query& q, nt::UnicodeString* mask) {
  return orig.NtQueryDirectoryFile(q.handle, q.event, q.apc, q.context, q.io, q.buffer, q.length, q.kind, q.single, mask,
                                   q.restart);
}

// Wine knows fewer classes and no asynchronous listing; it shall say so itself.
bool OnlyOriginal(const VlState& vl, const Query& q) {
  if (vl.is_wine && (q.event || q.apc || q.kind == nt::kFileIdExtdDirectoryInformation ||
                     q.kind == nt::kFileIdExtdBothDirectoryInformation)) {
    return true;
  }
  return !view::IsListingClass(q.kind);
}

// The smallest buffer of a class; a query with less fails before it fixes the pattern.
constexpr nt::Ulong SmallestBuffer(nt::FileInformationClass kind) {
  switch (kind) {
    case nt::kFileDirectoryInformation: return sizeof(nt::FileDirectoryInformation);
    case nt::kFileFullDirectoryInformation: return sizeof(nt::FileFullDirectoryInformation);
    case nt::kFileBothDirectoryInformation: return sizeof(nt::FileBothDirectoryInformation);
    case nt::kFileIdBothDirectoryInformation: return sizeof(nt::FileIdBothDirectoryInformation);
    case nt::kFileIdFullDirectoryInformation: return sizeof(nt::FileIdFullDirectoryInformation);
    case nt::kFileIdGlobalTxDirectoryInformation: return sizeof(nt::FileIdGlobalTxDirectoryInformation);
    case nt::kFileIdExtdDirectoryInformation: return sizeof(nt::FileIdExtdDirectoryInformation);
    case nt::kFileIdExtdBothDirectoryInformation: return sizeof(nt::FileIdExtdBothDirectoryInformation);
    default: return sizeof(nt::FileNamesInformation);
  }
}

constexpr nt::AccessMask kMayList = nt::kFileListDirectory | nt::kGenericRead | nt::kGenericAll | nt::kMaximumAllowed;

nt::NtStatus List(const VlState& vl, const Query& q) {
  auto* mask = const_cast<nt::UnicodeString*>(q.mask);
  if (OnlyOriginal(vl, q) || q.length < SmallestBuffer(q.kind)) return PassOn(vl, q, mask);
  CallScratch scratch;
  HandleRef info = DirectoryInfo(vl, scratch, q.handle);
  if (!info && !vl.is_wine) info = PipeDeviceInfo(vl, scratch, q.handle);
  if (!info || (info->kind != HandleKind::kDirectory && info->kind != HandleKind::kPipeDevice) || !(info->access & kMayList))
    return PassOn(vl, q, mask);
  DirectoryState* state = StateOf(*info.get());
  if (!state) return nt::kNoMemory;
  LockGuard guard(info->lock);
  if (!state->started || q.restart) {
    const nt::NtStatus s = Begin(vl, scratch, q, *info.get(), *state);
    if (!nt::Ok(s)) return s;
  }
  if (state->passes) return PassOn(vl, q, mask);
  const nt::Ulong length = q.length < kMostBytes ? q.length : kMostBytes;
  void* buffer = scratch.Alloc(length ? length : 1);
  if (!buffer) return nt::kNoMemory;
  uint32_t written = 0;
  const view::ListingRequest request{q.kind, q.single, q.restart};
  const size_t position = state->cursor.next;
  const bool started = state->cursor.started;
  const auto s = static_cast<nt::NtStatus>(
      view::QueryListing(state->merged->listing, &state->cursor, request, buffer, length, &written));
  if (s == nt::kInfoLengthMismatch || s == nt::kInvalidInfoClass) return s;  // the system does not touch the block
  nt::IoStatusBlock io{};
  io.status = s;
  io.information = written;
  if (!CopyOut(q.buffer, buffer, written) || !WriteUser(q.io, io)) {
    state->cursor.next = position;
    state->cursor.started = started;
    return nt::kAccessViolation;
  }
  if (q.event) orig.NtSetEvent(q.event, nullptr);
  return s;
}

}  // namespace

nt::NtStatus PLUME_NTAPI HookNtQueryDirectoryFile(nt::Handle handle, nt::Handle event, nt::ApcRoutine* apc, void* context,
                                                  nt::IoStatusBlock* io, void* buffer, nt::Ulong length,
                                                  nt::FileInformationClass kind, uint8_t single, nt::UnicodeString* mask,
                                                  uint8_t restart) {
  const VlState& vl = Enter();
  return List(vl, Query{handle, event, apc, context, io, buffer, length, kind, single != 0, restart != 0, mask});
}

nt::NtStatus PLUME_NTAPI HookNtQueryDirectoryFileEx(nt::Handle handle, nt::Handle event, nt::ApcRoutine* apc, void* context,
                                                    nt::IoStatusBlock* io, void* buffer, nt::Ulong length,
                                                    nt::FileInformationClass kind, nt::Ulong flags,
                                                    nt::UnicodeString* mask) {
  const VlState& vl = Enter();
  const Query query{handle, event, apc, context, io, buffer, length, kind, (flags & nt::kQueryReturnSingleEntry) != 0,
                    (flags & nt::kQueryRestartScan) != 0, mask};
  return List(vl, query);
}

}  // namespace plume::vl
