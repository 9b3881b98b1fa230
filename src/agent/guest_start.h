// From what somebody asked for ("run editor -- C:\notes.txt") and what vm.prepare answered to the start of
// one process: which program, with which arguments, environment and folder. plume.exe starts guests by it,
// and the agent for the launcher on Linux. Windows.
#pragma once
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "agent/control.h"
#include "agent/environment.h"
#include "base/result.h"
#include "vl/inject/launch.h"

namespace plume::agent {

struct GuestRequest {
  Json prepare;          // arguments of vm.prepare
  std::string program;   // as the guest sees it; empty: an entry point of the image
  std::string entry;     // id of the entry point; empty = the first
  std::string document;  // a file or URL to open with what the image registers for it; empty: none
  std::string document_class, verb;  // which of that; empty = the preferred one
  std::vector<std::string> arguments;
  std::string directory;                 // virtual; empty = the caller's
  std::vector<std::string> environment;  // "NAME=VALUE"
};

// Who wants it started.
struct GuestCaller {
  Environment environment;
  std::u16string directory;  // DOS path
};

using AskAgent = std::function<Result<Json>(std::string_view verb, Json args)>;

// What is not said by the request (job, console, standard handles, suspended) is left to the caller.
Result<vl::LaunchSpec> PlanGuest(const AskAgent& ask, const GuestRequest& request, const Json& prepared,
                                 GuestCaller caller);

// The layer ended the process rather than let it see the host (vl/low/fail.h).
inline bool EndedByLayer(uint32_t exit_code) { return (exit_code & 0xFFFFFF00) == 0xE0504C00; }
Error LayerFailure(const vl::LaunchSpec& spec);  // why, as the layer wrote it down

}  // namespace plume::agent
