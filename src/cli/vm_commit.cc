#include "cli/command.h"

namespace plume::cli {

void AddVmCommit(CLI::App& vm, Context& context) {
  struct Options {
    std::string name;
    bool overwrite = false, dry_run = false, json = false;
  };
  auto o = std::make_shared<Options>();
  CLI::App* c = AddCommand(
      vm, context, "commit", "Merge what a virtual machine changed into this machine",
      "plume vm commit test --dry-run\n\n"
      "All of it or nothing. What both the VM and the machine changed is a conflict: conflicts are listed, "
      "and nothing is "
      "written. Afterwards the VM has no changes any more. The VM must not be running.",
      [o, &context]() -> Result<int> {
        ASSIGN(const agent::Json made,
               context.Ask("vm.commit",
                           {{"name", o->name}, {"overwrite", o->overwrite}, {"dry_run", o->dry_run}}));
        const size_t conflicts = made["conflicts"].size();
        TRY(Show(o->json, made, [&](const agent::Json& j) {
          for (const agent::Json& row : j["conflicts"]) {
            std::string path = Field(row, "path");
            if (row.contains("value"))
              path += "\\\\" + (Field(row, "value").empty() ? "(Default)" : Field(row, "value"));
            PrintLine("! " + path + ": " + Field(row, "why"));
          }
          if (conflicts > 0) return;
          PrintLine(std::string(o->dry_run ? "would commit " : "committed ") +
                    std::to_string(NumberField(j, "files")) + " changes of files, " +
                    std::to_string(NumberField(j, "keys")) + " of the registry");
        }));
        if (conflicts == 0) return 0;
        FlushOutput();
        return Error{Errc::kExists, "committing the VM '" + o->name +
                                        "' failed: " + std::to_string(conflicts) +
                                        (conflicts == 1 ? " conflict" : " conflicts") +
                                        " with this machine, nothing was written (plume vm commit " +
                                        o->name + " --overwrite takes the VM's side)"};
      });
  c->add_option("NAME", o->name, "The virtual machine")->required();
  c->add_flag("--dry-run", o->dry_run, "Only say what would happen");
  c->add_flag("--overwrite", o->overwrite, "Where both changed the same thing, take what the VM has");
  c->add_flag("--json", o->json, "Print JSON");
}

}  // namespace plume::cli
