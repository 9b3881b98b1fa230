// Running the first guest of a VM: prepare, find the program, start it in the VM's job, wait for it. Windows.
#pragma once
#include <string>
#include <vector>

#include "agent/guest_start.h"
#include "base/result.h"
#include "cli/command.h"

namespace plume::cli {

struct GuestRequest : agent::GuestRequest {
  bool detach = false;         // only start it, without a console
  bool wait_for_all = false;   // also for every process it leaves behind
  bool stop_services = false;  // ... but for services of the VM: when nothing else runs, the VM is stopped
  bool quiet = false;          // no notes of the VM
  // What the start waited for: "" = do not say; a name ending in ".html" or ".json": it is written there.
  std::string report{};
};

// The guest's exit code.
Result<int> RunGuest(Context& context, const GuestRequest& request);

// The exit code of the guest `pid` of the VM `name`, which an agent that is gone had started.
Result<int> AwaitGuest(Context& context, const std::string& name, const std::string& id,
                       const std::string& pid);

// Options that `vm run` and `run` share.
Result<std::string> ReadPolicyFile(const std::string& path, agent::Json* arguments);

}  // namespace plume::cli
