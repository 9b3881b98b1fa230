// Fonts are read by the graphics system itself, below the calls that the layer replaces: it is given the real
// names. And always as the process's private ones: otherwise Windows would give them to every program of the
// session, and Wine would remember them for every program of the prefix.
#include "vl/calls/window_fonts.h"

#include <atomic>

#include "vl/calls/file_resolve.h"
#include "vl/calls/file_space.h"
#include "vl/low/user_patch.h"

namespace plume::vl {

#define PLUME_USER_HOOK(name) nt::name##Fn Hook##name;
#include "vl/calls/window_user_hooks.inc"
#undef PLUME_USER_HOOK

namespace {

using view::WView;

constexpr nt::Ulong kPrivateFont = 0x10;  // FR_PRIVATE
constexpr size_t kMaxListUnits = 4096;    // of one call
constexpr size_t kMaxRealUnits = 259;     // Wine copies the name into MAX_PATH units

using FontCall = nt::NtGdiAddFontResourceWFn;

// "C:\\x" and "x" are as good as "\\??\\C:\\x": the last lies in the system's folder.
WView FullName(const VlState& vl, CallScratch& scratch, WView name) {
  WView head(u"\\??\\", 4), middle;
  if (name.size() > 1 && name[0] == u'\\') {
    head = {};
  } else if (name.find(u'\\') == WView::npos) {
    head = vl.names.system_root;
    middle = WView(u"\\Fonts\\", 7);
  }
  char16_t* out = scratch.Units(4 + head.size() + middle.size() + name.size());
  if (!out) return {};
  size_t n = 0;
  const auto append = [&](WView text) {
    for (const char16_t c : text) out[n++] = c;
  };
  if (!middle.empty()) append(WView(u"\\??\\", 4));
  append(head);
  append(middle);
  append(name);
  return WView(out, n);
}

int32_t CallWith(const VlState& vl, FontCall* original, WView name, nt::Ulong flags, nt::Ulong thread,
                 void* vector) {
  CallScratch scratch;
  const WView full = FullName(vl, scratch, name);
  FileTarget target;
  if (!full.data() || !nt::Ok(ParseTargetName(vl, scratch, nullptr, full, &target)) ||
      !target.IsVirtualized())
    return 0;
  RealName real;
  const nt::NtStatus s = ResolveForExecution(vl, scratch, *target.path, &real);
  if (!nt::Ok(s) || real.nt_path.size() > kMaxRealUnits) return 0;
  return original(reinterpret_cast<const nt::Wchar*>(real.nt_path.data()),
                  static_cast<nt::Ulong>(real.nt_path.size() + 1), 1, flags | kPrivateFont, thread, vector);
}

// One name after another: a font of several files has their names with "|" between.
int32_t ForEach(const VlState& vl, FontCall* original, WView names, nt::Ulong flags, nt::Ulong thread,
                void* vector) {
  int32_t sum = 0;
  while (!names.empty()) {
    const size_t end = names.find(u'|') == WView::npos ? names.size() : names.find(u'|');
    if (end > 0) sum += CallWith(vl, original, view::Sub(names, 0, end), flags, thread, vector);
    names = end >= names.size() ? WView() : view::Sub(names, end + 1, names.size() - end - 1);
  }
  return sum;
}

int32_t CallForGuest(FontCall* original, const nt::Wchar* names, nt::Ulong units, nt::Ulong flags,
                     nt::Ulong thread, void* vector) {
  const VlState& vl = Enter();
  if (!original || !names || units == 0 || units > kMaxListUnits) return 0;
  CallScratch scratch;
  char16_t* copy = scratch.Units(units);
  if (!copy || !CopyIn(copy, names, units * 2)) return 0;
  size_t n = 0;
  while (n < units && copy[n] != 0) ++n;
  return ForEach(vl, original, WView(copy, n), flags, thread, vector);
}

enum : uint32_t { kNotLoaded, kLoading, kLoaded };
constinit std::atomic<uint32_t> g_fonts{kNotLoaded};

}  // namespace

int32_t PLUME_NTAPI HookNtGdiAddFontResourceW(const nt::Wchar* names, nt::Ulong units, nt::Ulong,
                                              nt::Ulong flags, nt::Ulong thread, void* vector) {
  return CallForGuest(g_user.NtGdiAddFontResourceW, names, units, flags, thread, vector);
}

int32_t PLUME_NTAPI HookNtGdiRemoveFontResourceW(const nt::Wchar* names, nt::Ulong units, nt::Ulong,
                                                 nt::Ulong flags, nt::Ulong thread, void* vector) {
  return CallForGuest(g_user.NtGdiRemoveFontResourceW, names, units, flags, thread, vector);
}

void LoadVmFonts(const VlState& vl) {
  if (g_fonts.load(std::memory_order_acquire) == kLoaded) return;
  uint32_t none = kNotLoaded;
  if (g_fonts.compare_exchange_strong(none, kLoading)) {
    if (g_user.NtGdiAddFontResourceW) ForEach(vl, g_user.NtGdiAddFontResourceW, vl.fonts, 0, 0, nullptr);
    g_fonts.store(kLoaded, std::memory_order_release);
    return;
  }
  while (g_fonts.load(std::memory_order_acquire) != kLoaded) {
    nt::LargeInteger pause = -10000;  // 1 ms
    orig.NtDelayExecution(0, &pause);
  }
}

}  // namespace plume::vl
