// Hooks and window events: a guest hears of the VM's threads and windows only. Procedures that the system
// calls in the guest itself (low-level hooks, window events) are called through a piece of code of ours that
// looks first (plume_gate_thunks); hooks whose module the system would load into every process are set for
// the VM's threads one by one, by who sets the hook and, for threads that come later, by their own process.
#include "vl/calls/window_hook_calls.h"

#include <cstring>

#include "vl/calls/window_session.h"
#include "vl/calls/window_side.h"
#include "vl/low/guard.h"
#include "vl/low/guests.h"
#include "vl/low/hooks.h"
#include "vl/low/teb.h"
#include "vl/low/trace.h"
#include "vl/low/user_patch.h"

namespace plume::vl {

#define PLUME_USER_HOOK(name) nt::name##Fn Hook##name;
#include "vl/calls/window_user_hooks.inc"
#undef PLUME_USER_HOOK

extern "C" uint8_t plume_gate_thunks[];

namespace {

using nt::Hwnd;

constexpr uint32_t kErrorNoMemory = 8;
constexpr int32_t kJournalRecord = 0, kJournalPlayback = 1, kMessageFilter = -1, kSystemMessageFilter = 6,
                  kKeyboardLl = 13, kMouseLl = 14, kWindowEvent = 15;

// A procedure that is called through entry number i of plume_gate_thunks.
struct Thunk {
  std::atomic<uintptr_t> procedure{0};
  std::atomic<uintptr_t> hook{0};
  std::atomic<int32_t> kind{0};
};
constinit Thunk g_thunks[kHookThunks];
constinit std::atomic<uint32_t> g_next_thunk{0};

Thunk* TakeThunk(uintptr_t procedure, int32_t kind) {
  // In turn, so that an event on its way to a hook that has just been removed does not meet the next one.
  for (uint32_t i = 0; i < kHookThunks; ++i) {
    Thunk& t = g_thunks[g_next_thunk.fetch_add(1, std::memory_order_relaxed) % kHookThunks];
    uintptr_t none = 0;
    if (!t.procedure.compare_exchange_strong(none, procedure)) continue;
    t.kind.store(kind, std::memory_order_release);
    return &t;
  }
  return nullptr;
}
void* EntryOf(const Thunk* t) { return plume_gate_thunks + 16 * (t - g_thunks); }
void FreeThunk(uintptr_t hook) {
  for (Thunk& t : g_thunks) {
    if (t.hook.load(std::memory_order_relaxed) != hook || !hook) continue;
    t.hook.store(0, std::memory_order_relaxed);
    t.procedure.store(0, std::memory_order_release);
  }
}

bool IsOurs(const VlState& vl, Hwnd window) { return window && SideOf(vl, window) <= Side::kOpen; }

struct Point {
  int32_t x, y;
};

// --- Hooks for everybody in the VM
// ------------------------------------------------------------------------------------------------------------------

bool IsAlive(const VlState& vl, uint32_t pid) {
  nt::ObjectAttributes attributes{sizeof(nt::ObjectAttributes), nullptr, nullptr, 0, nullptr, nullptr};
  nt::ClientId id{reinterpret_cast<nt::Handle>(uintptr_t{pid}), nullptr};
  nt::Handle process;
  const nt::AccessMask access = vl.is_wine ? nt::kProcessQueryInformation : nt::kProcessQueryLimited;
  if (!nt::Ok(orig.NtOpenProcess(&process, access, &attributes, &id))) return false;
  nt::ProcessBasicInformation basic{};
  orig.NtQueryInformationProcess(process, nt::kProcessBasicInformation, &basic, sizeof(basic), nullptr);
  orig.NtClose(process);
  constexpr nt::NtStatus kStillActive = 0x103;
  return basic.exit_status == kStillActive;
}

nt::Handle SetForThread(const SharedHook& hook, uint32_t thread) {
  // The procedure is told relative to the module; any base does.
  constexpr uintptr_t kBase = 0x10000;
  const auto bytes = static_cast<uint16_t>(hook.module_units * 2);
  nt::UnicodeString module{bytes, bytes, const_cast<char16_t*>(hook.module)};
  const auto id = static_cast<int32_t>(hook.id);
  return user.NtUserSetWindowsHookEx(reinterpret_cast<void*>(kBase), &module, thread,
                                     id == kSystemMessageFilter ? kMessageFilter : id,
                                     reinterpret_cast<void*>(kBase + static_cast<uintptr_t>(hook.procedure)),
                                     static_cast<int32_t>(hook.ansi));
}

bool HasThread(const SharedHook& hook, uint32_t thread) {
  for (uint32_t i = 0; i < hook.handle_count; ++i)
    if (hook.threads[i] == thread) return true;
  return false;
}

// Sets the hook for one more thread; `slot` is the VM's record of it.
void Extend(const VlState& vl, Session* session, SharedHook* slot, const SharedHook& hook, uint32_t thread) {
  nt::Handle handle = SetForThread(hook, thread);
  if (!handle) return;
  {
    SessionLock lock(vl, session);
    if (slot->serial == hook.serial && slot->handle_count < SharedHook::kMaxHandles &&
        !HasThread(*slot, thread)) {
      slot->handles[slot->handle_count] = static_cast<uint32_t>(reinterpret_cast<uintptr_t>(handle));
      slot->threads[slot->handle_count] = thread;
      ++slot->handle_count;
      return;
    }
  }
  user.NtUserUnhookWindowsHookEx(handle);
}

void RemoveShared(const VlState& vl, Session* session, SharedHook* slot, uint32_t serial) {
  uint32_t handles[SharedHook::kMaxHandles];
  uint32_t count = 0;
  {
    SessionLock lock(vl, session);
    if (slot->serial != serial) return;
    count = slot->handle_count < SharedHook::kMaxHandles ? slot->handle_count : 0;
    std::memcpy(handles, slot->handles, count * sizeof(uint32_t));
    slot->handle_count = 0;
    slot->serial = 0;
  }
  for (uint32_t i = 0; i < count; ++i)
    user.NtUserUnhookWindowsHookEx(nt::WindowHandle(static_cast<int32_t>(handles[i])));
}

SharedHook* FindShared(const VlState& vl, Session* session, uint32_t handle, uint32_t* serial) {
  SessionLock lock(vl, session);
  for (SharedHook& hook : session->hooks) {
    // The first handle is the one that the caller got.
    if (!hook.serial || hook.owner != vl.pid || !hook.handle_count || hook.handles[0] != handle) continue;
    *serial = hook.serial;
    return &hook;
  }
  return nullptr;
}

nt::Handle SetShared(const VlState& vl, void* instance, const nt::UnicodeString* module, int32_t id,
                     void* procedure, int32_t ansi) {
  Session* session = TheSession(vl);
  CallScratch scratch;
  auto* hook = scratch.New<SharedHook>();
  view::WView name;
  if (!session || !hook || !nt::Ok(CaptureString(scratch, module, &name)) ||
      name.size() >= SharedHook::kMaxModule) {
    SetLastError(kErrorNoMemory);
    return nullptr;
  }
  hook->id = static_cast<uint32_t>(id);
  hook->ansi = static_cast<uint32_t>(ansi);
  hook->owner = vl.pid;
  hook->procedure = reinterpret_cast<uintptr_t>(procedure) - reinterpret_cast<uintptr_t>(instance);
  hook->module_units = static_cast<uint32_t>(name.size());
  std::memcpy(hook->module, name.data(), name.size() * 2);
  // The caller's own thread first: what is wrong with the arguments is said here.
  nt::Handle first = SetForThread(*hook, CurrentThreadId());
  if (!first) return nullptr;
  hook->handles[0] = static_cast<uint32_t>(reinterpret_cast<uintptr_t>(first));
  hook->threads[0] = CurrentThreadId();
  hook->handle_count = 1;
  SharedHook* slot = nullptr;
  {
    SessionLock lock(vl, session);
    for (SharedHook& s : session->hooks) {
      if (s.serial) continue;
      slot = &s;
      do hook->serial = session->hook_serial.fetch_add(1, std::memory_order_relaxed) + 1;
      while (!hook->serial);
      s = *hook;
      break;
    }
  }
  if (!slot) {
    user.NtUserUnhookWindowsHookEx(first);
    SetLastError(kErrorNoMemory);
    return nullptr;
  }
  Hwnd* windows = nullptr;
  const uint32_t count = TopLevelWindows(scratch, &windows);
  for (uint32_t i = 0; i < count; ++i) {
    uint32_t pid = 0;
    const uint32_t thread = WindowThread(vl, windows[i], &pid);
    if (thread && IsGuest(vl, pid) && !HasThread(*slot, thread)) Extend(vl, session, slot, *hook, thread);
  }
  return first;
}

nt::Handle SetThroughThunk(const VlState& vl, void* procedure, int32_t id, int32_t ansi) {
  Thunk* thunk = TakeThunk(reinterpret_cast<uintptr_t>(procedure), id);
  if (!thunk) {
    SetLastError(kErrorNoMemory);
    return nullptr;
  }
  nt::UnicodeString none{0, 0, nullptr};
  nt::Handle hook = user.NtUserSetWindowsHookEx(nullptr, &none, 0, id, EntryOf(thunk), ansi);
  thunk->hook.store(reinterpret_cast<uintptr_t>(hook), std::memory_order_relaxed);
  if (!hook) thunk->procedure.store(0, std::memory_order_release);
  if (TraceNote* note = TraceNow()) {
    note->Name(trace::Space::kWindow, u"hook of all threads");
    note->Real(trace::Layer::kUpper);
    note->Detail(static_cast<uint32_t>(id));
  }
  return hook;
}

}  // namespace

void* DecideHookThunk(const VlState& vl, uint32_t index, uintptr_t* args, uintptr_t* value, uintptr_t* pop) {
  const Thunk& thunk = g_thunks[index];
  const uintptr_t procedure = thunk.procedure.load(std::memory_order_acquire);
  const int32_t kind = thunk.kind.load(std::memory_order_relaxed);
  *value = 0;
  *pop = (kind == kWindowEvent ? 7 : 3) * sizeof(uint32_t);
  bool ours = false;
  if (kind == kWindowEvent) {
    const auto thread = static_cast<uint32_t>(args[5]);
    ours = thread ? IsGuestThread(vl, thread) : IsOurs(vl, reinterpret_cast<Hwnd>(args[2]));
  } else {
    Point at{};
    if (kind == kMouseLl && ReadUser(&at, reinterpret_cast<const Point*>(args[2])))
      ours = IsOurs(vl, user.NtUserWindowFromPoint(at.x, at.y));
    else if (kind == kKeyboardLl)
      ours = IsOurs(vl, user.NtUserGetForegroundWindow());
    if ((!ours || !procedure) && user.NtUserCallNextHookEx)
      *value = static_cast<uintptr_t>(user.NtUserCallNextHookEx(nullptr, static_cast<int32_t>(args[0]),
                                                                args[1], static_cast<intptr_t>(args[2])));
  }
  return ours ? reinterpret_cast<void*>(procedure) : nullptr;
}

void ExtendHooksToThread(const VlState& vl) {
  Session* session = TheSession(vl);
  if (!session || session->hook_serial.load(std::memory_order_relaxed) == 0) return;
  const uint32_t thread = CurrentThreadId();
  for (SharedHook& slot : session->hooks) {
    if (!slot.serial) continue;
    CallScratch scratch;
    auto* hook = scratch.New<SharedHook>();
    if (!hook) return;
    {
      SessionLock lock(vl, session);
      *hook = slot;
    }
    if (!hook->serial || HasThread(*hook, thread)) continue;
    // What a program that is gone had set, is gone with it; others may still hold handles for their threads.
    if (hook->owner != vl.pid && !IsAlive(vl, hook->owner))
      RemoveShared(vl, session, &slot, hook->serial);
    else
      Extend(vl, session, &slot, *hook, thread);
  }
}

nt::Handle PLUME_NTAPI HookNtUserSetWindowsHookEx(void* instance, nt::UnicodeString* module, nt::Ulong thread,
                                                  int32_t id, void* procedure, int32_t ansi) {
  const VlState& vl = Enter();
  if (thread) {
    const uint32_t pid = ProcessOfThread(vl, thread);
    if (pid && !IsGuest(vl, pid)) {
      SetLastError(nt::kErrorInvalidParameter);
      return nullptr;
    }
    return user.NtUserSetWindowsHookEx(instance, module, thread, id, procedure, ansi);
  }
  if (id == kJournalRecord || id == kJournalPlayback) {
    SetLastError(nt::kErrorAccessDenied);
    return nullptr;
  }
  if (!procedure) return user.NtUserSetWindowsHookEx(instance, module, thread, id, procedure, ansi);
  if (id == kKeyboardLl || id == kMouseLl) return SetThroughThunk(vl, procedure, id, ansi);
  // Without a module the system says what is wrong.
  if (!instance || !module) return user.NtUserSetWindowsHookEx(instance, module, thread, id, procedure, ansi);
  return SetShared(vl, instance, module, id, procedure, ansi);
}

int32_t PLUME_NTAPI HookNtUserUnhookWindowsHookEx(nt::Handle hook) {
  const VlState& vl = Enter();
  const auto value = static_cast<uint32_t>(reinterpret_cast<uintptr_t>(hook));
  Session* session = TheSession(vl, false);
  uint32_t serial = 0;
  if (SharedHook* shared = session && value ? FindShared(vl, session, value, &serial) : nullptr) {
    RemoveShared(vl, session, shared, serial);
    return 1;
  }
  const int32_t done = user.NtUserUnhookWindowsHookEx(hook);
  if (done) FreeThunk(reinterpret_cast<uintptr_t>(hook));
  return done;
}

uintptr_t PLUME_NTAPI HookNtUserCallTwoParam(uintptr_t a, uintptr_t b, nt::Ulong code) {
  const VlState& vl = Enter();
  if (vl.is_wine && code == nt::wine80::kTwoParamUnhookHook) {
    // By kind and procedure: one that is called through us is known to the system by another address.
    for (Thunk& t : g_thunks) {
      if (t.procedure.load(std::memory_order_relaxed) != b ||
          t.kind.load(std::memory_order_relaxed) != static_cast<int32_t>(a))
        continue;
      return static_cast<uintptr_t>(HookNtUserUnhookWindowsHookEx(
          reinterpret_cast<nt::Handle>(t.hook.load(std::memory_order_relaxed))));
    }
  }
  return user.NtUserCallTwoParam(a, b, code);
}

nt::Handle PLUME_NTAPI HookNtUserSetWinEventHook(nt::Ulong first, nt::Ulong last, void* instance,
                                                 nt::UnicodeString* module, void* procedure,
                                                 nt::Ulong process, nt::Ulong thread, nt::Ulong flags) {
  const VlState& vl = Enter();
  constexpr nt::Ulong kInContext = 4;
  const uint32_t thread_process = thread ? ProcessOfThread(vl, thread) : 0;
  if ((process && !IsGuest(vl, process)) || (thread_process && !IsGuest(vl, thread_process))) {
    SetLastError(nt::kErrorInvalidParameter);
    return nullptr;
  }
  // Within a process or thread of the VM everything is as it was.
  if (process || thread || !procedure)
    return user.NtUserSetWinEventHook(first, last, instance, module, procedure, process, thread, flags);
  Thunk* thunk = TakeThunk(reinterpret_cast<uintptr_t>(procedure), kWindowEvent);
  if (!thunk) {
    SetLastError(kErrorNoMemory);
    return nullptr;
  }
  // Out of context, always: the module of an in-context hook would be loaded into every process of the
  // desktop. A program must be ready for that anyway (processes of the other bitness).
  nt::UnicodeString none{0, 0, nullptr};
  nt::Handle hook =
      user.NtUserSetWinEventHook(first, last, nullptr, &none, EntryOf(thunk), 0, 0, flags & ~kInContext);
  thunk->hook.store(reinterpret_cast<uintptr_t>(hook), std::memory_order_relaxed);
  if (!hook) thunk->procedure.store(0, std::memory_order_release);
  return hook;
}

int32_t PLUME_NTAPI HookNtUserUnhookWinEvent(nt::Handle hook) {
  const int32_t done = user.NtUserUnhookWinEvent(hook);
  if (done) FreeThunk(reinterpret_cast<uintptr_t>(hook));
  return done;
}

nt::Ulong PLUME_NTAPI HookNtUserSendInput(nt::Ulong count, const void* inputs, int32_t size) {
  const VlState& vl = Enter();
  struct Input {
    uint32_t type;
    alignas(void*) int32_t x;
    int32_t y;
    uint32_t data, flags;
  };
  constexpr uint32_t kMouse = 0, kMove = 1, kAbsolute = 0x8000, kMoving = kMove | kAbsolute | 0x4000 | 0x2000;
  Point at{};
  if (vl.is_wine)
    user.NtUserCallOneParam(reinterpret_cast<uintptr_t>(&at), nt::wine80::kOneParamGetCursorPos);
  bool ours = true;
  for (nt::Ulong i = 0; ours && i < count && i < 4096; ++i) {
    Input in{};
    if (!CopyIn(&in, static_cast<const uint8_t*>(inputs) + i * static_cast<size_t>(size), sizeof(in))) break;
    if (in.type != kMouse || !vl.is_wine) {
      // What is typed goes to the foreground.
      ours = IsOurs(vl, user.NtUserGetForegroundWindow());
      continue;
    }
    if (in.flags & kMove) {
      const auto screen = [](uintptr_t metric) {
        return static_cast<int64_t>(user.NtUserCallOneParam(metric, nt::wine80::kOneParamGetSystemMetrics));
      };
      at.x = in.flags & kAbsolute ? static_cast<int32_t>(in.x * screen(0) / 65536) : at.x + in.x;
      at.y = in.flags & kAbsolute ? static_cast<int32_t>(in.y * screen(1) / 65536) : at.y + in.y;
    }
    if (in.flags & ~kMoving) ours = IsOurs(vl, user.NtUserWindowFromPoint(at.x, at.y));
  }
  if (ours) return user.NtUserSendInput(count, inputs, size);
  SetLastError(nt::kErrorAccessDenied);
  return 0;
}

}  // namespace plume::vl
