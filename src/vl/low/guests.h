// Which processes belong to the VM. The truth is its job object, which nobody leaves; the answers are
// remembered.
#pragma once
#include <cstdint>

#include "vl/low/state.h"

namespace plume::vl {

// Whether the process is a guest of this VM. An answer is kept together with a handle of the process: as long
// as that is open the system cannot give its id to another one. Any thread, also under the application's
// locks.
bool IsGuest(const VlState& vl, uint32_t pid);

// The process of a thread; 0: there is no such thread (or it may not be asked).
uint32_t ProcessOfThread(const VlState& vl, uint32_t tid);
inline bool IsGuestThread(const VlState& vl, uint32_t tid) {
  const uint32_t pid = ProcessOfThread(vl, tid);
  return pid != 0 && IsGuest(vl, pid);
}

}  // namespace plume::vl
