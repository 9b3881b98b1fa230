#include "cli/command.h"

namespace plume::cli {
namespace {

void WarnLeftOut(const agent::Json& made) {
  for (const std::string& path : agent::OptionalStrings(made, "left_out"))
    Warn(path + " is a link and was left out");
}

}  // namespace

void AddVmSnapshots(CLI::App& vm, Context& context) {
  struct Options {
    std::string name, tag;
    bool remove = false, json = false;
  };
  auto o = std::make_shared<Options>();
  CLI::App* snapshot =
      AddCommand(vm, context, "snapshot", "Keep what a virtual machine is now, under a name",
                 "plume vm snapshot test before-update\n  plume vm snapshot test before-update --delete\n\n"
                 "The VM must not be running: what is copied while it changes would be of no moment in time.",
                 [o, &context]() -> Result<int> {
                   const agent::Json args{{"name", o->name}, {"tag", o->tag}};
                   if (o->remove) {
                     TRY(context.Ask("vm.snapshot.delete", args));
                     return 0;
                   }
                   ASSIGN(const agent::Json made, context.Ask("vm.snapshot", args));
                   WarnLeftOut(made);
                   return Show(o->json, made, [](const agent::Json& j) {
                     PrintLine("snapshot " + Field(j, "tag") + ", " + SizeText(NumberField(j, "bytes")));
                   });
                 });
  snapshot->add_option("NAME", o->name, "The virtual machine")->required();
  snapshot->add_option("TAG", o->tag, "Name of the snapshot")->required();
  snapshot->add_flag("--delete", o->remove, "Delete it instead");
  snapshot->add_flag("--json", o->json, "Print JSON");

  CLI::App* list =
      AddCommand(vm, context, "snapshots", "Show the snapshots of a virtual machine",
                 "plume vm snapshots test", [o, &context]() -> Result<int> {
                   ASSIGN(const agent::Json all, context.Ask("vm.snapshots", {{"name", o->name}}));
                   return Show(o->json, all, [](const agent::Json& rows) {
                     Table table({"TAG", "CREATED", "SIZE"});
                     for (const agent::Json& r : rows)
                       table.Add({Field(r, "tag"), TimeText(static_cast<int64_t>(NumberField(r, "created"))),
                                  SizeText(NumberField(r, "bytes"))});
                     table.Print();
                   });
                 });
  list->add_option("NAME", o->name, "The virtual machine")->required();
  list->add_flag("--json", o->json, "Print JSON");

  CLI::App* restore = AddCommand(
      vm, context, "restore", "Make a virtual machine what it was at a snapshot",
      "plume vm restore test before-update\n\nWhat it changed since is forgotten; the snapshot stays.",
      [o, &context]() -> Result<int> {
        TRY(context.Ask("vm.restore", {{"name", o->name}, {"tag", o->tag}}));
        return 0;
      });
  restore->add_option("NAME", o->name, "The virtual machine")->required();
  restore->add_option("TAG", o->tag, "Name of the snapshot")->required();
}

}  // namespace plume::cli
