// The classes of the desktop's own windows: guests may find them, ask about them and tell them what the
// notification area needs, but not change them (docs/nt-compat.md). Policies can say otherwise: their rules
// come first. Read by whoever compiles a view; guests get it as rules.
#pragma once
#include "view/path.h"

namespace plume::view {

struct SystemWindow {
  WView window_class;
  const char* why;  // one phrase
};

inline constexpr SystemWindow kSystemWindows[] = {
    {u"#32769", "the desktop window, parent of every top-level window"},
    {u"Message", "the parent of message-only windows"},
    {u"Progman", "the shell's desktop"},
    {u"WorkerW", "the shell's desktop"},
    {u"Shell_TrayWnd", "the task bar and its notification area"},
    {u"TrayNotifyWnd", "the task bar and its notification area"},
    {u"NotifyIconOverflowWindow", "the task bar and its notification area"},
    {u"IME", "input methods"},
    {u"MSCTFIME UI", "input methods"},
    {u"CiceroUIWndFrame", "input methods"},
};

}  // namespace plume::view
