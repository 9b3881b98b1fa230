// NT's upper case for one UTF-16 unit, as RtlUpcaseUnicodeChar. The rule by which Windows compares names of
// files, keys and objects. Freestanding, thread-safe.
#pragma once
#include <cstdint>

namespace plume {

// Units from U+0080 up, by table (tools/make_upcase.py says which pairs NT maps).
char16_t NtUpcaseWide(char16_t c);

inline char16_t NtUpcase(char16_t c) {
  if (c < 0x80) return static_cast<char16_t>(c - ((c >= u'a' && c <= u'z') ? 0x20 : 0));
  return NtUpcaseWide(c);
}

// The inverse: the unit whose upper case `c` is, else `c` (RtlDowncaseUnicodeChar).
char16_t NtDowncase(char16_t c);

}  // namespace plume
