// Memory and waiting on the system's own calls.
#include <atomic>

#include "vl/low/hooks.h"
#include "vl/low/lock.h"
#include "vl/low/memory.h"
#include "vl/low/state.h"

namespace plume::vl {

void* PagesAlloc(size_t bytes) {
  void* base = nullptr;
  size_t size = bytes;
  const nt::NtStatus s = orig.NtAllocateVirtualMemory(nt::CurrentProcess(), &base, 0, &size,
                                                      nt::kMemCommit | nt::kMemReserve, nt::kPageReadWrite);
  return nt::Ok(s) ? base : nullptr;
}

void PagesFree(void* pages, size_t) {
  size_t size = 0;
  orig.NtFreeVirtualMemory(nt::CurrentProcess(), &pages, &size, nt::kMemRelease);
}

constinit std::atomic<bool> g_alone{false};

bool LockWait(uint32_t round) {
  if (g_alone.load(std::memory_order_relaxed)) return true;
  // First let others run, then sleep 0.1 ms to 2 ms: the owner may be a suspended thread.
  if (round < 16) {
    orig.NtYieldExecution();
    return false;
  }
  const int64_t interval = round < 64 ? -1000 : -20000;
  orig.NtDelayExecution(0, &interval);
  return false;
}

}  // namespace plume::vl
