// What the checks of windows, messages and the clipboard share: a window of the holder, and questions about
// it.
#pragma once
#include <functional>

#include "conformance.h"

namespace plume::conformance {

// A top-level window of the holder, as the prober is told of it.
struct Given {
  HWND window = nullptr, child = nullptr, owned = nullptr, message_only = nullptr;
  DWORD thread = 0, process = 0;
  std::wstring window_class, title;
};

// Makes the window, gives its handles to the prober. Messages that arrive at it are counted in
// MessagesSeen().
std::string HoldWindow(Context& c);
Given ReadGiven(const Context& c);

struct Seen {
  HWND window;
  UINT message;
  WPARAM wparam;
  LPARAM lparam;
  std::wstring text;  // of WM_COPYDATA and WM_SETTEXT
};
// All messages of interest (WM_APP.., WM_USER.., WM_COPYDATA, registered ones, DDE) since the process began.
std::vector<Seen>& MessagesSeen();
size_t CountSeen(HWND window, UINT message);  // window null: posted to the thread

std::string Narrow(const std::wstring& text);
std::wstring Wide(const std::string& text);
// A visible window of the calling program.
HWND MakeOwnWindow();

bool Enumerates(const std::function<BOOL(WNDENUMPROC, LPARAM)>& enumerate, HWND wanted);
bool Walks(HWND wanted, HWND start, UINT direction);
std::wstring ClassOf(HWND window);
std::wstring RealClassOf(HWND window);
std::wstring TitleOf(HWND window);          // GetWindowText
std::wstring InternalTitleOf(HWND window);  // InternalGetWindowText
bool HasRect(HWND window);
bool HasClientRect(HWND window);
bool HasInfo(HWND window);
bool HasPlacement(HWND window);
bool HasProperty(HWND window, const wchar_t* name);
bool HasThreadInfo(DWORD thread);
bool HasDc(HWND window);
bool MapsPoints(HWND window);
int LeftOf(HWND window);

}  // namespace plume::conformance
