#include "cli/command.h"

namespace plume::cli {

namespace {

// For an agent that hangs; what it was doing is finished or undone when the next one starts.
Result<int> EndProcess(uint32_t pid) {
  const agent::Handle process(OpenProcess(PROCESS_TERMINATE | SYNCHRONIZE, FALSE, pid));
  if (!process || !TerminateProcess(process.get(), 1) ||
      WaitForSingleObject(process.get(), 10000) != WAIT_OBJECT_0) {
    return agent::WindowsError("ending plume-agent, process " + std::to_string(pid) + ",", GetLastError());
  }
  return 0;
}

}  // namespace

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
                     auto answer = (*connection)->Call("agent.status", agent::Json::object());
                     if (answer.ok())
                       found = std::move(*answer);
                     else if (!(*connection)->broken() || (*connection)->hung())
                       return answer.error();
                     found["running"] = answer.ok();  // one that breaks the connection is ending
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
                   const auto answer = (*connection)->Call("agent.stop", {{"force", *force}});
                   if ((*connection)->hung() && *force) return EndProcess((*connection)->ServerProcess());
                   if (!answer.ok() && ((*connection)->hung() || !(*connection)->broken()))
                     return answer.error();
                   // Until its end is seen, a following command could still talk to it.
                   while ((*connection)->Receive(agent::kMaxReplyBytes).ok()) {
                   }
                   return 0;
                 });
  stop->add_flag("--force", *force, "Even while VMs run");
}

}  // namespace plume::cli
