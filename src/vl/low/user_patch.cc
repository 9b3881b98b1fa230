#include "vl/low/user_patch.h"

#include <atomic>
#include <cstring>

#include "vl/inject/image.h"
#include "vl/low/fail.h"
#include "vl/low/layer.h"
#include "vl/low/patch_plan.h"

namespace plume::vl {

constinit nt::UserFunctions g_user = {};

extern "C" uint8_t plume_user_trampolines[];

// Whole pages of their own inside .text: they are writable for a moment, when other threads may be running
// the rest of the layer.
asm(".text\n"
    ".balign 4096\n"
#ifdef __x86_64__
    ".globl plume_user_trampolines\n"
    "plume_user_trampolines:\n"
#else
    ".globl _plume_user_trampolines\n"
    "_plume_user_trampolines:\n"
#endif
    ".fill 8192, 1, 0xcc\n");

namespace {

#ifdef __x86_64__
constexpr Arch kArch = Arch::kX64;
#else
constexpr Arch kArch = Arch::kX86;
#endif
constexpr uint32_t kTrampolineBytes = 8192, kTrampoline = 32;

constinit std::atomic<void*> g_win32u{nullptr};

bool IsWin32u(const uint8_t* base, ImageInfo* info) {
  if (!ReadImageInfo({base, 4096}, info) || info->directory_count <= kDirectoryExport) return false;
  uint32_t rva, name;
  std::memcpy(&rva, base + info->directories + kDirectoryExport * 8, 4);
  if (rva == 0 || rva > info->image_size - 40) return false;
  std::memcpy(&name, base + rva + 12, 4);
  constexpr char kName[] = "win32u.dll";
  if (name == 0 || name > info->image_size - sizeof(kName)) return false;
  for (size_t i = 0; i < sizeof(kName); ++i) {
    const char c = static_cast<char>(base[name + i]);
    if ((c >= 'A' && c <= 'Z' ? c + 32 : c) != kName[i]) return false;
  }
  return true;
}

[[noreturn]] void Refuse(const char* what, const char* function) {
  char16_t name[64];
  size_t n = 0;
  for (; function[n] && n < 63; ++n) name[n] = static_cast<char16_t>(function[n]);
  Fail(Site::kUserStub, what, 0, view::WView(name, n));
}

bool Protect(void* at, size_t bytes, nt::Ulong protect, nt::Ulong* old) {
  return nt::Ok(orig.NtProtectVirtualMemory(nt::CurrentProcess(), &at, &bytes, protect, old));
}

// Codes of Wine's multiplexed functions and server requests are those of one version (nt/user.h).
void CheckVersion(const VlState& vl) {
  if (!vl.is_wine) return;
  const char* v = orig.wine_get_version ? orig.wine_get_version() : "";
  const bool known = v[0] == '8' && v[1] == '.' && v[2] == '0' && (v[3] < '0' || v[3] > '9');
  if (!known)
    Refuse("windows and clipboard of this version of Wine are not known to the layer (it knows 8.0):", v);
}

bool Replaced(const VlState& vl, const UserRow& row) {
  return row.handler && !(row.on_windows && vl.is_wine);
}

void Patch(const VlState& vl, uint8_t* base, const ImageInfo& info) {
  const std::span<const UserRow> rows = UserRows();
  const std::span<const uint8_t> image(base, info.image_size);
  uint8_t* begin = nullptr;
  uint8_t* end = nullptr;
  for (const UserRow& row : rows) {
    const uint32_t rva = FindExport(info, image, row.name);
    *row.original = rva ? base + rva : nullptr;
    if (!rva || !Replaced(vl, row)) continue;
    uint8_t* stub = base + rva;
    if (!begin || stub < begin) begin = stub;
    if (stub + kMaxStub > end) end = stub + kMaxStub;
  }
  if (!begin) return;
  nt::Ulong ignored, old;
  uint8_t* trampoline = plume_user_trampolines;
  if (!Protect(trampoline, kTrampolineBytes, OwnWritable(), &ignored) ||
      !Protect(begin, static_cast<size_t>(end - begin), nt::kPageReadWrite, &old)) {
    Refuse("replacing the stubs of win32u.dll failed", "");
  }
  for (const UserRow& row : rows) {
    auto* stub = static_cast<uint8_t*>(*row.original);
    if (!stub || !Replaced(vl, row)) continue;
    const StubShape* shape = RecogniseStub(kArch, {stub, kMaxStub});
    if (!shape || shape->room < JumpBytes(kArch))
      Refuse("a stub of win32u.dll has no known shape (a newer system, or another product's hook):",
             row.name);
    if (trampoline + kTrampoline > plume_user_trampolines + kTrampolineBytes)
      Refuse("too many stubs of win32u.dll:", row.name);
    std::memcpy(trampoline, stub, shape->length);
    *row.original = trampoline;
    trampoline += kTrampoline;
    if (row.pop) *row.pop = stub[shape->length - 2];  // ret nn
    EncodeJump(kArch, reinterpret_cast<uintptr_t>(stub), reinterpret_cast<uintptr_t>(row.handler), stub);
  }
  if (!Protect(begin, static_cast<size_t>(end - begin), old, &ignored) ||
      !Protect(plume_user_trampolines, kTrampolineBytes, nt::kPageExecuteRead, &ignored)) {
    Refuse("replacing the stubs of win32u.dll failed", "");
  }
  orig.NtFlushInstructionCache(nt::CurrentProcess(), begin, static_cast<size_t>(end - begin));
}

}  // namespace

bool UserMapped() { return g_win32u.load(std::memory_order_acquire) != nullptr; }

void OnImageMapped(const VlState& vl, void* base) {
  if (UserMapped()) return;
  nt::MemoryBasicInformation memory{};
  if (!nt::Ok(orig.NtQueryVirtualMemory(nt::CurrentProcess(), base, nt::kMemoryBasicInformation, &memory,
                                        sizeof(memory), nullptr)) ||
      memory.type != nt::kMemImage || memory.region_size < 4096) {
    return;
  }
  ImageInfo info;
  if (!IsWin32u(static_cast<uint8_t*>(base), &info)) return;
  void* none = nullptr;
  if (!g_win32u.compare_exchange_strong(none, base)) return;
  CheckVersion(vl);
  Patch(vl, static_cast<uint8_t*>(base), info);
}

}  // namespace plume::vl
