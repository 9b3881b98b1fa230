#include "agent/win/machine.h"
#include "cli/command.h"
#include "cli/signing.h"

namespace plume::cli {

void AddAdd(CLI::App& app, Context& context) {
  struct Options {
    std::string subscription;
    bool json = false, allow_unsigned = false, allow_older = false;
  };
  auto o = std::make_shared<Options>();
  CLI::App* c = AddCommand(app, context, "add", "Subscribe to an application of a repository",
                           "plume add http://server:5000/apps/editor\n  plume add oci:/srv/images/editor:1.2",
                           [o, &context]() -> Result<int> {
                             ASSIGN(const std::string text, agent::RepositoryText(o->subscription));
                             ASSIGN(const agent::Json added,
                                    context.Ask("app.add", {{"subscription", text},
                                                            {"allow_unsigned", o->allow_unsigned},
                                                            {"allow_older", o->allow_older}}));
                             return Show(o->json, added, [](const agent::Json& j) {
                               PrintLine("added " + Field(j, "name") + " " + Field(j, "version") + " (" +
                                         std::to_string(NumberField(j, "files")) + " files, " +
                                         SizeText(NumberField(j, "bytes")) + ")" + SignedText(j));
                             });
                           });
  c->add_option("REPO/NAME[:TAG]", o->subscription, "Where it is; without TAG the newest version")
      ->required();
  c->add_flag("--allow-unsigned", o->allow_unsigned,
              "Take it, and its new versions, also if nobody signed it whom plume trust list shows");
  c->add_flag("--allow-older", o->allow_older, "Take it also if this machine has seen a newer one there");
  c->add_flag("--json", o->json, "Print JSON");
}

}  // namespace plume::cli
