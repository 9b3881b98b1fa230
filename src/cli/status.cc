#include "cli/command.h"
#include "cli/signing.h"

namespace plume::cli {

void AddStatus(CLI::App& app, Context& context) {
  auto json = std::make_shared<bool>(false);
  CLI::App* c =
      AddCommand(app, context, "status", "Show the agent, applications, repositories and running VMs",
                 "plume status --json", [json, &context]() -> Result<int> {
                   ASSIGN(const agent::Json found, context.Ask("status"));
                   return Show(*json, found, [](const agent::Json& j) {
                     PrintLine("agent   running, process " + std::to_string(NumberField(j, "pid")) + ", " +
                               Field(j, "system"));
                     PrintLine("state   " + Field(j, "state"));
                     for (const agent::Json& a : j["applications"]) {
                       bool offline = false;
                       for (const agent::Json& i : j["cache"]["images"])
                         if (Field(i, "digest") == Field(a, "digest"))
                           offline = agent::OptionalBool(i, "offline");
                       PrintLine("app     " + Field(a, "name") + " " + Field(a, "version") + " from " +
                                 Field(a, "repository") + (offline ? " (offline)" : "") + SignedText(a));
                     }
                     size_t running = 0;
                     for (const agent::Json& v : j["vms"]) {
                       if (NumberField(v, "guests") == 0) continue;
                       ++running;
                       PrintLine("vm      " + Field(v, "name") + ", " +
                                 std::to_string(NumberField(v, "guests")) + " processes");
                     }
                     PrintLine("vms     " + std::to_string(j["vms"].size()) + ", " + std::to_string(running) +
                               " running");
                   });
                 });
  c->add_flag("--json", *json, "Print JSON");
}

}  // namespace plume::cli
