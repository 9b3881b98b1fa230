// What every command of plume.exe shares. One file per command; each registers itself with CLI11 and does its
// work in a function that returns the exit code. Windows.
#pragma once
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "CLI/CLI.hpp"
#include "agent/win/client.h"
#include "base/result.h"
#include "cli/terminal.h"

namespace plume::cli {

class Context {
 public:
  // Arguments after the first "--", which belong to the program that is started.
  std::vector<std::string> tail;

  Result<agent::StatePaths> State();
  // Asks the agent, showing progress.
  Result<agent::Json> Ask(std::string_view verb, agent::Json args = agent::Json::object());
  bool AgentGone();  // the agent we spoke to is not there any more

  // The command that the parser chose; returns the exit code.
  std::function<Result<int>()> action;

 private:
  std::unique_ptr<agent::Client> client_;
};

// A command: name, one-line help, an example for --help, and what it does.
CLI::App* AddCommand(CLI::App& parent, Context& context, const std::string& name, const std::string& help,
                     const std::string& example, std::function<Result<int>()> action);
CLI::App* AddGroup(CLI::App& parent, const std::string& name, const std::string& help);

// Prints `json` as it is, or lets `text` print it for people.
Result<int> Show(bool as_json, const agent::Json& json, const std::function<void(const agent::Json&)>& text);

// One per command file.
void AddVmCreate(CLI::App& vm, Context& context);
void AddVmRun(CLI::App& vm, Context& context);
void AddVmList(CLI::App& vm, Context& context);
void AddVmPs(CLI::App& vm, Context& context);
void AddVmStop(CLI::App& vm, Context& context);
void AddVmDelete(CLI::App& vm, Context& context);
void AddVmDiff(CLI::App& vm, Context& context);
void AddVmDiscard(CLI::App& vm, Context& context);
void AddVmExplain(CLI::App& vm, Context& context);
void AddVmTrace(CLI::App& vm, Context& context);
void AddVmCommit(CLI::App& vm, Context& context);
void AddVmSnapshots(CLI::App& vm, Context& context);  // snapshot, snapshots, restore
void AddVmTransfer(CLI::App& vm, Context& context);   // export, import
void AddAdd(CLI::App& app, Context& context);
void AddApps(CLI::App& app, Context& context);
void AddRun(CLI::App& app, Context& context);
void AddProfile(CLI::App& app, Context& context);
void AddUpdate(CLI::App& app, Context& context);
void AddRemove(CLI::App& app, Context& context);
void AddIntegrate(CLI::App& app, Context& context);  // integrate, unintegrate
void AddCache(CLI::App& app, Context& context);
void AddStatus(CLI::App& app, Context& context);
void AddDoctor(CLI::App& app, Context& context);
void AddAgent(CLI::App& app, Context& context);
void AddImage(CLI::App& app, Context& context);
void AddTrust(CLI::App& app, Context& context);  // keys, sign, trust
void AddPublish(CLI::App& app, Context& context);
void AddCapture(CLI::App& app, Context& context);

}  // namespace plume::cli
