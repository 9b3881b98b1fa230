// Hooks and window events: who is told what happens to another program's windows and input.
#include "windows_testing.h"

namespace plume::conformance {
namespace {

constexpr char kWhyMachine[] = "the machine's hooks are for everything on its desktop";

int g_called = 0;  // in the holder: by a hook procedure that the prober set
HWND g_event_window = nullptr;
int g_events = 0;
int g_keys = 0, g_moves = 0;

template <int kHook>
LRESULT CALLBACK InHolder(int code, WPARAM wparam, LPARAM lparam) {
  ++g_called;
  return CallNextHookEx(nullptr, code, wparam, lparam);
}
LRESULT CALLBACK LowKey(int code, WPARAM wparam, LPARAM lparam) {
  if (code == HC_ACTION && reinterpret_cast<const KBDLLHOOKSTRUCT*>(lparam)->vkCode == VK_F13) ++g_keys;
  return CallNextHookEx(nullptr, code, wparam, lparam);
}
LRESULT CALLBACK LowMouse(int code, WPARAM wparam, LPARAM lparam) {
  if (code == HC_ACTION && wparam == WM_LBUTTONDOWN) ++g_moves;
  return CallNextHookEx(nullptr, code, wparam, lparam);
}
void CALLBACK Event(HWINEVENTHOOK, DWORD, HWND window, LONG, LONG, DWORD, DWORD) {
  if (window == g_event_window) ++g_events;
}

// A window of the holder that is busy: its title changes, messages come, keys are pressed while it has the
// foreground.
UINT_PTR g_timer = 0;
HWND g_busy = nullptr;
void CALLBACK Tick(HWND, UINT, UINT_PTR, DWORD) {
  static int n = 0;
  SetWindowTextW(g_busy, ++n % 2 ? L"tick" : L"tock");
  PostMessageW(g_busy, WM_APP + 50, 0, 0);
  SendMessageW(g_busy, WM_APP + 51, 0, 0);
  NotifyWinEvent(EVENT_OBJECT_NAMECHANGE, g_busy, OBJID_WINDOW, 0);  // Wine does not when a title changes
  if (GetForegroundWindow() == g_busy) {
    keybd_event(VK_F13, 0, 0, 0);
    keybd_event(VK_F13, 0, KEYEVENTF_KEYUP, 0);
    RECT r;
    GetWindowRect(g_busy, &r);
    SetCursorPos(r.left + 60, r.top + 80);
    mouse_event(MOUSEEVENTF_LEFTDOWN, 0, 0, 0, 0);
    mouse_event(MOUSEEVENTF_LEFTUP, 0, 0, 0, 0);
  }
}
std::string HoldBusy(Context& c) {
  if (g_timer) KillTimer(nullptr, g_timer);
  if (g_busy) DestroyWindow(g_busy);
  const std::string bad = HoldWindow(c);
  if (!bad.empty()) return bad;
  g_busy = ReadGiven(c).window;
  SetWindowLongW(g_busy, GWL_EXSTYLE, 0);
  SetWindowPos(g_busy, HWND_TOPMOST, 0, 0, 0, 0, SWP_NOMOVE | SWP_NOSIZE);
  SetForegroundWindow(g_busy);
  Pump(60);
  g_called = 0;
  g_timer = SetTimer(nullptr, 0, 30, Tick);
  return {};
}

// What comes, comes within milliseconds; to see that nothing comes takes all of the time.
void PumpUntil(const int& count, unsigned milliseconds) {
  for (const ULONGLONG end = GetTickCount64() + milliseconds; !count && GetTickCount64() < end;) Pump(20);
}

// The prober sets a hook of its own program, which is the holder's program too; the holder says whether it
// was called.
template <int kHook>
Finding SetForThread(Context& c) {
  HHOOK hook = SetWindowsHookExW(kHook, InHolder<kHook>, GetModuleHandleW(nullptr), ReadGiven(c).thread);
  const std::string why = LastError();
  Pump(300);
  if (hook) UnhookWindowsHookEx(hook);
  return Visible(why);
}
template <int kHook>
Finding SetForAll(Context& c) {
  HHOOK hook = SetWindowsHookExW(kHook, InHolder<kHook>, GetModuleHandleW(nullptr), 0);
  const std::string why = LastError();
  Pump(300);
  if (hook) UnhookWindowsHookEx(hook);
  return Visible(why);
}
Finding WasCalled(Context&) { return g_called ? Visible() : Isolated(); }
#define IN_HOLDER(name, kind)                                                                         \
  CHECK_FULL(hook, thread_##name, kMachineSees | kDisplay, kWhyMachine, HoldBusy, SetForThread<kind>, \
             WasCalled);                                                                              \
  CHECK_FULL(hook, all_##name, kMachineSees | kDisplay, kWhyMachine, HoldBusy, SetForAll<kind>, WasCalled)
IN_HOLDER(get_message, WH_GETMESSAGE);
IN_HOLDER(call_window_procedure, WH_CALLWNDPROC);
IN_HOLDER(call_window_procedure_result, WH_CALLWNDPROCRET);
IN_HOLDER(keyboard, WH_KEYBOARD);
IN_HOLDER(mouse, WH_MOUSE);

// Set by the prober, called in the prober.
Finding Keys(Context& c) {
  g_keys = 0;
  HHOOK hook = SetWindowsHookExW(WH_KEYBOARD_LL, LowKey, GetModuleHandleW(nullptr), 0);
  const std::string why = LastError();
  PumpUntil(g_keys, 500);
  if (hook) UnhookWindowsHookEx(hook);
  return g_keys ? Visible() : Isolated(hook ? "" : why);
}
Finding Clicks(Context& c) {
  g_moves = 0;
  HHOOK hook = SetWindowsHookExW(WH_MOUSE_LL, LowMouse, GetModuleHandleW(nullptr), 0);
  const std::string why = LastError();
  PumpUntil(g_moves, 500);
  if (hook) UnhookWindowsHookEx(hook);
  return g_moves ? Visible() : Isolated(hook ? "" : why);
}
CHECK_WITH(hook, low_level_keyboard, kMachineSees | kDisplay, kWhyMachine, HoldBusy, Keys);
CHECK_WITH(hook, low_level_mouse, kMachineSees | kDisplay, kWhyMachine, HoldBusy, Clicks);

Finding Listen(Context& c, DWORD first, DWORD last, DWORD process, DWORD thread, DWORD flags) {
  const Given w = ReadGiven(c);
  g_event_window = w.window;
  g_events = 0;
  HWINEVENTHOOK hook =
      SetWinEventHook(first, last, flags & WINEVENT_INCONTEXT ? GetModuleHandleW(nullptr) : nullptr, Event,
                      process, thread, flags);
  const std::string why = LastError();
  PumpUntil(g_events, 500);
  if (hook) UnhookWinEvent(hook);
  return g_events ? Visible() : Isolated(hook ? "" : why);
}
Finding Names(Context& c) {
  return Listen(c, EVENT_OBJECT_NAMECHANGE, EVENT_OBJECT_NAMECHANGE, 0, 0, WINEVENT_OUTOFCONTEXT);
}
Finding All(Context& c) {
  return Listen(c, EVENT_MIN, EVENT_MAX, 0, 0, WINEVENT_OUTOFCONTEXT | WINEVENT_SKIPOWNPROCESS);
}
Finding OfProcess(Context& c) {
  return Listen(c, EVENT_MIN, EVENT_MAX, ReadGiven(c).process, 0, WINEVENT_OUTOFCONTEXT);
}
CHECK_WITH(hook, events_names, kMachineSees | kDisplay, kWhyMachine, HoldBusy, Names);
CHECK_WITH(hook, events_all, kMachineSees | kDisplay, kWhyMachine, HoldBusy, All);
CHECK_WITH(hook, events_of_process, kMachineSees | kDisplay, kWhyMachine, HoldBusy, OfProcess);

// Input made by a program goes to whoever has the foreground.
Finding Type(Context& c) {
  INPUT in[2] = {};
  in[0].type = in[1].type = INPUT_KEYBOARD;
  in[0].ki.wVk = in[1].ki.wVk = 'Q';
  in[1].ki.dwFlags = KEYEVENTF_KEYUP;
  const UINT done = SendInput(2, in, sizeof(INPUT));
  Pump(50);
  return done ? Visible() : Isolated(LastError());
}
std::string HoldForeground(Context& c) {
  if (g_timer) KillTimer(nullptr, g_timer);
  g_timer = 0;
  const std::string bad = HoldWindow(c);
  if (!bad.empty()) return bad;
  HWND window = ReadGiven(c).window;
  SetWindowLongW(window, GWL_EXSTYLE, 0);
  SetForegroundWindow(window);
  SetFocus(window);
  Pump(100);
  return GetForegroundWindow() == window ? "" : "not in the foreground";
}
Finding Typed(Context& c) {
  for (const Seen& s : MessagesSeen())
    if (s.window == ReadGiven(c).window && s.message == WM_KEYDOWN && s.wparam == 'Q') return Visible();
  return Isolated();
}
CHECK_FULL(hook, send_input, kMachineSees | kDisplay, kWhyMachine, HoldForeground, Type, Typed);

}  // namespace
}  // namespace plume::conformance
