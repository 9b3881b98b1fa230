#include "agent/win/machine.h"
#include "cli/command.h"
#include "cli/guest.h"

namespace plume::cli {

void AddVmCreate(CLI::App& vm, Context& context) {
  struct Options {
    std::string name, policy, from;
    std::vector<std::string> images;
    bool json = false;
  };
  auto o = std::make_shared<Options>();
  CLI::App* c = AddCommand(
      vm, context, "create", "Make a new virtual machine: a view of this machine with changes of its own",
      "plume vm create test --policy strict.toml\n  plume vm create copy --from test@before\n\n"
      "A policy file:\n"
      "  inherit = \"sandbox\"                 # or \"application\"\n"
      "  [files]\n"
      "  '%USERPROFILE%\\Documents' = \"host\"  # merge, host, private or deny\n"
      "  [registry]\n"
      "  'HKCU\\Software\\Example' = \"deny\"",
      [o, &context]() -> Result<int> {
        agent::Json args{{"name", o->name}, {"images", o->images}};
        TRY(ReadPolicyFile(o->policy, &args));
        if (!o->from.empty()) {
          if (!o->images.empty()) {
            return Error{Errc::kInvalid,
                         "creating the VM '" + o->name +
                             "' failed: --image and --from exclude each other (a VM made from "
                             "another has its images)"};
          }
          args["from"] = o->from;
          if (const auto file = agent::DosPath(o->from); file.ok()) args["from_file"] = ToUtf8(*file);
        }
        ASSIGN(const agent::Json made, context.Ask("vm.create", args));
        return Show(o->json, made, [](const agent::Json& j) { PrintLine("created " + Field(j, "name")); });
      });
  c->add_option("NAME", o->name, "Its name")->required();
  c->add_option("--policy", o->policy, "Policy file (TOML)");
  c->add_option("--image", o->images, "Image below its changes; may be repeated, the first is on top")
      ->allow_extra_args(false);
  c->add_option("--from", o->from,
                "Begin as a copy of another VM, of a snapshot (VM@TAG), or of an exported file");
  c->add_flag("--json", o->json, "Print JSON");
}

}  // namespace plume::cli
