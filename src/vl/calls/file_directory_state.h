// What is remembered of an open directory: its listing and its change notification. Hangs in HandleInfo::extension.
// Internal to calls/file_*.cc.
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
  struct Block { Block* next; size_t size, used; };
  Block* blocks_ = nullptr;
};

// A merged listing with its memory.
struct MergedListing {
  explicit MergedListing(const view::ChildFilter* filter) : listing(arena.allocator(), filter) {}
  ListingArena arena;
  view::Listing listing;
};

struct DirectoryState {
  ~DirectoryState();
  bool started = false;        // a query has been made: the pattern is fixed
  bool passes = false;         // a single real directory: the original answers
  char16_t* pattern = nullptr;  // on the heap
  size_t pattern_size = 0;
  view::Cursor cursor;
  MergedListing* merged = nullptr;
  nt::Handle watched = nullptr;  // the upper directory, if changes are watched there

  static void Destroy(void* state);
};

// The entry of a directory handle, made if the handle is not known (inherited, ...). Empty: not a directory on a drive.
HandleRef DirectoryInfo(const VlState& vl, CallScratch& scratch, nt::Handle handle);
DirectoryState* StateOf(HandleInfo& info);

}  // namespace plume::vl
