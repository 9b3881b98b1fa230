// Which fonts a VM has beyond the machine's. Pure.
// Source: fonts are registered as values of HKLM\Software\Microsoft\Windows NT\CurrentVersion\Fonts, or
// HKCU's since Windows 10 1809: a name, and a file, below the system's Fonts folder unless it is a full path.
#pragma once
#include <string>
#include <string_view>
#include <vector>

#include "agent/policy.h"
#include "catalog/reader.h"

namespace plume::agent {

inline constexpr std::u16string_view kFontsKey = u"Software\\Microsoft\\Windows NT\\CurrentVersion\\Fonts";

// The file of a registered font as a virtual DOS path; empty if it is none that can be loaded from a file.
std::u16string FontFile(std::u16string_view registered, const MachineFacts& facts);
// Those that an image registers, each once.
std::vector<std::u16string> FontsOf(const catalog::Reader& image, const MachineFacts& facts);
// Adds what is not in `list` yet, as names are compared.
void AddFonts(const std::vector<std::u16string>& more, std::vector<std::u16string>* list);

}  // namespace plume::agent
