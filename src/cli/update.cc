#include "cli/command.h"

namespace plume::cli {

void AddUpdate(CLI::App& app, Context& context) {
  struct Options {
    std::string name;
    bool json = false, allow_older = false;
  };
  auto o = std::make_shared<Options>();
  CLI::App* c =
      AddCommand(app, context, "update", "Take the newest version of one application, or of all",
                 "plume update editor", [o, &context]() -> Result<int> {
                   ASSIGN(const agent::Json list,
                          context.Ask("app.update", {{"name", o->name}, {"allow_older", o->allow_older}}));
                   bool failed = false;
                   (void)Show(o->json, list, [](const agent::Json& rows) {
                     for (const agent::Json& r : rows) {
                       if (r.contains("error")) continue;
                       const bool changed = agent::OptionalBool(r, "changed");
                       PrintLine(Field(r, "name") + (changed ? " updated to " : " is up to date: ") +
                                 Field(r, "version") +
                                 (changed && !r["running"].empty() ? " (from its next start)" : ""));
                     }
                   });
                   for (const agent::Json& r : list) {
                     if (r.contains("warning")) Warn(Field(r, "warning"));
                     if (!r.contains("error")) continue;
                     Warn(Field(r, "error"));
                     failed = true;
                   }
                   return failed ? 125 : 0;
                 });
  c->add_option("NAME", o->name, "The application; default: all");
  c->add_flag("--allow-older", o->allow_older, "Also what is older than this machine has seen there");
  c->add_flag("--json", o->json, "Print JSON");
}

}  // namespace plume::cli
