// Proves what the cache holds: every hydrated file has the bytes its catalog says. Reads only.
#pragma once
#include <functional>
#include <memory>
#include <vector>

#include "cache/image_data.h"

namespace plume::cache {

// Every file below `root`, with its path relative to it. A missing root is an empty one; what disappears
// meanwhile is skipped. The order is that of the names, so reports are stable.
Status WalkFiles(os::FileSystem& files, const os::Path& root,
                 const std::function<Status(const os::Path& relative, const os::FileInfo& info)>& visit);

// "" if the hydrated file of this entry is absent or has the right bytes, else what is wrong with it.
std::string CheckHydrated(os::FileSystem& files, const ImageData& image, uint32_t entry);

// Reports by name; a damaged catalog is a BadFile with an empty path.
Result<VerifyReport> Audit(os::FileSystem& files, const Places& places,
                           const std::vector<std::shared_ptr<ImageData>>& images, const Progress& progress);

}  // namespace plume::cache
