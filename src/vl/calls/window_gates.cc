// The decisions at the gates (window_gates.inc), and the list of everything that is replaced in win32u.
#include <cstring>

#include "vl/calls/clipboard.h"
#include "vl/calls/window_fonts.h"
#include "vl/calls/window_hook_calls.h"
#include "vl/calls/window_side.h"
#include "vl/low/guard.h"
#include "vl/low/guests.h"
#include "vl/low/teb.h"
#include "vl/low/trace.h"
#include "vl/low/user_patch.h"

namespace plume::vl {

#define PLUME_USER_HOOK(name) nt::name##Fn Hook##name;
#include "vl/calls/window_user_hooks.inc"
#undef PLUME_USER_HOOK

#define PLUME_GATE(name, ...) extern "C" void plume_gate_##name();
#define PLUME_GATE_ON_WINDOWS PLUME_GATE
#include "vl/calls/window_gates.inc"
#undef PLUME_GATE_ON_WINDOWS
#undef PLUME_GATE

namespace {

// Where to go on: the original, something in its place, or null for a refusal with `*value`.
using Decision = void*(const VlState& vl, uintptr_t* args, void* original, uintptr_t* value);

nt::Hwnd WindowArg(uintptr_t arg) { return reinterpret_cast<nt::Hwnd>(arg); }

void* Refuse(uint32_t error) {
  SetLastError(error);
  return nullptr;
}

template <int kArg>
void* Ask(const VlState& vl, uintptr_t* args, void* original, uintptr_t*) {
  return MayFind(vl, WindowArg(args[kArg])) ? original : Refuse(nt::kErrorInvalidWindowHandle);
}

template <int kArg>
void* Change(const VlState& vl, uintptr_t* args, void* original, uintptr_t*) {
  const Side side = SideOf(vl, WindowArg(args[kArg]));
  if (side < Side::kSeen) return original;
  return Refuse(side == Side::kSeen ? nt::kErrorAccessDenied : nt::kErrorInvalidWindowHandle);
}

template <int kArg>
void* DecideThread(const VlState& vl, uintptr_t* args, void* original, uintptr_t*) {
  const auto tid = static_cast<uint32_t>(args[kArg]);
  const uint32_t pid = ProcessOfThread(vl, tid);
  return pid == 0 || IsGuest(vl, pid) ? original : Refuse(nt::kErrorInvalidThreadId);
}

void* DecideTwoThreads(const VlState& vl, uintptr_t* args, void* original, uintptr_t* value) {
  return DecideThread<0>(vl, args, original, value) ? DecideThread<1>(vl, args, original, value) : nullptr;
}

void* DecideDestroy(const VlState& vl, uintptr_t* args, void* original, uintptr_t* value) {
  void* to = Change<0>(vl, args, original, value);
  if (to) ClipboardWindowGoes(vl, WindowArg(args[0]));
  return to;
}

// Before a thread looks for messages; no matter what for.
void* DecideIdle(const VlState& vl, uintptr_t*, void* original, uintptr_t*) {
  if (__builtin_expect(g_clipboard_idle_thread.load(std::memory_order_relaxed) == CurrentThreadId(), 0))
    ClipboardIdle(vl);
  return original;
}

void* DecideCreate(const VlState& vl, uintptr_t* args, void* original, uintptr_t* value) {
  // The desktop's windows may be parents.
  if (!Ask<9>(vl, args, original, value)) return nullptr;
  ExtendHooksToThread(vl);
  return original;
}

// Whoever makes a font, or asks for the list, finds those of the VM. Under Wine 8 the list is no system call;
// who asks for it has made a font or had the context of a window or the screen, as a rule.
void* DecideFont(const VlState& vl, uintptr_t*, void* original, uintptr_t*) {
  if (__builtin_expect(!vl.fonts.empty(), 0)) LoadVmFonts(vl);
  return original;
}

void* DecideDc(const VlState& vl, uintptr_t* args, void* original, uintptr_t* value) {
  return DecideFont(vl, args, Ask<0>(vl, args, original, value), value);
}

void* DecideNever(const VlState&, uintptr_t*, void*, uintptr_t*) { return Refuse(nt::kErrorAccessDenied); }

void* DecideSetParent(const VlState& vl, uintptr_t* args, void* original, uintptr_t* value) {
  if (!Change<0>(vl, args, original, value)) return nullptr;
  // The desktop window is a fine parent: it is what a top-level window has.
  return Ask<1>(vl, args, original, value);
}

void* DecideFlash(const VlState& vl, uintptr_t* args, void* original, uintptr_t* value) {
  struct FlashInfo {
    uint32_t size;
    uintptr_t window;
  } info;
  if (!ReadUser(&info, reinterpret_cast<const FlashInfo*>(args[0]))) return original;
  return Change<0>(vl, &info.window, original, value);
}

// What the desktop's own windows may be told: data for the notification area, and questions.
bool IsHarmless(uint32_t message) {
  constexpr uint32_t kNull = 0, kGetText = 0x0d, kGetTextLength = 0x0e, kCopyData = 0x4a, kGetIcon = 0x7f;
  return message == kNull || message == kGetText || message == kGetTextLength || message == kCopyData ||
         message == kGetIcon;
}

void* DecideMessage(const VlState& vl, uintptr_t* args, void* original, void* broadcast) {
  const auto value = static_cast<uint32_t>(args[0]);
  if (value == nt::kHwndBroadcast || value == 0xffffffff)
    return broadcast;  // HWND_TOPMOST is an old spelling of it
  const Side side = SideOf(vl, WindowArg(args[0]));
  if (side < Side::kSeen || (side == Side::kSeen && IsHarmless(static_cast<uint32_t>(args[1]))))
    return original;
  if (TraceNote* note = TraceNow()) note->Detail(static_cast<uint32_t>(args[1]));
  return Refuse(side == Side::kSeen ? nt::kErrorAccessDenied : nt::kErrorInvalidWindowHandle);
}

void* DecideMessageCall(const VlState& vl, uintptr_t* args, void* original, uintptr_t*) {
  // Most calls are window procedures at work (DefWindowProc): no matter of ours.
  const auto what = static_cast<uint32_t>(args[5]);
  if (what < nt::kFirstSendCall || what > nt::kLastSendCall) return original;
  return DecideMessage(vl, args, original, reinterpret_cast<void*>(&BroadcastMessageCall));
}

void* DecidePostMessage(const VlState& vl, uintptr_t* args, void* original, uintptr_t*) {
  return DecideMessage(vl, args, original, reinterpret_cast<void*>(&BroadcastPost));
}

void* DecideCallHwnd(const VlState& vl, uintptr_t* args, void* original, uintptr_t* value) {
  const auto code = static_cast<uint32_t>(args[1]);
  namespace w = nt::wine80;
  const bool change = !vl.is_wine || code <= w::kHwndDrawMenuBar ||
                      (code >= w::kHwndSetForeground && code <= w::kHwndSetTaskman);
  return change ? Change<0>(vl, args, original, value) : Ask<0>(vl, args, original, value);
}

struct Gate {
  const char* name;
  Decision* decide;
  void (*entry)();
  bool on_windows;
};
constexpr Gate kGates[] = {
#define PLUME_GATE(name, ...) {#name, &__VA_ARGS__, &plume_gate_##name, false},
#define PLUME_GATE_ON_WINDOWS(name, ...) {#name, &__VA_ARGS__, &plume_gate_##name, true},
#include "vl/calls/window_gates.inc"
#undef PLUME_GATE_ON_WINDOWS
#undef PLUME_GATE
};
constexpr uint32_t kGateCount = sizeof(kGates) / sizeof(kGates[0]);

#define PLUME_USER_HOOK(name) constexpr char kName##name[] = #name;
#include "vl/calls/window_user_hooks.inc"
#undef PLUME_USER_HOOK

constinit void* g_gate_originals[kGateCount] = {};
constinit void** g_gate_slots[kGateCount] = {};  // where each gate's original is: above, or in g_user
constinit uint32_t g_gate_pops[kGateCount] = {};
constinit UserRow g_rows[nt::kUserFunctionCount + kGateCount] = {};

bool SameName(const char* a, const char* b) {
  while (*a && *a == *b) ++a, ++b;
  return *a == *b;
}

}  // namespace

std::span<const UserRow> UserRows() {
  static constexpr const char* kNames[] = {
#define PLUME_USER(name, ...) #name,
#include "vl/nt/user_functions.inc"
#undef PLUME_USER
  };
  uint32_t count = 0;
  for (const char* name : kNames) {
    g_rows[count] = UserRow{name, nullptr, reinterpret_cast<void**>(&g_user) + count, nullptr, false};
    ++count;
  }
#define PLUME_USER_HOOK(name)       \
  g_rows[nt::kUser##name].handler = \
      reinterpret_cast<void*>(&TracedEntry<nt::name##Fn*, &Hook##name, kName##name, false>::Call);
#include "vl/calls/window_user_hooks.inc"
#undef PLUME_USER_HOOK
  for (uint32_t i = 0; i < kGateCount; ++i) {
    uint32_t row = 0;
    while (row < nt::kUserFunctionCount && !SameName(g_rows[row].name, kGates[i].name)) ++row;
    if (row == nt::kUserFunctionCount) {
      row = count++;
      g_rows[row] = UserRow{kGates[i].name, nullptr, &g_gate_originals[i], nullptr, false};
    }
    g_rows[row].handler = reinterpret_cast<void*>(kGates[i].entry);
    g_rows[row].pop = &g_gate_pops[i];
    g_rows[row].on_windows = kGates[i].on_windows;
    g_gate_slots[i] = g_rows[row].original;
  }
  return {g_rows, count};
}

// What is recorded is the decision; the call itself goes on without the layer.
static void* DecideTraced(const VlState& vl, const Gate& gate, uintptr_t* args, void* original,
                          uintptr_t* value) {
  TraceScope scope(gate.name);
  void* to = gate.decide(vl, args, original, value);
  scope.End(to ? nt::kSuccess : nt::kAccessDenied);
  return to;
}

// Asked by the gates (window_gate_x64.S): where to jump, or null and the answer.
struct GateAnswer {
  uintptr_t value, pop;
};
extern "C" void* plume_gate_decide(uint32_t index, uintptr_t* args, GateAnswer* answer) {
  const VlState& vl = Enter();
  answer->value = 0;
  if (index >= kGateCount) return DecideHookThunk(vl, index - kGateCount, args, &answer->value, &answer->pop);
  answer->pop = g_gate_pops[index];
  const Gate& gate = kGates[index];
  if (Tracing()) return DecideTraced(vl, gate, args, *g_gate_slots[index], &answer->value);
  return gate.decide(vl, args, *g_gate_slots[index], &answer->value);
}

}  // namespace plume::vl
