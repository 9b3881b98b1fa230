// UTF-8 <-> UTF-16 for hosted code. Names on Windows are any sequence of 16-bit units, so unpaired surrogates
// must survive the way there and back: they become three-byte sequences (WTF-8). Thread-safe.
#pragma once
#include <optional>
#include <string>
#include <string_view>

namespace plume {

// Lossless for every input: FromUtf8(ToUtf8(s)) == s.
std::string ToUtf8(std::u16string_view text);

// Nothing if `text` is not well-formed WTF-8 (overlong, truncated, above U+10FFFF, or a surrogate pair
// written as two three-byte sequences, which has a shorter form).
std::optional<std::u16string> FromUtf8(std::string_view text);

// The same for text that is only shown or comes from a trusted place: malformed bytes become U+FFFD.
std::u16string FromUtf8Lossy(std::string_view text);

}  // namespace plume
