#include "vl/calls/clipboard_cache.h"

#include "view/clip_table.h"
#include "vl/low/lock.h"
#include "vl/low/memory.h"
#include "vl/low/teb.h"

namespace plume::vl {
namespace {

struct Cached {
  Cached* next;
  uint32_t format, seq;
  nt::Handle handle;
  bool given;  // may be handed out; bitmaps and palettes that the application set itself may not
};
constinit Lock g_lock;
constinit Cached* g_cached = nullptr;
constinit Cached* g_to_free = nullptr;

using Callback = nt::NtStatus PLUME_NTAPI(const void* params, uint32_t size);
constexpr uint32_t kFreeCachedData = 9, kRenderSynthesizedFormat = 17;  // Wine 8.0: KernelCallbackTable

Callback* UserCallback(uint32_t index) {
  constexpr size_t kTable = sizeof(void*) == 8 ? 0x58 : 0x2c;
  const auto* peb = static_cast<const uint8_t*>(CurrentPeb());
  auto* table = *reinterpret_cast<Callback* const* const*>(peb + kTable);
  return table ? table[index] : nullptr;
}

// Without the lock: freeing goes through the application's heap.
void FreeAll(Cached* list) {
  Callback* free_data = UserCallback(kFreeCachedData);
  while (list) {
    Cached* next = list->next;
    const struct {
      uint32_t format;
      nt::Handle handle;
    } params{list->format, list->handle};
    if (list->handle && free_data) free_data(&params, sizeof(params));
    HeapDelete(list);
    list = next;
  }
}

Cached* Take(uint32_t format) {
  for (Cached** at = &g_cached; *at; at = &(*at)->next) {
    if ((*at)->format != format) continue;
    Cached* found = *at;
    *at = found->next;
    found->next = nullptr;
    return found;
  }
  return nullptr;
}

void Push(Cached** list, Cached* entry) {
  entry->next = *list;
  *list = entry;
}

bool IsGdi(uint32_t format) { return format == view::kCfBitmap || format == view::kCfPalette; }

bool IsKept(uint32_t format) {
  switch (format) {
    case view::kCfBitmap:
    case view::kCfDspBitmap:
    case view::kCfPalette:
    case view::kCfEnhMetafile:
    case view::kCfDspEnhMetafile:
    case view::kCfMetafilePict:
    case view::kCfDspMetafilePict:
      return true;
    default:
      return false;
  }
}

}  // namespace

nt::Handle CachedHandle(uint32_t format, uint32_t seq) {
  LockGuard guard(g_lock);
  for (const Cached* c = g_cached; c; c = c->next)
    if (c->format == format && c->seq == seq && c->given) return c->handle;
  return nullptr;
}

void ExpectHandle(uint32_t format, uint32_t seq) {
  auto* fresh = HeapNew<Cached>(Cached{nullptr, format, seq, nullptr, true});
  if (!fresh) return;
  LockGuard guard(g_lock);
  if (Cached* old = Take(format)) Push(&g_to_free, old);
  Push(&g_cached, fresh);
}

bool SetCachedHandle(uint32_t format, uint32_t seq, nt::Handle handle) {
  LockGuard guard(g_lock);
  for (Cached* c = g_cached; c; c = c->next) {
    if (c->format != format) continue;
    if (c->seq != seq || c->handle) return false;
    c->handle = handle;
    return true;
  }
  return false;
}

void KeepOwnHandle(uint32_t format, uint32_t seq, nt::Handle handle) {
  Cached* fresh = handle ? HeapNew<Cached>(Cached{nullptr, format, seq, handle, !IsGdi(format)}) : nullptr;
  Cached* old;
  {
    LockGuard guard(g_lock);
    old = Take(format);
    if (fresh) Push(&g_cached, fresh);
  }
  // The same handle set twice stays in use.
  if (old && old->handle == handle) old->handle = nullptr;
  FreeAll(old);
}

void DropMemoryHandles() {
  Cached* drop = nullptr;
  {
    LockGuard guard(g_lock);
    for (Cached** at = &g_cached; *at;) {
      Cached* c = *at;
      if (IsKept(c->format)) {
        at = &c->next;
        continue;
      }
      *at = c->next;
      Push(&drop, c);
    }
  }
  FreeAll(drop);
}

void DropAllHandles() {
  Cached *cached, *to_free;
  {
    LockGuard guard(g_lock);
    cached = g_cached;
    to_free = g_to_free;
    g_cached = g_to_free = nullptr;
  }
  FreeAll(cached);
  FreeAll(to_free);
}

void RenderSynthesized(uint32_t format, uint32_t from) {
  const uint32_t params[2] = {format, from};
  if (Callback* render = UserCallback(kRenderSynthesizedFormat)) render(params, sizeof(params));
}

}  // namespace plume::vl
