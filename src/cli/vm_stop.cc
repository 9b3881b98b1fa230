#include "cli/command.h"

namespace plume::cli {

void AddVmStop(CLI::App& vm, Context& context) {
  auto name = std::make_shared<std::string>();
  CLI::App* c = AddCommand(vm, context, "stop", "End every process of a virtual machine",
                           "plume vm stop test", [name, &context]() -> Result<int> {
                             TRY(context.Ask("vm.stop", {{"name", *name}}));
                             return 0;
                           });
  c->add_option("NAME", *name, "The virtual machine")->required();
}

}  // namespace plume::cli
