#include "base/upcase.h"

namespace plume {
namespace {
#include "base/upcase_table.inc"
}  // namespace

char16_t NtUpcaseWide(char16_t c) {
  return static_cast<char16_t>(c + kUpcaseDelta[kUpcaseIndex[c >> 6]][c & 63]);
}

char16_t NtDowncase(char16_t c) {
  return static_cast<char16_t>(c + kDowncaseDelta[kDowncaseIndex[c >> 6]][c & 63]);
}

}  // namespace plume
