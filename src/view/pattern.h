// Name patterns of directory listings, as NT file systems match them. Freestanding, no allocation, no state.
// Source: FsRtlIsNameInExpression and "DOS wildcards" in Microsoft's Windows driver documentation (ntifs.h).
//   *   any units            ?   any one unit
//   <   (DOS_STAR) any units up to, not including, the last dot
//   >   (DOS_QM)   any one unit, or nothing before a dot and at the end of the name
//   "   (DOS_DOT)  a dot, or nothing at the end of the name
// One thing is added, which Win32 does before the call on Windows but not on Wine: a dot of the pattern
// behind which there are only dots and stars acts as DOS_DOT, so "*.*" means "*" and "a." means "a"
// (docs/nt-compat.md).
#pragma once
#include "view/path.h"

namespace plume::view {

// Longer patterns match nothing (no name is that long; the system limits names to 255 units).
inline constexpr size_t kMaxPatternUnits = 1023;

// True if `name` (one component, any case) matches `pattern`. An empty pattern matches only an empty name.
// Time is at most pattern length times name length.
bool MatchesPattern(WView pattern, WView name);

// False if the pattern is a plain name.
bool HasWildcards(WView pattern);

}  // namespace plume::view
