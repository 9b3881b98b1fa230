// UTF-8 <-> UTF-16 at the agent's edges: JSON, TOML and terminals speak UTF-8, Windows and the view UTF-16.
#pragma once
#include <filesystem>
#include <string>
#include <string_view>

#include "base/utf16.h"

namespace plume::agent {

inline std::u16string ToUtf16(std::string_view text) { return FromUtf8Lossy(text); }

#ifdef _WIN32
inline std::wstring Wide(std::u16string_view text) { return std::wstring(text.begin(), text.end()); }
inline std::u16string FromWide(std::wstring_view text) { return std::u16string(text.begin(), text.end()); }
// A DOS path for the os library.
inline std::filesystem::path HostPath(std::u16string_view dos) { return std::filesystem::path(Wide(dos)); }
#endif

}  // namespace plume::agent
