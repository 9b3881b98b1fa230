// Guest program of the window space; window.sh runs it bare (the oracle) and in VMs.
//   window_guest api               one program's own windows, messages, hooks, atoms: prints what it sees
//   window_guest pair              the same with a child: find, message, hook, property, close
//   window_guest throw             C++ exceptions out of window procedures and enumerations
//   window_guest single [SECONDS]  a single-instance program: "first" and stays, or "second" after telling
//                                  the first
//   window_guest find CLASS        whether a window of the class is there
//   window_guest tray              an icon in the notification area
// The second header wants the first.
// clang-format off
#include <windows.h>
#include <shellapi.h>
// clang-format on

#include <cstdio>
#include <cwchar>
#include <string>
#include <vector>

namespace {

void Say(const char* what, long long value) { std::printf("%s: %lld\n", what, value); }

std::vector<std::string> g_log;
int g_hooked = 0, g_events = 0;
HWND g_wanted = nullptr;

LRESULT CALLBACK Procedure(HWND window, UINT message, WPARAM wparam, LPARAM lparam) {
  if (message == WM_COPYDATA) {
    auto* data = reinterpret_cast<const COPYDATASTRUCT*>(lparam);
    g_log.push_back("copydata " + std::string(static_cast<const char*>(data->lpData), data->cbData));
    return 31;
  }
  if (message == WM_APP) g_log.push_back("app " + std::to_string(wparam));
  if (message == WM_APP + 1) return static_cast<LRESULT>(wparam * 2);
  if (message == WM_APP + 2) throw 17;
  if (message == WM_APP + 3) {  // a message that is answered by asking back
    return SendMessageW(reinterpret_cast<HWND>(lparam), WM_APP + 1, wparam, 0) + 1;
  }
  if (message == WM_DESTROY) PostQuitMessage(5);
  return DefWindowProcW(window, message, wparam, lparam);
}
void Register(const wchar_t* name) {
  WNDCLASSW wc{};
  wc.lpfnWndProc = Procedure;
  wc.hInstance = GetModuleHandleW(nullptr);
  wc.lpszClassName = name;
  RegisterClassW(&wc);
}
HWND Make(const wchar_t* name, const wchar_t* title, HWND parent = nullptr,
          DWORD style = WS_OVERLAPPEDWINDOW | WS_VISIBLE) {
  Register(name);
  return CreateWindowExW(0, name, title, style, 20, 20, 200, 150, parent, nullptr, GetModuleHandleW(nullptr),
                         nullptr);
}
void Pump(DWORD milliseconds) {
  const ULONGLONG end = GetTickCount64() + milliseconds;
  for (;;) {
    MSG m;
    while (PeekMessageW(&m, nullptr, 0, 0, PM_REMOVE)) DispatchMessageW(&m);
    const ULONGLONG now = GetTickCount64();
    if (now >= end) return;
    MsgWaitForMultipleObjectsEx(0, nullptr, static_cast<DWORD>(end - now), QS_ALLINPUT, 0);
  }
}
void PrintLog() {
  for (const std::string& line : g_log) std::printf("  %s\n", line.c_str());
  g_log.clear();
}
BOOL CALLBACK CountOwn(HWND window, LPARAM at) {
  DWORD process = 0;
  GetWindowThreadProcessId(window, &process);
  wchar_t name[100] = L"";
  GetClassNameW(window, name, 100);
  // How many helper windows a system makes is its own matter.
  if (process == GetCurrentProcessId() && !std::wcsncmp(name, L"PlumeApi", 8)) ++*reinterpret_cast<int*>(at);
  return TRUE;
}
LRESULT CALLBACK Hooked(int code, WPARAM wparam, LPARAM lparam) {
  ++g_hooked;
  return CallNextHookEx(nullptr, code, wparam, lparam);
}
void CALLBACK Event(HWINEVENTHOOK, DWORD, HWND window, LONG, LONG, DWORD, DWORD) {
  g_events += window == g_wanted;
}

int Api() {
  HWND a = Make(L"PlumeApiA", L"one"), b = Make(L"PlumeApiB", L"two", a, WS_CHILD | WS_VISIBLE);
  HWND quiet =
      CreateWindowExW(0, L"PlumeApiA", L"quiet", 0, 0, 0, 0, 0, HWND_MESSAGE, nullptr, nullptr, nullptr);
  Say("windows", a && b && quiet);
  Say("found by class", FindWindowW(L"PlumeApiA", nullptr) == a);
  Say("found by title", FindWindowW(nullptr, L"one") == a);
  Say("found child", FindWindowExW(a, nullptr, L"PlumeApiB", nullptr) == b);
  Say("found message-only", FindWindowExW(HWND_MESSAGE, nullptr, L"PlumeApiA", nullptr) == quiet);
  Say("not found", FindWindowW(L"PlumeNothing", nullptr) == nullptr);
  int count = 0;
  Say("enumerated", EnumWindows(CountOwn, reinterpret_cast<LPARAM>(&count)) != 0);
  Say("of them own", count);
  count = 0;
  EnumThreadWindows(GetCurrentThreadId(), CountOwn, reinterpret_cast<LPARAM>(&count));
  Say("of the thread", count);
  count = 0;
  EnumChildWindows(a, CountOwn, reinterpret_cast<LPARAM>(&count));
  Say("children", count);
  Say("desktop", IsWindow(GetDesktopWindow()));
  wchar_t name[100] = L"";
  GetClassNameW(GetDesktopWindow(), name, 100);
  std::printf("desktop class: %ls\n", name);
  RECT r{};
  Say("desktop rectangle", GetWindowRect(GetDesktopWindow(), &r) && r.right > 0);
  Say("parent", GetParent(b) == a);
  Say("ancestor", GetAncestor(b, GA_ROOT) == a && GetAncestor(a, GA_PARENT) == GetDesktopWindow());
  Say("send", SendMessageW(a, WM_APP + 1, 21, 0));
  Say("send by the low half of the handle",
      SendMessageW(reinterpret_cast<HWND>(reinterpret_cast<ULONG_PTR>(a) & 0xffff), WM_APP + 1, 4, 0));
  Say("post", PostMessageW(a, WM_APP, 1, 0) && PostThreadMessageW(GetCurrentThreadId(), WM_APP, 2, 0));
  const UINT everybody = RegisterWindowMessageW(L"PlumeApiEverybody");
  Say("registered", everybody >= 0xc000 && everybody == RegisterWindowMessageA("PlumeApiEverybody"));
  Say("broadcast", PostMessageW(HWND_BROADCAST, everybody, 0, 0));
  SetLastError(0);
  Say("no window", SendMessageW(reinterpret_cast<HWND>(0x7654321), WM_APP, 0, 0));
  Say("error", GetLastError());
  Say("no window to post to", PostMessageW(reinterpret_cast<HWND>(0x7654321), WM_APP, 0, 0));
  Say("error", GetLastError());
  Say("no thread", PostThreadMessageW(0xfffffff0, WM_APP, 0, 0));
  Say("no such window", IsWindow(reinterpret_cast<HWND>(0x7654321)));
  HHOOK hook = SetWindowsHookExW(WH_GETMESSAGE, Hooked, nullptr, GetCurrentThreadId());
  Say("hook", hook != nullptr);
  g_wanted = a;
  HWINEVENTHOOK events = SetWinEventHook(EVENT_OBJECT_NAMECHANGE, EVENT_OBJECT_NAMECHANGE, nullptr, Event, 0,
                                         0, WINEVENT_OUTOFCONTEXT);
  HWINEVENTHOOK mine = SetWinEventHook(EVENT_OBJECT_NAMECHANGE, EVENT_OBJECT_NAMECHANGE, nullptr, Event,
                                       GetCurrentProcessId(), GetCurrentThreadId(), WINEVENT_OUTOFCONTEXT);
  Say("event hooks", events && mine);
  SetWindowTextW(a, L"other");
  Pump(200);
  Say("hook called", g_hooked > 0);
  Say("events", g_events);
  Say("unhooked", UnhookWindowsHookEx(hook) && UnhookWinEvent(events) && UnhookWinEvent(mine));
  Say("unhooked again", UnhookWindowsHookEx(hook) || UnhookWinEvent(events));
  PrintLog();
  HHOOK keys = SetWindowsHookExW(WH_KEYBOARD_LL, Hooked, GetModuleHandleW(nullptr), 0);
  Say("low-level hook", keys && UnhookWindowsHookEx(keys));
  Say("property", SetPropW(a, L"PlumeProp", reinterpret_cast<HANDLE>(7)) &&
                      GetPropA(a, "plumeprop") == reinterpret_cast<HANDLE>(7));
  const ATOM atom = GlobalAddAtomW(L"PlumeAtomProp");
  Say("atom", atom >= 0xc000 && GlobalFindAtomA("PLUMEATOMPROP") == atom);
  char text[100] = "";
  Say("length of its name", GlobalGetAtomNameA(atom, text, sizeof(text)));
  std::printf("name: %s\n", text);
  Say("cut", GlobalGetAtomNameA(atom, text, 6));
  std::printf("name: %s\n", text);
  Say("property by atom",
      SetPropW(a, reinterpret_cast<LPCWSTR>(static_cast<ULONG_PTR>(atom)), reinterpret_cast<HANDLE>(8)));
  Say("... is the one by name", GetPropW(a, L"PlumeAtomProp") == reinterpret_cast<HANDLE>(8));
  Say("... removed", RemovePropW(a, L"PlumeAtomProp") == reinterpret_cast<HANDLE>(8));
  Say("atom goes", GlobalDeleteAtom(atom));
  Say("gone", GlobalFindAtomW(L"PlumeAtomProp"));
  Say("number as atom", GlobalAddAtomW(L"#1234"));
  const UINT format = RegisterClipboardFormatW(L"Plume Format");
  Say("format", format >= 0xc000 && format == RegisterClipboardFormatA("plume format"));
  Say("its name", GetClipboardFormatNameA(format, text, sizeof(text)));
  std::printf("name: %s\n", text);
  Say("foreground", SetForegroundWindow(a));
  Say("in front", GetForegroundWindow() == a);
  GUITHREADINFO info{};
  info.cbSize = sizeof(info);
  Say("thread info", GetGUIThreadInfo(GetCurrentThreadId(), &info) && info.hwndActive == a);
  Say("destroyed", DestroyWindow(quiet) && DestroyWindow(a));
  Say("child gone too", !IsWindow(b));
  Pump(10);
  PrintLog();
  return 0;
}

int Child() {
  HWND window = Make(L"PlumePair", L"child");
  std::printf("ready\n");
  std::fflush(stdout);
  MSG m;
  while (GetMessageW(&m, nullptr, 0, 0) > 0) DispatchMessageW(&m);
  std::printf("child: hooked %d\n", g_hooked > 0);
  for (const std::string& line : g_log) std::printf("child: %s\n", line.c_str());
  return window ? 0 : 1;
}

int Pair(const wchar_t* program) {
  std::wstring command = L"\"" + std::wstring(program) + L"\" child";
  STARTUPINFOW start{};
  start.cb = sizeof(start);
  PROCESS_INFORMATION child{};
  if (!CreateProcessW(nullptr, command.data(), nullptr, nullptr, TRUE, 0, nullptr, nullptr, &start, &child))
    return 1;
  HWND window = nullptr;
  for (int i = 0; i < 200 && !window; ++i) {
    Sleep(50);
    window = FindWindowW(L"PlumePair", nullptr);
  }
  Say("found", window != nullptr);
  DWORD process = 0;
  Say("its thread",
      GetWindowThreadProcessId(window, &process) == child.dwThreadId && process == child.dwProcessId);
  Say("answer", SendMessageW(window, WM_APP + 1, 50, 0));
  HWND own = Make(L"PlumePairParent", L"parent");
  Say("answer that asks back", SendMessageW(window, WM_APP + 3, 50, reinterpret_cast<LPARAM>(own)));
  COPYDATASTRUCT data{1, 5, const_cast<char*>("hello")};
  Say("data", SendMessageW(window, WM_COPYDATA, 0, reinterpret_cast<LPARAM>(&data)));
  Say("post", PostMessageW(window, WM_APP, 9, 0));
  wchar_t title[50] = L"";
  Say("title", GetWindowTextW(window, title, 50));
  Say("property", SetPropW(window, L"PlumePairProp", reinterpret_cast<HANDLE>(5)));
  HHOOK hook = SetWindowsHookExW(WH_GETMESSAGE, Hooked, GetModuleHandleW(nullptr), 0);
  Say("hook for everybody", hook != nullptr);
  for (int i = 0; i < 5; ++i) PostMessageW(window, WM_NULL, 0, 0);
  Pump(100);
  Say("removed", UnhookWindowsHookEx(hook));
  DWORD_PTR answer = 0;
  Say("to everybody", SendMessageTimeoutW(HWND_BROADCAST, RegisterWindowMessageW(L"PlumePairAll"), 0, 0,
                                          SMTO_NORMAL, 5000, &answer) != 0);
  Say("moved", SetWindowPos(window, nullptr, 60, 70, 0, 0, SWP_NOSIZE | SWP_NOZORDER));
  RECT r{};
  GetWindowRect(window, &r);
  Say("left", r.left);
  Say("attached", AttachThreadInput(GetCurrentThreadId(), child.dwThreadId, TRUE));
  AttachThreadInput(GetCurrentThreadId(), child.dwThreadId, FALSE);
  std::fflush(stdout);
  Say("closing", PostMessageW(window, WM_CLOSE, 0, 0));
  std::fflush(stdout);
  WaitForSingleObject(child.hProcess, 20000);
  DWORD code = 99;
  GetExitCodeProcess(child.hProcess, &code);
  Say("its exit code", code);
  Say("window gone", !IsWindow(window));
  return 0;
}

BOOL CALLBACK ThrowFirst(HWND, LPARAM) { throw 18; }

int Throw() {
  HWND window = Make(L"PlumeThrow", L"throws");
  for (int round = 0; round < 3; ++round) {
    try {
      SendMessageW(window, WM_APP + 2, 0, 0);
      std::puts("sent");
    } catch (int n) {
      Say("caught from a window procedure", n);
    }
    try {
      EnumThreadWindows(GetCurrentThreadId(), ThrowFirst, 0);
      std::puts("enumerated");
    } catch (int n) {
      Say("caught from an enumeration", n);
    }
  }
  Say("still answers", SendMessageW(window, WM_APP + 1, 3, 0));
  return 0;
}

// Lives until the file is there.
int Single(int seconds, const wchar_t* until) {
  if (HWND other = FindWindowW(L"PlumeSingleInstance", nullptr)) {
    COPYDATASTRUCT data{1, 4, const_cast<char*>("open")};
    Say("told", SendMessageW(other, WM_COPYDATA, 0, reinterpret_cast<LPARAM>(&data)));
    std::puts("second");
    return 1;
  }
  Make(L"PlumeSingleInstance", L"only one");
  std::puts("first");
  std::fflush(stdout);
  for (const ULONGLONG end = GetTickCount64() + static_cast<ULONGLONG>(seconds) * 1000;
       GetTickCount64() < end;) {
    Pump(100);
    if (until && GetFileAttributesW(until) != INVALID_FILE_ATTRIBUTES) break;
  }
  PrintLog();
  return 0;
}

int Tray() {
  HWND window = Make(L"PlumeTray", L"tray", nullptr, WS_OVERLAPPEDWINDOW);
  NOTIFYICONDATAW icon{};
  icon.cbSize = sizeof(icon);
  icon.hWnd = window;
  icon.uID = 1;
  icon.uFlags = NIF_ICON | NIF_MESSAGE | NIF_TIP;
  icon.uCallbackMessage = WM_APP;
  icon.hIcon = LoadIconW(nullptr, IDI_APPLICATION);
  std::wcscpy(icon.szTip, L"Plume");
  Say("added", Shell_NotifyIconW(NIM_ADD, &icon));
  Say("changed", Shell_NotifyIconW(NIM_MODIFY, &icon));
  Say("removed", Shell_NotifyIconW(NIM_DELETE, &icon));
  return 0;
}

}  // namespace

int wmain(int argc, wchar_t** argv) {
  const std::wstring verb = argc > 1 ? argv[1] : L"";
  if (verb == L"api") return Api();
  if (verb == L"pair") return Pair(argv[0]);
  if (verb == L"child") return Child();
  if (verb == L"throw") return Throw();
  if (verb == L"single") return Single(argc > 2 ? _wtoi(argv[2]) : 30, argc > 3 ? argv[3] : nullptr);
  if (verb == L"tray") return Tray();
  if (verb == L"find" && argc > 2) return FindWindowW(argv[2], nullptr) ? 0 : 1;
  std::fprintf(stderr, "usage: window_guest api|pair|throw|single|find|tray\n");
  return 2;
}
