// A start without a Wine process of our own: the agent starts the guest with our standard handles,
// environment and folder, and tells its exit code. Linux.
#pragma once
#include <filesystem>
#include <optional>
#include <string>

#include "cli/launcher/direct_arguments.h"

namespace plume::launcher {

struct DirectResult {
  int exit_code = 0;
  // The agent died under the running guest: what plume.exe takes to wait for it. The exit code is not known
  // yet.
  std::vector<std::string> await;
};

// Nothing if it has to be done by plume.exe: there is no agent, or a guest that the agent starts would be
// another than one that we start (terminal, limits, namespaces). Then nothing has happened.
std::optional<DirectResult> StartDirectly(const DirectStart& start, const std::filesystem::path& state);

}  // namespace plume::launcher
