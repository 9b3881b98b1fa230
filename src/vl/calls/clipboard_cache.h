// The handles that this process has got from the clipboard or given to it. They are the clipboard's: the
// system, and so the layer, frees them later, and hands the same one out as long as the content is the same.
#pragma once
#include "vl/low/state.h"

namespace plume::vl {

// The handle to give out for what was set under `seq`; null: none.
nt::Handle CachedHandle(uint32_t format, uint32_t seq);
// Remembers that content `seq` is being unpacked; the handle comes with SetCachedHandle.
void ExpectHandle(uint32_t format, uint32_t seq);
bool SetCachedHandle(uint32_t format, uint32_t seq, nt::Handle handle);
// The application's own handle, at the time it was set. Frees an older one.
void KeepOwnHandle(uint32_t format, uint32_t seq, nt::Handle handle);
// What another process has replaced: memory at once, the rest when the clipboard is emptied.
void DropMemoryHandles();
void DropAllHandles();

// user32's part: frees what a handle stands for; makes a format of another (it calls SetClipboardData).
void RenderSynthesized(uint32_t format, uint32_t from);

}  // namespace plume::vl
