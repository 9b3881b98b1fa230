#include "cli/command.h"

namespace plume::cli {

void AddAgent(CLI::App& app, Context& context) {
  CLI::App* group = AddGroup(app, "agent", "The background process");
  auto json = std::make_shared<bool>(false);
  auto force = std::make_shared<bool>(false);
  CLI::App* status =
      AddCommand(*group, context, "status", "Say whether it runs", "plume agent status",
                 [json, &context]() -> Result<int> {
                   ASSIGN(const agent::StatePaths state, context.State());
                   const auto connection = agent::ConnectAgent(state, false);
                   agent::Json found{{"running", false}};
                   if (connection.ok()) {
                     ASSIGN(found, (*connection)->Call("agent.status", agent::Json::object()));
                     found["running"] = true;
                   }
                   return Show(*json, found, [](const agent::Json& j) {
                     PrintLine(j["running"].get<bool>()
                                   ? "running, process " + std::to_string(NumberField(j, "pid")) + ", for " +
                                         std::to_string(NumberField(j, "uptime_seconds")) + " s"
                                   : "not running");
                   });
                 });
  status->add_flag("--json", *json, "Print JSON");

  CLI::App* stop =
      AddCommand(*group, context, "stop", "End it; the next command that needs it starts it again",
                 "plume agent stop", [force, &context]() -> Result<int> {
                   ASSIGN(const agent::StatePaths state, context.State());
                   const auto connection = agent::ConnectAgent(state, false);
                   if (!connection.ok()) return 0;
                   TRY((*connection)->Call("agent.stop", {{"force", *force}}));
                   // Until its end is seen, a following command could still talk to it.
                   while ((*connection)->Receive(agent::kMaxReplyBytes).ok()) {
                   }
                   return 0;
                 });
  stop->add_flag("--force", *force, "Even while VMs run");
}

}  // namespace plume::cli
