#include "vl/low/guard.h"

#include <atomic>
#include <cstring>

#include "vl/low/hooks.h"
#include "vl/low/layer.h"
#include "vl/low/teb.h"

extern "C" int plume_guarded_copy(void* to, const void* from, size_t n);
extern "C" int plume_guarded_touch(void* at);

namespace plume::vl {
namespace {

#ifdef __x86_64__

// The layer's image is not in the loader's list, so exception dispatch asks the dynamic function tables. They
// live on the process heap, which does not exist yet during the first calls of the loader.
enum GuardState : uint32_t { kNone, kRegistering, kRegistered };
constinit std::atomic<uint32_t> g_guard{kNone};

// Where guard_x64.S has exceptions handled.
extern "C" {
[[gnu::used]] constinit nt::__C_specific_handlerFn* plume_c_specific_handler = nullptr;
}

bool RegisterFunctionTable() {
  const auto* peb = static_cast<const nt::Peb*>(CurrentPeb());
  if (!peb->process_heap || !peb->ldr) return false;
  uint32_t none = kNone;
  if (!g_guard.compare_exchange_strong(none, kRegistering)) return none == kRegistered;
  // IMAGE_DIRECTORY_ENTRY_EXCEPTION of our own headers.
  auto* base = static_cast<uint8_t*>(plume_params.base);
  uint32_t pe, rva, size;
  std::memcpy(&pe, base + 0x3c, 4);
  std::memcpy(&rva, base + pe + 24 + 112 + 3 * 8, 4);
  std::memcpy(&size, base + pe + 24 + 112 + 3 * 8 + 4, 4);
  plume_c_specific_handler = orig.__C_specific_handler;
  const bool done = rva && orig.__C_specific_handler && orig.RtlAddFunctionTable &&
                    orig.RtlAddFunctionTable(base + rva, size / 12, reinterpret_cast<uintptr_t>(base));
  g_guard.store(done ? kRegistered : kNone, std::memory_order_release);
  return done;
}

bool Guarded() { return g_guard.load(std::memory_order_acquire) == kRegistered || RegisterFunctionTable(); }

#else

bool Guarded() { return true; }  // x86 frames need no table

#endif

bool Copy(void* to, const void* from, size_t bytes) {
  if (bytes == 0) return true;
  if (!Guarded()) {
    std::memcpy(to, from, bytes);
    return true;
  }
  return plume_guarded_copy(to, from, bytes) != 0;
}

// What a user pointer may be; the kernel's half is never touched, whatever is mapped there.
bool UserRange(const void* p, size_t bytes) {
  const auto at = reinterpret_cast<uintptr_t>(p);
#ifdef __x86_64__
  constexpr uintptr_t kEnd = 0x7fffffff0000;
#else
  constexpr uintptr_t kEnd = 0xffff0000;
#endif
  return at < kEnd && bytes <= kEnd - at;
}

}  // namespace

bool CopyIn(void* to, const void* user, size_t bytes) {
  return UserRange(user, bytes) && Copy(to, user, bytes);
}
bool CopyOut(void* user, const void* from, size_t bytes) {
  return UserRange(user, bytes) && Copy(user, from, bytes);
}

// As Copy: before the heap exists no fault could be caught, so the write that follows takes its chance.
bool TouchPage(void* at) { return !Guarded() || plume_guarded_touch(at) != 0; }

nt::NtStatus CaptureString(CallScratch& scratch, const nt::UnicodeString* user, view::WView* out) {
  *out = view::WView();
  if (!user) return nt::kSuccess;
  nt::UnicodeString s;
  if (!ReadUser(&s, user)) return nt::kAccessViolation;
  if (s.length & 1) return nt::kObjectNameInvalid;
  const size_t units = s.length / 2;
  char16_t* text = scratch.Units(units + 1);
  if (!text) return nt::kNoMemory;
  if (units && !CopyIn(text, s.buffer, s.length)) return nt::kAccessViolation;
  text[units] = 0;
  *out = view::WView(text, units);
  return nt::kSuccess;
}

void Captured::SetName(view::WView absolute) {
  own_name.buffer = const_cast<char16_t*>(absolute.data());
  own_name.length = static_cast<uint16_t>(absolute.size() * 2);
  own_name.maximum_length = own_name.length;
  own.object_name = &own_name;
  own.root_directory = nullptr;
}

nt::NtStatus CaptureAttributes(CallScratch& scratch, const nt::ObjectAttributes* user, Captured* out) {
  if (!user) return nt::kInvalidParameter;
  if (!ReadUser(&out->own, user)) return nt::kAccessViolation;
  if (out->own.length != sizeof(nt::ObjectAttributes)) return nt::kInvalidParameter;
  out->root = out->own.root_directory;
  out->has_name = out->own.object_name != nullptr;
  if (const nt::NtStatus s = CaptureString(scratch, out->own.object_name, &out->name); !nt::Ok(s)) return s;
  if (out->has_name) {
    out->own_name.buffer = const_cast<char16_t*>(out->name.data());
    out->own_name.length = static_cast<uint16_t>(out->name.size() * 2);
    out->own_name.maximum_length = static_cast<uint16_t>(out->own_name.length);
    out->own.object_name = &out->own_name;
  }
  return nt::kSuccess;
}

}  // namespace plume::vl
