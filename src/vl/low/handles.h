// What the layer remembers about handles: virtual path, kind, source layer, listing state. A cache, not the
// truth: a handle that is not here (inherited, duplicated from outside) is asked for its real name and mapped
// back.
//
// Sharded hash table, any thread. Entries are reference-counted, so a close racing with a use is harmless:
// the user keeps its HandleInfo, the table forgets it. A handle value reused by the system simply replaces
// the old entry.
#pragma once
#include <atomic>
#include <cstdint>

#include "view/path.h"
#include "vl/low/lock.h"
#include "vl/nt/nt.h"

namespace plume::vl {

enum class HandleKind : uint8_t {
  kFile,
  kDirectory,
  kUpperFile,  // surely no directory, surely of the upper layer; without a path: its real name is the truth
  kKey,
  kPipeDevice,       // \Device\NamedPipe itself; the path is its real NT name
  kObjectDirectory,  // of the object manager; the path is its real NT name
  kProcess,          // processes and threads are entered once they are known to be of this VM
  kThread,
  kSocket,
};
enum class Source : uint8_t { kUpper, kImage, kHost };

struct HandleInfo {
  HandleKind kind = HandleKind::kFile;
  Source source = Source::kHost;
  uint16_t depth = 0;           // of the path
  int mount = -1;               // Source::kImage: index into VlState.space.mounts
  uint32_t entry = 0xffffffff;  // Source::kImage: catalog entry or key
  nt::AccessMask access = 0;    // as granted or asked for by the open
  nt::Ulong options = 0;        // create options of the open
  uint64_t hash = 0;            // folded hash of the path

  // State of one kind of call (listing position, shadow key handle, ...): owned by this entry, set once by
  // whoever wins SetExtension, destroyed with `destroy` when the last reference goes. Changes inside it:
  // under `lock`.
  std::atomic<void*> extension{nullptr};
  void (*destroy)(void* extension) = nullptr;
  // Guards the extension's contents. May be held across original system calls (waiters sleep).
  Lock lock;

  view::WView Path() const { return view::WView(reinterpret_cast<const char16_t*>(this + 1), length_); }
  // Attaches `mine`; if another thread was first, destroys `mine` and returns the other's.
  void* SetExtension(void* mine, void (*destroy_extension)(void*));

 private:
  friend class HandleTable;
  friend class HandleRef;
  friend HandleInfo* NewHandleInfo(HandleKind, const view::VPath&);
  friend HandleInfo* NewHandleInfo(HandleKind);
  friend HandleInfo* CopyHandleInfo(const HandleInfo&);
  std::atomic<uint32_t> references_{1};
  uint32_t length_ = 0;  // units of the path behind the structure
};

// A counted reference. Empty if the handle is unknown.
class HandleRef {
 public:
  HandleRef() = default;
  explicit HandleRef(HandleInfo* adopted) : info_(adopted) {}
  HandleRef(HandleRef&& other) noexcept : info_(other.info_) { other.info_ = nullptr; }
  HandleRef& operator=(HandleRef&& other) noexcept {
    if (this != &other) {
      Reset();
      info_ = other.info_;
      other.info_ = nullptr;
    }
    return *this;
  }
  ~HandleRef() { Reset(); }
  void Reset();
  explicit operator bool() const { return info_ != nullptr; }
  HandleInfo* operator->() const { return info_; }
  HandleInfo* get() const { return info_; }
  // One more reference, for HandleTable::Insert of a second handle to the same file object.
  HandleInfo* Share() const {
    info_->references_.fetch_add(1, std::memory_order_relaxed);
    return info_;
  }

 private:
  HandleInfo* info_ = nullptr;
};

// A new entry holding a copy of the path's text; one reference, the caller's. Null when out of memory.
HandleInfo* NewHandleInfo(HandleKind kind, const view::VPath& path);
// An entry for something without a path.
HandleInfo* NewHandleInfo(HandleKind kind);
// The same facts for a duplicated handle; without the extension.
HandleInfo* CopyHandleInfo(const HandleInfo& info);

class HandleTable {
 public:
  constexpr HandleTable() = default;
  // Takes over the caller's reference. Replaces an older entry of the same value. On lack of memory the entry
  // is dropped: the table is a cache.
  void Insert(nt::Handle handle, HandleInfo* info);
  HandleRef Find(nt::Handle handle);
  // Forgets the handle. Called before the original close, so that a new handle of the same value cannot be
  // hit.
  void Remove(nt::Handle handle);
  // Handle values carry two tag bits that the system ignores.
  static uintptr_t Key(nt::Handle handle) { return reinterpret_cast<uintptr_t>(handle) & ~uintptr_t{3}; }

 private:
  struct Node {
    uintptr_t key;
    HandleInfo* info;
    Node* next;
  };
  static constexpr uint32_t kShards = 64, kBuckets = 32;
  struct Shard {
    Lock lock;
    std::atomic<uint32_t> count{0};
    Node* buckets[kBuckets] = {};
  };
  static uint32_t Hash(uintptr_t key) { return static_cast<uint32_t>((key >> 2) * 0x9E3779B1u); }
  Shard shards_[kShards];
};

// The process's table.
HandleTable& Handles();

}  // namespace plume::vl
