#include "cli/command.h"

namespace plume::cli {

void AddVmDiff(CLI::App& vm, Context& context) {
  struct Options {
    std::string name;
    bool json = false;
  };
  auto o = std::make_shared<Options>();
  CLI::App* c = AddCommand(
      vm, context, "diff", "Show what a virtual machine changed: Added, Modified, Deleted",
      "plume vm diff test\n\nA registry value is written KEY\\\\NAME, with two backslashes before its name.",
      [o, &context]() -> Result<int> {
        ASSIGN(const agent::Json list, context.Ask("vm.diff", {{"name", o->name}}));
        return Show(o->json, list, [](const agent::Json& rows) {
          for (const agent::Json& r : rows) {
            std::string line = Field(r, "change") + " " + Field(r, "path");
            if (Field(r, "kind") == "value") {
              const std::string value = Field(r, "value");
              line += "\\\\" + (value.empty() ? "(Default)" : value);
            }
            PrintLine(line);
          }
        });
      });
  c->add_option("NAME", o->name, "The virtual machine")->required();
  c->add_flag("--json", o->json, "Print JSON");
}

}  // namespace plume::cli
