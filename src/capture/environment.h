// The environment of an image: what an installation added to the machine's and the user's variables. Pure.
#pragma once
#include <vector>

#include "image/content.h"

namespace plume::capture {

// `after` and `before` are the values of an Environment key with and without the application. A list
// (PATH-like: the usual names, or a value that only gained items) becomes a joined variable with the new
// items alone; other changed values are taken as they are; unchanged, deleted and non-text values give
// nothing.
std::vector<image::EnvVar> NewVariables(const std::vector<image::ValueItem>& after,
                                        const std::vector<image::ValueItem>& before);

// Adds `more` to `all`: the same variable from the machine's and the user's key is one variable, lists
// joined.
void MergeVariables(const std::vector<image::EnvVar>& more, std::vector<image::EnvVar>* all);

// Text of a REG_SZ, REG_EXPAND_SZ or REG_MULTI_SZ value up to its terminator; "" for other types.
std::u16string ValueText(const image::ValueItem& value);

}  // namespace plume::capture
