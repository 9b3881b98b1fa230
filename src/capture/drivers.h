// Drivers among what was installed: they run in the kernel of one machine, so no image can bring them. Pure.
#pragma once
#include <string>
#include <vector>

#include "image/content.h"

namespace plume::capture {

// Names of driver services and paths of driver files, as people read them; sorted.
std::vector<std::string> FindDrivers(const image::Content& content);
// Takes them out: the files, the services' keys and what is below those.
void DropDrivers(image::Content* content);

}  // namespace plume::capture
