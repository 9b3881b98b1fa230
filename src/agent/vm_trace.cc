// Recording the calls of a VM (src/trace). The agent makes the file and sets the VM's trace word, which its
// guests look at in every call; they do the rest. Recordings are in the VM's folder: trace\<number>.plt, of
// which the newest counts.
#include <algorithm>
#include <charconv>

#include "agent/agent.h"
#include "agent/text.h"
#include "agent/win/machine.h"
#include "os/file.h"
#include "os/mapped_file.h"
#include "trace/reader.h"
#include "trace/recording.h"
#include "view/vm_index.h"

namespace plume::agent {
namespace {

// The number of "12.plt"; 0: another file.
uint32_t NumberOf(const os::Path& name) {
  const std::string text = ToUtf8(FromWide(name.stem().wstring()));
  uint32_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  const bool all = error == std::errc() && end == text.data() + text.size() && name.extension() == L".plt";
  return all ? number : 0;
}

os::Path FileOf(const os::Path& folder, uint32_t number) {
  return folder / (std::to_wstring(number) + L".plt");
}

std::vector<uint32_t> Numbers(const os::Path& folder) {
  std::vector<uint32_t> out;
  if (const auto files = os::SystemFiles().List(folder); files.ok())
    for (const os::DirectoryEntry& e : *files)
      if (const uint32_t n = NumberOf(e.name); n != 0) out.push_back(n);
  std::sort(out.begin(), out.end());
  return out;
}

Result<trace::Info> InfoOf(const os::Path& file) {
  ASSIGN(const os::MappedFile mapped, os::MappedFile::OpenRead(file));
  ASSIGN(const trace::Reader reader, trace::Reader::Open(mapped.data(), mapped.size()));
  return reader.ReadInfo();
}

Status WriteWord(const os::Path& index_file, uint32_t word) {
  ASSIGN(os::MappedFile file, os::MappedFile::OpenShared(index_file, view::VmIndex::kFileBytes, nullptr));
  view::VmIndex index;
  if (!index.Attach(file.data(), file.size())) return Error{Errc::kCorrupt, "the VM's index is damaged"};
  index.Trace().store(word);
  return Ok();
}

}  // namespace

std::u16string Vms::TraceFolder(const VmRecord& vm) const { return state_.VmFile(ToUtf16(vm.id), u"trace"); }

TraceInfo Vms::ReadTrace(const VmRecord& vm) const {
  TraceInfo out;
  const os::Path folder = HostPath(TraceFolder(vm));
  const std::vector<uint32_t> numbers = Numbers(folder);
  if (numbers.empty()) return out;
  const os::Path file = FileOf(folder, numbers.back());
  const auto info = InfoOf(file);
  if (!info.ok()) return out;  // of a later version, or damaged: there is nothing to go on with
  out.session = numbers.back();
  out.file = FromWide(file.wstring());
  out.recording = info->time_stopped == 0;
  return out;
}

uint32_t Vms::TraceWord(const VmRecord& vm) const {
  const TraceInfo trace = ReadTrace(vm);
  return trace.recording ? trace.session : 0;
}

Status Vms::ApplyTrace(const VmRecord& vm) const {
  const os::Path index = HostPath(state_.WorkspaceFile(ToUtf16(vm.id), vm.workspace, u"index.plx"));
  // A VM that never ran may have none: PrepareFolder makes it.
  return os::Exists(os::SystemFiles(), index) ? WriteWord(index, TraceWord(vm)) : Ok();
}

Result<TraceInfo> Vms::StartTrace(const std::string& name, trace::Recording wanted) {
  const std::lock_guard lock(mutex_);
  const Vm* vm = FindLocked(name);
  if (vm == nullptr) return NoSuchVm(name);
  const std::string what = "tracing the VM '" + vm->record.name + "'";
  if (ReadTrace(vm->record).recording) {
    return Error{Errc::kExists, what + " failed: it is being recorded already (plume vm trace " +
                                    vm->record.name + " -f follows it, --stop ends it)"};
  }
  const os::Path folder = HostPath(TraceFolder(vm->record));
  const std::vector<uint32_t> old = Numbers(folder);
  wanted.session = old.empty() ? 1 : old.back() + 1;
  wanted.text = Json{{"vm", vm->record.name}, {"id", vm->record.id}, {"images", vm->record.images}}.dump(
      -1, ' ', false, Json::error_handler_t::replace);
  if (wanted.text.size() > trace::kMaxText) wanted.text = "{}";
  Status done = trace::BeginRecording(FileOf(folder, wanted.session), wanted);
  if (done.ok()) done = ApplyTrace(vm->record);
  if (!done.ok()) return Error(done.error()).In(what);
  // Where a guest still has one mapped it stays until next time.
  for (const uint32_t number : old) (void)os::SystemFiles().Remove(FileOf(folder, number));
  return ReadTrace(vm->record);
}

Result<TraceInfo> Vms::StopTrace(const std::string& name) {
  const std::lock_guard lock(mutex_);
  const Vm* vm = FindLocked(name);
  if (vm == nullptr) return NoSuchVm(name);
  const std::string what = "ending the trace of the VM '" + vm->record.name + "'";
  TraceInfo trace = ReadTrace(vm->record);
  if (!trace.recording) {
    return Error{Errc::kNotFound, what + " failed: it is not being recorded (plume vm trace " +
                                      vm->record.name + " --start begins)"};
  }
  Status done = trace::EndRecording(HostPath(trace.file));
  if (done.ok()) done = ApplyTrace(vm->record);
  if (!done.ok()) return Error(done.error()).In(what);
  trace.recording = false;
  return trace;
}

Result<TraceInfo> Vms::FindTrace(const std::string& name) const {
  const std::lock_guard lock(mutex_);
  const Vm* vm = FindLocked(name);
  if (vm == nullptr) return NoSuchVm(name);
  return ReadTrace(vm->record);
}

Result<Json> Agent::VmTrace(Session&, const Json& args) {
  ASSIGN(const std::string name, RequiredString(args, "name"));
  ASSIGN(const std::string action, RequiredString(args, "action"));
  TraceInfo trace;
  if (action == "start") {
    trace::Recording wanted;
    wanted.keep_first = OptionalBool(args, "keep_first");
    if (const auto it = args.find("megabytes"); it != args.end() && it->is_number_unsigned())
      wanted.megabytes = it->get<uint32_t>();
    if (wanted.megabytes < trace::kMinMegabytes || wanted.megabytes > trace::kMaxMegabytes) {
      return Error{Errc::kInvalid, "tracing the VM '" + name + "' failed: a trace has " +
                                       std::to_string(trace::kMinMegabytes) + " to " +
                                       std::to_string(trace::kMaxMegabytes) + " MB"};
    }
    ASSIGN(trace, vms_->StartTrace(name, std::move(wanted)));
  } else if (action == "stop") {
    ASSIGN(trace, vms_->StopTrace(name));
  } else if (action == "status") {
    ASSIGN(trace, vms_->FindTrace(name));
  } else {
    return Error{Errc::kInvalid, "tracing the VM '" + name + "' failed: there is no action '" + action + "'"};
  }
  ASSIGN(const VmRecord vm, vms_->Find(name));
  return Json{{"name", vm.name},
              {"recording", trace.recording},
              {"session", trace.session},
              {"file", ToUtf8(trace.file)},
              {"guests", vms_->GuestCount(vm.id)},
              {"user_sid", ToUtf8(facts_.user_sid)}};
}

}  // namespace plume::agent
