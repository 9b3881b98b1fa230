// Reading untrusted JSON without exceptions: every accessor says what is wrong instead of throwing.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"
#include "nlohmann/json.hpp"

namespace plume::image {

using Json = nlohmann::json;

// A JSON object or kInvalid. Depth is bounded: the parser recurses nowhere, but walking and freeing deep
// trees would.
inline constexpr int kMaxJsonDepth = 32;
Result<Json> ParseJsonObject(std::string_view text, const std::string& what);

// The member of `object`, which must be an object: null if absent or of another type.
const Json* Member(const Json& object, const char* name);
const Json* ArrayMember(const Json& object, const char* name);
const Json* ObjectMember(const Json& object, const char* name);
// Empty / `fallback` if absent. A member of another type is kInvalid.
Result<std::string> TextMember(const Json& object, const char* name, const std::string& what);
Result<uint64_t> NumberMember(const Json& object, const char* name, uint64_t fallback,
                              const std::string& what);
Result<bool> BoolMember(const Json& object, const char* name, bool fallback, const std::string& what);

// Compact text; malformed UTF-8 becomes U+FFFD instead of an exception.
std::string Dump(const Json& json);

}  // namespace plume::image
