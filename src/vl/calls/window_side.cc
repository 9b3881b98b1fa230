#include "vl/calls/window_side.h"

#include <atomic>

#include "view/name_rules.h"
#include "vl/low/guests.h"
#include "vl/low/teb.h"
#include "vl/low/trace.h"
#include "vl/low/user_patch.h"

namespace plume::vl {
namespace {

// The desktop window and the parent of message windows: asked about all the time, never destroyed while the
// session lasts. So their answers alone are remembered.
constexpr uint32_t kRoots = 4;
struct Root {
  std::atomic<uintptr_t> window{0};
  std::atomic<uint32_t> side{0};
};
constinit Root g_roots[kRoots];

void RememberRoot(uintptr_t window, Side side) {
  for (Root& r : g_roots) {
    uintptr_t none = 0;
    r.side.store(static_cast<uint32_t>(side), std::memory_order_relaxed);
    if (r.window.compare_exchange_strong(none, window, std::memory_order_release) || none == window) return;
  }
}

Side SideByClass(const VlState& vl, nt::Hwnd window) {
  char16_t text[256];
  nt::UnicodeString name{0, sizeof(text), text};
  if (!user.NtUserGetClassName) return Side::kHidden;
  const int32_t units = user.NtUserGetClassName(window, 0, &name);
  if (units <= 0 || units > 255) return Side::kHidden;
  const view::WView text_view(text, static_cast<size_t>(units));
  const view::NameRule* rule = view::FindNameRule(vl.window_rules, text_view);
  if (TraceNote* note = TraceNow()) {
    note->Name(trace::Space::kWindow, text_view);
    note->Real(trace::Layer::kHost);
    note->Rule(vl, rule, view::Mode::kPrivate);
  }
  if (!rule) return Side::kHidden;
  const Side side = rule->mode == view::Mode::kHost    ? Side::kOpen
                    : rule->mode == view::Mode::kMerge ? Side::kSeen
                                                       : Side::kHidden;
  if (side != Side::kHidden && (text_view == u"#32769" || text_view == u"Message"))
    RememberRoot(reinterpret_cast<uintptr_t>(window), side);
  return side;
}

}  // namespace

uint32_t WindowThread(const VlState& vl, nt::Hwnd window, uint32_t* process) {
  uint32_t pid = 0, tid = 0;
  if (vl.is_wine) {
    if (user.NtUserCallHwndParam) {
      tid = static_cast<uint32_t>(user.NtUserCallHwndParam(window, reinterpret_cast<uintptr_t>(&pid),
                                                           nt::wine80::kParamGetWindowThread));
    }
  } else if (user.NtUserQueryWindow) {
    tid = static_cast<uint32_t>(user.NtUserQueryWindow(window, nt::kQueryWindowThread));
    if (tid) pid = static_cast<uint32_t>(user.NtUserQueryWindow(window, nt::kQueryWindowProcess));
  }
  *process = pid;
  return tid;
}

Side SideOf(const VlState& vl, nt::Hwnd window) {
  // Handles are 32 bits; what callers leave in the upper half does not count. -4..1 and 0xffff are no
  // windows.
  const auto value = static_cast<int32_t>(reinterpret_cast<intptr_t>(window));
  if ((value >= -4 && value <= 1) || value == nt::kHwndBroadcast) return Side::kOurs;
  for (const Root& r : g_roots) {
    const uintptr_t root = r.window.load(std::memory_order_acquire);
    if (root == 0) break;
    if (static_cast<int32_t>(root) == value) return static_cast<Side>(r.side.load(std::memory_order_relaxed));
  }
  uint32_t pid = 0;
  if (WindowThread(vl, window, &pid) == 0 || IsGuest(vl, pid)) return Side::kOurs;
  return SideByClass(vl, window);
}

void SayNoWindow() { SetLastError(nt::kErrorInvalidWindowHandle); }

}  // namespace plume::vl
