#include "agent/win/machine.h"
#include "cli/command.h"
#include "cli/guest.h"

namespace plume::cli {

void AddVmTransfer(CLI::App& vm, Context& context) {
  struct Options {
    std::string name, file, policy;
    bool force = false, json = false;
  };
  auto o = std::make_shared<Options>();
  CLI::App* save = AddCommand(
      vm, context, "export", "Write a virtual machine into one file",
      "plume vm export test test.plvm\n  plume vm export test@before-update test.plvm\n\n"
      "The VM must not be running. Images below it are named in the file, not part of it.",
      [o, &context]() -> Result<int> {
        ASSIGN(const std::u16string file, agent::DosPath(o->file));
        ASSIGN(const agent::Json made,
               context.Ask("vm.export", {{"name", o->name}, {"file", ToUtf8(file)}, {"force", o->force}}));
        for (const std::string& path : agent::OptionalStrings(made, "left_out"))
          Warn(path + " is a link and was left out");
        return Show(o->json, made, [&](const agent::Json& j) {
          PrintLine("exported " + o->name + ", " + SizeText(NumberField(j, "bytes")));
        });
      });
  save->add_option("NAME", o->name, "The virtual machine, or VM@TAG for a snapshot")->required();
  save->add_option("FILE", o->file, "The file to write")->required();
  save->add_flag("--force", o->force, "Replace the file if it exists");
  save->add_flag("--json", o->json, "Print JSON");

  CLI::App* load = AddCommand(
      vm, context, "import", "Make a virtual machine out of an exported file",
      "plume vm import test.plvm copy\n\n"
      "Works for another user and on another machine too; files of the user's profile and the user's keys go "
      "to "
      "this user's.",
      [o, &context]() -> Result<int> {
        ASSIGN(const std::u16string file, agent::DosPath(o->file));
        agent::Json args{{"file", ToUtf8(file)}, {"name", o->name}};
        TRY(ReadPolicyFile(o->policy, &args));
        ASSIGN(const agent::Json made, context.Ask("vm.import", args));
        return Show(o->json, made, [](const agent::Json& j) { PrintLine("created " + Field(j, "name")); });
      });
  load->add_option("FILE", o->file, "A file that plume vm export wrote")->required();
  load->add_option("NAME", o->name, "Name of the new virtual machine; default: the name it had");
  load->add_option("--policy", o->policy, "Policy file to use instead of the policy it had");
  load->add_flag("--json", o->json, "Print JSON");
}

}  // namespace plume::cli
