#include "windows_testing.h"

#include <cstdio>

namespace plume::conformance {
namespace {

bool IsInteresting(UINT message) {
  return (message >= WM_USER && message < 0x10000) || message == WM_COPYDATA || message == WM_SETTEXT ||
         (message >= 0x3e0 && message <= 0x3e8) || message == WM_CLIPBOARDUPDATE || message == WM_HOTKEY ||
         message == WM_SETTINGCHANGE || message == WM_KEYDOWN || message == WM_COMMAND || message == WM_TIMER;
}

std::wstring TextOf(UINT message, LPARAM lparam) {
  if (message == WM_COPYDATA) {
    auto* data = reinterpret_cast<const COPYDATASTRUCT*>(lparam);
    return std::wstring(static_cast<const wchar_t*>(data->lpData), data->cbData / sizeof(wchar_t));
  }
  return message == WM_SETTEXT ? std::wstring(reinterpret_cast<const wchar_t*>(lparam)) : std::wstring();
}

LRESULT CALLBACK Procedure(HWND window, UINT message, WPARAM wparam, LPARAM lparam) {
  if (IsInteresting(message))
    MessagesSeen().push_back({window, message, wparam, lparam, TextOf(message, lparam)});
  if (message == WM_USER + 1) return 4714;
  if (message == WM_COPYDATA) return 4715;
  return DefWindowProcW(window, message, wparam, lparam);
}

}  // namespace

std::vector<Seen>& MessagesSeen() {
  static std::vector<Seen> seen;
  return seen;
}

size_t CountSeen(HWND window, UINT message) {
  size_t n = 0;
  for (const Seen& s : MessagesSeen()) n += s.window == window && s.message == message;
  return n;
}

std::string Narrow(const std::wstring& text) { return std::string(text.begin(), text.end()); }
std::wstring Wide(const std::string& text) { return std::wstring(text.begin(), text.end()); }

std::string HoldWindow(Context& c) {
  Given w;
  w.window_class = c.Name(L"class");
  w.title = c.Name(L"title");
  WNDCLASSW wc{};
  wc.style = CS_DBLCLKS | CS_HREDRAW;
  wc.lpfnWndProc = Procedure;
  wc.hInstance = GetModuleHandleW(nullptr);
  wc.lpszClassName = w.window_class.c_str();
  wc.cbWndExtra = 8;
  wc.hbrBackground = static_cast<HBRUSH>(GetStockObject(WHITE_BRUSH));
  RegisterClassW(&wc);
  w.window = CreateWindowExW(WS_EX_ACCEPTFILES | WS_EX_NOACTIVATE, wc.lpszClassName, w.title.c_str(),
                             WS_OVERLAPPEDWINDOW, 40, 50, 240, 200, nullptr, nullptr, wc.hInstance, nullptr);
  if (!w.window) return "no window: " + LastError();
  w.child = CreateWindowExW(0, L"STATIC", L"child", WS_CHILD | WS_VISIBLE, 2, 2, 60, 30, w.window, nullptr,
                            wc.hInstance, nullptr);
  w.owned = CreateWindowExW(0, L"STATIC", L"owned", WS_POPUP, 0, 0, 10, 10, w.window, nullptr, wc.hInstance,
                            nullptr);
  w.message_only = CreateWindowExW(0, wc.lpszClassName, L"message only", 0, 0, 0, 0, 0, HWND_MESSAGE, nullptr,
                                   wc.hInstance, nullptr);
  if (!w.child || !w.owned || !w.message_only) return "no windows: " + LastError();
  SetWindowLongPtrW(w.window, GWLP_USERDATA, 4711);
  SetWindowLongW(w.window, 0, 4712);
  SetPropW(w.window, L"PlumeConfProp", reinterpret_cast<HANDLE>(4713));
  ShowWindow(w.window, SW_SHOWNA);
  UpdateWindow(w.window);
  Pump(30);
  w.thread = GetCurrentThreadId();
  w.process = GetCurrentProcessId();
  char text[200];
  std::snprintf(text, sizeof(text), "%p %p %p %p %lu %lu ", static_cast<void*>(w.window),
                static_cast<void*>(w.child), static_cast<void*>(w.owned), static_cast<void*>(w.message_only),
                w.thread, w.process);
  c.Give(text + Narrow(w.window_class) + " " + Narrow(w.title));
  return {};
}

Given ReadGiven(const Context& c) {
  Given w;
  void* handles[4] = {};
  char window_class[300] = "", title[300] = "";
  std::sscanf(c.given.c_str(), "%p %p %p %p %lu %lu %299s %299s", &handles[0], &handles[1], &handles[2],
              &handles[3], &w.thread, &w.process, window_class, title);
  w.window = static_cast<HWND>(handles[0]);
  w.child = static_cast<HWND>(handles[1]);
  w.owned = static_cast<HWND>(handles[2]);
  w.message_only = static_cast<HWND>(handles[3]);
  w.window_class = Wide(window_class);
  w.title = Wide(title);
  return w;
}

HWND MakeOwnWindow() {
  HWND window = CreateWindowExW(0, L"STATIC", L"own", WS_POPUP | WS_VISIBLE, 500, 500, 60, 40, nullptr,
                                nullptr, GetModuleHandleW(nullptr), nullptr);
  Pump(10);
  return window;
}

bool Enumerates(const std::function<BOOL(WNDENUMPROC, LPARAM)>& enumerate, HWND wanted) {
  struct Search {
    HWND wanted;
    bool found;
  } search{wanted, false};
  auto* visit = +[](HWND window, LPARAM at) -> BOOL {
    auto* s = reinterpret_cast<Search*>(at);
    s->found |= window == s->wanted;
    return TRUE;
  };
  enumerate(reinterpret_cast<WNDENUMPROC>(visit), reinterpret_cast<LPARAM>(&search));
  return search.found;
}

bool Walks(HWND wanted, HWND start, UINT direction) {
  for (int i = 0; start && i < 2000; ++i, start = GetWindow(start, direction))
    if (start == wanted) return true;
  return false;
}

std::wstring ClassOf(HWND window) {
  wchar_t text[300];
  return std::wstring(text, static_cast<size_t>(GetClassNameW(window, text, 300)));
}
std::wstring RealClassOf(HWND window) {
  wchar_t text[300];
  return std::wstring(text, RealGetWindowClassW(window, text, 300));
}
std::wstring TitleOf(HWND window) {
  wchar_t text[300];
  return std::wstring(text, static_cast<size_t>(GetWindowTextW(window, text, 300)));
}
std::wstring InternalTitleOf(HWND window) {
  wchar_t text[300];
  return std::wstring(text, static_cast<size_t>(InternalGetWindowText(window, text, 300)));
}

bool HasRect(HWND window) {
  RECT r{};
  return GetWindowRect(window, &r) && r.right > r.left;
}
bool HasClientRect(HWND window) {
  RECT r{};
  return GetClientRect(window, &r) && r.right > 0;
}
bool HasInfo(HWND window) {
  WINDOWINFO info{};
  info.cbSize = sizeof(info);
  return GetWindowInfo(window, &info) && info.rcWindow.right > info.rcWindow.left;
}
bool HasPlacement(HWND window) {
  WINDOWPLACEMENT p{};
  p.length = sizeof(p);
  return GetWindowPlacement(window, &p) && p.rcNormalPosition.right > p.rcNormalPosition.left;
}
bool HasProperty(HWND window, const wchar_t* name) {
  struct Search {
    const wchar_t* name;
    bool found;
  } search{name, false};
  auto* visit = +[](HWND, LPWSTR text, HANDLE, ULONG_PTR at) -> BOOL {
    auto* s = reinterpret_cast<Search*>(at);
    s->found |= reinterpret_cast<ULONG_PTR>(text) > 0xffff && wcscmp(text, s->name) == 0;
    return TRUE;
  };
  EnumPropsExW(window, reinterpret_cast<PROPENUMPROCEXW>(visit), reinterpret_cast<LPARAM>(&search));
  return search.found;
}
bool HasThreadInfo(DWORD thread) {
  GUITHREADINFO info{};
  info.cbSize = sizeof(info);
  return GetGUIThreadInfo(thread, &info);
}
bool HasDc(HWND window) {
  HDC dc = GetDC(window);
  const bool done = dc && WindowFromDC(dc) == window;
  if (dc) ReleaseDC(window, dc);
  return done;
}
bool MapsPoints(HWND window) {
  POINT p{0, 0};
  SetLastError(0);
  return ClientToScreen(window, &p) && (p.x != 0 || p.y != 0);
}
int LeftOf(HWND window) {
  RECT r{};
  GetWindowRect(window, &r);
  return static_cast<int>(r.left);
}

}  // namespace plume::conformance
