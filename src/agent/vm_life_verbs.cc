// Verbs about the life of VMs: snapshots, files.
#include "agent/agent.h"
#include "agent/text.h"

namespace plume::agent {
namespace {

Json DescribeSnapshot(const SnapshotInfo& s) {
  return Json{{"tag", s.tag}, {"created", s.created}, {"bytes", s.bytes}, {"left_out", s.left_out}};
}

// "NAME@TAG"; '@' is in no name.
std::pair<std::string, std::string> SplitTag(const std::string& text) {
  const size_t at = text.find('@');
  if (at == std::string::npos) return {text, ""};
  return {text.substr(0, at), text.substr(at + 1)};
}

Status CheckTag(const std::string& text, const std::string& tag) {
  return text.ends_with('@') ? CheckName("snapshot", tag) : Ok();
}

}  // namespace

Result<Json> Agent::VmSnapshot(Session& session, const Json& args) {
  ASSIGN(const std::string name, RequiredString(args, "name"));
  ASSIGN(const std::string tag, RequiredString(args, "tag"));
  ASSIGN(const SnapshotInfo made, vms_->Snapshot(name, tag, session.progress));
  return DescribeSnapshot(made);
}

Result<Json> Agent::VmSnapshots(Session&, const Json& args) {
  ASSIGN(const std::string name, RequiredString(args, "name"));
  ASSIGN(const std::vector<SnapshotInfo> all, vms_->Snapshots(name));
  Json out = Json::array();
  for (const SnapshotInfo& s : all) out.push_back(DescribeSnapshot(s));
  return out;
}

Result<Json> Agent::VmSnapshotDelete(Session&, const Json& args) {
  ASSIGN(const std::string name, RequiredString(args, "name"));
  ASSIGN(const std::string tag, RequiredString(args, "tag"));
  TRY(vms_->DeleteSnapshot(name, tag));
  return Json::object();
}

Result<Json> Agent::VmRestore(Session& session, const Json& args) {
  ASSIGN(const std::string name, RequiredString(args, "name"));
  ASSIGN(const std::string tag, RequiredString(args, "tag"));
  TRY(vms_->Restore(name, tag, session.progress));
  return Json::object();
}

Result<Json> Agent::VmExport(Session& session, const Json& args) {
  ASSIGN(const std::string source, RequiredString(args, "name"));
  ASSIGN(const std::string file, RequiredString(args, "file"));
  ASSIGN(const std::u16string path, CleanPath(ToUtf16(file)));
  const auto [name, tag] = SplitTag(source);
  TRY(CheckTag(source, tag));
  ASSIGN(const SnapshotInfo made,
         vms_->Export(name, tag, path, OptionalBool(args, "force"), session.progress));
  return DescribeSnapshot(made);
}

Result<Json> Agent::VmImport(Session& session, const Json& args) {
  ASSIGN(const std::string file, RequiredString(args, "file"));
  ASSIGN(const std::u16string path, CleanPath(ToUtf16(file)));
  VmRecord wanted;
  wanted.name = OptionalString(args, "name");
  if (!wanted.name.empty()) TRY(CheckName("VM", wanted.name));
  TRY(ReadPolicyArgs(args, &wanted));
  ASSIGN(const VmRecord vm, vms_->Import(path, std::move(wanted), session.progress));
  return Describe(vm);
}

// From a VM, if there is one of that name, else from a file.
Result<Json> Agent::VmCreateFrom(Session& session, const std::string& from, const std::string& file,
                                 VmRecord wanted) {
  const auto [source, tag] = SplitTag(from);
  if (vms_->Find(source).ok()) {
    TRY(CheckTag(from, tag));
    ASSIGN(const VmRecord vm, vms_->CreateFrom(source, tag, std::move(wanted), session.progress));
    return Describe(vm);
  }
  const auto path = CleanPath(ToUtf16(file));
  if (!path.ok() || !os::Exists(os::SystemFiles(), HostPath(*path))) {
    return Error{Errc::kNotFound, "creating the VM '" + wanted.name + "' failed: '" + from +
                                      "' is neither a VM nor a VM file (plume vm list shows the VMs)"};
  }
  ASSIGN(const VmRecord vm, vms_->Import(*path, std::move(wanted), session.progress));
  return Describe(vm);
}

}  // namespace plume::agent
