// What the system keeps for this thread and process in their environment blocks, read in place, without a
// call. The layout is the same from Windows 7 on and in Wine.
#pragma once
#include <cstdint>

namespace plume::vl {

namespace teb {
#ifdef __x86_64__
inline uintptr_t Read(uint32_t at) {
  uintptr_t value;
  asm volatile("movq %%gs:(%1), %0" : "=r"(value) : "r"(static_cast<uintptr_t>(at)));
  return value;
}
inline void Write32(uint32_t at, uint32_t value) {
  asm volatile("movl %0, %%gs:(%1)" : : "r"(value), "r"(static_cast<uintptr_t>(at)) : "memory");
}
inline constexpr uint32_t kProcess = 0x40, kThread = 0x48, kPeb = 0x60, kLastError = 0x68, kLocale = 0x108;
#else
inline uintptr_t Read(uint32_t at) {
  uintptr_t value;
  asm volatile("movl %%fs:(%1), %0" : "=r"(value) : "r"(at));
  return value;
}
inline void Write32(uint32_t at, uint32_t value) {
  asm volatile("movl %0, %%fs:(%1)" : : "r"(value), "r"(at) : "memory");
}
inline constexpr uint32_t kProcess = 0x20, kThread = 0x24, kPeb = 0x30, kLastError = 0x34, kLocale = 0xc4;
#endif
}  // namespace teb

inline uint32_t CurrentProcessId() { return static_cast<uint32_t>(teb::Read(teb::kProcess)); }
inline uint32_t CurrentThreadId() { return static_cast<uint32_t>(teb::Read(teb::kThread)); }
inline const void* CurrentPeb() { return reinterpret_cast<const void*>(teb::Read(teb::kPeb)); }
inline uint32_t CurrentSession() {
  constexpr uint32_t kAt = sizeof(void*) == 8 ? 0x2c0 : 0x1d4;
  return *reinterpret_cast<const volatile uint32_t*>(teb::Read(teb::kPeb) + kAt);
}
// LCID of the thread; 0: none was chosen.
inline uint32_t CurrentLocale() { return static_cast<uint32_t>(teb::Read(teb::kLocale)); }
// What GetLastError() says next in this thread.
inline void SetLastError(uint32_t error) { teb::Write32(teb::kLastError, error); }

}  // namespace plume::vl
