// What takes long on one VM: internal to vms_work.cc, snapshots.cc, transfer.cc and commit_verb.cc.
#pragma once
#include <memory>
#include <string>

#include "agent/vms.h"
#include "agent/workspace_file.h"
#include "os/mapped_file.h"

namespace plume::agent {

// From Begin until destruction the VM counts as in use. The lock on all VMs is not held.
class Vms::Work {
 public:
  Work(Vms& vms, VmRecord record, uint32_t unused) : vm(std::move(record)), fresh(unused), vms_(vms) {}
  ~Work();
  Work(const Work&) = delete;
  Work& operator=(const Work&) = delete;

  const VmRecord vm;
  const uint32_t fresh;  // number for a new workspace, used by nobody else ever

 private:
  Vms& vms_;
};

struct Vms::Opened {
  os::MappedFile index_file;
  view::VmIndex index;
  std::unique_ptr<KeyStore> keys;
  WorkspaceParts parts;
};

}  // namespace plume::agent
