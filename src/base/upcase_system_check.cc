// Compares the case tables with RtlUpcaseUnicodeChar and RtlDowncaseUnicodeChar of the system it runs on,
// unit by unit. Exit code 0 = equal.
#include <cstdio>

#include "base/upcase.h"

// Declared here: base includes no system header.
extern "C" __declspec(dllimport) wchar_t __stdcall RtlUpcaseUnicodeChar(wchar_t unit);
extern "C" __declspec(dllimport) wchar_t __stdcall RtlDowncaseUnicodeChar(wchar_t unit);

namespace {

int Compare(const char* what, unsigned unit, unsigned system, unsigned ours) {
  if (system == ours) return 0;
  std::printf("%s of U+%04X: system U+%04X, plume U+%04X\n", what, unit, system, ours);
  return 1;
}

}  // namespace

int main() {
  int differences = 0;
  for (unsigned u = 0; u < 0x10000; ++u) {
    const auto unit = static_cast<wchar_t>(u);
    const auto c = static_cast<char16_t>(u);
    differences += Compare("upper case", u, RtlUpcaseUnicodeChar(unit), plume::NtUpcase(c));
    differences += Compare("lower case", u, RtlDowncaseUnicodeChar(unit), plume::NtDowncase(c));
  }
  std::printf("upcase: %d differences\n", differences);
  return differences == 0 ? 0 : 1;
}
