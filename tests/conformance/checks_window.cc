// Windows: finding, asking, changing. A VM does not see the windows of the machine and of other VMs; the
// machine's own programs see a VM's windows, which are on the same desktop (window manager, task bar).
#include "windows_testing.h"

namespace plume::conformance {
namespace {

// Asked of a window that the holder has.
template <typename F>
Finding OnWindow(Context& c, F ask) {
  const Given given = ReadGiven(c);
  SetLastError(0);
  return ask(given) ? Visible() : Isolated(LastError());
}

#define ASK(name, expression)                                       \
  Finding Probe_##name(Context& c) {                                \
    return OnWindow(c, [&](const Given& w) { return expression; }); \
  }                                                                 \
  CHECK_WITH(window, name, kMachineSees | kDisplay, kWhyMachine, HoldWindow, Probe_##name);

constexpr char kWhyMachine[] = "the machine's programs see the windows on its desktop";

ASK(find_class, FindWindowW(w.window_class.c_str(), nullptr) == w.window)
ASK(find_title, FindWindowW(nullptr, w.title.c_str()) == w.window)
ASK(find_both, FindWindowW(w.window_class.c_str(), w.title.c_str()) == w.window)
ASK(find_ansi, FindWindowA(Narrow(w.window_class).c_str(), nullptr) == w.window)
ASK(find_ex, FindWindowExW(nullptr, nullptr, w.window_class.c_str(), nullptr) == w.window)
ASK(find_ex_desktop, FindWindowExW(GetDesktopWindow(), nullptr, w.window_class.c_str(), nullptr) == w.window)
ASK(find_child, FindWindowExW(w.window, nullptr, L"STATIC", nullptr) == w.child)
ASK(find_message_only,
    FindWindowExW(HWND_MESSAGE, nullptr, w.window_class.c_str(), nullptr) == w.message_only)
ASK(enum_windows, Enumerates([&](WNDENUMPROC p, LPARAM l) { return EnumWindows(p, l); }, w.window))
ASK(enum_desktop_windows,
    Enumerates([&](WNDENUMPROC p,
                   LPARAM l) { return EnumDesktopWindows(GetThreadDesktop(GetCurrentThreadId()), p, l); },
               w.window))
ASK(enum_desktop_windows_null,
    Enumerates([&](WNDENUMPROC p, LPARAM l) { return EnumDesktopWindows(nullptr, p, l); }, w.window))
ASK(enum_thread_windows,
    Enumerates([&](WNDENUMPROC p, LPARAM l) { return EnumThreadWindows(w.thread, p, l); }, w.window))
ASK(enum_child_windows,
    Enumerates([&](WNDENUMPROC p, LPARAM l) { return EnumChildWindows(w.window, p, l); }, w.child))
ASK(enum_desktop_children,
    Enumerates([&](WNDENUMPROC p, LPARAM l) { return EnumChildWindows(GetDesktopWindow(), p, l); }, w.window))
ASK(walk_next, Walks(w.window, GetTopWindow(nullptr), GW_HWNDNEXT))
ASK(walk_previous, Walks(w.window, GetWindow(GetTopWindow(nullptr), GW_HWNDLAST), GW_HWNDPREV))
ASK(walk_desktop_child, Walks(w.window, GetWindow(GetDesktopWindow(), GW_CHILD), GW_HWNDNEXT))
ASK(top_child, GetTopWindow(w.window) == w.child)
ASK(is_window, IsWindow(w.window))
ASK(is_visible, IsWindowVisible(w.window))
ASK(is_enabled, IsWindowEnabled(w.window))
ASK(is_unicode, IsWindowUnicode(w.window))
ASK(is_child, IsChild(w.window, w.child))
ASK(class_name, ClassOf(w.window) == w.window_class)
ASK(real_class_name, RealClassOf(w.window) == w.window_class)
ASK(text, TitleOf(w.window) == w.title)
ASK(internal_text, InternalTitleOf(w.window) == w.title)
ASK(text_length, GetWindowTextLengthW(w.window) > 0)
ASK(rect, HasRect(w.window))
ASK(client_rect, HasClientRect(w.window))
ASK(info, HasInfo(w.window))
ASK(placement, HasPlacement(w.window))
ASK(style, GetWindowLongW(w.window, GWL_STYLE) != 0)
ASK(user_data, GetWindowLongPtrW(w.window, GWLP_USERDATA) == 4711)
ASK(instance, GetWindowLongPtrW(w.window, GWLP_HINSTANCE) != 0)
ASK(extra, GetWindowLongW(w.window, 0) == 4712)
ASK(class_style, GetClassLongW(w.window, GCL_STYLE) == (CS_DBLCLKS | CS_HREDRAW))
ASK(thread_process, GetWindowThreadProcessId(w.window, nullptr) == w.thread)
ASK(parent, GetParent(w.child) == w.window)
ASK(ancestor, GetAncestor(w.child, GA_ROOT) == w.window)
ASK(owner, GetWindow(w.owned, GW_OWNER) == w.window)
ASK(last_popup, GetLastActivePopup(w.window) != nullptr && IsWindow(w.window))
ASK(property, GetPropW(w.window, L"PlumeConfProp") == reinterpret_cast<HANDLE>(4713))
ASK(property_ansi, GetPropA(w.window, "PlumeConfProp") == reinterpret_cast<HANDLE>(4713))
ASK(properties, HasProperty(w.window, L"PlumeConfProp"))
ASK(thread_info, HasThreadInfo(w.thread))
ASK(dc, HasDc(w.window))
ASK(system_menu, GetSystemMenu(w.window, FALSE) != nullptr || GetWindowLongW(w.window, GWL_STYLE) != 0)
ASK(map_points, MapsPoints(w.window))
ASK(child_from_point, ChildWindowFromPoint(w.window, POINT{6, 6}) == w.child)
ASK(dpi, GetDpiForWindow(w.window) != 0)
ASK(hung, !IsHungAppWindow(w.window) && IsWindow(w.window))
ASK(drag_query, GetWindowLongW(w.window, GWL_EXSTYLE) & WS_EX_ACCEPTFILES)

// Changes: the holder says whether its window changed.
Finding Try(bool done) { return done ? Visible() : Isolated(LastError()); }
#define CHANGE(name, act, look)     \
  Finding Act_##name(Context& c) {  \
    const Given w = ReadGiven(c);   \
    act;                            \
    return Visible(LastError());    \
  }                                 \
  Finding Look_##name(Context& c) { \
    const Given w = ReadGiven(c);   \
    return Try(look);               \
  }                                 \
  CHECK_FULL(window, name, kMachineSees | kDisplay, kWhyMachine, HoldWindow, Act_##name, Look_##name);

CHANGE(set_text, SetWindowTextW(w.window, L"changed"), InternalTitleOf(w.window) == L"changed")
CHANGE(move, MoveWindow(w.window, 300, 310, 120, 130, TRUE), LeftOf(w.window) == 300)
CHANGE(set_pos, SetWindowPos(w.window, nullptr, 301, 311, 0, 0, SWP_NOSIZE | SWP_NOZORDER),
       LeftOf(w.window) == 301)
CHANGE(hide, ShowWindow(w.window, SW_HIDE), !IsWindowVisible(w.window))
CHANGE(hide_async, ShowWindowAsync(w.window, SW_HIDE), !IsWindowVisible(w.window))
CHANGE(disable, EnableWindow(w.window, FALSE), !IsWindowEnabled(w.window))
CHANGE(set_property, SetPropW(w.window, L"PlumeConfNew", reinterpret_cast<HANDLE>(1)),
       GetPropW(w.window, L"PlumeConfNew") != nullptr)
CHANGE(remove_property, RemovePropW(w.window, L"PlumeConfProp"),
       GetPropW(w.window, L"PlumeConfProp") == nullptr)
CHANGE(set_style, SetWindowLongW(w.window, GWL_STYLE, GetWindowLongW(w.window, GWL_STYLE) ^ WS_MAXIMIZEBOX),
       !(GetWindowLongW(w.window, GWL_STYLE) & WS_MAXIMIZEBOX))
CHANGE(close, PostMessageW(w.window, WM_CLOSE, 0, 0), !IsWindow(w.window))
CHANGE(minimize, ShowWindow(w.window, SW_MINIMIZE), IsIconic(w.window))
CHANGE(adopt_child, SetParent(w.child, MakeOwnWindow()), GetParent(w.child) != w.window)

}  // namespace
}  // namespace plume::conformance
