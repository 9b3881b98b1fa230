// The memory functions the compiler may call. String instructions, so that the compiler cannot turn a loop into a call
// of the very function it is compiling.
#include <cstddef>
#include <cstdint>

extern "C" {

void* memcpy(void* to, const void* from, size_t n) {
  void* d = to;
  asm volatile("rep movsb" : "+D"(d), "+S"(from), "+c"(n) : : "memory");
  return to;
}

void* memmove(void* to, const void* from, size_t n) {
  if (reinterpret_cast<uintptr_t>(to) - reinterpret_cast<uintptr_t>(from) >= n) return memcpy(to, from, n);
  auto* d = static_cast<uint8_t*>(to) + n - 1;
  auto* s = static_cast<const uint8_t*>(from) + n - 1;
  asm volatile("std; rep movsb; cld" : "+D"(d), "+S"(s), "+c"(n) : : "memory");
  return to;
}

void* memset(void* to, int value, size_t n) {
  void* d = to;
  asm volatile("rep stosb" : "+D"(d), "+c"(n) : "a"(value) : "memory");
  return to;
}

int memcmp(const void* a, const void* b, size_t n) {
  auto* x = static_cast<const volatile uint8_t*>(a);
  auto* y = static_cast<const volatile uint8_t*>(b);
  for (size_t i = 0; i < n; ++i) {
    if (x[i] != y[i]) return x[i] < y[i] ? -1 : 1;
  }
  return 0;
}

size_t strlen(const char* s) {
  const volatile char* p = s;
  while (*p) ++p;
  return static_cast<size_t>(p - s);
}

}  // extern "C"
