// What an installation leaves behind that is not the application: temporary files, caches, histories, machine
// state. Pure. The tables are in rules.cc; docs/formats/capture-rules.md explains every row to
// administrators.
#pragma once
#include <span>
#include <string_view>

namespace plume::capture {

enum class Scope : uint8_t { kDrive, kProfile, kMachineKey, kUserKey };

struct ResidueRule {
  Scope scope;
  std::u16string_view pattern;  // see MatchPath (text.h); relative to the scope's root
  std::string_view reason;      // words for the administrator
};

std::span<const ResidueRule> ResidueRules();

// The rule that drops this path, or null. `path` is relative: to the drive or profile folder; to
// \REGISTRY\MACHINE or the current user's key. Keys of the 32-bit view (Wow6432Node) fall under the rules of
// their 64-bit places.
const ResidueRule* FindResidue(Scope scope, std::u16string_view path);

// Values dropped from a key that is kept.
bool IsResidueValue(Scope scope, std::u16string_view key, std::u16string_view value);

// Copies of MSI packages kept by the system for repair (needed only if something is installed on demand).
bool IsCachedPackage(std::u16string_view drive_path);
// What Windows Installer keeps to find its packages again: keys, and values of the product's key.
bool IsPackageSourceKey(std::u16string_view machine_key);
bool IsPackageSourceValue(std::u16string_view machine_key, std::u16string_view value);
// Where uninstallers register: "...\CurrentVersion\Uninstall" itself or below it.
bool IsUninstallKey(std::u16string_view key);
// The keys that hold environment variables.
bool IsEnvironmentKey(Scope scope, std::u16string_view key);
// A file name that is an uninstaller's ("unins000.exe", "Uninstall.exe").
bool LooksLikeUninstaller(std::u16string_view name);

// `key` without its Wow6432Node component.
std::u16string WithoutWow64(std::u16string_view key);

}  // namespace plume::capture
