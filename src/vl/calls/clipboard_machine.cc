// Between the VM's clipboard and the machine's, as far as the policy opens the way. To the machine: what was
// copied is put there, with its bytes. From the machine: its formats are listed at once and fetched when
// somebody asks.
#include "vl/calls/clipboard.h"
#include "vl/low/guests.h"
#include "vl/low/hooks.h"
#include "vl/low/lock.h"
#include "vl/low/memory.h"
#include "vl/low/teb.h"
#include "vl/low/trace.h"
#include "vl/low/user_patch.h"

namespace plume::vl {

constinit std::atomic<uint32_t> g_clipboard_idle_thread{0};

namespace {

struct GetParams {
  void* data;
  size_t size, data_size;
  uint32_t seq;
  int32_t data_only;
};
struct SetParams {
  void* data;
  size_t size;
  int32_t cache_only;
  uint32_t seq;
};

// One thread at a time has to do with the machine's clipboard; its own calls are the system's meanwhile.
class MachineReader {
 public:
  MachineReader() {
    const uint32_t me = CurrentThreadId();
    for (uint32_t round = 0, none = 0; !g_machine_reader.compare_exchange_strong(none, me); none = 0, ++round)
      if (LockWait(round)) break;
  }
  ~MachineReader() { g_machine_reader.store(0, std::memory_order_release); }
  MachineReader(const MachineReader&) = delete;
  MachineReader& operator=(const MachineReader&) = delete;
};

// Somebody may have it open for a moment.
bool OpenMachine() {
  for (int i = 0; i < 25; ++i) {
    if (user.NtUserOpenClipboard(nullptr, 0)) return true;
    const int64_t interval = -100000;  // 10 ms
    orig.NtDelayExecution(0, &interval);
  }
  return false;
}

}  // namespace

void TakeOverFromMachine(const VlState& vl, Session* session) {
  // The driver looks at the display's selection when it is asked for a format, not for the number.
  user.NtUserIsClipboardFormatAvailable(view::kCfUnicodeText);
  const uint32_t now = user.NtUserGetClipboardSequenceNumber();
  if (session->clip.machine_seq == now) return;
  CallScratch scratch;
  auto* ids = scratch.Array<nt::Ulong>(view::ClipTable::kMaxFormats);
  auto* files = scratch.New<view::ClipTable::Files>();
  nt::Ulong count = 0;
  if (!ids || !files) return;
  if (!user.NtUserGetUpdatedClipboardFormats(ids, view::ClipTable::kMaxFormats, &count)) count = 0;
  uint32_t kept = 0;
  for (uint32_t i = 0; i < count && i < view::ClipTable::kMaxFormats; ++i)
    if (MayCross(vl, ids[i], 0)) ids[kept++] = ids[i];
  view::ClipTable::Told told;
  {
    SessionLock lock(vl, session);
    // Not under the hands of who has it open; another guest may have been faster.
    if (session->clip.open_thread || session->clip.machine_seq == now) return;
    session->clip.TakeOver(ids, kept, now, files, &told);
  }
  for (uint32_t i = 0; i < files->count; ++i) RemoveClipFile(vl, files->numbers[i]);
  // Listeners hear of it from the machine's clipboard, to which they are added too.
  if (told.viewer) {
    told.changed = true;
    view::ClipTable::Told viewer_only = told;
    TellClipboardChange(vl, session, viewer_only);
  }
}

bool FetchFromMachine(const VlState& vl, Session* session, uint32_t format) {
  MachineReader reader;
  if (session->clip.machine_seq != user.NtUserGetClipboardSequenceNumber() || !OpenMachine()) return false;
  size_t room = 64 << 10;
  void* bytes = PagesAlloc(room);
  size_t size = 0;
  for (int i = 0; bytes && i < 4; ++i) {
    GetParams params{bytes, room, 0, 0, 1};
    if (user.NtUserGetClipboardData(format, &params)) {
      size = params.size;
      break;
    }
    if (params.data_size <= room) break;
    PagesFree(bytes, room);
    room = (params.data_size + 0xffff) & ~size_t{0xffff};
    bytes = MayCross(vl, format, params.data_size) ? PagesAlloc(room) : nullptr;
  }
  user.NtUserCloseClipboard();
  bool done = false;
  if (bytes && size && MayCross(vl, format, size)) {
    uint64_t number;
    {
      SessionLock lock(vl, session);
      number = ++session->clip.next_file;
    }
    if (nt::Ok(WriteClipFile(vl, number, bytes, size))) {
      SessionLock lock(vl, session);
      view::ClipFormat* f = session->clip.Find(format);
      done = f && f->flags == view::kClipMachine;
      if (done) {
        f->flags = view::kClipData;
        f->file = number;
        f->size = size;
      }
    }
    if (!done) RemoveClipFile(vl, number);
  }
  if (bytes) PagesFree(bytes, room);
  return done;
}

namespace {

struct Item {
  uint32_t format;
  uint64_t file, size;
};

// What may cross and has its bytes; `owed`: the owner has not rendered something that may cross.
uint32_t Collect(const VlState& vl, Session* session, Item* items, bool* owed) {
  *owed = false;
  uint32_t count = 0;
  view::ClipFormat formats[view::ClipTable::kMaxFormats / 4];
  uint32_t total;
  {
    SessionLock lock(vl, session);
    total = session->clip.format_count;
    if (total > view::ClipTable::kMaxFormats / 4) total = view::ClipTable::kMaxFormats / 4;
    for (uint32_t i = 0; i < total; ++i) formats[i] = session->clip.formats[i];
  }
  for (uint32_t i = 0; i < total; ++i) {
    const view::ClipFormat& f = formats[i];
    // The machine makes its own of what was synthesized; of a bitmap, whose bytes only the application's
    // handle could bring there, it gets the DIB.
    const bool dib = f.id == view::kCfDib && f.from == view::kCfBitmap;
    if ((f.from && !dib) || (f.flags & view::kClipInline) || f.id == view::kCfBitmap ||
        f.id == view::kCfPalette || f.id == view::kCfDspBitmap)
      continue;
    if (!MayCross(vl, f.id, f.flags & view::kClipData ? f.size : 0)) continue;
    if (f.flags & view::kClipData)
      items[count++] = Item{f.id, f.file, f.size};
    else
      *owed = true;
  }
  return count;
}

// Renders everything that may cross; the clipboard is opened for it like by any reader.
void RenderOwed(const VlState& vl, Session* session) {
  uint32_t ids[view::ClipTable::kMaxFormats];
  uint32_t total = 0;
  {
    SessionLock lock(vl, session);
    if (session->clip.Open(CurrentThreadId(), 0) != view::ClipTable::Result::kDone) return;
    for (uint32_t i = 0; i < session->clip.format_count; ++i) {
      const view::ClipFormat& f = session->clip.formats[i];
      if (!(f.flags & view::kClipData) && (!f.from || (f.id == view::kCfDib && f.from == view::kCfBitmap)))
        ids[total++] = f.id;
    }
  }
  for (uint32_t i = 0; i < total; ++i)
    if (MayCross(vl, ids[i], 0)) RenderFormat(vl, session, ids[i]);
  view::ClipTable::Told told;
  SessionLock lock(vl, session);
  session->clip.Close(CurrentThreadId(), &told);
}

void Put(const VlState& vl, Session* session, const Item* items, uint32_t count) {
  MachineReader reader;
  if (!OpenMachine()) return;
  user.NtUserEmptyClipboard();
  for (uint32_t i = 0; i < count; ++i) {
    const size_t room = (static_cast<size_t>(items[i].size) + 0xffff) & ~size_t{0xffff};
    void* bytes = PagesAlloc(room ? room : 0x10000);
    if (!bytes) continue;
    if (nt::Ok(ReadClipFile(vl, items[i].file, bytes, items[i].size))) {
      SetParams params{bytes, static_cast<size_t>(items[i].size), 0, 0};
      user.NtUserSetClipboardData(items[i].format, nullptr, &params);
    }
    PagesFree(bytes, room);
  }
  user.NtUserCloseClipboard();
  const uint32_t now = user.NtUserGetClipboardSequenceNumber();
  SessionLock lock(vl, session);
  session->clip.machine_seq = now;
}

}  // namespace

void GiveToMachine(const VlState& vl, Session* session) {
  CallScratch scratch;
  auto* items = scratch.Array<Item>(view::ClipTable::kMaxFormats);
  if (!items) return;
  bool owed = false;
  uint32_t count = Collect(vl, session, items, &owed);
  // A program expects to be asked to render while it waits for messages, not in the middle of copying.
  if (owed && session->clip.owner_thread == CurrentThreadId()) {
    g_clipboard_idle_thread.store(CurrentThreadId(), std::memory_order_relaxed);
    return;
  }
  if (owed) {
    RenderOwed(vl, session);
    count = Collect(vl, session, items, &owed);
  }
  if (count) Put(vl, session, items, count);
}

void ClipboardIdle(const VlState& vl) {
  g_clipboard_idle_thread.store(0, std::memory_order_relaxed);
  Session* session = TheSession(vl);
  if (!session) return;
  RenderOwed(vl, session);
  CallScratch scratch;
  auto* items = scratch.Array<Item>(view::ClipTable::kMaxFormats);
  bool owed = false;
  if (!items) return;
  if (const uint32_t count = Collect(vl, session, items, &owed)) Put(vl, session, items, count);
}

}  // namespace plume::vl
