// win32u's system stubs as Plume uses them: types, codes and the table of functions. Unlike ntdll's they
// exist only in processes that load win32u.dll (low/user_patch.h). Some codes hold for one version of Wine
// only: they are in namespace wine80, and the layer refuses other versions.
#pragma once
#include "vl/nt/nt.h"

namespace plume::nt {

using Hwnd = Handle;
inline Hwnd WindowHandle(intptr_t value) { return reinterpret_cast<Hwnd>(value); }

// Window handles that are no windows.
inline constexpr intptr_t kHwndBroadcast = 0xffff, kHwndMessage = -3;

// Win32 error codes that the window functions leave in the thread.
inline constexpr uint32_t kErrorAccessDenied = 5, kErrorInvalidHandle = 6, kErrorInvalidParameter = 87,
                          kErrorInvalidWindowHandle = 1400, kErrorInvalidThreadId = 1444;

// NtUserMessageCall: what it is asked for. The sending ones are the same on Windows and Wine.
inline constexpr uint32_t kFirstSendCall = 0x2b0, kLastSendCall = 0x2ba;
inline constexpr uint32_t kSendMessage = 0x2b1, kSendMessageTimeout = 0x2b3, kSendNotifyMessage = 0x2b7,
                          kSendMessageCallback = 0x2b8;
struct SendTimeout {
  uint32_t flags, timeout;
  uintptr_t result;
};

// NtUserQueryWindow (Windows).
inline constexpr uint32_t kQueryWindowProcess = 0, kQueryWindowThread = 2;

// GetWindow.
inline constexpr uint32_t kWindowFirst = 0, kWindowLast = 1, kWindowNext = 2, kWindowPrevious = 3;

struct GuiThreadInfo {
  uint32_t size, flags;
  Hwnd active, focus, capture, menu_owner, move_size, caret;
  int32_t caret_rect[4];
};

#define PLUME_USER(name, ...) using name##Fn = __VA_ARGS__;
#include "vl/nt/user_functions.inc"
#undef PLUME_USER

struct UserFunctions {
#define PLUME_USER(name, ...) name##Fn* name;
#include "vl/nt/user_functions.inc"
#undef PLUME_USER
};
enum UserSlot : uint32_t {
#define PLUME_USER(name, ...) kUser##name,
#include "vl/nt/user_functions.inc"
#undef PLUME_USER
  kUserFunctionCount
};
static_assert(sizeof(UserFunctions) == kUserFunctionCount * sizeof(void*));

// Wine 8.0: codes of the functions that do many things, and of requests to the server that user32 makes
// itself.
namespace wine80 {

inline constexpr uint32_t kHwndActivateOther = 0, kHwndArrangeIcons = 1, kHwndDrawMenuBar = 2,
                          kHwndGetParent = 7, kHwndIsWindow = 13, kHwndSetForeground = 17,
                          kHwndSetTaskman = 19;
inline constexpr uint32_t kParamEnableWindow = 1, kParamGetWindowRelative = 16, kParamGetWindowThread = 17,
                          kParamIsChild = 19, kParamKillSystemTimer = 20, kParamMapWindowPoints = 21,
                          kParamMirrorRgn = 22, kParamMonitorFromWindow = 23, kParamScreenToClient = 24;

inline constexpr uint32_t kNoParamGetDesktopWindow = 1;
inline constexpr uint32_t kTwoParamUnhookHook = 7;
inline constexpr uint32_t kOneParamEnumFormats = 5, kOneParamGetCursorPos = 7, kOneParamGetSystemMetrics = 14;

inline constexpr uint32_t kRequestSendMessage = 111, kRequestIsWindowHung = 120, kRequestGetWindowInfo = 138,
                          kRequestGetWindowChildren = 142, kRequestGetWindowProperties = 160;

// The fixed part of every request: its header and 52 bytes of its own; the reply takes the same place.
struct Request {
  union {
    struct {
      uint32_t code, request_size, reply_size;
      uint32_t fields[13];
    } ask;
    struct {
      uint32_t error, reply_size;
      uint32_t fields[14];
    } reply;
  };
  uint32_t data_count;
  void* reply_data;
};
static_assert(offsetof(Request, data_count) == 64);
struct Property {
  uint32_t atom;
  int32_t is_text;
  uint64_t value;
};
// What the server says of a window that does not exist.
inline constexpr NtStatus kInvalidWindow = Status(0xC0010000u | 1400);

}  // namespace wine80
}  // namespace plume::nt
