// What is remembered of an open directory: its listing and its change notification. Hangs in
// HandleInfo::extension. Internal to calls/file_*.cc.
#pragma once
#include <new>

#include "view/listing.h"
#include "vl/calls/file_space.h"

namespace plume::vl {

// Memory of one listing: blocks, given back together.
class ListingArena {
 public:
  ListingArena() = default;
  ~ListingArena();
  ListingArena(const ListingArena&) = delete;
  ListingArena& operator=(const ListingArena&) = delete;
  view::Allocator allocator() { return {Alloc, this}; }

 private:
  static void* Alloc(void* context, size_t bytes);
  struct Block {
    Block* next;
    size_t size, used;
  };
  Block* blocks_ = nullptr;
};

// A merged listing with its memory.
struct MergedListing {
  MergedListing(const VlState& vl, const view::ChildFilter* filter)
      : listing(arena.allocator(), filter,
                vl.is_wine ? view::ShortNames::kAsGiven : view::ShortNames::kUnique) {}
  ListingArena arena;
  view::Listing listing;
};

// The listing of everything that is visible in `path` now. `handle` is one of it, of layer `handle_source`.
nt::NtStatus BuildListing(const VlState& vl, CallScratch& scratch, const view::VPath& path,
                          const view::Lookup& found, nt::Handle handle, Source handle_source,
                          MergedListing** out);
// What the original lists for `handle`, from its first entry on.
nt::NtStatus BuildFromHandle(const VlState& vl, CallScratch& scratch, nt::Handle handle, MergedListing** out);

// The facts of the directory above `path`, if they are known better than by the host's.
bool ParentFacts(const VlState& vl, CallScratch& scratch, const view::VPath& path,
                 nt::FileNetworkOpenInformation* info);

// Looks again at the entries of a listing that was made by an earlier query, as ListingRequest::refresh.
struct ListingRefresh {
  const VlState& vl;
  const view::VPath& path;
  const view::ChildFilter& filter;
  bool facts_too;  // also sizes, times and attributes of files that were in the upper layer
  static bool Still(void* context, view::DirEntry* entry);
};

struct DirectoryState {
  ~DirectoryState();
  bool started = false;                // a query has been made: the pattern is fixed
  bool passes = false;                 // a single real directory: the original answers
  bool last_known = false;             // `last` is what the original handed out last (empty: nothing yet)
  uint16_t last_size = 0, passed = 0;  // `passed`: how many entries the original has handed out, up to 2
  char16_t last[256];
  char16_t* pattern = nullptr;  // on the heap
  size_t pattern_size = 0;
  view::Cursor cursor;
  MergedListing* merged = nullptr;
  bool must_refresh = false;     // `merged` was made by an earlier query
  nt::Handle watched = nullptr;  // the upper directory, if changes are watched there

  static void Destroy(void* state);
};

// The entry of a directory handle, made if the handle is not known (inherited, ...). Empty: not a directory
// on a drive.
HandleRef DirectoryInfo(const VlState& vl, CallScratch& scratch, nt::Handle handle);
DirectoryState* StateOf(HandleInfo& info);

}  // namespace plume::vl
