// The agent: one per user and state folder. Serves the control API (agent/control.h) and the guests' pipe
// (wire/messages.h) until it is told to stop or nothing has needed it for a while. Windows.
#pragma once
#include <atomic>
#include <condition_variable>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>

#include "agent/apps.h"
#include "agent/control.h"
#include "agent/integrations.h"
#include "agent/starts.h"
#include "agent/vms.h"
#include "agent/win/pipe.h"
#include "agent/win/unix_socket.h"
#include "base/result.h"
#include "cache/cache.h"
#include "os/lock.h"

namespace plume::agent {

class Agent {
 public:
  // Opens the state; kBusy if another agent has it. The object lives until the process ends.
  static Result<std::unique_ptr<Agent>> Start(const StatePaths& state);
  // Serves; returns when the agent should end.
  void Run(uint32_t idle_seconds);

 private:
  // One control connection. What it leased is given back when it breaks.
  struct Session {
    Connection connection;
    std::multiset<std::string> leases;
    std::map<std::string, Handle> guests;  // by VM: started by this client, ended with it if it is killed
    OnProgress progress;
  };
  using Handler = Result<Json> (Agent::*)(Session&, const Json&);
  struct Verb {
    const char* name;
    Handler handler;
  };
  static const Verb kVerbs[];

  Agent(const StatePaths& state, MachineFacts facts) : state_(state), facts_(std::move(facts)) {}
  // Clients come in and go out through these. False: the agent is ending and serves nobody any more; the
  // client will find the next one.
  bool Enter();
  void Leave();
  // Ends the service if nothing needs the agent.
  bool TryEnd();
  void ServeControl(Handle pipe);
  void ServeGuest(Handle pipe);
  Result<Json> Dispatch(Session& session, const Request& request);
  // launcher_runs.cc
  void ServeLaunchers();
  void ServeLauncher(UnixFile socket);
  Result<Json> Launch(Session& session, const Json& args, const std::vector<UnixFile>& files,
                      const std::shared_ptr<void>& launcher);
  // NTSTATUS for the guest.
  uint32_t Hydrate(const std::string& vm_id, uint32_t layer, uint32_t entry, uint32_t pid);
  // services.cc
  uint32_t StartServices(const std::string& vm_id);
  uint32_t StartServicesNow(const std::string& vm_id);
  void StartAutomaticServices(const VmRecord& vm);
  Result<LayerInput> Layer(const std::string& digest);
  Result<std::vector<std::string>> ImageDigests(const std::vector<std::string>& refs);
  Result<std::string> ReadPolicyArgs(const Json& args, VmRecord* record);
  Result<VmRecord> TakeVm(const Json& args, const std::string& name, const std::string& application,
                          const std::vector<std::string>& images, std::string* note);
  void CollectImages();
  Json Describe(const VmRecord& vm) const;
  Json Describe(const AppRecord& app) const;

  // agent_verbs.cc
  Result<Json> AgentStatus(Session&, const Json&);
  Result<Json> AgentStop(Session&, const Json&);
  Result<Json> Overview(Session&, const Json&);
  Result<Json> AppAdd(Session&, const Json&);
  Result<Json> AppList(Session&, const Json&);
  Result<Json> AppUpdate(Session&, const Json&);
  Result<Json> AppRemove(Session&, const Json&);
  Result<Json> CacheStatus(Session&, const Json&);
  Result<Json> CacheVerify(Session&, const Json&);
  Result<Json> CacheRepair(Session&, const Json&);
  Result<Json> HydratePath(Session&, const Json&);
  // integrate_verbs.cc
  Result<Json> AppIntegrate(Session&, const Json&);
  Result<Json> AppUnintegrate(Session&, const Json&);
  Result<Json> AppCommand(Session&, const Json&);
  Result<Integrations::Source> DescribeForDesktop(const std::string& application);
  Result<std::u16string> FetchForDesktop(const std::string& application, const std::u16string& path);
  // vm_verbs.cc
  Result<Json> VmCreate(Session&, const Json&);
  Result<Json> VmList(Session&, const Json&);
  Result<Json> VmPrepare(Session&, const Json&);
  Result<Json> VmResolve(Session&, const Json&);
  Result<Json> VmLease(Session&, const Json&);
  Result<Json> VmStarted(Session&, const Json&);
  Result<Json> VmRelease(Session&, const Json&);
  Result<Json> VmProcesses(Session&, const Json&);
  Result<Json> VmStop(Session&, const Json&);
  Result<Json> VmOnlyServices(Session&, const Json&);
  Result<Json> VmDelete(Session&, const Json&);
  Result<Json> VmDiscard(Session&, const Json&);
  Result<Json> VmDiff(Session&, const Json&);
  Result<Json> VmExplain(Session&, const Json&);
  // Nothing if `text` is no name of an object (explain_objects.cc).
  std::optional<Result<Json>> ExplainObjectName(const VmSpace& space, const std::string& text);
  Result<Json> VmWorkspace(Session&, const Json&);
  // vm_life_verbs.cc
  Result<Json> VmSnapshot(Session&, const Json&);
  Result<Json> VmSnapshots(Session&, const Json&);
  Result<Json> VmSnapshotDelete(Session&, const Json&);
  Result<Json> VmRestore(Session&, const Json&);
  Result<Json> VmExport(Session&, const Json&);
  Result<Json> VmImport(Session&, const Json&);
  Result<Json> VmCommit(Session&, const Json&);  // commit_verb.cc
  Result<Json> VmTrace(Session&, const Json&);   // vm_trace.cc
  // profile_verbs.cc
  Result<Json> VmReport(Session&, const Json&);
  Result<Json> ProfileShow(Session&, const Json&);
  Result<Json> VmCreateFrom(Session& session, const std::string& from, const std::string& file,
                            VmRecord wanted);

  const StatePaths state_;
  const MachineFacts facts_;
  std::unique_ptr<os::FileLock> lock_;
  std::unique_ptr<cache::Cache> cache_;
  std::shared_ptr<os::HttpLog> http_;
  std::unique_ptr<Apps> apps_;
  std::unique_ptr<Starts> starts_;
  std::unique_ptr<Integrations> integrations_;
  std::unique_ptr<Vms> vms_;
  std::mutex services_;
  std::condition_variable services_changed_;
  std::set<std::string> starting_services_;  // VMs whose service manager is being started
  std::mutex door_;                          // of Enter and TryEnd: who came in is seen by who wants to end
  std::atomic<bool> ending_{false};
  std::atomic<int> clients_{0};
  std::atomic<int> requests_{0};  // being answered
  std::atomic<int> hydrations_{0};
  std::atomic<uint64_t> last_use_{0};  // GetTickCount64
  std::atomic<bool> stopping_{false};
  uint64_t started_ = 0;
};

}  // namespace plume::agent
