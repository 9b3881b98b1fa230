// Directory listings. A directory that only one real directory makes up is listed by the system; any other
// gets a merged listing at the first query and at every restart, which then is handed out piece by piece.
#include <cstring>

#include "view/listing.h"
#include "vl/calls/file_directory_state.h"
#include "vl/calls/file_set.h"
#include "vl/calls/file_space.h"
#include "vl/calls/object_file.h"

namespace plume::vl {

using view::Mode;
using view::VPath;
using view::WView;

DirectoryState::~DirectoryState() {
  HeapDelete(merged);
  HeapFree(pattern);
  if (watched) orig.NtClose(watched);
}

void DirectoryState::Destroy(void* state) { HeapDelete(static_cast<DirectoryState*>(state)); }

HandleRef DirectoryInfo(const VlState& vl, CallScratch& scratch, nt::Handle handle) {
  HandleRef known = Handles().Find(handle);
  if (known && known->kind == HandleKind::kUpperFile) return HandleRef();
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
  if (void* state = info.extension.load(std::memory_order_acquire))
    return static_cast<DirectoryState*>(state);
  auto* mine = HeapNew<DirectoryState>();
  return mine ? static_cast<DirectoryState*>(info.SetExtension(mine, DirectoryState::Destroy)) : nullptr;
}

namespace {

constexpr nt::Ulong kMostBytes = 128 << 10;  // handed out by one query
// In a directory with more files of its own in the upper layer, sizes and times in a listing are those of its
// first query, as file systems with directory indexes have it: asking for each again would double the price
// of listing it.
constexpr size_t kMostRefreshed = 256;

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
  nt::Ulong extended_flags = 0;
  bool extended = false;  // NtQueryDirectoryFileEx
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

// A directory that was the host's alone when its scan began may have become a merged one. REQUIRES the
// entry's lock.
nt::NtStatus LeaveOriginal(const VlState& vl, CallScratch& scratch, const Query& query,
                           const HandleInfo& info, DirectoryState& state) {
  if (info.source != Source::kHost || !state.last_known) return nt::kSuccess;
  const VPath* path = PathOfHandle(vl, scratch, query.handle, nullptr);
  if (!path) return nt::kSuccess;
  const view::Lookup found = view::LookUp(vl.space, *path, false);
  if (!found.merge_listing && !found.lower_hidden) return nt::kSuccess;
  state.must_refresh = vl.is_wine;  // only the names are right
  const nt::NtStatus s =
      vl.is_wine ? BuildFromHandle(vl, scratch, query.handle, &state.merged)
                 : BuildListing(vl, scratch, *path, found, query.handle, info.source, &state.merged);
  if (!nt::Ok(s)) return s;
  state.passes = false;
  const size_t next = state.last_size ? state.merged->listing.After(WView(state.last, state.last_size)) : 0;
  state.cursor = view::Cursor{WView(state.pattern, state.pattern_size), next, true};
  return s;
}

// All classes but FileNamesInformation begin alike.
bool PutParentFacts(const VlState& vl, CallScratch& scratch, const Query& q, uint8_t* record) {
  const VPath* path = PathOfHandle(vl, scratch, q.handle, nullptr);
  nt::FileNetworkOpenInformation info;
  if (!path || !ParentFacts(vl, scratch, *path, &info)) return true;
  const int64_t times[] = {info.creation_time, info.last_access_time, info.last_write_time, info.change_time};
  return CopyOut(record + offsetof(nt::FileDirectoryInformation, creation_time), times, sizeof(times)) &&
         CopyOut(record + offsetof(nt::FileDirectoryInformation, file_attributes), &info.file_attributes,
                 sizeof(nt::Ulong));
}

// The original's answer about a directory of the host: ".." gets the facts that it has here, and how far the
// original has got is kept in mind.
nt::NtStatus AfterOriginal(const VlState& vl, CallScratch& scratch, const Query& q, nt::NtStatus s,
                           DirectoryState& state) {
  if ((!nt::Ok(s) && s != nt::kBufferOverflow) || !state.last_known) return s;
  state.last_known = false;
  uint32_t length_at, name_at;
  if (s == nt::kPending || !view::NamePlace(q.kind, &length_at, &name_at)) return s;
  auto* record = static_cast<uint8_t*>(q.buffer);
  for (;;) {
    nt::Ulong next = 0, bytes = 0;
    if (!CopyIn(&next, record, sizeof(next)) || !CopyIn(&bytes, record + length_at, sizeof(bytes)))
      return nt::kAccessViolation;
    if (state.passed < 2) {
      ++state.passed;
      char16_t name[2];
      if (bytes == sizeof(name) && CopyIn(name, record + name_at, sizeof(name)) && name[0] == u'.' &&
          name[1] == u'.' && q.kind != nt::kFileNamesInformation && !PutParentFacts(vl, scratch, q, record)) {
        return nt::kAccessViolation;
      }
    }
    if (next) {
      record += next;
      continue;
    }
    // A name that was cut is not known.
    if (!nt::Ok(s) || bytes > sizeof(state.last) || !CopyIn(state.last, record + name_at, bytes)) return s;
    state.last_size = static_cast<uint16_t>(bytes / 2);
    state.last_known = true;
    return s;
  }
}

// Decides how this scan is answered. REQUIRES the entry's lock.
nt::NtStatus Begin(const VlState& vl, CallScratch& scratch, const Query& query, HandleInfo& info,
                   DirectoryState& state) {
  nt::NtStatus s = state.started ? nt::kSuccess : FixPattern(scratch, state, query.mask);
  if (!nt::Ok(s)) return s;
  if (state.started && vl.is_wine) {  // Wine's handles remember the names of their first query
    state.cursor.next = 0;
    state.last_size = state.passed = 0;
    return state.passes ? LeaveOriginal(vl, scratch, query, info, state) : nt::kSuccess;
  }
  state.started = true;
  state.passes = state.last_known = true;
  state.last_size = state.passed = 0;
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
  // A directory whose host namesake was replaced shows only what is its own, so even one layer is listed by
  // us if the handle is not of that layer.
  if (!found.merge_listing && !(found.lower_hidden && info.source != Source::kUpper)) return nt::kSuccess;
  if (!IsDirectoryHandle(query.handle)) return nt::kSuccess;  // the original refuses it
  const bool was_started = state.cursor.started;
  s = BuildListing(vl, scratch, *path, found, query.handle, info.source, &state.merged);
  if (!nt::Ok(s)) return s;
  state.passes = state.must_refresh = false;
  state.cursor = view::Cursor{WView(state.pattern, state.pattern_size), 0, was_started};
  return s;
}

nt::NtStatus PassOn(const VlState& vl, const Query& q, nt::UnicodeString* mask) {
  if (q.extended) {
    return orig.NtQueryDirectoryFileEx(q.handle, q.event, q.apc, q.context, q.io, q.buffer, q.length, q.kind,
                                       q.extended_flags, mask);
  }
  return orig.NtQueryDirectoryFile(q.handle, q.event, q.apc, q.context, q.io, q.buffer, q.length, q.kind,
                                   q.single, mask, q.restart);
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
    case nt::kFileDirectoryInformation:
      return sizeof(nt::FileDirectoryInformation);
    case nt::kFileFullDirectoryInformation:
      return sizeof(nt::FileFullDirectoryInformation);
    case nt::kFileBothDirectoryInformation:
      return sizeof(nt::FileBothDirectoryInformation);
    case nt::kFileIdBothDirectoryInformation:
      return sizeof(nt::FileIdBothDirectoryInformation);
    case nt::kFileIdFullDirectoryInformation:
      return sizeof(nt::FileIdFullDirectoryInformation);
    case nt::kFileIdGlobalTxDirectoryInformation:
      return sizeof(nt::FileIdGlobalTxDirectoryInformation);
    case nt::kFileIdExtdDirectoryInformation:
      return sizeof(nt::FileIdExtdDirectoryInformation);
    case nt::kFileIdExtdBothDirectoryInformation:
      return sizeof(nt::FileIdExtdBothDirectoryInformation);
    default:
      return sizeof(nt::FileNamesInformation);
  }
}

constexpr nt::AccessMask kMayList =
    nt::kFileListDirectory | nt::kGenericRead | nt::kGenericAll | nt::kMaximumAllowed;

// The next entries of the merged listing. REQUIRES the entry's lock.
nt::NtStatus HandOut(const VlState& vl, CallScratch& scratch, const Query& q, DirectoryState& state,
                     void* buffer, nt::Ulong length, uint32_t* written) {
  view::ListingRequest request{q.kind, q.single, q.restart};
  const VPath* path = state.must_refresh ? PathOfHandle(vl, scratch, q.handle, nullptr) : nullptr;
  if (!path) {
    state.must_refresh = true;
    return static_cast<nt::NtStatus>(
        view::QueryListing(state.merged->listing, &state.cursor, request, buffer, length, written));
  }
  const view::ChildFilter filter(vl.space, *path, false, view::LookUp(vl.space, *path, false));
  ListingRefresh refresh{vl, *path, filter, state.merged->listing.upper_count() <= kMostRefreshed};
  request.refresh = ListingRefresh::Still;
  request.context = &refresh;
  return static_cast<nt::NtStatus>(
      view::QueryListing(state.merged->listing, &state.cursor, request, buffer, length, written));
}

nt::NtStatus List(const VlState& vl, const Query& q) {
  auto* mask = const_cast<nt::UnicodeString*>(q.mask);
  if (OnlyOriginal(vl, q) || q.length < SmallestBuffer(q.kind)) return PassOn(vl, q, mask);
  CallScratch scratch;
  HandleRef info = DirectoryInfo(vl, scratch, q.handle);
  if (!info && !vl.is_wine) info = PipeDeviceInfo(vl, scratch, q.handle);
  if (!info || (info->kind != HandleKind::kDirectory && info->kind != HandleKind::kPipeDevice) ||
      !(info->access & kMayList))
    return PassOn(vl, q, mask);
  if (Tracing() && info->kind == HandleKind::kDirectory) TellHandle(vl, scratch, q.handle);
  DirectoryState* state = StateOf(*info.get());
  if (!state) return nt::kNoMemory;
  LockGuard guard(info->lock);
  nt::NtStatus begun = nt::kSuccess;
  if (!state->started || q.restart) {
    begun = Begin(vl, scratch, q, *info.get(), *state);
  } else if (state->passes) {
    begun = LeaveOriginal(vl, scratch, q, *info.get(), *state);
  }
  if (!nt::Ok(begun)) return begun;
  if (state->passes) {
    const nt::NtStatus s = PassOn(vl, q, mask);
    return info->source == Source::kHost ? AfterOriginal(vl, scratch, q, s, *state) : s;
  }
  const nt::Ulong length = q.length < kMostBytes ? q.length : kMostBytes;
  void* buffer = scratch.Alloc(length ? length : 1);
  if (!buffer) return nt::kNoMemory;
  uint32_t written = 0;
  const size_t position = state->cursor.next;
  const bool started = state->cursor.started;
  const nt::NtStatus s = HandOut(vl, scratch, q, *state, buffer, length, &written);
  if (s == nt::kInfoLengthMismatch || s == nt::kInvalidInfoClass)
    return s;  // the system does not touch the block
  nt::IoStatusBlock io{};
  io.status = s;
  io.information = written;
  if (!CopyOut(q.buffer, buffer, written) || !WriteUser(q.io, io)) {
    state->cursor.next = position;
    state->cursor.started = started;
    return nt::kAccessViolation;
  }
  if (q.extended_flags & nt::kQueryNoCursorUpdate) state->cursor.next = position;
  if (q.event) orig.NtSetEvent(q.event, nullptr);
  return s;
}

}  // namespace

nt::NtStatus PLUME_NTAPI HookNtQueryDirectoryFile(nt::Handle handle, nt::Handle event, nt::ApcRoutine* apc,
                                                  void* context, nt::IoStatusBlock* io, void* buffer,
                                                  nt::Ulong length, nt::FileInformationClass kind,
                                                  uint8_t single, nt::UnicodeString* mask, uint8_t restart) {
  const VlState& vl = Enter();
  return List(vl,
              Query{handle, event, apc, context, io, buffer, length, kind, single != 0, restart != 0, mask});
}

nt::NtStatus PLUME_NTAPI HookNtQueryDirectoryFileEx(nt::Handle handle, nt::Handle event, nt::ApcRoutine* apc,
                                                    void* context, nt::IoStatusBlock* io, void* buffer,
                                                    nt::Ulong length, nt::FileInformationClass kind,
                                                    nt::Ulong flags, nt::UnicodeString* mask) {
  const VlState& vl = Enter();
  const Query query{handle,
                    event,
                    apc,
                    context,
                    io,
                    buffer,
                    length,
                    kind,
                    (flags & nt::kQueryReturnSingleEntry) != 0,
                    (flags & nt::kQueryRestartScan) != 0,
                    mask,
                    flags,
                    true};
  return List(vl, query);
}

}  // namespace plume::vl
