// Shell links ("shortcuts"). Source: [MS-SHLLINK] 5.0; the item list inside, which that document leaves
// opaque, only as far as a path can be read from it. Untrusted input: every offset is checked, malformed
// links are kCorrupt.
#pragma once
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace plume::capture {

struct Lnk {
  std::u16string target;           // absolute path, maybe with %VARIABLES%; empty if the link names none
  std::u16string relative_target;  // relative to the link's own folder, if written
  std::u16string name;             // description, not the file's name
  std::u16string working_directory;
  std::u16string arguments;
  std::u16string icon;  // path of the icon's file
  int32_t icon_index = 0;
  bool advertised = false;  // the target is an MSI component, found or installed when the link is used
};

Result<Lnk> ParseLnk(std::span<const uint8_t> bytes);

// The same link without what is the machine's that wrote it: times, serial numbers, file numbers, tracking
// data. One that points into the user's profile folder names it by %USERPROFILE%.
Result<std::vector<uint8_t>> PortableLnk(std::span<const uint8_t> bytes, std::u16string_view profile);

}  // namespace plume::capture
