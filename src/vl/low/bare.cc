// The functions the compiler may call. Memory: string instructions, so that the compiler cannot turn a loop
// into a call of the very function it is compiling. On x86 also the division of 64-bit numbers.
#include <cstddef>
#include <cstdint>

extern "C" {

// Short copies, most of all, are moves of two possibly overlapping words.
void* memcpy(void* to, const void* from, size_t n) {
  auto* d = static_cast<uint8_t*>(to);
  auto* s = static_cast<const uint8_t*>(from);
  if (n >= 8 && n <= 16) {
    uint64_t head, tail;
    __builtin_memcpy(&head, s, 8);
    __builtin_memcpy(&tail, s + n - 8, 8);
    __builtin_memcpy(d, &head, 8);
    __builtin_memcpy(d + n - 8, &tail, 8);
    return to;
  }
  asm volatile("rep movsb" : "+D"(d), "+S"(s), "+c"(n) : : "memory");
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
  auto* x = static_cast<const uint8_t*>(a);
  auto* y = static_cast<const uint8_t*>(b);
  for (; n >= 8; n -= 8, x += 8, y += 8) {
    uint64_t p, q;
    __builtin_memcpy(&p, x, 8);
    __builtin_memcpy(&q, y, 8);
    if (p == q) continue;
    p = __builtin_bswap64(p);
    q = __builtin_bswap64(q);
    return p < q ? -1 : 1;
  }
  for (; n; --n, ++x, ++y) {
    if (*x != *y) return *x < *y ? -1 : 1;
  }
  return 0;
}

size_t strlen(const char* s) {
  const volatile char* p = s;
  while (*p) ++p;
  return static_cast<size_t>(p - s);
}

#ifdef __i386__
uint64_t __udivmoddi4(uint64_t n, uint64_t d, uint64_t* rest) {
  uint64_t quotient = 0, remainder = 0;
  for (int i = 63; i >= 0; --i) {
    remainder = remainder << 1 | (n >> i & 1);
    if (remainder >= d) {
      remainder -= d;
      quotient |= uint64_t{1} << i;
    }
  }
  if (rest) *rest = remainder;
  return quotient;
}
uint64_t __udivdi3(uint64_t n, uint64_t d) { return __udivmoddi4(n, d, nullptr); }
uint64_t __umoddi3(uint64_t n, uint64_t d) {
  uint64_t rest;
  __udivmoddi4(n, d, &rest);
  return rest;
}
int64_t __divdi3(int64_t n, int64_t d) {
  const uint64_t q = __udivmoddi4(n < 0 ? 0 - static_cast<uint64_t>(n) : static_cast<uint64_t>(n),
                                  d < 0 ? 0 - static_cast<uint64_t>(d) : static_cast<uint64_t>(d), nullptr);
  return static_cast<int64_t>((n < 0) != (d < 0) ? 0 - q : q);
}
#endif

}  // extern "C"
