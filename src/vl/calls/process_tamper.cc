// A guest that makes the replaced stubs or the layer itself writable, or writes there, is about to take the
// layer out. It is let do so (debuggers, profilers and other layers do it too, and put back what they found),
// but guest.log tells.
#include <atomic>

#include "vl/calls/process_members.h"
#include "vl/inject/image.h"
#include "vl/low/fail.h"
#include "vl/low/guard.h"
#include "vl/low/hooks.h"
#include "vl/low/layer.h"

namespace plume::vl {

extern "C" const LayerHeader plume_layer;

namespace {

struct Range {
  uintptr_t begin, end;
  bool Meets(uintptr_t b, uintptr_t e) const { return b < end && begin < e; }
};

// Where the replaced stubs are, in pages. Looked up by the first who changes anything in ntdll.
Range FindStubs(std::span<const uint8_t> ntdll, const ImageInfo& info) {
  Range r{UINTPTR_MAX, 0};
  for (uint32_t i = 0; i < plume_layer.hook_count; ++i) {
    const uint32_t rva = FindExport(info, ntdll, plume_layer.functions[plume_layer.hooks[i].slot].name);
    if (!rva) continue;
    const uintptr_t at = reinterpret_cast<uintptr_t>(ntdll.data()) + rva;
    if (at < r.begin) r.begin = at & ~uintptr_t{0xfff};
    if (at + 32 > r.end) r.end = (at + 32 + 0xfff) & ~uintptr_t{0xfff};
  }
  return r;
}

bool TouchesStubs(uintptr_t begin, uintptr_t end) {
  static constinit std::atomic<uintptr_t> g_begin{0}, g_end{0}, g_ntdll_end{0};
  const auto base = reinterpret_cast<uintptr_t>(plume_params.ntdll);
  if (end <= base) return false;
  uintptr_t ntdll_end = g_ntdll_end.load(std::memory_order_acquire);
  if (ntdll_end && begin >= ntdll_end) return false;
  if (!ntdll_end) {
    ImageInfo info;
    auto* image = static_cast<const uint8_t*>(plume_params.ntdll);
    if (!ReadImageInfo({image, 4096}, &info)) return false;
    ntdll_end = base + info.image_size;
    if (begin >= ntdll_end) return false;
    const Range stubs = FindStubs({image, info.image_size}, info);
    g_begin.store(stubs.begin, std::memory_order_relaxed);
    g_end.store(stubs.end, std::memory_order_relaxed);
    g_ntdll_end.store(ntdll_end, std::memory_order_release);
  }
  return Range{g_begin.load(std::memory_order_relaxed), g_end.load(std::memory_order_relaxed)}.Meets(begin,
                                                                                                     end);
}

bool TouchesLayer(uintptr_t begin, uintptr_t end) {
  const auto base = reinterpret_cast<uintptr_t>(plume_params.base);
  return Range{base, base + plume_params.image_size}.Meets(begin, end);
}

// ntdll and the layer may lie elsewhere in another process of the VM; as a rule ntdll does not.
void Notice(nt::Handle process, uintptr_t begin, size_t size, const char* what) {
  if (size == 0 || size > UINTPTR_MAX - begin) return;
  const bool own = process == nt::CurrentProcess();
  if (!TouchesStubs(begin, begin + size) && !(own && TouchesLayer(begin, begin + size))) return;
  static constinit std::atomic<uint32_t> g_told{0};
  constexpr uint32_t kEnough = 20;
  if (g_told.fetch_add(1, std::memory_order_relaxed) < kEnough) Log(what, nt::kSuccess, Enter().exe);
}

constexpr nt::Ulong kWritable = 0x04 | 0x08 | 0x40 | 0x80;

}  // namespace

nt::NtStatus PLUME_NTAPI HookNtProtectVirtualMemory(nt::Handle process, void** base, size_t* size,
                                                    nt::Ulong protect, nt::Ulong* old) {
  if (process != nt::CurrentProcess() && MembershipOf(Enter(), process) == Membership::kOutside)
    return nt::kAccessDenied;
  void* at;
  size_t bytes;
  if ((protect & kWritable) && ReadUser(&at, base) && ReadUser(&bytes, size)) {
    Notice(process, reinterpret_cast<uintptr_t>(at), bytes,
           "the layer's hooks are made writable (are they about to be removed?) by");
  }
  return orig.NtProtectVirtualMemory(process, base, size, protect, old);
}

nt::NtStatus PLUME_NTAPI HookNtWriteVirtualMemory(nt::Handle process, void* to, const void* from, size_t size,
                                                  size_t* done) {
  if (process != nt::CurrentProcess() && MembershipOf(Enter(), process) == Membership::kOutside)
    return nt::kAccessDenied;
  Notice(process, reinterpret_cast<uintptr_t>(to), size, "the layer's hooks are written to by");
  return orig.NtWriteVirtualMemory(process, to, from, size, done);
}

}  // namespace plume::vl
