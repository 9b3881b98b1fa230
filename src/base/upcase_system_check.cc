// Compares the upcase table with RtlUpcaseUnicodeChar of the system it runs on, unit by unit. Exit code 0 = equal.
#include <cstdio>

#include "base/upcase.h"

// Declared here: base includes no system header.
extern "C" __declspec(dllimport) wchar_t __stdcall RtlUpcaseUnicodeChar(wchar_t unit);

int main() {
  int differences = 0;
  for (unsigned u = 0; u < 0x10000; ++u) {
    const unsigned system = RtlUpcaseUnicodeChar(static_cast<wchar_t>(u));
    const unsigned ours = plume::NtUpcase(static_cast<char16_t>(u));
    if (system == ours) continue;
    ++differences;
    std::printf("U+%04X: system U+%04X, plume U+%04X\n", u, system, ours);
  }
  std::printf("upcase: %d differences\n", differences);
  return differences == 0 ? 0 : 1;
}
