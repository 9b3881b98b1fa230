// Commits of VMs: what commit.h does, at its place in a VM's life.
#include "agent/agent.h"
#include "agent/commit.h"
#include "agent/text.h"
#include "agent/vms_work.h"
#include "os/random.h"
#include "spdlog/spdlog.h"

namespace plume::agent {
namespace {

CommitHost MachineAsHost(KeyStore* keys) {
  return {&os::SystemFiles(), [](std::u16string_view path) { return HostPath(path); }, keys};
}

Json DescribeConflict(const CommitConflict& c, const std::u16string& user_sid) {
  const bool registry = c.path.size() < 2 || c.path[1] != u':';
  Json out{{"path", ToUtf8(registry ? KeyForPeople(c.path, user_sid) : c.path)}, {"why", c.why}};
  if (c.is_value) out["value"] = ToUtf8(c.value);
  return out;
}

}  // namespace

std::u16string Vms::CommitFile(const VmRecord& vm) const {
  return state_.VmFile(ToUtf16(vm.id), u"commit.json");
}

Result<CommitOutcome> Vms::Commit(const std::string& name, bool overwrite, bool dry_run,
                                  const OnProgress& progress) {
  ASSIGN(const auto work, Begin(name, "committing", "its changes are being committed"));
  const std::string what = "committing the VM '" + name + "'";
  CommitInput input;
  {
    ASSIGN(const auto space, VmSpace::Open(state_, ToUtf16(work->vm.id), work->vm.workspace));
    ASSIGN(input.changes, space->ComputeDiff());
    input.records = space->Records();
  }
  ASSIGN(const auto opened, OpenWorkspace(work->vm));
  const auto host_keys = OpenHostKeyStore();
  input.upper = opened->parts.upper;
  input.upper_keys = opened->keys.get();
  input.host = MachineAsHost(host_keys.get());
  ASSIGN(CommitPlan plan, PlanCommit(input, overwrite));
  CommitOutcome out{false, std::move(plan.conflicts), plan.files.size(), plan.keys.size()};
  if (dry_run || !out.conflicts.empty()) return out;

  VmRecord fresh = work->vm;
  fresh.workspace = work->fresh;
  agent::Commit commit(input.host, HostPath(CommitFile(work->vm)));
  const auto carry_out = [&]() -> Status {
    TRY(PrepareFolder(fresh));
    TRY(WriteView(fresh));
    TRY(commit.StageAndApply(plan, input.upper, work->vm.workspace, os::RandomHex(4),
                             [&](uint64_t done, uint64_t total) {
                               if (progress) progress({"committing", done, total});
                             }));
    // With this write it has happened.
    Status decided = Exchange(*work, fresh);
    if (!decided.ok()) (void)commit.Undo(commit.journal());
    return decided;
  };
  if (const Status done = carry_out(); !done.ok()) return Error(done.error()).In(what);
  if (const Status clean = commit.CleanUp(commit.journal()); !clean.ok())
    spdlog::warn("{}: cleaning up: {}", what, clean.error().message);
  out.committed = true;
  return out;
}

// Leads an interrupted commit to its end, whichever that is.
Status Vms::FinishCommit(const VmRecord& vm) const {
  const os::Path file = HostPath(CommitFile(vm));
  const auto journal = agent::Commit::Left(os::SystemFiles(), file);
  if (!journal.ok()) return journal.error().code == Errc::kNotFound ? Ok() : Status(journal.error());
  const auto host_keys = OpenHostKeyStore();
  agent::Commit commit(MachineAsHost(host_keys.get()), file);
  return journal->workspace == vm.workspace ? commit.Undo(*journal) : commit.CleanUp(*journal);
}

// Also after a failure: until the end is reached nobody may use the VM.
void Vms::CheckCommitLocked(Vm* vm) const {
  vm->doing.clear();
  vm->unfinished = false;
  if (!os::Exists(os::SystemFiles(), HostPath(CommitFile(vm->record)))) return;
  const Status done = FinishCommit(vm->record);
  if (done.ok()) return;
  spdlog::warn("vm {}: {}", vm->record.name, done.error().message);
  vm->unfinished = true;
  vm->retry_at = GetTickCount64() + 5000;
  vm->doing = "an interrupted commit of it could not be brought to an end yet: " + done.error().message;
}

void Vms::RetryCommitsLocked() {
  for (const auto& [id, vm] : vms_)
    if (vm->unfinished && GetTickCount64() >= vm->retry_at) CheckCommitLocked(vm.get());
}

Result<Json> Agent::VmCommit(Session& session, const Json& args) {
  ASSIGN(const std::string name, RequiredString(args, "name"));
  ASSIGN(const CommitOutcome outcome, vms_->Commit(name, OptionalBool(args, "overwrite"),
                                                   OptionalBool(args, "dry_run"), session.progress));
  Json conflicts = Json::array();
  for (const CommitConflict& c : outcome.conflicts) conflicts.push_back(DescribeConflict(c, facts_.user_sid));
  return Json{{"committed", outcome.committed},
              {"files", outcome.files},
              {"keys", outcome.keys},
              {"conflicts", std::move(conflicts)}};
}

}  // namespace plume::agent
