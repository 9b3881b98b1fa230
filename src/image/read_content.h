// An image of a store as content again: what a new version of it is made from.
#pragma once
#include <string>

#include "base/result.h"
#include "image/content.h"
#include "image/store.h"

namespace plume::image {

// Files are kept ones of this image (Content::base), keys hold its variables as they are. Building it gives
// the same catalog, but for directories and keys that exist only because something lies in them. Reads the
// catalog, no pack.
Result<Content> ReadContent(const Store& store, const std::string& manifest_digest);

}  // namespace plume::image
