// A lock for the virtualization layer: four bytes, no system object, no thread identity, not recursive.
//
// Waiters spin briefly, then sleep in the kernel for growing fractions of a millisecond. Handlers run under
// the application's own locks and threads may be suspended anywhere, so hold a Lock for a few instructions
// only and never across a system call, except where a header says so.
#pragma once
#include <atomic>
#include <cstdint>

namespace plume::vl {

// Sleeps a moment; `round` counts the calls for one wait. True: this is the last thread of an ending process,
// so the lock's owner is gone and will never release it. In the layer NtDelayExecution, in native tests the
// OS's.
bool LockWait(uint32_t round);

class Lock {
 public:
  constexpr Lock() = default;
  Lock(const Lock&) = delete;
  Lock& operator=(const Lock&) = delete;
  bool TryAcquire() {
    uint32_t free = 0;
    return word_.compare_exchange_strong(free, 1, std::memory_order_acquire, std::memory_order_relaxed);
  }
  void Acquire() {
    for (uint32_t round = 0; !TryAcquire(); ++round) {
      if (round < kSpins) {
        __builtin_ia32_pause();
      } else if (LockWait(round - kSpins)) {
        return;
      }
    }
  }
  void Release() { word_.store(0, std::memory_order_release); }

 private:
  static constexpr uint32_t kSpins = 200;
  std::atomic<uint32_t> word_{0};
};

class LockGuard {
 public:
  explicit LockGuard(Lock& lock) : lock_(lock) { lock_.Acquire(); }
  ~LockGuard() { lock_.Release(); }
  LockGuard(const LockGuard&) = delete;
  LockGuard& operator=(const LockGuard&) = delete;

 private:
  Lock& lock_;
};

}  // namespace plume::vl
