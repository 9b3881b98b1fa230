// 8.3 names. Freestanding.
#pragma once
#include "view/path.h"

namespace plume::view {

struct ShortName {
  char16_t text[12] = {};
  uint8_t length = 0;  // 0 = none
  WView View() const { return WView(text, length); }
};

// True if `name` fits 8.3 as it is (ASCII, no spaces, at most one dot): such a file has no other short name.
// "." and
// ".." do.
bool IsLegal8Dot3(WView name);

// The short name that Wine gives to `name`: four units, '~', and three that hash the whole name; the
// extension cut to three. None if IsLegal8Dot3. Wine computes this from the name alone, whatever else is in
// the directory, so it can be said of files that are not on disk yet. On Windows an image's recorded short
// names are used instead.
ShortName WineShortName(WView name);

}  // namespace plume::view
