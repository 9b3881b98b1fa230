// The VMs of one state folder: records, life cycle, workspaces. Windows. Thread-safe.
//
// Everything about a VM is in its folder (vm.json, and the workspace w<n>\: view.plv, index.plx, upper\,
// scratch\) and below its registry key; this class only caches it, so a killed agent loses nothing. A VM is
// in use while a guest runs or a client holds a lease.
//
// What replaces a workspace (discard) makes a new one beside it and then writes its number into
// vm.json: that one write is the moment at which it has happened, whoever dies when.
#pragma once
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#include "agent/commit_plan.h"
#include "agent/control.h"
#include "agent/policy.h"
#include "agent/state.h"
#include "agent/trash.h"
#include "agent/view_compiler.h"
#include "agent/vm_file.h"
#include "agent/win/job.h"
#include "agent/win/vm_space.h"
#include "base/result.h"
#include "trace/recording.h"
#include "view/object_name.h"

namespace plume::agent {

struct VmRecord {
  std::string id, name;
  BasePolicy base = BasePolicy::kSandbox;
  std::string policy_text, policy_file;  // the user's policy, as given; empty = none
  std::string application;               // the VM of this application; empty = none
  std::vector<std::string> images;       // digests, top first, as of the last start
  int64_t created = 0;                   // FILETIME
  bool remove_when_empty = false;        // --rm
  std::string damage;                    // not stored: why the VM can only be deleted; empty = nothing
  uint32_t workspace = 1;                // number of the workspace

  Json ToJson() const;
  static Result<VmRecord> FromJson(const Json& json);
};

// The newest recording of a VM's calls.
struct TraceInfo {
  bool recording = false;
  uint32_t session = 0;  // 0: there is none
  std::u16string file;   // DOS path
};

struct SnapshotInfo {
  std::string tag;
  int64_t created = 0;  // FILETIME
  uint64_t bytes = 0;
  std::vector<std::string> left_out;  // links, which a VM file cannot hold
};

struct CommitOutcome {
  bool committed = false;
  std::vector<CommitConflict> conflicts;
  uint64_t files = 0, keys = 0;  // operations
};

class Vms {
 public:
  // Attached images by digest, from the cache.
  using OnProgress = std::function<void(const Progress&)>;
  using ImageSource = std::function<Result<LayerInput>(const std::string& digest)>;

  // Canonical keys of the machine that guests do not see (policy.h).
  using HiddenKeys = std::function<std::vector<std::u16string>()>;

  Vms(const StatePaths& state, const MachineFacts& facts, ImageSource images, HiddenKeys hidden_keys);

  // Reads what is on disk and finishes what a killed agent left undone. `moved`: the folder had another path,
  // so every compiled view is written anew.
  Status Recover(bool moved);

  Result<VmRecord> Create(VmRecord wanted);  // id and created are filled in
  Result<VmRecord> Find(const std::string& name) const;
  std::vector<VmRecord> List() const;
  // Makes the VM ready for its first guest: upper layer, index, registry key, job, compiled view. If it is in
  // use already its view stays as it is. The caller gets a lease. `images` replaces the recorded ones, but
  // never of a VM in use.
  Result<VmRecord> Prepare(const std::string& name, const std::vector<std::string>* images,
                           bool remove_when_empty);
  uint32_t GuestCount(const std::string& id) const;
  bool InUse(const std::string& id) const;
  // The VM's complete policy (without the rules that its images bring).
  Result<Policy> PolicyOf(const std::string& name) const;
  std::vector<ProcessInfo> Processes(const std::string& name, Status* status) const;
  Status Stop(const std::string& name);
  // Whether the guests that run are services of the VM and nothing else.
  Result<bool> OnlyServicesRun(const std::string& name) const;
  Status Delete(const std::string& name);
  Status Discard(const std::string& name);

  // snapshots.cc, transfer.cc. A VM in use is refused: what is copied while it changes is of no moment in
  // time.
  Result<SnapshotInfo> Snapshot(const std::string& name, const std::string& tag, const OnProgress& progress);
  Status Restore(const std::string& name, const std::string& tag, const OnProgress& progress);
  Status DeleteSnapshot(const std::string& name, const std::string& tag);
  Result<std::vector<SnapshotInfo>> Snapshots(const std::string& name) const;
  // `tag` empty: as it is now. `file` is a DOS path.
  Result<SnapshotInfo> Export(const std::string& name, const std::string& tag, const std::u16string& file,
                              bool replace, const OnProgress& progress);
  // A new VM. `wanted` says its name, or none, and may say a policy; the file says the rest.
  Result<VmRecord> Import(const std::u16string& file, VmRecord wanted, const OnProgress& progress);
  // The same from another VM, or from its snapshot.
  Result<VmRecord> CreateFrom(const std::string& source, const std::string& tag, VmRecord wanted,
                              const OnProgress& progress);
  Result<std::unique_ptr<VmSpace>> Space(const std::string& name) const;

  // commit_verb.cc. With conflicts, or with `dry_run`, nothing is written.
  Result<CommitOutcome> Commit(const std::string& name, bool overwrite, bool dry_run,
                               const OnProgress& progress);

  // vm_trace.cc. Guests that run are recorded from here on, others from their start; so until StopTrace,
  // however often the VM is started.
  Result<TraceInfo> StartTrace(const std::string& name, trace::Recording wanted);
  Result<TraceInfo> StopTrace(const std::string& name);
  Result<TraceInfo> FindTrace(const std::string& name) const;

  // Leases: a client that prepares, starts or waits for guests.
  void Lease(const std::string& id);
  void Release(const std::string& id);  // may delete a VM of --rm
  // Removes VMs of --rm whose last guest has ended. Called now and then; of very many VMs each call looks at
  // some.
  void Tend();
  // Before the agent ends: waits for what is being removed. Files and keys would be found by the next agent.
  void Finish(uint32_t milliseconds) { trash_.Finish(milliseconds); }
  // Once for each time that the VM begins to run: whether nobody has looked yet if it has services to start.
  bool FirstLookAtServices(const std::string& id);
  // The VM has its own service manager from now on. That ends with the last guest that is neither a part of
  // it nor a service of the VM's own.
  void BeganServices(const std::string& id);
  bool AnyInUse() const;
  // Whether a process is in a VM: in any, or in that one.
  bool IsGuest(uint32_t pid) const;
  bool IsGuestOf(const std::string& id, HANDLE process) const;
  // The digest of a VM's layer, empty if there is none.
  std::string LayerDigest(const std::string& id, uint32_t layer, std::string* name) const;

  // What the user should be told about a VM: each line once per run.
  void Note(const std::string& id, const std::string& text);
  std::vector<std::string> TakeNotes(const std::string& id);

 private:
  // What this agent has made ready for guests already: nothing but it changes a VM's view.
  struct Ready {
    uint32_t workspace = 0;  // 0: nothing
    std::vector<std::string> images;
    uint64_t view_bytes = 0;
    int64_t view_time = 0;
    std::vector<std::u16string> hidden_keys = {}, fonts = {};
  };
  // A VM's own service manager: not looked at since the VM began to run, not begun, or begun.
  enum class Services : uint8_t { kUnknown, kNone, kMayRun };
  struct Vm {
    VmRecord record;
    Job job;
    int leases = 0;
    Services services = Services::kUnknown;
    std::vector<uint32_t> kept_services;  // guests of which it is known that the manager is not idle
    uint64_t judge_services_at = 0;       // GetTickCount64
    bool served_objects = false;          // a guest served COM objects when it was last asked
    // Numbers of workspaces are never used twice: what is left of an old one may still be on its way out.
    uint32_t last_workspace = 1;
    std::set<std::string> notes;
    std::set<uint16_t> real_ports;  // where its private ports are, as of the last start
    std::string doing;              // see Work; empty: nothing
    Ready ready;
    bool unfinished = false;  // a commit that could not be brought to an end yet
    uint64_t retry_at = 0;    // GetTickCount64
  };
  // What is looked up in the network for a VM's view, without holding the lock.
  struct Network {
    std::optional<NetworkPolicy> policy;
    std::vector<AddressRange> allow;
    std::vector<std::string> notes;
    std::vector<uint16_t> real_ports;  // one for each private port
  };
  Result<Network> LookUpNetwork(const std::string& name) const;
  Vm* FindLocked(const std::string& name) const;
  Vm* FindIdLocked(const std::string& id) const;
  bool InUseLocked(const Vm& vm) const;
  void EndIdleServicesLocked(Vm* vm) const;
  void ForgetDeadServersLocked(Vm* vm) const;
  view::ObjectMark MarkOf(const Vm& vm) const;  // what its own names carry
  static Error BusyError(const std::string& what, const Vm& vm);
  Status SaveLocked(const VmRecord& record) const;
  Status PrepareFolder(const VmRecord& vm) const;
  Status FillFolder(const VmRecord& vm) const;  // the same for one that was just taken
  bool IsReadyLocked(const Vm& vm) const;
  void RememberReady(Vm* vm) const;
  void TendLocked(Vm* vm);
  // `is_new`: there is none yet. `network`: of a VM that is about to start; without it nothing is allowed
  // that would have to be looked up.
  Status WriteView(const VmRecord& vm, const Network& network = {}, bool is_new = false) const;
  std::u16string TraceFolder(const VmRecord& vm) const;
  TraceInfo ReadTrace(const VmRecord& vm) const;
  // What the index of the VM's workspace is to say to the guests.
  uint32_t TraceWord(const VmRecord& vm) const;
  Status ApplyTrace(const VmRecord& vm) const;
  std::set<uint16_t> RealPortsOfOthersLocked(const Vm& vm) const;
  // Checks what Create and Import are given; fills in the creation time.
  Status CheckNewLocked(VmRecord* wanted) const;
  // Makes its folder, and so its id, which nobody else has.
  Status TakeFolderLocked(VmRecord* wanted) const;
  void Abandon(const VmRecord& vm);  // one that was being made

  // A VM that something is being done with, which takes long: nobody else may use it meanwhile.
  class Work;
  friend class Work;
  // `what`: "snapshotting", for messages; `doing`: "a snapshot of it is being made".
  Result<std::unique_ptr<Work>> Begin(const std::string& name, const std::string& what,
                                      const std::string& doing);
  // What a workspace consists of, opened.
  struct Opened;
  Result<std::unique_ptr<Opened>> OpenWorkspace(const VmRecord& vm) const;
  // Makes `fresh`, which is complete, the VM's workspace.
  Status Exchange(const Work& work, const VmRecord& fresh);
  Status Fill(const Work& work, const VmRecord& fresh, os::File& file, const std::string& what,
              const OnProgress& progress);
  Result<VmRecord> ImportFrom(os::File& file, VmRecord wanted, const OnProgress& progress);
  std::u16string SnapshotFile(const VmRecord& vm, const std::string& tag) const;
  Result<std::unique_ptr<os::File>> OpenSnapshot(const VmRecord& vm, const std::string& tag) const;
  void DropUnfinishedSnapshots(const VmRecord& vm);
  std::u16string CommitFile(const VmRecord& vm) const;
  Status FinishCommit(const VmRecord& vm) const;
  void CheckCommitLocked(Vm* vm) const;
  void RetryCommitsLocked();
  VmFileInfo FileInfo(const VmRecord& vm) const;
  VmFilePlaces Places() const;
  Status DeleteLocked(Vm* vm);
  bool HasChanges(const std::u16string& id) const;
  bool HasChanges(const std::u16string& id, uint32_t workspace) const;
  std::set<uint32_t> Workspaces(const std::u16string& id) const;  // their numbers
  std::vector<std::u16string> OwnFonts(const VmRecord& vm) const;
  std::string NameInView(const std::u16string& id) const;
  Status MarkUnmade(const VmRecord& vm) const;
  void DropOldWorkspacesLocked(Vm* vm);

  const StatePaths& state_;
  const MachineFacts& facts_;
  const ImageSource images_;
  const HiddenKeys hidden_keys_;
  mutable std::mutex mutex_;
  std::map<std::string, std::unique_ptr<Vm>> vms_;  // by id
  std::string tended_;                              // the id of the last one that was tended
  Trash trash_;
};

Error NoSuchVm(const std::string& name);

}  // namespace plume::agent
