// On which side of the VM's border a window is, and what a guest may do with it.
#pragma once
#include "vl/low/memory.h"
#include "vl/low/state.h"
#include "vl/nt/user.h"

namespace plume::vl {

enum class Side : uint8_t {
  kOurs,    // of a guest of this VM, or no window at all (the system then says so)
  kOpen,    // outside, a rule of the policy opens its class
  kSeen,    // outside, of the desktop itself: may be found and asked, not changed (system rows)
  kHidden,  // outside: does not exist for guests
};

// Null and the handles that are no windows (HWND_MESSAGE, HWND_TOPMOST, HWND_BROADCAST...) are kOurs.
Side SideOf(const VlState& vl, nt::Hwnd window);

inline bool MayFind(const VlState& vl, nt::Hwnd window) { return SideOf(vl, window) != Side::kHidden; }
inline bool MayChange(const VlState& vl, nt::Hwnd window) { return SideOf(vl, window) < Side::kSeen; }

// The thread of a window and its process; 0: no such window. Own windows are answered inside the process.
uint32_t WindowThread(const VlState& vl, nt::Hwnd window, uint32_t* process);

// All top-level windows of the desktop, inside the VM and outside; their number.
uint32_t TopLevelWindows(CallScratch& scratch, nt::Hwnd** list);

// Answers of a refused call: ERROR_INVALID_WINDOW_HANDLE and nothing.
void SayNoWindow();

// Sending to and posting to all top-level windows, within the VM. Same arguments as the functions they
// answer.
intptr_t PLUME_NTAPI BroadcastMessageCall(nt::Hwnd, nt::Ulong message, uintptr_t wparam, intptr_t lparam,
                                          void* result, nt::Ulong what, int32_t ansi);
int32_t PLUME_NTAPI BroadcastPost(nt::Hwnd, nt::Ulong message, uintptr_t wparam, intptr_t lparam);

// A view has been mapped: is it win32u.dll? Of which section it is, only its protection hints at.
void OnViewMapped(nt::Handle process, void* const* base, nt::Ulong protect);

}  // namespace plume::vl
