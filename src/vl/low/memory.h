// Memory of the virtualization layer: no CRT, never the application's heap. All functions may be called from
// any thread, under any application lock, before the loader has run.
#pragma once
#include <cstddef>
#include <cstdint>
#include <new>
#include <utility>

namespace plume::vl {

// Whole pages from the system, zero-filled, 64 KiB-aligned; null when the system has none. Implemented on
// NtAllocateVirtualMemory in the layer and by the C library in native tests.
void* PagesAlloc(size_t bytes);
void PagesFree(void* pages, size_t bytes);

// Long-lived memory: size classes of a 64 KiB slab, larger blocks straight from the system. 16-aligned, not
// cleared; null when out of memory.
void* HeapAlloc(size_t bytes);
void HeapFree(void* block);  // null is allowed

// Constructs a T on the heap; null when out of memory. HeapDelete is its counterpart.
template <typename T, typename... A>
T* HeapNew(A&&... args) {
  void* at = HeapAlloc(sizeof(T));
  return at ? new (at) T(std::forward<A>(args)...) : nullptr;
}
template <typename T>
void HeapDelete(T* object) {
  if (object) {
    object->~T();
    HeapFree(object);
  }
}

// Scratch memory of one call. Handlers have frames below 4 KiB, so a VPath (2.6 KB), name buffers and
// directory buffers come from here:
//   CallScratch scratch;
//   auto* path = scratch.New<view::VPath>();
//   if (!path) return nt::kNoMemory;
// Everything is released together when the object goes out of scope; pointers must not outlive it. The first
// 256 KiB come from a lock-free list of contexts, more is taken from the system. Used by one thread only.
class CallScratch {
 public:
  CallScratch();
  ~CallScratch();
  CallScratch(const CallScratch&) = delete;
  CallScratch& operator=(const CallScratch&) = delete;

  // `bytes` aligned to `align` (a power of two up to 64), not cleared; null when out of memory.
  void* Alloc(size_t bytes, size_t align = 16);
  // A default-constructed T (aggregates: zeroed). T must be trivially destructible.
  template <typename T>
  T* New() {
    void* at = Alloc(sizeof(T), alignof(T));
    return at ? new (at) T() : nullptr;
  }
  // An uninitialised array.
  template <typename T>
  T* Array(size_t count) {
    return count > SIZE_MAX / sizeof(T) / 2 ? nullptr : static_cast<T*>(Alloc(count * sizeof(T), alignof(T)));
  }
  char16_t* Units(size_t count) { return Array<char16_t>(count); }

 private:
  struct Context;
  struct Extra;
  Context* context_ = nullptr;
  Extra* extra_ = nullptr;
};

}  // namespace plume::vl
