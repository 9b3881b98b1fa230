#include "cli/command.h"

namespace plume::cli {

void AddVmDelete(CLI::App& vm, Context& context) {
  auto name = std::make_shared<std::string>();
  CLI::App* c = AddCommand(vm, context, "delete", "Delete a virtual machine with all it changed",
                           "plume vm delete test", [name, &context]() -> Result<int> {
                             TRY(context.Ask("vm.delete", {{"name", *name}}));
                             return 0;
                           });
  c->add_option("NAME", *name, "The virtual machine")->required();
}

}  // namespace plume::cli
