// Facts about this machine and user that policies, views and launches need. Windows.
#pragma once
#include <optional>
#include <string>

#include "agent/policy.h"
#include "agent/state.h"
#include "base/result.h"

namespace plume::agent {

bool RunningOnWine();
std::string SystemVersionText();  // "Wine 8.0 (Windows 10.0.19043)"

// The state folder: `chosen` if not empty, else PLUME_HOME, else UsualState. Unix paths are accepted under
// Wine.
Result<StatePaths> FindState(const std::string& chosen = "");
Result<StatePaths> UsualState();  // %LOCALAPPDATA%\Plume

// A path as a user may write it -> clean DOS path: relative ones against the current directory, Unix ones
// under Wine
// ("/home/x/f") by Wine's own mapping.
Result<std::u16string> DosPath(std::string_view user_text);
// The same for "oci:DIR..." and "share:DIR": only the folder part is converted.
Result<std::string> RepositoryText(std::string_view user_text);

Result<MachineFacts> GatherFacts(const StatePaths& state);

std::u16string
ProgramFolder();  // of the running program: plume.exe, plume-agent.exe and plume-vl64.dll are there
std::u16string ObjectsDirectory();  // "\Sessions\1\BaseNamedObjects" of this session

// PROFILE and friends as variables for image configurations.
std::vector<std::pair<std::u16string, std::u16string>> ImageVariables(const MachineFacts& facts);

// What images leave open and this machine and user fill in, by meaning (docs/formats/config.md): "profile",
// "temp", "user", "computer", "sid", "machine-guid", "date".
std::vector<std::pair<std::string, std::u16string>> ImageMeanings(const MachineFacts& facts);

}  // namespace plume::agent
