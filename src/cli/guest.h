// Running the first guest of a VM: prepare, find the program, start it in the VM's job, wait for it. Windows.
#pragma once
#include <string>
#include <vector>

#include "agent/control.h"
#include "base/result.h"
#include "cli/command.h"

namespace plume::cli {

struct GuestRequest {
  agent::Json prepare;   // arguments of vm.prepare
  std::string program;   // as the guest sees it; empty: an entry point of the image
  std::string entry;     // id of the entry point; empty = the first
  std::string document;  // a file or URL to open with what the image registers for it; empty: none
  std::string document_class, verb;  // which of that; empty = the preferred one
  std::vector<std::string> arguments;
  std::string directory;                 // virtual; empty = the caller's
  std::vector<std::string> environment;  // "NAME=VALUE"
  bool detach = false;                   // only start it, without a console
  bool wait_for_all = false;             // also for every process it leaves behind
  bool stop_services = false;  // ... but for services of the VM: when nothing else runs, the VM is stopped
  bool quiet = false;          // no notes of the VM
};

// The guest's exit code.
Result<int> RunGuest(Context& context, const GuestRequest& request);

// Options that `vm run` and `run` share.
Result<std::string> ReadPolicyFile(const std::string& path, agent::Json* arguments);

}  // namespace plume::cli
