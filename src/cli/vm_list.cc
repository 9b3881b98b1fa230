#include "cli/command.h"

namespace plume::cli {

void AddVmList(CLI::App& vm, Context& context) {
  auto json = std::make_shared<bool>(false);
  CLI::App* c = AddCommand(
      vm, context, "list", "Show the virtual machines", "plume vm list --json",
      [json, &context]() -> Result<int> {
        ASSIGN(const agent::Json list, context.Ask("vm.list"));
        return Show(*json, list, [](const agent::Json& rows) {
          Table table({"NAME", "GUESTS", "APPLICATION", "POLICY", "CREATED"});
          for (const agent::Json& r : rows) {
            const std::string app = Field(r, "application");
            table.Add({Field(r, "name"), std::to_string(NumberField(r, "guests")), app.empty() ? "-" : app,
                       Field(r, "policy"), TimeText(static_cast<int64_t>(NumberField(r, "created")))});
          }
          table.Print();
        });
      });
  c->add_flag("--json", *json, "Print JSON");
}

}  // namespace plume::cli
