// Icon files from a program's resources. Pure: the caller reads the resources.
// Source: "Icons" of the Windows documentation (GRPICONDIR in resources, ICONDIR in files).
#pragma once
#include <cstdint>
#include <functional>
#include <span>
#include <vector>

namespace plume::integrate {

// The .ico of one RT_GROUP_ICON resource. `image` gives the RT_ICON of an id, empty if there is none. Empty
// if the group is malformed or has no image. Untrusted input.
std::vector<uint8_t> MakeIconFile(std::span<const uint8_t> group,
                                  const std::function<std::span<const uint8_t>(uint16_t id)>& image);

}  // namespace plume::integrate
