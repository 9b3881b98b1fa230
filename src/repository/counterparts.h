// Which file of an older image each changed file of a newer one is likely to be made from. Pure.
#pragma once
#include <cstdint>
#include <vector>

#include "repository/image_reader.h"

namespace plume::repository {

struct Changed {
  uint32_t target = 0;   // entry of the newer image
  uint32_t base = 0;     // entry of the older one; image::kNoBase: nothing there is like it
  uint64_t missing = 0;  // stored bytes of its chunks that the older image does not have
};

// Every file of `target` with chunks that `base` does not have, in the order of its packs, each content once.
// The counterpart is the file of the same path; else the one that shares the most bytes with it; else one of
// the same name, or of a name that differs in digits only, elsewhere.
std::vector<Changed> ChangedFiles(const ImageReader& base, const ImageReader& target);

}  // namespace plume::repository
