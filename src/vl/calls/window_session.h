// What the guests of a VM share about windows: its clipboard and its hooks for everybody. A file in the VM's
// scratch folder, mapped by who needs it, so that it outlives every guest (docs/formats/session.md).
#pragma once
#include <atomic>

#include "view/clip_table.h"
#include "vl/low/state.h"

namespace plume::vl {

// A hook that a guest has set for all threads (SetWindowsHookEx without a thread). The system is only ever
// given hooks of single threads; each guest sets those of its own new threads.
struct SharedHook {
  static constexpr uint32_t kMaxModule = 260, kMaxHandles = 64;
  uint32_t serial;           // 0: free
  uint32_t id, ansi, owner;  // kind of hook; process that set it
  uint64_t procedure;        // relative to the module
  uint32_t module_units;
  uint32_t handle_count;
  uint32_t handles[kMaxHandles];  // one per thread; the first is what the caller got
  uint32_t threads[kMaxHandles];
  char16_t module[kMaxModule];
};

struct Session {
  static constexpr uint32_t kMagic = 0x31534c50, kHooks = 12;  // "PLS1"
  static constexpr uint32_t kFileBytes = 64 << 10;
  std::atomic<uint32_t> magic;
  std::atomic<uint32_t> lock;  // id of the thread that has it; 0: free
  std::atomic<uint32_t> hook_serial;
  uint32_t reserved;
  view::ClipTable clip;
  SharedHook hooks[kHooks];
};
static_assert(sizeof(Session) <= Session::kFileBytes);

// The VM's session, or null if it cannot be had (logged once). `create` false: only if there is one already.
Session* TheSession(const VlState& vl, bool create = true);

// Holds the session's lock. A few instructions, never across a call. Taken from a thread that has died.
class SessionLock {
 public:
  SessionLock(const VlState& vl, Session* session);
  ~SessionLock() { session_->lock.store(0, std::memory_order_release); }
  SessionLock(const SessionLock&) = delete;
  SessionLock& operator=(const SessionLock&) = delete;

 private:
  Session* session_;
};

}  // namespace plume::vl
