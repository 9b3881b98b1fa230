#include "cli/command.h"

namespace plume::cli {

void AddProfile(CLI::App& app, Context& context) {
  struct Options {
    std::string name;
    bool json = false;
  };
  CLI::App* group = AddGroup(app, "profile", "What starts of an application need, as learned from them");
  auto o = std::make_shared<Options>();
  CLI::App* c = AddCommand(
      *group, context, "show", "List the files that starts of an application touch, in order",
      "plume profile show editor", [o, &context]() -> Result<int> {
        ASSIGN(const agent::Json found, context.Ask("profile.show", agent::Json{{"name", o->name}}));
        return Show(o->json, found, [](const agent::Json& j) {
          PrintLine(Field(j, "name") + ": learned from " + std::to_string(NumberField(j, "runs")) +
                    " starts, " + std::to_string(j["files"].size()) + " files (" + Field(j, "file") + ")");
          for (const agent::Json& file : j["files"]) PrintLine("  " + file.get<std::string>());
        });
      });
  c->add_option("NAME", o->name, "The application (see plume apps)")->required();
  c->add_flag("--json", o->json, "Print JSON");
}

}  // namespace plume::cli
