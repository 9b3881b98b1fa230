// The VM index: what every guest of a VM knows about the upper layer without asking anyone.
//
// One file, mapped read-write by all guests of the VM and by the agent. It is an insert-only hash table from
// folded virtual path to a record with atomic flags; records are never moved or removed (discard makes a new
// file). It has many writers, no locks and no pointers: an insert writes a whole record into the arena, then
// publishes its offset with one compare-and-swap, so a guest killed at any instant leaves a consistent index
// (at worst an unreachable record). docs/formats/vm-index.md; ADR 3.
//
// The rules that make it correct (docs/invariants.md):
//   - kUpper is set BEFORE a name is created in the upper layer: no flag = surely nothing there; flag =
//   probe.
//   - kWhiteout on P: every lower layer is hidden for P and everything below P. The upper layer is not
//   affected, so
//     whiteout + upper entry = replaced file or opaque directory.
//   - kSubtreeUpper on directory D: names below D may be in the upper layer without records of their own
//   (after a
//     rename of a directory).
//   - kChildWhiteout on directory D: some direct child of D has a whiteout (D's listing must be merged).
//   Set() takes
//     care of it.
//   - base of a file or key is set before its copy has its name: it says what the copy was made of.
// Freestanding. Thread-safe and process-safe throughout.
#pragma once
#include <atomic>
#include <cstddef>
#include <cstdint>

#include "view/path.h"

namespace plume::view {

class VmIndex {
 public:
  static constexpr uint64_t kFileBytes = 128ull << 20;  // sparse; touched pages only
  static constexpr uint64_t kHeaderBytes = 4096;        // has room on the disk before the file is mapped
  enum Flag : uint32_t {
    kUpper = 1,
    kWhiteout = 2,
    kSubtreeUpper = 4,
    kChildWhiteout = 8,
    kLink = 16,  // registry: a symbolic link may be at this key; on a root ("M"): at some key below it
    kMade = 32,  // registry: the VM made this key where nothing was; what the host gets here later is hidden
  };

  struct Record {
    uint64_t hash;
    std::atomic<uint32_t> flags;
    uint32_t length;             // UTF-16 units
    std::atomic<uint64_t> base;  // what was below when it was copied up (view/base_stamp.h); 0 = not known
    char16_t text[1];            // canonical path
    WView Text() const { return WView(text, length); }
  };

  // Initialises `memory` (kFileBytes, zero-filled, 8-aligned) as an empty index. Done once by the agent.
  static void Format(void* memory);
  // Makes sure that the page of `at` can be written, without changing it; false if it cannot. The file is
  // sparse: the first write to a page takes room on the disk, and one that finds none is a fault of the
  // writing thread.
  using Provide = bool (*)(void* at);
  // Attaches to a formatted mapping, which must outlive this object. False if magic, version or size do not
  // fit. Set asks `provide` before it writes to what may be a fresh page; null: writes just happen.
  bool Attach(void* memory, uint64_t bytes, Provide provide = nullptr);

  // For the agent, when it prepares a VM: after a power failure the counter of used bytes may be older than
  // the records. Guests may be running. False as Attach.
  static bool Recover(void* memory, uint64_t bytes);

  // The record of the first `components` components of `path`, or null. Wait-free.
  const Record* Find(const VPath& path, int components) const;
  // The record of the child `name` of `directory`, or null. Wait-free; for listings.
  const Record* FindChild(const VPath& directory, WView name) const;
  // Sets `flags` on that record, creating it if needed. With kWhiteout, kChildWhiteout is first set on the
  // directory above. False only when the index or the disk is full: then nothing may be done that relies on
  // the flags.
  // `base` is kept, before the flags are seen, unless another one is there already. Lock-free.
  bool Set(const VPath& path, int components, uint32_t flags, uint64_t base = 0);
  uint32_t Flags(const VPath& path, int components) const {
    const Record* r = Find(path, components);
    return r ? r->flags.load(std::memory_order_acquire) : 0;
  }

  // Every record once, in no order; inserts meanwhile may or may not be seen. f(const Record&).
  template <typename F>
  void ForEach(F&& f) const;

  // Registry enumeration snapshots are valid while this does not change (bumped by guests on key
  // create/delete).
  std::atomic<uint32_t>& Generation() const;
  // Registry: bumped after a lower key got its copy in the upper layer, and after an entry of the rename log
  // was written. Open handles of lower keys and of renamed keys are looked at again when these change.
  std::atomic<uint32_t>& CopyUps() const;
  std::atomic<uint32_t>& Renames() const;
  // What the guests record of their calls, looked at in every replaced call: 0 nothing, else the number of
  // the recording (trace/format.h). Set by the agent.
  std::atomic<uint32_t>& Trace() const { return header()->trace; }

 private:
  struct Header {
    uint32_t magic, version;
    uint64_t bytes;
    std::atomic<uint64_t> arena_next;  // offset of the first free byte
    std::atomic<uint32_t> generation, copy_ups, renames;
    uint8_t unused[28];
    std::atomic<uint32_t> trace;  // in a cache line that is hardly ever written
  };
  // Slots are in buckets of 16 (two cache lines). A record's place is the first free slot of a fixed
  // sequence: its bucket of level 0, then its bucket of level 1, ... Slots are never emptied, so two writers
  // of one path meet at the same slot, and a search ends at the first empty one.
  static constexpr uint64_t kPageBytes = 4096;
  // The first level is two pages, all that the look-ups of most VMs ever touch; then it grows fast, so that a
  // search in a large index passes few full levels.
  static constexpr int kLevels = 5, kBucket = 16;
  static constexpr int kLevelBits[kLevels] = {10, 13, 16, 19, 21};
  static constexpr uint64_t LevelSlots(int level) { return 1ull << kLevelBits[level]; }
  static constexpr uint64_t kLevelStart[kLevels] = {0, 1024, 9216, 74752, 599040};  // in slots
  static constexpr uint64_t LevelStart(int level) { return kLevelStart[level]; }
  static constexpr uint64_t kSlots = 2696192;
  static constexpr uint64_t kArenaStart = kHeaderBytes + 8 * kSlots;
  using Slot = std::atomic<uint64_t>;  // 0 = empty; else tag << 32 | offset / 8

  Header* header() const { return reinterpret_cast<Header*>(base_); }
  Slot* slots() const { return reinterpret_cast<Slot*>(base_ + kHeaderBytes); }
  Record* At(uint64_t slot) const;
  static constexpr uint64_t RecordBytes(uint64_t units) {
    return (offsetof(Record, text) + units * 2 + 7) / 8 * 8;
  }
  // Walks the sequence of `hash` to the record whose text satisfies `match`. At the first empty slot:
  // publishes the record that `make` writes (its offset / 8), or gives up if that is 0. Null also when every
  // slot is taken.
  template <typename Match, typename Make>
  Record* Walk(uint64_t hash, Match&& match, Make&& make) const;
  Record* New(uint64_t hash, WView text, uint32_t flags, uint64_t base) const;
  bool CanWrite(uint64_t offset, uint64_t bytes) const;

  uint8_t* base_ = nullptr;
  Provide provide_ = nullptr;
};

template <typename F>
void VmIndex::ForEach(F&& f) const {
  // A level is used only after a bucket of the level before is full: the first empty level is the end.
  bool used = true;
  for (int level = 0; level < kLevels && used; ++level) {
    used = false;
    const Slot* slot = slots() + LevelStart(level);
    for (uint64_t i = 0; i < LevelSlots(level); ++i) {
      const uint64_t value = slot[i].load(std::memory_order_acquire);
      if (value == 0) continue;
      used = true;
      if (const Record* r = At(value)) f(*r);
    }
  }
}

}  // namespace plume::view
