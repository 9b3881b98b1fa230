#include "cli/command.h"

namespace plume::cli {

void AddVmPs(CLI::App& vm, Context& context) {
  struct Options {
    std::string name;
    bool json = false;
  };
  auto o = std::make_shared<Options>();
  CLI::App* c = AddCommand(vm, context, "ps", "Show the processes of a virtual machine", "plume vm ps test",
                           [o, &context]() -> Result<int> {
                             ASSIGN(const agent::Json list, context.Ask("vm.ps", {{"name", o->name}}));
                             return Show(o->json, list, [](const agent::Json& rows) {
                               Table table({"PID", "PROGRAM"});
                               for (const agent::Json& r : rows)
                                 table.Add({std::to_string(NumberField(r, "pid")), Field(r, "image")});
                               table.Print();
                             });
                           });
  c->add_option("NAME", o->name, "The virtual machine")->required();
  c->add_flag("--json", o->json, "Print JSON");
}

}  // namespace plume::cli
