// Puts this machine's values in place of an image's variables: in the names of keys and the text of values.
// Pure, hosted.
#pragma once
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "base/result.h"
#include "catalog/reader.h"

namespace plume::catalog {

// Text to find, literally, and what to put there.
using Replacements = std::vector<std::pair<std::u16string, std::u16string>>;

// A catalog like `source`, which must be verified. Values of other types than text are left alone. kInvalid
// if a name becomes illegal or equal to another one.
Result<std::vector<uint8_t>> Expand(const Reader& source, const Replacements& replacements);

// The replacements applied to one text, in one pass from left to right; true if anything was found.
bool ReplaceAll(const Replacements& replacements, std::u16string* text);

}  // namespace plume::catalog
