// Memory and waiting for native tests.
#include <sched.h>
#include <sys/mman.h>

#include <cstdint>

#include "vl/low/lock.h"
#include "vl/low/memory.h"

namespace plume::vl {

namespace {
constexpr size_t Rounded(size_t bytes) { return (bytes + 0xffff) & ~size_t{0xffff}; }
}  // namespace

// Mapped, as in a guest: the layer keeps its pages for the life of the process, which a leak checker would
// report. Aligned to 64 KiB, as Windows' allocations are.
void* PagesAlloc(size_t bytes) {
  const size_t size = Rounded(bytes), room = size + 0x10000;
  void* at = mmap(nullptr, room, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (at == MAP_FAILED) return nullptr;
  auto* start = static_cast<uint8_t*>(at);
  const size_t before = (0x10000 - reinterpret_cast<uintptr_t>(start)) & 0xffff;
  if (before) munmap(start, before);
  if (const size_t after = room - size - before) munmap(start + before + size, after);
  return start + before;
}
void PagesFree(void* pages, size_t bytes) {
  if (pages) munmap(pages, Rounded(bytes));
}
bool LockWait(uint32_t) {
  sched_yield();
  return false;
}

}  // namespace plume::vl
