#include "cli/command.h"

namespace plume::cli {

void AddVmDiscard(CLI::App& vm, Context& context) {
  auto name = std::make_shared<std::string>();
  CLI::App* c = AddCommand(vm, context, "discard", "Forget everything a virtual machine changed",
                           "plume vm discard test", [name, &context]() -> Result<int> {
                             TRY(context.Ask("vm.discard", {{"name", *name}}));
                             return 0;
                           });
  c->add_option("NAME", *name, "The virtual machine")->required();
}

}  // namespace plume::cli
