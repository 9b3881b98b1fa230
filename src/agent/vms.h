// The VMs of one state folder: records, life cycle, workspaces. Windows. Thread-safe.
//
// Everything about a VM is in its folder (vm.json, view.plv, index.plx, upper\, scratch\) and below its
// registry key; this class only caches it, so a killed agent loses nothing. A VM is in use while a guest runs
// or a client holds a lease.
#pragma once
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#include "agent/control.h"
#include "agent/policy.h"
#include "agent/state.h"
#include "agent/view_compiler.h"
#include "agent/win/job.h"
#include "agent/win/vm_space.h"
#include "base/result.h"

namespace plume::agent {

struct VmRecord {
  std::string id, name;
  BasePolicy base = BasePolicy::kSandbox;
  std::string policy_text, policy_file;  // the user's policy, as given; empty = none
  std::string application;               // the VM of this application; empty = none
  std::vector<std::string> images;       // digests, top first, as of the last start
  int64_t created = 0;                   // FILETIME
  bool remove_when_empty = false;        // --rm
  bool discarding = false;               // a discard was begun: it is finished before anything else happens
  std::string damage;                    // not stored: why the VM can only be deleted; empty = nothing

  Json ToJson() const;
  static Result<VmRecord> FromJson(const Json& json);
};

class Vms {
 public:
  // Attached images by digest, from the cache.
  using ImageSource = std::function<Result<LayerInput>(const std::string& digest)>;

  Vms(const StatePaths& state, const MachineFacts& facts, ImageSource images);

  // Reads what is on disk and finishes what a killed agent left undone.
  Status Recover();

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
  Status Delete(const std::string& name);
  Status Discard(const std::string& name);
  Result<std::unique_ptr<VmSpace>> Space(const std::string& name) const;

  // Leases: a client that prepares, starts or waits for guests.
  void Lease(const std::string& id);
  void Release(const std::string& id);  // may delete a VM of --rm
  // Removes VMs of --rm whose last guest has ended. Called now and then.
  void Tend();
  bool AnyInUse() const;
  bool IsGuest(uint32_t pid) const;

  // What the user should be told about a VM: each line once per run.
  void Note(const std::string& id, const std::string& text);
  std::vector<std::string> TakeNotes(const std::string& id);

 private:
  struct Vm {
    VmRecord record;
    Job job;
    int leases = 0;
    std::set<std::string> notes;
    std::set<uint16_t> real_ports;  // where its private ports are, as of the last start
  };
  // What is looked up in the network for a VM's view, without holding the lock.
  struct Network {
    std::vector<AddressRange> allow;
    std::vector<std::string> notes;
  };
  Result<Network> LookUpNetwork(const std::string& name) const;
  Vm* FindLocked(const std::string& name) const;
  Vm* FindIdLocked(const std::string& id) const;
  bool InUseLocked(const Vm& vm) const;
  Status SaveLocked(const VmRecord& record) const;
  Status PrepareFolderLocked(const Vm& vm) const;
  Status WriteViewLocked(Vm& vm, const Network& network) const;
  Status DeleteLocked(Vm* vm);
  Status DiscardLocked(Vm* vm);
  Status FinishDiscardLocked(Vm* vm);
  bool HasChanges(const std::u16string& id) const;
  std::string NameInView(const std::u16string& id) const;
  void EmptyTrash() const;

  const StatePaths& state_;
  const MachineFacts& facts_;
  const ImageSource images_;
  mutable std::mutex mutex_;
  std::map<std::string, std::unique_ptr<Vm>> vms_;  // by id
  mutable std::mutex trash_mutex_;
};

Error NoSuchVm(const std::string& name);

}  // namespace plume::agent
