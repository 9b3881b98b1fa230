// The config blob of an image: Config <-> JSON. docs/formats/config.md
#pragma once
#include <string>
#include <string_view>

#include "base/result.h"
#include "image/content.h"

namespace plume::image {

inline constexpr size_t kMaxConfigBytes = 4u << 20;

std::string ToJson(const Config& config);  // deterministic
// kInvalid if malformed or of a later major version; unknown members are ignored. Never throws.
Result<Config> ParseConfig(std::string_view json);

}  // namespace plume::image
