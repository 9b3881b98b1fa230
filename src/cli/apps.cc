#include "cli/command.h"
#include "cli/signing.h"

namespace plume::cli {

void AddApps(CLI::App& app, Context& context) {
  auto json = std::make_shared<bool>(false);
  CLI::App* c = AddCommand(
      app, context, "apps", "Show the applications subscribed to", "plume apps --json",
      [json, &context]() -> Result<int> {
        ASSIGN(const agent::Json list, context.Ask("app.list"));
        return Show(*json, list, [](const agent::Json& rows) {
          Table table({"NAME", "VERSION", "TAG", "RUNNING", "INTEGRATED", "SIGNED", "REPOSITORY"});
          for (const agent::Json& r : rows) {
            const std::string tag = Field(r, "tag");
            table.Add({Field(r, "name"), Field(r, "version"), tag.empty() ? "newest" : tag,
                       std::to_string(r["running"].size()), r.value("integrated", false) ? "yes" : "no",
                       SignerText(r), Field(r, "repository")});
          }
          table.Print();
        });
      });
  c->add_flag("--json", *json, "Print JSON");
}

}  // namespace plume::cli
