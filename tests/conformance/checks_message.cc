// Messages: sent, posted, broadcast, to windows and to threads; what the desktop does with them (foreground,
// focus, input).
#include "windows_testing.h"

namespace plume::conformance {
namespace {

constexpr char kWhyMachine[] = "the machine's programs reach the windows on its desktop";
constexpr UINT kMessage = WM_APP + 7;

Given At(const Context& c) { return ReadGiven(c); }

// The prober does something; the holder says whether a message came.
#define TELL(name, msg, ...)                                  \
  Finding Act_##name(Context& c) {                            \
    const Given w = At(c);                                    \
    SetLastError(0);                                          \
    __VA_ARGS__;                                              \
    return Visible(LastError());                              \
  }                                                           \
  Finding Look_##name(Context& c) {                           \
    const Given w = At(c);                                    \
    return CountSeen(w.window, msg) ? Visible() : Isolated(); \
  }                                                           \
  CHECK_FULL(message, name, kMachineSees | kDisplay, kWhyMachine, HoldWindow, Act_##name, Look_##name);

// The prober's own return value tells.
#define GETS(name, ...)                                       \
  Finding Probe_##name(Context& c) {                          \
    const Given w = At(c);                                    \
    SetLastError(0);                                          \
    return (__VA_ARGS__) ? Visible() : Isolated(LastError()); \
  }                                                           \
  CHECK_WITH(message, name, kMachineSees | kDisplay, kWhyMachine, HoldWindow, Probe_##name);

LRESULT SendWithLimit(HWND window, UINT message, WPARAM wparam, LPARAM lparam) {
  DWORD_PTR answer = 0;
  SendMessageTimeoutW(window, message, wparam, lparam, SMTO_ABORTIFHUNG, 3000, &answer);
  return static_cast<LRESULT>(answer);
}

LRESULT Copy(HWND window, const wchar_t* text) {
  COPYDATASTRUCT data{1, static_cast<DWORD>(wcslen(text) * sizeof(wchar_t)), const_cast<wchar_t*>(text)};
  return SendMessageW(window, WM_COPYDATA, 0, reinterpret_cast<LPARAM>(&data));
}

bool Reads(HWND window, const std::wstring& title) {
  wchar_t text[300] = L"";
  SendMessageW(window, WM_GETTEXT, 300, reinterpret_cast<LPARAM>(text));
  return text == title;
}

UINT Registered() { return RegisterWindowMessageW(L"PlumeConfMessage"); }

VOID CALLBACK Answered(HWND, UINT, ULONG_PTR at, LRESULT answer) { *reinterpret_cast<LRESULT*>(at) = answer; }
LRESULT SendAndWait(HWND window) {
  static LRESULT answer;
  answer = 0;
  SendMessageCallbackW(window, WM_USER + 1, 0, 0, Answered, reinterpret_cast<ULONG_PTR>(&answer));
  for (int i = 0; i < 40 && !answer; ++i) Pump(25);
  return answer;
}

TELL(send, kMessage, SendMessageW(w.window, kMessage, 1, 2))
TELL(send_ansi, kMessage, SendMessageA(w.window, kMessage, 1, 2))
TELL(send_timeout, kMessage, SendWithLimit(w.window, kMessage, 0, 0))
TELL(send_notify, kMessage, SendNotifyMessageW(w.window, kMessage, 0, 0))
TELL(send_callback, kMessage,
     SendMessageCallbackW(w.window, kMessage, 0, 0, Answered, reinterpret_cast<ULONG_PTR>(&w.thread)))
TELL(post, kMessage, PostMessageW(w.window, kMessage, 0, 0))
TELL(post_ansi, kMessage, PostMessageA(w.window, kMessage, 0, 0))
TELL(post_registered, Registered(), PostMessageW(w.window, Registered(), 0, 0))
TELL(post_command, WM_COMMAND, PostMessageW(w.window, WM_COMMAND, 7, 0))
TELL(post_key, WM_KEYDOWN, PostMessageW(w.window, WM_KEYDOWN, 'A', 0))
TELL(post_timer, WM_TIMER, PostMessageW(w.window, WM_TIMER, 99, 0))
TELL(post_child_parent, kMessage, PostMessageW(GetParent(w.child), kMessage, 0, 0))
TELL(copy_data, WM_COPYDATA, Copy(w.window, L"hello"))
TELL(set_text, WM_SETTEXT, SendMessageW(w.window, WM_SETTEXT, 0, reinterpret_cast<LPARAM>(L"told")))
TELL(truncated_handle, kMessage,
     SendMessageW(reinterpret_cast<HWND>(reinterpret_cast<UINT_PTR>(w.window) & 0xffff), kMessage, 0, 0))
TELL(broadcast_send, Registered(), SendWithLimit(HWND_BROADCAST, Registered(), 0, 0))
TELL(broadcast_notify, Registered(), SendNotifyMessageW(HWND_BROADCAST, Registered(), 0, 0))
TELL(broadcast_post, Registered(), PostMessageW(HWND_BROADCAST, Registered(), 0, 0))
TELL(broadcast_topmost, Registered(), PostMessageW(HWND_TOPMOST, Registered(), 0, 0))
TELL(broadcast_setting, WM_SETTINGCHANGE, SendWithLimit(HWND_BROADCAST, WM_SETTINGCHANGE, 0, 0))
TELL(broadcast_system, Registered(), {
  DWORD to = BSM_APPLICATIONS;
  BroadcastSystemMessageW(BSF_POSTMESSAGE, &to, Registered(), 0, 0);
})
TELL(enumerated_post, kMessage,
     EnumWindows([](HWND window, LPARAM) -> BOOL { return PostMessageW(window, kMessage, 0, 0) || true; }, 0))
GETS(send_answer, SendMessageW(w.window, WM_USER + 1, 0, 0) == 4714)
GETS(send_answer_timeout, SendWithLimit(w.window, WM_USER + 1, 0, 0) == 4714)
GETS(send_answer_callback, SendAndWait(w.window) == 4714)
GETS(copy_data_answer, Copy(w.window, L"x") == 4715)
GETS(get_text, Reads(w.window, w.title))
GETS(get_text_length, SendMessageW(w.window, WM_GETTEXTLENGTH, 0, 0) > 0)
GETS(child_text, Reads(w.child, L"child"))
GETS(hit_test, SendMessageW(w.window, WM_NCHITTEST, 0, MAKELPARAM(LeftOf(w.window) + 20, 120)) != 0)
GETS(post_done, PostMessageW(w.window, kMessage, 0, 0))
GETS(message_only_answer, SendMessageW(w.message_only, WM_USER + 1, 0, 0) == 4714)
GETS(attach_input, AttachThreadInput(GetCurrentThreadId(), w.thread, TRUE))
GETS(post_thread_done, PostThreadMessageW(w.thread, kMessage, 0, 0))
GETS(flash, [&] {
  FLASHWINFO info{sizeof(info), w.window, FLASHW_CAPTION, 1, 0};
  SetLastError(0);
  FlashWindowEx(&info);
  return GetLastError() == 0;
}())
GETS(foreground, SetForegroundWindow(w.window) || GetForegroundWindow() == w.window)
GETS(switch_to, (SetForegroundWindow(MakeOwnWindow()), SetForegroundWindow(w.window)))

// The holder brings its window to the front; who else sees it there?
std::string HoldForeground(Context& c) {
  const std::string bad = HoldWindow(c);
  if (!bad.empty()) return bad;
  const Given w = At(c);
  SetWindowLongW(w.window, GWL_EXSTYLE, 0);
  SetForegroundWindow(w.window);
  Pump(100);
  return GetForegroundWindow() == w.window ? "" : "not in the foreground";
}
#define FRONT(name, ...)                                      \
  Finding Probe_##name(Context& c) {                          \
    const Given w = At(c);                                    \
    return (__VA_ARGS__) ? Visible() : Isolated(LastError()); \
  }                                                           \
  CHECK_WITH(message, name, kMachineSees | kDisplay, kWhyMachine, HoldForeground, Probe_##name);
FRONT(get_foreground, GetForegroundWindow() == w.window)
FRONT(foreground_info, [&] {
  GUITHREADINFO info{};
  info.cbSize = sizeof(info);
  return GetGUIThreadInfo(0, &info) && (info.hwndActive == w.window || info.hwndFocus == w.window);
}())

// To the thread, without a window.
Finding ActThread(Context& c) {
  const Given w = At(c);
  PostThreadMessageW(w.thread, WM_APP + 99, 0, 0);
  return Visible(LastError());
}
std::string HoldThread(Context& c) {
  // Thread messages are seen by a hook of the thread itself: the harness dispatches them to nobody.
  SetWindowsHookExW(
      WH_GETMESSAGE,
      [](int code, WPARAM wparam, LPARAM lparam) -> LRESULT {
        auto* m = reinterpret_cast<const MSG*>(lparam);
        if (code == HC_ACTION && wparam == PM_REMOVE && !m->hwnd && m->message == WM_APP + 99)
          MessagesSeen().push_back({nullptr, m->message, m->wParam, m->lParam, {}});
        return CallNextHookEx(nullptr, code, wparam, lparam);
      },
      nullptr, GetCurrentThreadId());
  return HoldWindow(c);
}
Finding LookThread(Context&) { return CountSeen(nullptr, WM_APP + 99) ? Visible() : Isolated(); }
CHECK_FULL(message, post_thread, kMachineSees | kDisplay, kWhyMachine, HoldThread, ActThread, LookThread);

}  // namespace
}  // namespace plume::conformance
