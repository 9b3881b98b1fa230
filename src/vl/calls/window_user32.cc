// What user32 does with the atom table without win32u, under Wine: registered messages and clipboard formats
// are global atoms there. They stay the session's, as on Windows, where they have a table of their own; the
// atoms of DDE conversations, which come from the same module, are the VM's. So the module's imports of four
// functions lead here.
#include <cstring>

#include "vl/calls/window_atoms.h"
#include "vl/inject/image.h"
#include "vl/low/guard.h"
#include "vl/low/hooks.h"
#include "vl/low/user_patch.h"

namespace plume::vl {

#define PLUME_USER_HOOK(name) nt::name##Fn Hook##name;
#include "vl/calls/window_user_hooks.inc"
#undef PLUME_USER_HOOK

namespace {

using AddAtomWFn = uint16_t PLUME_NTAPI(const char16_t*);
using AddAtomAFn = uint16_t PLUME_NTAPI(const char*);
using AtomNameWFn = uint32_t PLUME_NTAPI(uint16_t, char16_t*, int32_t);
using AtomNameAFn = uint32_t PLUME_NTAPI(uint16_t, char*, int32_t);

constinit AddAtomWFn* g_add_w = nullptr;
constinit AddAtomAFn* g_add_a = nullptr;
constinit AtomNameWFn* g_name_w = nullptr;
constinit AtomNameAFn* g_name_a = nullptr;

// The exports that register names; each is a few instructions around its call.
constexpr const char* kRegistering[] = {"RegisterWindowMessageA", "RegisterWindowMessageW",
                                        "RegisterClipboardFormatA", "RegisterClipboardFormatW"};
constexpr uintptr_t kFunctionBytes = 0x60;
constinit uintptr_t g_registering[4] = {};
constinit uintptr_t g_format_name_a = 0;
constinit uintptr_t g_user32 = 0, g_user32_bytes = 0;

// A function that only passes the call on leaves no return address of its own.
bool IsOutside(uintptr_t caller) { return caller - g_user32 >= g_user32_bytes; }

bool IsRegistering(uintptr_t caller) {
  if (IsOutside(caller)) return true;
  for (const uintptr_t at : g_registering)
    if (at && caller - at < kFunctionBytes) return true;
  return false;
}

uint16_t AddShared(const char16_t* name, size_t units) {
  uint16_t atom = 0;
  if (!nt::Ok(orig.NtAddAtom(name, static_cast<nt::Ulong>(units * 2), &atom))) return 0;
  NoteFormat(atom);
  return atom;
}

uint16_t PLUME_NTAPI AddAtomW(const char16_t* name) {
  if (!IsRegistering(reinterpret_cast<uintptr_t>(__builtin_return_address(0))) ||
      reinterpret_cast<uintptr_t>(name) <= 0xffff) {
    return g_add_w(name);
  }
  char16_t text[256];
  size_t n = 0;
  while (n < 256 && ReadUser(&text[n], name + n) && text[n]) ++n;
  if (n == 0 || n == 256 || text[0] == u'#') return g_add_w(name);
  const uint16_t atom = AddShared(text, n);
  return atom ? atom : g_add_w(name);
}

uint16_t PLUME_NTAPI AddAtomA(const char* name) {
  if (!IsRegistering(reinterpret_cast<uintptr_t>(__builtin_return_address(0))) ||
      reinterpret_cast<uintptr_t>(name) <= 0xffff) {
    return g_add_a(name);
  }
  // Registered names are ASCII; others are converted by the system, which cannot be told what they are for.
  char16_t text[256];
  size_t n = 0;
  uint8_t c = 0;
  while (n < 256 && ReadUser(&c, reinterpret_cast<const uint8_t*>(name) + n) && c && c < 0x80) text[n++] = c;
  if (n == 0 || n == 256 || c != 0 || text[0] == u'#') return g_add_a(name);
  const uint16_t atom = AddShared(text, n);
  return atom ? atom : g_add_a(name);
}

uint32_t PLUME_NTAPI AtomNameW(uint16_t atom, char16_t* buffer, int32_t units) {
  LenientAtoms lenient;
  return g_name_w(atom, buffer, units);
}
uint32_t PLUME_NTAPI AtomNameA(uint16_t atom, char* buffer, int32_t bytes) {
  // GetClipboardFormatNameA comes this way too, for a number that the caller chose.
  const auto caller = reinterpret_cast<uintptr_t>(__builtin_return_address(0));
  const bool is_format = IsOutside(caller) || caller - g_format_name_a < kFunctionBytes;
  if (is_format && !IsNotedFormat(Enter(), atom)) return g_name_a(atom, buffer, bytes);
  LenientAtoms lenient;
  return g_name_a(atom, buffer, bytes);
}

bool Is(const char* a, const char* b) {
  while (*a && *a == *b) ++a, ++b;
  return *a == *b;
}

struct Redirection {
  const char* name;
  void* to;
  void** original;
};

template <typename T>
T At(const uint8_t* base, uint64_t offset) {
  T value;
  std::memcpy(&value, base + offset, sizeof(value));
  return value;
}

// Replaces the addresses that the loader has bound for the module's imports.
void Redirect(uint8_t* base, const ImageInfo& info, std::span<const Redirection> table) {
  const uint32_t imports = At<uint32_t>(base, info.directories + kDirectoryImport * 8);
  const uint64_t mask = uint64_t{1} << (sizeof(void*) * 8 - 1);
  for (uint32_t d = imports; d && d + 20 <= info.image_size; d += 20) {
    const uint32_t names = At<uint32_t>(base, d), addresses = At<uint32_t>(base, d + 16);
    if (!names || !addresses) return;
    for (uint32_t i = 0;; ++i) {
      const auto name = At<uintptr_t>(base, names + i * sizeof(uintptr_t));
      if (!name) break;
      if ((name & mask) || name + 2 >= info.image_size) continue;
      for (const Redirection& r : table) {
        if (!Is(reinterpret_cast<const char*>(base + name + 2), r.name)) continue;
        auto* slot = reinterpret_cast<void**>(base + addresses + i * sizeof(uintptr_t));
        void* page = slot;
        size_t bytes = sizeof(void*);
        nt::Ulong old, ignored;
        if (!nt::Ok(
                orig.NtProtectVirtualMemory(nt::CurrentProcess(), &page, &bytes, nt::kPageReadWrite, &old)))
          continue;
        *r.original = *slot;
        *slot = r.to;
        orig.NtProtectVirtualMemory(nt::CurrentProcess(), &page, &bytes, old, &ignored);
      }
    }
  }
}

}  // namespace

void OnUser32Ready(const VlState& vl, void* base) {
  auto* bytes = static_cast<uint8_t*>(base);
  ImageInfo info;
  if (!vl.is_wine || g_add_w || !ReadImageInfo({bytes, 4096}, &info)) return;
  for (size_t i = 0; i < 4; ++i) {
    const uint32_t rva = FindExport(info, {bytes, info.image_size}, kRegistering[i]);
    g_registering[i] = rva ? reinterpret_cast<uintptr_t>(bytes) + rva : 0;
  }
  g_user32 = reinterpret_cast<uintptr_t>(bytes);
  g_user32_bytes = info.image_size;
  const uint32_t format_name = FindExport(info, {bytes, info.image_size}, "GetClipboardFormatNameA");
  g_format_name_a = format_name ? reinterpret_cast<uintptr_t>(bytes) + format_name : 0;
  const Redirection table[] = {
      {"GlobalAddAtomW", reinterpret_cast<void*>(&AddAtomW), reinterpret_cast<void**>(&g_add_w)},
      {"GlobalAddAtomA", reinterpret_cast<void*>(&AddAtomA), reinterpret_cast<void**>(&g_add_a)},
      {"GlobalGetAtomNameW", reinterpret_cast<void*>(&AtomNameW), reinterpret_cast<void**>(&g_name_w)},
      {"GlobalGetAtomNameA", reinterpret_cast<void*>(&AtomNameA), reinterpret_cast<void**>(&g_name_a)},
  };
  Redirect(bytes, info, table);
}

nt::NtStatus PLUME_NTAPI HookNtUserInitializeClientPfnArrays(const void* a, const void* b, const void* c,
                                                             void* module) {
  // user32's first act, when its imports are bound and nobody has called it yet.
  const VlState& vl = Enter();
  if (vl.is_wine && module) OnUser32Ready(vl, module);
  return user.NtUserInitializeClientPfnArrays(a, b, c, module);
}

}  // namespace plume::vl
