#include "cli/command.h"

namespace plume::cli {

void AddRemove(CLI::App& app, Context& context) {
  auto name = std::make_shared<std::string>();
  CLI::App* c = AddCommand(
      app, context, "remove", "Unsubscribe from an application and free its files", "plume remove editor",
      [name, &context]() -> Result<int> {
        ASSIGN(const agent::Json removed, context.Ask("app.remove", {{"name", *name}}));
        for (const std::string& vm : agent::OptionalStrings(removed, "kept_vms"))
          PrintLine("its settings are kept in the VM '" + vm + "' (plume vm delete " + vm + " forgets them)");
        return 0;
      });
  c->add_option("NAME", *name, "The application")->required();
}

}  // namespace plume::cli
