#include "cli/command.h"
#include "cli/guest.h"

namespace plume::cli {

void AddVmRun(CLI::App& vm, Context& context) {
  struct Options {
    std::string name, cwd, policy;
    std::vector<std::string> environment, images, command;
    bool remove = false, wait = false, detach = false;
  };
  auto o = std::make_shared<Options>();
  CLI::App* c = AddCommand(
      vm, context, "run", "Run a program in a virtual machine (made if there is none of this name)",
      "plume vm run test --rm -- cmd /c echo hello", [o, &context]() -> Result<int> {
        std::vector<std::string> command = o->command;
        command.insert(command.end(), context.tail.begin(), context.tail.end());
        if (command.empty() || command.front().empty()) {
          return Error{Errc::kInvalid, "running in '" + o->name +
                                           "' failed: no program was named (plume vm run " + o->name +
                                           " -- PROGRAM)"};
        }
        GuestRequest request;
        request.prepare =
            agent::Json{{"name", o->name}, {"create", true}, {"rm", o->remove}, {"images", o->images}};
        TRY(ReadPolicyFile(o->policy, &request.prepare));
        request.program = command.front();
        request.arguments.assign(command.begin() + 1, command.end());
        request.directory = o->cwd;
        request.environment = o->environment;
        request.wait_for_all = o->wait;
        request.detach = o->detach;
        return RunGuest(context, request);
      });
  c->add_option("NAME", o->name, "The virtual machine")->required();
  c->add_option("PROGRAM", o->command, "Program and arguments, better after --");
  c->add_option("--cwd", o->cwd, "Working directory, as the guest sees it");
  c->add_option("--env", o->environment, "NAME=VALUE; may be repeated")->allow_extra_args(false);
  c->add_option("--policy", o->policy, "Policy file for a VM that is made now");
  c->add_option("--image", o->images, "Image for a VM that is made now; may be repeated")
      ->allow_extra_args(false);
  c->add_flag("--rm", o->remove, "Delete the VM when its last guest ends");
  CLI::Option* wait = c->add_flag("--wait", o->wait, "Wait for everything that the program started, too");
  c->add_flag("--detach", o->detach, "Start the program, without a console, and do not wait for it")
      ->excludes(wait);
}

}  // namespace plume::cli
