// Memory and waiting for native tests.
#include <sched.h>

#include <cstdlib>
#include <cstring>

#include "vl/low/lock.h"
#include "vl/low/memory.h"

namespace plume::vl {

void* PagesAlloc(size_t bytes) {
  void* pages = std::aligned_alloc(64 << 10, (bytes + 0xffff) & ~size_t{0xffff});
  if (pages) std::memset(pages, 0, bytes);
  return pages;
}
void PagesFree(void* pages, size_t) { std::free(pages); }
bool LockWait(uint32_t) {
  sched_yield();
  return false;
}

}  // namespace plume::vl
