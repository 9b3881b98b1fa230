#include "cli/command.h"

#include "agent/win/machine.h"

namespace plume::cli {

Result<agent::StatePaths> Context::State() {
  if (client_) return client_->state();
  ASSIGN(agent::StatePaths state, agent::FindState());
  client_ = std::make_unique<agent::Client>(state);
  return state;
}

Result<agent::Json> Context::Ask(std::string_view verb, agent::Json args) {
  TRY(State());
  ProgressDisplay display;
  return client_->Call(verb, std::move(args), [&](const agent::Progress& p) { display.Show(p); });
}

bool Context::AgentGone() { return client_ && !client_->Alive(); }

CLI::App* AddCommand(CLI::App& parent, Context& context, const std::string& name, const std::string& help,
                     const std::string& example, std::function<Result<int>()> action) {
  CLI::App* command = parent.add_subcommand(name, help);
  command->footer("Example:\n  " + example);
  command->final_callback([&context, action = std::move(action)] { context.action = action; });
  return command;
}

CLI::App* AddGroup(CLI::App& parent, const std::string& name, const std::string& help) {
  CLI::App* group = parent.add_subcommand(name, help);
  group->require_subcommand(1);
  return group;
}

Result<int> Show(bool as_json, const agent::Json& json, const std::function<void(const agent::Json&)>& text) {
  if (as_json)
    PrintJson(json);
  else
    text(json);
  return 0;
}

}  // namespace plume::cli
