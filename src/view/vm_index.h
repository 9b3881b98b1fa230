// The VM index: what every guest of a VM knows about the upper layer without asking anyone.
//
// One file, mapped read-write by all guests of the VM and by the agent. It is an insert-only hash table from folded
// virtual path to a record with atomic flags; records are never moved or removed (discard makes a new file). It has
// many writers, no locks and no pointers: an insert writes a whole record into the arena, then publishes its offset
// with one compare-and-swap, so a guest killed at any instant leaves a consistent index (at worst an unreachable
// record). docs/formats/vm-index.md; ADR 3.
//
// The rules that make it correct (docs/invariants.md):
//   - kUpper is set BEFORE a name is created in the upper layer: no flag = surely nothing there; flag = probe.
//   - kWhiteout on P: every lower layer is hidden for P and everything below P. The upper layer is not affected, so
//     whiteout + upper entry = replaced file or opaque directory.
//   - kSubtreeUpper on directory D: names below D may be in the upper layer without records of their own (after a
//     rename of a directory).
//   - kChildWhiteout on directory D: some direct child of D has a whiteout (D's listing must be merged).
// Freestanding.
#pragma once
#include <atomic>
#include <cstdint>

#include "view/path.h"

namespace plume::view {

class VmIndex {
 public:
  static constexpr uint64_t kFileBytes = 128ull << 20;  // sparse; touched pages only
  enum Flag : uint32_t { kUpper = 1, kWhiteout = 2, kSubtreeUpper = 4, kChildWhiteout = 8 };

  struct Record {
    uint64_t hash;
    std::atomic<uint32_t> flags;
    uint32_t length;            // UTF-16 units
    char16_t text[1];           // canonical path
    WView Text() const { return WView(text, length); }
  };

  // Initialises `memory` (kFileBytes, zero-filled) as an empty index. Done once by the agent.
  static void Format(void* memory);
  // Attaches to a formatted mapping. False if magic, version or size do not fit.
  bool Attach(void* memory, uint64_t bytes);

  // The record of the first `components` components of `path`, or null. Wait-free.
  const Record* Find(const VPath& path, int components) const;
  // Sets `flags` on that record, creating it if needed. False only when the index is full. Lock-free.
  bool Set(const VPath& path, int components, uint32_t flags);
  uint32_t Flags(const VPath& path, int components) const {
    const Record* r = Find(path, components);
    return r ? r->flags.load(std::memory_order_acquire) : 0;
  }

  // Every record once, in no order; inserts meanwhile may or may not be seen.
  template <typename F> void ForEach(F&& f) const;  // f(const Record&)

  // Registry enumeration snapshots are valid while this does not change (bumped by guests on key create/delete).
  std::atomic<uint32_t>& Generation() const;

 private:
  struct Header;
  uint8_t* base_ = nullptr;
};

}  // namespace plume::view
