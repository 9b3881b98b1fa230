// Merged directory listings: gather the entries of every layer that contributes, top to bottom, then hand
// them out in the format of NtQueryDirectoryFile. Freestanding; memory comes from the caller's arena and is
// never given back. One thread at a time (the caller serialises calls on one directory handle, as the system
// does).
//
//   Listing listing(allocator, &filter);
//   for each source, top first: for each entry: listing.Add(Source::kUpper, entry);
//   listing.Sort();
//   status = QueryListing(listing, &cursor, request, buffer, length, &written);   // once per
//   NtQueryDirectoryFile
#pragma once
#include <cstddef>
#include <cstdint>

#include "view/lookup.h"
#include "view/path.h"

namespace plume::view {

// Gives memory aligned to 16 bytes, or null.
struct Allocator {
  void* (*alloc)(void* context, size_t bytes);
  void* context;
};

enum class Source : uint8_t { kUpper, kImage, kHost };

struct DirEntry {
  Source source = Source::kUpper;  // set by Listing::Add
  WView name;
  WView short_name;  // empty = none
  uint32_t attributes = 0;
  uint32_t ea_size = 0;  // the reparse tag if the attributes have FILE_ATTRIBUTE_REPARSE_POINT
  int64_t created = 0, accessed = 0, written = 0, changed = 0;  // FILETIME
  uint64_t size = 0, allocation = 0;
  uint64_t id = 0;
};

// Whether a short name may stand for one file only, or is what the system makes of the long name alone
// (Wine), whoever else is called so.
enum class ShortNames : uint8_t { kUnique, kAsGiven };

class Listing {
 public:
  // `filter` (may be null: everything shows) must outlive the calls of Add.
  Listing(Allocator allocator, const ChildFilter* filter, ShortNames short_names = ShortNames::kUnique)
      : allocator_(allocator), filter_(filter), short_names_(short_names) {}
  Listing(const Listing&) = delete;
  Listing& operator=(const Listing&) = delete;

  // Adds one entry, copying its names. An entry whose name a higher source has, or that the filter hides, is
  // left out; a short name that is already taken is left off, as is one that a long name takes. "." and ".."
  // are taken from the first source that has them. False when out of memory.
  bool Add(Source source, const DirEntry& entry);
  // Puts "." and ".." first, the rest in the order of upcased names. False when out of memory. Add nothing
  // afterwards.
  bool Sort();

  // The position behind `name` (which need not be in the listing), for Cursor::next. REQUIRES Sort.
  size_t After(WView name) const;

  size_t size() const { return count_; }
  size_t upper_count() const { return upper_count_; }
  const DirEntry& at(size_t i) const { return *sorted_[i].entry; }  // after Sort

 private:
  struct Sortable {
    uint64_t key;
    const DirEntry* entry;
  };  // key: the first four upcased units
  struct Taken {
    uint64_t hash;
    WView name;
    DirEntry* short_of;  // whose short name it is; null: a long name
  };
  template <typename T>
  T* New(size_t n);
  bool Shows(Source source, WView name) const;
  Taken* FindTaken(uint64_t hash, WView name) const;
  bool Take(uint64_t hash, WView name, DirEntry* short_of);
  bool Grow();
  WView Copy(WView text);
  static bool Less(const Sortable& a, const Sortable& b);
  static void Merge(const Sortable* a, const Sortable* b, const Sortable* end, Sortable* out);

  Allocator allocator_;
  const ChildFilter* filter_;
  ShortNames short_names_;
  // Names in use, long and short: an open hash table (name.data() null = free), at most half full.
  Taken* table_ = nullptr;
  size_t table_size_ = 0, taken_ = 0;
  DirEntry** blocks_ = nullptr;  // entries never move: blocks of kBlock
  size_t block_slots_ = 0;
  Sortable* sorted_ = nullptr;
  size_t count_ = 0, upper_count_ = 0;
  static constexpr size_t kBlock = 64;
};

// The state of one directory handle's enumeration. `pattern` must stay valid; set it before the first query
// (empty = everything), later patterns are ignored by the system and so by the caller.
struct Cursor {
  WView pattern;
  size_t next = 0;       // index of the entry to look at next
  bool started = false;  // a query has been answered
};

struct ListingRequest {
  uint32_t info_class;   // FILE_INFORMATION_CLASS
  bool single = false;   // ReturnSingleEntry
  bool restart = false;  // RestartScan
  // Asked (if not null) for every entry that is about to be handed out: is it still there, with which facts
  // now?
  bool (*refresh)(void* context, DirEntry* entry) = nullptr;
  void* context = nullptr;
};

// Statuses of QueryListing.
inline constexpr uint32_t kSuccess = 0, kBufferOverflow = 0x80000005, kNoMoreFiles = 0x80000006,
                          kInvalidInfoClass = 0xC0000003, kInfoLengthMismatch = 0xC0000004,
                          kNoSuchFile = 0xC000000F;

// True for the classes QueryListing can write.
bool IsListingClass(uint32_t info_class);

// Where the records of a class have the length of the name (32 bits, in bytes) and the name. False: not such
// a class.
bool NamePlace(uint32_t info_class, uint32_t* length_offset, uint32_t* name_offset);

// Fills `buffer` (8-aligned for the classes with 64-bit fields, as the system demands) with as many entries
// as fit. `written` is what IO_STATUS_BLOCK.Information gets.
//   kSuccess             at least one whole entry
//   kBufferOverflow      one entry whose name had to be cut; the next query goes on behind it
//   kNoSuchFile          the first query, and nothing matches
//   kNoMoreFiles         nothing (more) to give
//   kInfoLengthMismatch  not even the fixed part of an entry fits
//   kInvalidInfoClass    not a class of directory entries
uint32_t QueryListing(const Listing& listing, Cursor* cursor, const ListingRequest& request, void* buffer,
                      uint32_t length, uint32_t* written);

}  // namespace plume::view
