#include "agent/vms_work.h"

#include "agent/text.h"

namespace plume::agent {

Result<std::unique_ptr<Vms::Work>> Vms::Begin(const std::string& name, const std::string& what,
                                              const std::string& doing) {
  const std::lock_guard lock(mutex_);
  Vm* vm = FindLocked(name);
  if (vm == nullptr) return NoSuchVm(name);
  if (!vm->record.damage.empty())
    return Error{Errc::kCorrupt, what + " the VM '" + vm->record.name + "' failed: " + vm->record.damage};
  if (InUseLocked(*vm)) return BusyError(what, *vm);
  vm->doing = doing;
  return std::make_unique<Work>(*this, vm->record, ++vm->last_workspace);
}

Vms::Work::~Work() {
  const std::lock_guard lock(vms_.mutex_);
  Vm* now = vms_.FindIdLocked(vm.id);
  if (now == nullptr) return;
  vms_.CheckCommitLocked(now);
  vms_.DropOldWorkspacesLocked(now);  // the new one, if it was not needed in the end
}

Result<std::unique_ptr<Vms::Opened>> Vms::OpenWorkspace(const VmRecord& vm) const {
  const std::u16string id = ToUtf16(vm.id);
  auto out = std::make_unique<Opened>();
  bool created = false;
  ASSIGN(out->index_file,
         os::MappedFile::OpenShared(HostPath(state_.WorkspaceFile(id, vm.workspace, u"index.plx")),
                                    view::VmIndex::kFileBytes, &created, view::VmIndex::kHeaderBytes));
  if (!out->index.Attach(out->index_file.data(), out->index_file.size())) {
    return Error{Errc::kCorrupt, "opening the VM's index failed: it is damaged (plume vm discard " + vm.name +
                                     " starts it afresh)"};
  }
  out->keys = OpenKeyStore(state_.WorkspaceKey(id, vm.workspace));
  out->parts = {&os::SystemFiles(), HostPath(state_.WorkspaceFile(id, vm.workspace, u"upper")), &out->index,
                out->keys.get()};
  return out;
}

// The registry first: a workspace whose keys a power failure took would be half a one.
Status Vms::Exchange(const Work& work, const VmRecord& fresh) {
  TRY(OpenKeyStore(state_.WorkspaceKey(ToUtf16(fresh.id), fresh.workspace))->Flush());
  const std::lock_guard lock(mutex_);
  Vm* vm = FindIdLocked(work.vm.id);
  if (vm == nullptr) return NoSuchVm(fresh.name);
  TRY(SaveLocked(fresh));
  vm->record = fresh;
  return Ok();
}

VmFilePlaces Vms::Places() const { return {facts_.profile, facts_.user_sid}; }

VmFileInfo Vms::FileInfo(const VmRecord& vm) const {
  VmFileInfo info;
  info.name = vm.name;
  info.policy = vm.base == BasePolicy::kSandbox ? "sandbox" : "application";
  info.policy_text = vm.policy_text;
  info.policy_file = vm.policy_file;
  info.application = vm.application;
  info.images = vm.images;
  info.created = os::SystemClock().NowFiletime();
  info.user_sid = ToUtf8(facts_.user_sid);
  return info;
}

}  // namespace plume::agent
