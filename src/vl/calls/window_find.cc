// Finding windows: answers of the system are filtered, so that windows outside the VM are passed over.
#include "vl/calls/window_side.h"
#include "vl/low/guard.h"
#include "vl/low/guests.h"
#include "vl/low/hooks.h"
#include "vl/low/teb.h"
#include "vl/low/trace.h"
#include "vl/low/user_patch.h"

namespace plume::vl {

#define PLUME_USER_HOOK(name) nt::name##Fn Hook##name;
#include "vl/calls/window_user_hooks.inc"
#undef PLUME_USER_HOOK

namespace {

using nt::Hwnd;

// More windows than any session has: ends a walk through a list that changes all the time.
constexpr int kMaxSteps = 20000;

Hwnd FindVisible(const VlState& vl, Hwnd parent, Hwnd after, nt::UnicodeString* class_name,
                 nt::UnicodeString* title, nt::Ulong flags) {
  if (!MayFind(vl, parent) || !MayFind(vl, after)) {
    SayNoWindow();
    return nullptr;
  }
  for (int i = 0; i < kMaxSteps; ++i) {
    Hwnd found = user.NtUserFindWindowEx(parent, after, class_name, title, flags);
    if (!found || MayFind(vl, found)) return found;
    after = found;
  }
  return nullptr;
}

// What was looked for, not what was passed over.
void TellFind(const VlState& vl, nt::UnicodeString* class_name, nt::UnicodeString* title, Hwnd found) {
  const Side side = found ? SideOf(vl, found) : Side::kHidden;
  TraceNote* note = FindNote();
  if (!note) return;
  if (side == Side::kOurs || side == Side::kHidden) note->Name(trace::Space::kWindow, {});
  if (side == Side::kOurs) note->Real(trace::Layer::kUpper);
  if (side == Side::kHidden) note->Status(nt::kObjectNameNotFound);
  if (side == Side::kOpen || side == Side::kSeen) return;  // its class and rule are told
  CallScratch scratch;
  view::WView text;
  if (class_name && nt::Ok(CaptureString(scratch, class_name, &text))) note->AppendName(text);
  if (title && nt::Ok(CaptureString(scratch, title, &text))) note->AppendName(u" titled ", text);
}

}  // namespace

Hwnd PLUME_NTAPI HookNtUserFindWindowEx(Hwnd parent, Hwnd after, nt::UnicodeString* class_name,
                                        nt::UnicodeString* title, nt::Ulong flags) {
  const VlState& vl = Enter();
  const Hwnd found = FindVisible(vl, parent, after, class_name, title, flags);
  if (Tracing()) TellFind(vl, class_name, title, found);
  return found;
}

nt::NtStatus PLUME_NTAPI HookNtUserBuildHwndList(nt::Handle desktop, Hwnd start, nt::Ulong children,
                                                 nt::Ulong filter, nt::Ulong thread, nt::Ulong count,
                                                 Hwnd* list, nt::Ulong* needed) {
  const VlState& vl = Enter();
  // Wine gives no meaning to the second argument.
  if (!vl.is_wine && !MayFind(vl, start)) return nt::kInvalidHandle;
  const nt::NtStatus s =
      user.NtUserBuildHwndList(desktop, start, children, filter, thread, count, list, needed);
  nt::Ulong total;
  if (s != nt::kSuccess || !ReadUser(&total, needed) || total == 0 || total > count) return s;
  nt::Ulong kept = 0;
  for (nt::Ulong i = 0; i < total; ++i) {  // the last one is a mark
    Hwnd window;
    if (!ReadUser(&window, &list[i])) return nt::kAccessViolation;
    if (i + 1 < total && !MayFind(vl, window)) continue;
    if (!WriteUser(&list[kept++], window)) return nt::kAccessViolation;
  }
  if (TraceNote* note = TraceNow()) note->Name(trace::Space::kWindow, u"list of windows");
  return WriteUser(needed, kept) ? s : nt::kAccessViolation;
}

Hwnd PLUME_NTAPI HookNtUserGetForegroundWindow() {
  const VlState& vl = Enter();
  Hwnd window = user.NtUserGetForegroundWindow();
  return MayFind(vl, window) ? window : nullptr;
}

Hwnd PLUME_NTAPI HookNtUserGetAncestor(Hwnd window, nt::Ulong kind) {
  const VlState& vl = Enter();
  if (!MayFind(vl, window)) {
    SayNoWindow();
    return nullptr;
  }
  Hwnd found = user.NtUserGetAncestor(window, kind);
  return MayFind(vl, found) ? found : nullptr;
}

Hwnd PLUME_NTAPI HookNtUserWindowFromPoint(int32_t x, int32_t y) {
  const VlState& vl = Enter();
  Hwnd window = user.NtUserWindowFromPoint(x, y);
  return MayFind(vl, window) ? window : nullptr;
}

int32_t PLUME_NTAPI HookNtUserGetGUIThreadInfo(nt::Ulong thread, nt::GuiThreadInfo* info) {
  const VlState& vl = Enter();
  if (thread != 0 && thread != CurrentThreadId()) {
    const uint32_t pid = ProcessOfThread(vl, thread);
    if (pid != 0 && !IsGuest(vl, pid)) {
      SetLastError(nt::kErrorInvalidParameter);
      return 0;
    }
  }
  const int32_t done = user.NtUserGetGUIThreadInfo(thread, info);
  nt::GuiThreadInfo out;
  if (!done || !ReadUser(&out, info)) return done;
  // Thread 0 is whoever has the foreground.
  bool hidden = false;
  for (Hwnd* w : {&out.active, &out.focus, &out.capture, &out.menu_owner, &out.move_size, &out.caret}) {
    if (MayFind(vl, *w)) continue;
    *w = nullptr;
    hidden = true;
  }
  if (!hidden) return done;
  out.flags = 0;
  for (int32_t& side : out.caret_rect) side = 0;
  WriteUser(info, out);
  return done;
}

uintptr_t PLUME_NTAPI HookNtUserCallHwndParam(Hwnd window, uintptr_t param, nt::Ulong code) {
  namespace w = nt::wine80;
  const VlState& vl = Enter();
  const Side side = SideOf(vl, window);
  const bool change = !vl.is_wine || code == w::kParamEnableWindow || code == w::kParamKillSystemTimer ||
                      code > w::kParamScreenToClient;
  if (side == Side::kHidden || (side == Side::kSeen && change)) {
    SayNoWindow();
    return 0;
  }
  uintptr_t answer = user.NtUserCallHwndParam(window, param, code);
  if (!vl.is_wine || code != w::kParamGetWindowRelative) return answer;
  // Walking from window to window: those outside are stepped over in the direction of the walk.
  const bool back = param == nt::kWindowLast || param == nt::kWindowPrevious;
  for (int i = 0; answer && i < kMaxSteps; ++i) {
    Hwnd found = nt::WindowHandle(static_cast<int32_t>(answer));
    if (MayFind(vl, found)) return answer;
    answer = user.NtUserCallHwndParam(found, back ? nt::kWindowPrevious : nt::kWindowNext, code);
  }
  return 0;
}

}  // namespace plume::vl
