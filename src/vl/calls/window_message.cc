// Messages to everybody: to everybody in the VM.
#include "vl/calls/window_side.h"
#include "vl/low/guests.h"
#include "vl/low/memory.h"
#include "vl/low/user_patch.h"

namespace plume::vl {
namespace {

using nt::Hwnd;

constexpr nt::Ulong kFirstGuess = 256;

}  // namespace

// The list that the system gives ends with a mark.
nt::Ulong TopLevelWindows(CallScratch& scratch, Hwnd** list) {
  nt::Ulong room = kFirstGuess;
  for (int i = 0; i < 8; ++i) {
    auto* windows = scratch.Array<Hwnd>(room);
    nt::Ulong needed = 0;
    if (!windows || !user.NtUserBuildHwndList) return 0;
    const nt::NtStatus s = user.NtUserBuildHwndList(nullptr, nullptr, 0, 0, 0, room, windows, &needed);
    if (s == nt::kSuccess) {
      *list = windows;
      return needed ? needed - 1 : 0;
    }
    if (needed <= room) return 0;
    room = needed + 64;
  }
  return 0;
}

intptr_t PLUME_NTAPI BroadcastMessageCall(Hwnd, nt::Ulong message, uintptr_t wparam, intptr_t lparam,
                                          void* result, nt::Ulong what, int32_t ansi) {
  const VlState& vl = Enter();
  CallScratch scratch;
  Hwnd* windows = nullptr;
  const nt::Ulong count = TopLevelWindows(scratch, &windows);
  for (nt::Ulong i = 0; i < count; ++i) {
    uint32_t pid = 0;
    if (WindowThread(vl, windows[i], &pid) == 0 || !IsGuest(vl, pid)) continue;
    // A message that waits is sent with a limit: one window that hangs must not keep the others from hearing
    // it, and the answer of a window procedure of this thread must come from here, not from a continuation in
    // user32.
    nt::SendTimeout timeout{0, 0, 0};
    if (what == nt::kSendMessageTimeout && result) timeout = *static_cast<nt::SendTimeout*>(result);
    const bool waits = what == nt::kSendMessage || what == nt::kSendMessageTimeout;
    user.NtUserMessageCall(windows[i], message, wparam, lparam, waits ? &timeout : result,
                           waits ? nt::kSendMessageTimeout : what, ansi);
  }
  if (what == nt::kSendMessageTimeout && result) static_cast<nt::SendTimeout*>(result)->result = 1;
  return 1;
}

int32_t PLUME_NTAPI BroadcastPost(Hwnd, nt::Ulong message, uintptr_t wparam, intptr_t lparam) {
  const VlState& vl = Enter();
  CallScratch scratch;
  Hwnd* windows = nullptr;
  const nt::Ulong count = TopLevelWindows(scratch, &windows);
  for (nt::Ulong i = 0; i < count; ++i) {
    uint32_t pid = 0;
    if (WindowThread(vl, windows[i], &pid) != 0 && IsGuest(vl, pid))
      user.NtUserPostMessage(windows[i], message, wparam, lparam);
  }
  return 1;
}

}  // namespace plume::vl
