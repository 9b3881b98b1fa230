// plume: the command line. One file per command; this one only puts them together.
#include <windows.h>

#include <algorithm>

#include "agent/quote.h"
#include "agent/text.h"
#include "cli/command.h"
#include "cli/guest.h"

namespace {

std::vector<std::string> Arguments() {
  std::vector<std::string> out;
  for (const std::u16string& a : plume::agent::SplitCommandLine(plume::agent::FromWide(GetCommandLineW())))
    out.push_back(plume::ToUtf8(a));
  out.erase(out.begin());
  return out;
}

// What is wrong with a command line that does not parse, and whose --help says more. CLI11 itself does not
// name the word that is no command.
plume::Error Misused(const CLI::App& app, const std::vector<std::string>& arguments, const char* otherwise) {
  const CLI::App* at = &app;
  std::string command = app.get_name(), why;
  for (const std::string& word : arguments) {
    if (at->get_require_subcommand_min() == 0) break;  // its arguments begin
    const auto next = at->get_subcommands([&](const CLI::App* c) { return c->get_name() == word; });
    if (next.empty()) {
      why = "'" + command + "' has no " + (word.starts_with("-") ? "option" : "command") + " '" + word + "'";
      break;
    }
    at = next.front();
    command += " " + word;
  }
  if (why.empty()) why = at->get_require_subcommand_min() > 0 ? "no command was given" : otherwise;
  return {plume::Errc::kInvalid, "reading the command line failed: " + why + " (" + command + " --help)"};
}

int RunCommand(std::vector<std::string> arguments) {
  using namespace plume::cli;
  Context context;
  // The launcher's own: the agent died under a guest that it had started for it.
  if (arguments.size() == 4 && arguments[0] == "--await-guest") {
    const plume::Result<int> code = AwaitGuest(context, arguments[1], arguments[2], arguments[3]);
    return code.ok() ? *code : Fail(code.error());
  }
  // What follows "--" belongs to the program that is started; it must never be read as ours.
  if (const auto dashes = std::find(arguments.begin(), arguments.end(), "--"); dashes != arguments.end()) {
    context.tail.assign(dashes + 1, arguments.end());
    arguments.erase(dashes, arguments.end());
  }
  CLI::App app(
      "Plume runs Windows programs on a machine that never installed them, each in a feather-weight virtual "
      "machine.",
      "plume");
  // "/tmp/x" is a Unix path, also where Windows programs take options that begin so.
  app.allow_windows_style_options(false);
  app.require_subcommand(1);
  app.set_version_flag("--version", std::string("plume ") + PLUME_VERSION);
  app.footer(
      "Example:\n  plume vm run test --rm -- notepad\n\nplume COMMAND --help says more about each command.");
  CLI::App* vm = AddGroup(app, "vm", "Virtual machines");
  AddVmCreate(*vm, context);
  AddVmRun(*vm, context);
  AddVmList(*vm, context);
  AddVmPs(*vm, context);
  AddVmStop(*vm, context);
  AddVmDelete(*vm, context);
  AddVmDiff(*vm, context);
  AddVmDiscard(*vm, context);
  AddVmExplain(*vm, context);
  AddVmTrace(*vm, context);
  AddVmCommit(*vm, context);
  AddVmSnapshots(*vm, context);
  AddVmTransfer(*vm, context);
  AddCapture(app, context);
  AddImage(app, context);
  AddPublish(app, context);
  AddTrust(app, context);
  AddAdd(app, context);
  AddApps(app, context);
  AddRun(app, context);
  AddProfile(app, context);
  AddUpdate(app, context);
  AddRemove(app, context);
  AddIntegrate(app, context);
  AddCache(app, context);
  AddStatus(app, context);
  AddDoctor(app, context);
  AddAgent(app, context);

  try {
    app.parse(
        std::vector<std::string>(arguments.rbegin(), arguments.rend()));  // backwards, as CLI11 wants them
  } catch (const CLI::CallForHelp&) {
    Print(app.help());
    return 0;
  } catch (const CLI::CallForAllHelp&) {
    Print(app.help("", CLI::AppFormatMode::All));
    return 0;
  } catch (const CLI::CallForVersion& version) {
    PrintLine(version.what());
    return 0;
  } catch (const CLI::ParseError& error) {
    return Fail(Misused(app, arguments, error.what()));
  }
  if (!context.action) return Fail(Misused(app, arguments, "no command was given"));
  const plume::Result<int> code = context.action();
  return code.ok() ? *code : Fail(code.error());
}

}  // namespace

int main() {
  plume::cli::PrepareOutput();
  int code = 125;
  try {
    code = RunCommand(Arguments());
  } catch (const std::exception& e) {
    code = plume::cli::Fail({plume::Errc::kInternal, std::string("running the command failed: ") + e.what()});
  }
  plume::cli::FlushOutput();
  return code;
}
