// The clipboard functions of win32u, answered from the VM's own clipboard. Structures are those of Wine 8.0;
// on Windows a clipboard that is not shared is closed (docs/nt-compat.md).
#include "vl/calls/clipboard.h"
#include "vl/calls/clipboard_cache.h"
#include "vl/calls/window_atoms.h"
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

constinit std::atomic<uint32_t> g_machine_reader{0};

namespace {

using nt::Hwnd;
using Result = view::ClipTable::Result;

constexpr uint32_t kDestroyClipboard = 0x307, kRenderFormat = 0x305, kDrawClipboard = 0x308,
                   kChangeChain = 0x30d;
constexpr uint32_t kErrorNotOpen = 1418;
constexpr nt::NtStatus kStatusNotOpen = nt::Status(0xC0010000u | kErrorNotOpen);

struct SetParams {
  const void* data;
  size_t size;
  int32_t cache_only;
  uint32_t seq;
};
struct GetParams {
  void* data;
  size_t size, data_size;
  uint32_t seq;
  int32_t data_only;
};

uint32_t Value(Hwnd window) { return static_cast<uint32_t>(reinterpret_cast<uintptr_t>(window)); }
Hwnd Window(uint32_t value) { return nt::WindowHandle(static_cast<int32_t>(value)); }

// The call is the system's: the clipboard is shared, or this thread is fetching from the machine's.
bool Direct(const VlState& vl) {
  return ClipboardIsShared(vl) || g_machine_reader.load(std::memory_order_relaxed) == CurrentThreadId();
}

// The session, up to date. On Windows and without a session there is no clipboard: `error` is left.
Session* Own(const VlState& vl) {
  Session* session = vl.is_wine ? RefreshClipboard(vl) : nullptr;
  if (!session) SetLastError(nt::kErrorAccessDenied);
  return session;
}

// For the trace: whose clipboard, and what of it; format 0: all of it.
void Tell(const VlState& vl, uint32_t format) {
  TraceNote* note = FindNote();
  if (!note) return;
  constexpr view::WView kFormats[] = {
      u"clipboard", u"CF_TEXT",        u"CF_BITMAP",      u"CF_METAFILEPICT", u"CF_SYLK",    u"CF_DIF",
      u"CF_TIFF",   u"CF_OEMTEXT",     u"CF_DIB",         u"CF_PALETTE",      u"CF_PENDATA", u"CF_RIFF",
      u"CF_WAVE",   u"CF_UNICODETEXT", u"CF_ENHMETAFILE", u"CF_HDROP",        u"CF_LOCALE",  u"CF_DIBV5"};
  constexpr uint32_t kKnown = sizeof(kFormats) / sizeof(kFormats[0]);
  char16_t text[128];
  view::WView name = u"private format";
  if (format < kKnown) {
    name = kFormats[format];
  } else if (const int32_t units = HookNtUserGetClipboardFormatName(format, text, 128); units > 0) {
    name = view::WView(text, static_cast<size_t>(units));
  }
  note->Name(trace::Space::kClipboard, name);
  note->Detail(format);
  note->Real(Direct(vl) ? trace::Layer::kHost : trace::Layer::kUpper);
  note->Rule(Direct(vl) ? view::Mode::kHost : view::Mode::kPrivate, "policy: [clipboard]");
}

void Remove(const VlState& vl, const view::ClipTable::Files& files) {
  for (uint32_t i = 0; i < files.count; ++i) RemoveClipFile(vl, files.numbers[i]);
}

uint32_t Locale() {
  const uint32_t lcid = CurrentLocale();
  return lcid ? lcid : 0x409;
}

bool IsOpenHere(const VlState& vl, Session* session) {
  SessionLock lock(vl, session);
  return session->clip.open_thread == CurrentThreadId();
}

}  // namespace

int32_t PLUME_NTAPI HookNtUserOpenClipboard(Hwnd window, nt::Ulong flags) {
  const VlState& vl = Enter();
  uint32_t pid = 0;
  if (!MayFind(vl, window) || (window && WindowThread(vl, window, &pid) == 0)) {
    SayNoWindow();
    return 0;
  }
  if (Tracing()) Tell(vl, 0);
  if (Direct(vl)) return user.NtUserOpenClipboard(window, flags);
  Session* session = Own(vl);
  if (!session) return 0;
  uint32_t owner;
  Result r;
  {
    SessionLock lock(vl, session);
    r = session->clip.Open(CurrentThreadId(), Value(window));
    owner = session->clip.owner_window;
  }
  if (r != Result::kDone) {
    if (TraceNote* note = TraceNow()) note->Status(nt::kAccessDenied);
    SetLastError(nt::kErrorAccessDenied);
    return 0;
  }
  pid = 0;
  if (!owner || WindowThread(vl, Window(owner), &pid) == 0 || pid != vl.pid) DropMemoryHandles();
  return 1;
}

int32_t PLUME_NTAPI HookNtUserCloseClipboard() {
  const VlState& vl = Enter();
  if (Direct(vl)) return user.NtUserCloseClipboard();
  Session* session = vl.is_wine ? TheSession(vl) : nullptr;
  view::ClipTable::Told told;
  Result r = Result::kNotOpen;
  if (session) {
    SessionLock lock(vl, session);
    r = session->clip.Close(CurrentThreadId(), &told);
  }
  if (r != Result::kDone) {
    SetLastError(kErrorNotOpen);
    return 0;
  }
  TellClipboardChange(vl, session, told);
  if (told.changed && vl.clipboard.to_host) GiveToMachine(vl, session);
  return 1;
}

int32_t PLUME_NTAPI HookNtUserEmptyClipboard() {
  const VlState& vl = Enter();
  if (Tracing()) Tell(vl, 0);
  if (Direct(vl)) return user.NtUserEmptyClipboard();
  Session* session = Own(vl);
  if (!session) return 0;
  uint32_t owner, open_window, pid = 0;
  {
    SessionLock lock(vl, session);
    owner = session->clip.owner_window;
    open_window = session->clip.open_window;
  }
  if (owner && MayChange(vl, Window(owner))) {
    nt::SendTimeout timeout{2 /* SMTO_ABORTIFHUNG */, 5000, 0};
    user.NtUserMessageCall(Window(owner), kDestroyClipboard, 0, 0, &timeout, nt::kSendMessageTimeout, 0);
  }
  const uint32_t thread = open_window ? WindowThread(vl, Window(open_window), &pid) : 0;
  CallScratch scratch;
  auto* files = scratch.New<view::ClipTable::Files>();
  if (!files) return 0;
  Result r;
  {
    SessionLock lock(vl, session);
    r = session->clip.Empty(CurrentThreadId(), thread, files);
  }
  if (r != Result::kDone) {
    SetLastError(kErrorNotOpen);
    return 0;
  }
  Remove(vl, *files);
  DropAllHandles();
  return 1;
}

nt::NtStatus PLUME_NTAPI HookNtUserSetClipboardData(nt::Ulong format, nt::Handle handle, void* user_params) {
  const VlState& vl = Enter();
  if (Tracing()) Tell(vl, format);
  if (Direct(vl)) return user.NtUserSetClipboardData(format, handle, user_params);
  SetParams params;
  Session* session = vl.is_wine ? TheSession(vl) : nullptr;
  if (!session) return nt::kAccessDenied;
  if (!ReadUser(&params, static_cast<const SetParams*>(user_params))) return nt::kAccessViolation;
  if (params.cache_only)
    return SetCachedHandle(format, params.seq, handle) ? nt::kSuccess : nt::kUnsuccessful;
  uint64_t file = 0, old = 0;
  uint32_t seq = 0;
  if (params.data) {
    {
      SessionLock lock(vl, session);
      if (!session->clip.open_thread || !format) return kStatusNotOpen;
      file = ++session->clip.next_file;
    }
    if (const nt::NtStatus s = WriteClipFile(vl, file, params.data, params.size); !nt::Ok(s)) return s;
  }
  Result r;
  {
    SessionLock lock(vl, session);
    r = session->clip.Set(format, params.data != nullptr, file, params.size, Locale(), &seq, &old);
  }
  if (r != Result::kDone) {
    if (file) RemoveClipFile(vl, file);
    return r == Result::kFull ? nt::kNoMemory : kStatusNotOpen;
  }
  if (old) RemoveClipFile(vl, old);
  KeepOwnHandle(format, seq, params.data ? handle : nullptr);
  return nt::kSuccess;
}

bool RenderFormat(const VlState& vl, Session* session, uint32_t format) {
  view::ClipFormat f{};
  uint32_t owner;
  {
    SessionLock lock(vl, session);
    const view::ClipFormat* at = session->clip.Find(format);
    if (!at) return false;
    f = *at;
    owner = session->clip.owner_window;
    if (f.flags & view::kClipData) return true;
    ++session->clip.rendering;
  }
  if (f.flags & view::kClipMachine) {
    FetchFromMachine(vl, session, format);
  } else if (f.from) {
    RenderSynthesized(format, f.from);
  } else if (owner && MayChange(vl, Window(owner))) {
    nt::SendTimeout timeout{0, 0, 0};
    user.NtUserMessageCall(Window(owner), kRenderFormat, format, 0, &timeout, nt::kSendMessageTimeout, 0);
  }
  SessionLock lock(vl, session);
  if (session->clip.rendering) --session->clip.rendering;
  const view::ClipFormat* at = session->clip.Find(format);
  return at && (at->flags & view::kClipData);
}

nt::Handle PLUME_NTAPI HookNtUserGetClipboardData(nt::Ulong format, void* user_params) {
  const VlState& vl = Enter();
  if (Tracing()) Tell(vl, format);
  if (Direct(vl)) return user.NtUserGetClipboardData(format, user_params);
  Session* session = Own(vl);
  GetParams params;
  auto* out = static_cast<GetParams*>(user_params);
  if (!session || !ReadUser(&params, out)) return nullptr;
  if (!IsOpenHere(vl, session)) {
    SetLastError(kErrorNotOpen);
    return nullptr;
  }
  if (!RenderFormat(vl, session, format)) return nullptr;
  view::ClipFormat f{};
  {
    SessionLock lock(vl, session);
    const view::ClipFormat* at = session->clip.Find(format);
    if (!at || !(at->flags & view::kClipData)) return nullptr;
    f = *at;
  }
  if (!params.data_only) {
    if (nt::Handle cached = CachedHandle(format, f.seq)) return cached;
  }
  const size_t room = params.size;
  params.size = static_cast<size_t>(f.size);
  if (f.size == 0) return nullptr;
  if (f.size > room) {
    params.data_size = params.size;  // again, with that much room
    WriteUser(out, params);
    return nullptr;
  }
  if (!nt::Ok(ReadClip(vl, f, params.data))) return nullptr;
  params.seq = f.seq;
  if (!params.data_only) {
    ExpectHandle(format, f.seq);
    params.data_size = ~size_t{0};  // user32 makes the handle of it, and tells by cache_only
  }
  WriteUser(out, params);
  return params.data_only ? params.data : nullptr;
}

int32_t PLUME_NTAPI HookNtUserCountClipboardFormats() {
  const VlState& vl = Enter();
  if (Direct(vl)) return user.NtUserCountClipboardFormats();
  Session* session = Own(vl);
  return session ? static_cast<int32_t>(session->clip.format_count) : 0;
}

int32_t PLUME_NTAPI HookNtUserIsClipboardFormatAvailable(nt::Ulong format) {
  const VlState& vl = Enter();
  if (Direct(vl)) return user.NtUserIsClipboardFormatAvailable(format);
  Session* session = Own(vl);
  if (!session || !format) return 0;
  SessionLock lock(vl, session);
  return session->clip.Find(format) != nullptr;
}

int32_t PLUME_NTAPI HookNtUserGetUpdatedClipboardFormats(nt::Ulong* formats, nt::Ulong size,
                                                         nt::Ulong* needed) {
  const VlState& vl = Enter();
  if (Direct(vl)) return user.NtUserGetUpdatedClipboardFormats(formats, size, needed);
  Session* session = needed ? Own(vl) : nullptr;
  if (!session) {
    if (!needed) SetLastError(998);  // ERROR_NOACCESS
    return 0;
  }
  uint32_t ids[view::ClipTable::kMaxFormats];
  uint32_t count;
  {
    SessionLock lock(vl, session);
    count = session->clip.format_count;
    for (uint32_t i = 0; i < count; ++i) ids[i] = session->clip.formats[i].id;
  }
  for (uint32_t i = 0; i < count; ++i) NoteFormat(ids[i]);
  if (!WriteUser(needed, count)) return 0;
  if (count > size || (count && !formats)) {
    SetLastError(formats ? 122 : 998);  // ERROR_INSUFFICIENT_BUFFER
    return 0;
  }
  return count == 0 || CopyOut(formats, ids, count * sizeof(uint32_t));
}

int32_t PLUME_NTAPI HookNtUserGetPriorityClipboardFormat(nt::Ulong* list, int32_t count) {
  const VlState& vl = Enter();
  if (Direct(vl)) return user.NtUserGetPriorityClipboardFormat(list, count);
  Session* session = Own(vl);
  if (!session || session->clip.format_count == 0) return 0;
  for (int32_t i = 0; i < count; ++i) {
    uint32_t format;
    if (!ReadUser(&format, list + i)) return 0;
    SessionLock lock(vl, session);
    if (session->clip.Find(format)) return static_cast<int32_t>(format);
  }
  return -1;
}

uintptr_t PLUME_NTAPI HookNtUserCallOneParam(uintptr_t value, nt::Ulong code) {
  const VlState& vl = Enter();
  if (!vl.is_wine || code != nt::wine80::kOneParamEnumFormats || Direct(vl))
    return user.NtUserCallOneParam(value, code);
  Session* session = TheSession(vl);
  if (!session || !IsOpenHere(vl, session)) {
    SetLastError(kErrorNotOpen);
    return 0;
  }
  SetLastError(0);
  SessionLock lock(vl, session);
  const uint32_t next = session->clip.Next(static_cast<uint32_t>(value));
  NoteFormat(next);
  return next;
}

Hwnd PLUME_NTAPI HookNtUserGetClipboardOwner() {
  const VlState& vl = Enter();
  if (Direct(vl)) {
    Hwnd window = user.NtUserGetClipboardOwner();
    return MayFind(vl, window) ? window : nullptr;
  }
  Session* session = Own(vl);
  return session ? Window(session->clip.owner_window) : nullptr;
}

Hwnd PLUME_NTAPI HookNtUserGetClipboardViewer() {
  const VlState& vl = Enter();
  if (Direct(vl)) {
    Hwnd window = user.NtUserGetClipboardViewer();
    return MayFind(vl, window) ? window : nullptr;
  }
  Session* session = Own(vl);
  return session ? Window(session->clip.viewer) : nullptr;
}

Hwnd PLUME_NTAPI HookNtUserGetOpenClipboardWindow() {
  const VlState& vl = Enter();
  if (Direct(vl)) {
    Hwnd window = user.NtUserGetOpenClipboardWindow();
    return MayFind(vl, window) ? window : nullptr;
  }
  Session* session = Own(vl);
  return session ? Window(session->clip.open_window) : nullptr;
}

nt::Ulong PLUME_NTAPI HookNtUserGetClipboardSequenceNumber() {
  const VlState& vl = Enter();
  if (Direct(vl)) return user.NtUserGetClipboardSequenceNumber();
  Session* session = Own(vl);
  return session ? session->clip.seq : 0;
}

Hwnd PLUME_NTAPI HookNtUserSetClipboardViewer(Hwnd window) {
  const VlState& vl = Enter();
  if (!MayChange(vl, window)) {
    SayNoWindow();
    return nullptr;
  }
  if (Direct(vl)) {
    Hwnd next = user.NtUserSetClipboardViewer(window);
    return next;  // the chain goes on there: whoever shares the clipboard shares its chain
  }
  Session* session = Own(vl);
  if (!session) return nullptr;
  uint32_t previous, owner;
  {
    SessionLock lock(vl, session);
    previous = session->clip.viewer;
    owner = session->clip.owner_window;
    session->clip.viewer = Value(window);
  }
  uint32_t pid = 0;
  if (previous && WindowThread(vl, Window(previous), &pid) == 0) previous = 0;
  if (window) user.NtUserMessageCall(window, kDrawClipboard, owner, 0, nullptr, nt::kSendNotifyMessage, 0);
  return Window(previous);
}

int32_t PLUME_NTAPI HookNtUserChangeClipboardChain(Hwnd window, Hwnd next) {
  const VlState& vl = Enter();
  if (Direct(vl)) return MayChange(vl, window) ? user.NtUserChangeClipboardChain(window, next) : 0;
  Session* session = window ? Own(vl) : nullptr;
  if (!session) return 0;
  if (!MayChange(vl, window)) {
    SayNoWindow();
    return 0;
  }
  uint32_t viewer;
  {
    SessionLock lock(vl, session);
    viewer = session->clip.viewer;
    if (viewer == Value(window)) {
      session->clip.viewer = Value(next);
      return 1;
    }
  }
  if (!viewer || !MayChange(vl, Window(viewer))) return 0;
  nt::SendTimeout timeout{0, 0, 0};
  return !user.NtUserMessageCall(Window(viewer), kChangeChain, reinterpret_cast<uintptr_t>(window),
                                 reinterpret_cast<intptr_t>(next), &timeout, nt::kSendMessageTimeout, 0);
}

int32_t PLUME_NTAPI HookNtUserAddClipboardFormatListener(Hwnd window) {
  const VlState& vl = Enter();
  uint32_t pid = 0;
  if (!MayChange(vl, window) || !window || WindowThread(vl, window, &pid) == 0) {
    SayNoWindow();
    return 0;
  }
  if (Direct(vl)) return user.NtUserAddClipboardFormatListener(window);
  Session* session = Own(vl);
  if (!session) return 0;
  Result r;
  {
    SessionLock lock(vl, session);
    r = session->clip.AddListener(Value(window));
  }
  if (r != Result::kDone) {
    SetLastError(r == Result::kTwice ? nt::kErrorInvalidParameter : 8u);
    return 0;
  }
  // News of the machine's clipboard are this window's news too.
  if (vl.clipboard.from_host) user.NtUserAddClipboardFormatListener(window);
  return 1;
}

int32_t PLUME_NTAPI HookNtUserRemoveClipboardFormatListener(Hwnd window) {
  const VlState& vl = Enter();
  if (Direct(vl)) return MayChange(vl, window) ? user.NtUserRemoveClipboardFormatListener(window) : 0;
  Session* session = Own(vl);
  if (!session) return 0;
  Result r;
  {
    SessionLock lock(vl, session);
    r = session->clip.RemoveListener(Value(window));
  }
  if (vl.clipboard.from_host) user.NtUserRemoveClipboardFormatListener(window);
  if (r == Result::kDone) return 1;
  SetLastError(nt::kErrorInvalidParameter);
  return 0;
}

}  // namespace plume::vl
