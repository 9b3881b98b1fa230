// The VM's clipboard between calls: who died, who is told, which format may cross.
#include <cstring>

#include "vl/calls/clipboard.h"
#include "vl/calls/window_atoms.h"
#include "vl/calls/window_side.h"
#include "vl/low/guests.h"
#include "vl/low/hooks.h"
#include "vl/low/teb.h"
#include "vl/low/user_patch.h"

namespace plume::vl {
namespace {

constexpr uint32_t kDrawClipboard = 0x308, kClipboardUpdate = 0x31d, kRenderAllFormats = 0x306;

bool IsGuestWindow(const VlState& vl, uint32_t window) {
  uint32_t pid = 0;
  return window && WindowThread(vl, nt::WindowHandle(static_cast<int32_t>(window)), &pid) && IsGuest(vl, pid);
}

}  // namespace

bool ClipboardIsShared(const VlState& vl) {
  const ClipboardRules& c = vl.clipboard;
  return c.to_host && c.from_host && (c.kinds & 0xf) == 0xf && c.max_bytes == 0;
}

FormatName NameOfFormat(uint32_t format) {
  FormatName name;
  if (format < view::kCfFirstRegistered || format > 0xffff || !user.NtUserGetClipboardFormatName) return name;
  const int32_t n = user.NtUserGetClipboardFormatName(format, name.units, 255);
  name.size = n > 0 ? static_cast<size_t>(n) : 0;
  return name;
}

bool MayCross(const VlState& vl, uint32_t format, uint64_t size) {
  if (vl.clipboard.max_bytes && size > vl.clipboard.max_bytes) return false;
  const FormatName name = NameOfFormat(format);
  view::WView own;
  if (OwnAtomName(vl, name.View(), &own) || (name.size && name.units[0] == 0x1f)) return false;
  return vl.clipboard.kinds & view::ClipKind(format, name.View());
}

void TellClipboardChange(const VlState& vl, Session* session, const view::ClipTable::Told& told) {
  if (!told.changed) return;
  uint32_t listeners[view::ClipTable::kMaxListeners];
  uint32_t count;
  {
    SessionLock lock(vl, session);
    count = session->clip.listener_count;
    if (count > view::ClipTable::kMaxListeners) count = 0;
    std::memcpy(listeners, session->clip.listeners, count * sizeof(uint32_t));
  }
  for (uint32_t i = 0; i < count; ++i) {
    if (IsGuestWindow(vl, listeners[i])) {
      user.NtUserPostMessage(nt::WindowHandle(static_cast<int32_t>(listeners[i])), kClipboardUpdate, 0, 0);
    } else {
      SessionLock lock(vl, session);
      session->clip.RemoveListener(listeners[i]);
    }
  }
  if (IsGuestWindow(vl, told.viewer)) {
    user.NtUserMessageCall(nt::WindowHandle(static_cast<int32_t>(told.viewer)), kDrawClipboard, told.owner, 0,
                           nullptr, nt::kSendNotifyMessage, 0);
  }
}

Session* RefreshClipboard(const VlState& vl) {
  Session* session = TheSession(vl);
  if (!session) return nullptr;
  view::ClipTable& clip = session->clip;
  uint32_t opener, open_window, owner, owner_thread;
  {
    SessionLock lock(vl, session);
    opener = clip.open_thread;
    open_window = clip.open_window;
    owner = clip.owner_window;
    owner_thread = clip.owner_thread;
  }
  uint32_t pid = 0;
  const bool opener_dead =
      opener &&
      ((opener != CurrentThreadId() && ProcessOfThread(vl, opener) == 0) ||
       (open_window && WindowThread(vl, nt::WindowHandle(static_cast<int32_t>(open_window)), &pid) == 0));
  const bool owner_dead =
      owner && WindowThread(vl, nt::WindowHandle(static_cast<int32_t>(owner)), &pid) != owner_thread;
  if (opener_dead || owner_dead) {
    view::ClipTable::Told closed, released;
    {
      SessionLock lock(vl, session);
      if (opener_dead && clip.open_thread == opener) clip.CloseForDead(&closed);
      if (owner_dead && clip.owner_window == owner) clip.Release(&released);
    }
    TellClipboardChange(vl, session, closed);
    TellClipboardChange(vl, session, released);
  }
  if (vl.clipboard.from_host) TakeOverFromMachine(vl, session);
  return session;
}

void ClipboardWindowGoes(const VlState& vl, nt::Hwnd window) {
  if (!vl.is_wine || ClipboardIsShared(vl)) return;
  Session* session = TheSession(vl, false);
  if (!session) return;
  const uint32_t owner = session->clip.owner_window;
  if (!owner) return;
  nt::Hwnd owner_window = nt::WindowHandle(static_cast<int32_t>(owner));
  const auto value = static_cast<uint32_t>(reinterpret_cast<uintptr_t>(window));
  uint32_t pid = 0;
  // Its children go with it.
  if (value != owner && !user.NtUserCallHwndParam(window, owner, nt::wine80::kParamIsChild)) return;
  if (WindowThread(vl, owner_window, &pid) != CurrentThreadId()) return;
  nt::SendTimeout timeout{0, 0, 0};
  user.NtUserMessageCall(owner_window, kRenderAllFormats, 0, 0, &timeout, nt::kSendMessageTimeout, 0);
  view::ClipTable::Told told;
  {
    SessionLock lock(vl, session);
    if (session->clip.owner_window == owner) session->clip.Release(&told);
  }
  TellClipboardChange(vl, session, told);
}

}  // namespace plume::vl
