// ntdll's part of the window space: win32u is patched when it is mapped, and the requests that Wine's user32
// makes to the server without win32u are filtered (docs/adr/0011).
#include "vl/calls/window_side.h"
#include "vl/low/guard.h"
#include "vl/low/hooks.h"
#include "vl/low/user_patch.h"

namespace plume::vl {
namespace {

namespace w = nt::wine80;

nt::Hwnd FieldWindow(uint32_t field) { return nt::WindowHandle(static_cast<int32_t>(field)); }

// The handles of the answer are kept or passed over in place; the count says how many there are in all.
nt::NtStatus FilterChildren(const VlState& vl, w::Request* request, nt::NtStatus s) {
  w::Request answer;
  if (!nt::Ok(s) || !ReadUser(&answer, request)) return s;
  const uint32_t count = answer.reply.fields[0];
  if (answer.reply.reply_size < count * sizeof(uint32_t)) return s;  // too small: the caller asks again
  auto* list = static_cast<uint32_t*>(answer.reply_data);
  uint32_t kept = 0;
  for (uint32_t i = 0; i < count; ++i) {
    uint32_t window;
    if (!ReadUser(&window, &list[i])) return nt::kAccessViolation;
    if (!MayFind(vl, FieldWindow(window))) continue;
    if (!WriteUser(&list[kept++], window)) return nt::kAccessViolation;
  }
  WriteUser(&request->reply.fields[0], kept);
  WriteUser(&request->reply.reply_size, static_cast<uint32_t>(kept * sizeof(uint32_t)));
  return s;
}

nt::NtStatus RefuseRequest(w::Request* request) {
  WriteUser(&request->reply.error, static_cast<uint32_t>(w::kInvalidWindow));
  WriteUser(&request->reply.reply_size, 0u);
  return w::kInvalidWindow;
}

}  // namespace

nt::NtStatus Hookwine_server_call(void* user_request) {
  auto* request = static_cast<w::Request*>(user_request);
  // The codes are those of the version that the patch of win32u has checked.
  uint32_t ask[8];
  if (!UserMapped() || !CopyIn(ask, request, sizeof(ask))) return orig.wine_server_call(request);
  const VlState& vl = Enter();
  switch (ask[0]) {
    case w::kRequestGetWindowChildren:
      if (!MayFind(vl, FieldWindow(ask[4]))) return RefuseRequest(request);
      return FilterChildren(vl, request, orig.wine_server_call(request));
    case w::kRequestSendMessage:  // DDE between processes
      if (ask[6] && !MayChange(vl, FieldWindow(ask[6]))) return RefuseRequest(request);
      break;
    case w::kRequestIsWindowHung:
    case w::kRequestGetWindowInfo:
    case w::kRequestGetWindowProperties:
      if (!MayFind(vl, FieldWindow(ask[3]))) return RefuseRequest(request);
      break;
    default:
      break;
  }
  return orig.wine_server_call(request);
}

void OnViewMapped(nt::Handle process, void* const* base, nt::Ulong protect) {
  constexpr nt::Ulong kAnyExecute = 0xf0;
  void* at;
  if ((protect & kAnyExecute) && process == nt::CurrentProcess() && !UserMapped() && ReadUser(&at, base)) {
    OnImageMapped(Enter(), at);
  }
}

}  // namespace plume::vl
