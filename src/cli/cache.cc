#include "cli/command.h"

namespace plume::cli {
namespace {

void PrintReport(const agent::Json& report, bool repaired) {
  for (const agent::Json& bad : report["bad"])
    PrintLine((repaired ? "repaired " : "bad ") +
              (Field(bad, "path").empty() ? "image " + Field(bad, "image") : Field(bad, "path")) + ": " +
              Field(bad, "why"));
  PrintLine(std::to_string(NumberField(report, "files")) + " files, " +
            SizeText(NumberField(report, "bytes")) + " checked, " + std::to_string(report["bad"].size()) +
            (repaired ? " repaired" : " bad"));
}

}  // namespace

void AddCache(CLI::App& app, Context& context) {
  CLI::App* group = AddGroup(app, "cache", "The files of applications that are on this machine");
  auto json = std::make_shared<bool>(false);

  CLI::App* status = AddCommand(
      *group, context, "status", "Show what is here", "plume cache status",
      [json, &context]() -> Result<int> {
        ASSIGN(const agent::Json found, context.Ask("cache.status"));
        return Show(*json, found, [](const agent::Json& j) {
          Table table({"APPLICATION", "FILES", "SIZE", "REPOSITORY", "IMAGE"});
          for (const agent::Json& i : j["images"]) {
            const std::string name = Field(i, "application");
            table.Add({name.empty() ? "-" : name,
                       std::to_string(NumberField(i, "files")) + "/" +
                           std::to_string(NumberField(i, "total_files")),
                       SizeText(NumberField(i, "bytes")) + " of " + SizeText(NumberField(i, "total_bytes")),
                       agent::OptionalBool(i, "offline") ? "offline" : "ok",
                       Field(i, "digest").substr(0, 19)});
          }
          table.Print();
          PrintLine("fetched since the agent started: " + std::to_string(NumberField(j, "files_fetched")) +
                    " files, " + SizeText(NumberField(j, "bytes")) + " in " +
                    std::to_string(NumberField(j, "requests")) + " requests");
        });
      });
  CLI::App* verify = AddCommand(
      *group, context, "verify", "Check every file against its image", "plume cache verify",
      [json, &context]() -> Result<int> {
        ASSIGN(const agent::Json report, context.Ask("cache.verify"));
        (void)Show(*json, report, [](const agent::Json& j) { PrintReport(j, false); });
        if (report["bad"].empty()) return 0;
        return Error{Errc::kCorrupt, "verifying the cache failed: " + std::to_string(report["bad"].size()) +
                                         " files are not what their image says (plume cache repair)"};
      });
  CLI::App* repair =
      AddCommand(*group, context, "repair", "Fetch bad files again", "plume cache repair",
                 [json, &context]() -> Result<int> {
                   ASSIGN(const agent::Json report, context.Ask("cache.repair"));
                   return Show(*json, report, [](const agent::Json& j) { PrintReport(j, true); });
                 });
  for (CLI::App* c : {status, verify, repair}) c->add_flag("--json", *json, "Print JSON");
}

}  // namespace plume::cli
