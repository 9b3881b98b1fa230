// Many VMs alive at once, each with a small guest that lives; many.py drives it.
//   many_vms --count N --bare B --churn C --program EXE
// EXE (idle.c) signals its standard output as its first act and ends when its standard input is signalled. B
// processes of it are started outside any VM and stay; then N VMs are made and entered, with starts outside
// VMs between; then C more VMs are made, entered and deleted beside them; then everything ends. A start, in a
// VM or not, is timed until EXE signals. At every "point NAME" line the driver looks at memory, and answers
// with an empty line. The last line is JSON: every sample, in milliseconds and in order.
#include <windows.h>

#include <cstdio>
#include <iostream>
#include <string>
#include <vector>

#include "vm_start.h"

namespace {

using plume::Result;
using plume::Status;
using plume::agent::Client;
using plume::agent::Handle;
using plume::agent::Json;
using plume::agent::ToUtf16;
using plume::bench::NowMillis;
using plume::bench::Wrong;

constexpr DWORD kPatienceMillis = 60000;

// Inheritable: a child gets them as its standard handles.
Handle Event() {
  SECURITY_ATTRIBUTES inherit = {sizeof(inherit), nullptr, TRUE};
  return Handle(CreateEventW(&inherit, TRUE, FALSE, nullptr));
}

class Many {
 public:
  Many(const plume::agent::StatePaths& state, std::u16string program)
      : client_(state), program_(std::move(program)), stay_(Event()), end_(Event()), ready_(Event()) {}

  Status Run(int count, int bare, int churn);
  Json Figures() const {
    return Json{{"bare_alone", bare_alone_},
                {"bare", bare_},
                {"create", create_},
                {"prepare", prepare_},
                {"enter", enter_},
                {"churn_from", churn_from_},
                {"delete", delete_},
                {"delete_all", delete_all_},
                {"parts", {{"bare_start", bare_start_}, {"start", start_}, {"inject", inject_}}}};
  }

 private:
  struct Vm {
    std::string name, id;
    Handle guest;
  };

  Status Point(const char* name) {
    std::printf("point %s\n", name);
    std::fflush(stdout);
    std::string line;
    return std::getline(std::cin, line) ? plume::Ok() : Status(Wrong("waiting for the driver"));
  }
  Status WaitReady(HANDLE process) {
    HANDLE both[] = {ready_.get(), process};
    if (WaitForMultipleObjects(2, both, FALSE, kPatienceMillis) != WAIT_OBJECT_0)
      return Wrong("waiting for the program's first act");
    ResetEvent(ready_.get());
    return plume::Ok();
  }
  Result<Handle> StartBare(const Handle& until, std::vector<double>* samples) {
    const double begin = NowMillis();
    STARTUPINFOW startup = {};
    startup.dwFlags = STARTF_USESTDHANDLES;
    startup.hStdInput = until.get();
    startup.hStdOutput = startup.hStdError = ready_.get();
    const std::wstring exe = plume::agent::Wide(program_);
    ASSIGN(Handle process, plume::bench::StartOutside(exe, L"\"" + exe + L"\" bare", startup));
    bare_start_.push_back(NowMillis() - begin);
    TRY(WaitReady(process.get()));
    samples->push_back(NowMillis() - begin);
    return process;
  }
  Result<Vm> StartVm(const std::string& name, const Handle& until) {
    Vm vm{name, "", Handle()};
    double begin = NowMillis();
    TRY(client_.Call("vm.create", {{"name", name}}));
    create_.push_back(NowMillis() - begin);
    begin = NowMillis();
    ASSIGN(const Json prepared, client_.Call("vm.prepare", {{"name", name}}));
    prepare_.push_back(NowMillis() - begin);
    vm.id = prepared["id"].get<std::string>();
    plume::vl::LaunchSpec spec;
    spec.virtual_exe = program_;
    spec.command_line = u"\"" + program_ + u"\" guest";
    spec.standard_input = until.get();
    spec.standard_output = spec.standard_error = ready_.get();
    ASSIGN(const plume::vl::LaunchedProcess guest, plume::bench::Enter(prepared, spec));
    vm.guest = Handle(guest.process);
    start_.push_back(guest.create_ms);
    inject_.push_back(guest.inject_ms);
    const Handle thread(guest.thread);
    TRY(WaitReady(vm.guest.get()));
    enter_.push_back(NowMillis() - begin);
    TRY(client_.Call("vm.release", {{"id", prepared["id"]}}));
    return vm;
  }
  Status DeleteVm(const Vm& vm, std::vector<double>* samples) {
    const double begin = NowMillis();
    TRY(client_.Call("vm.delete", {{"name", vm.name}}));
    samples->push_back(NowMillis() - begin);
    return plume::Ok();
  }
  Status EndTransient(const Handle& process) {
    SetEvent(end_.get());
    if (WaitForSingleObject(process.get(), kPatienceMillis) != WAIT_OBJECT_0)
      return Wrong("ending a program");
    ResetEvent(end_.get());
    return plume::Ok();
  }
  Status BareOnce(std::vector<double>* samples) {
    ASSIGN(const Handle process, StartBare(end_, samples));
    return EndTransient(process);
  }
  Status VmOnce(const std::string& name, std::vector<double>* deletes) {
    ASSIGN(const Vm vm, StartVm(name, end_));
    TRY(EndTransient(vm.guest));
    return DeleteVm(vm, deletes);
  }

  Client client_;
  const std::u16string program_;
  const Handle stay_, end_, ready_;
  std::vector<double> bare_alone_, bare_, create_, prepare_, enter_, delete_, delete_all_;
  std::vector<double> bare_start_, start_, inject_;
  size_t churn_from_ = 0;
};

Status Many::Run(int count, int bare, int churn) {
  std::vector<double> nowhere;
  for (int i = 0; i < 5; ++i) {  // what is made once
    TRY(VmOnce("warm-" + std::to_string(i), &nowhere));
    TRY(BareOnce(&nowhere));
  }
  create_.clear();
  prepare_.clear();
  enter_.clear();
  TRY(Point("empty"));
  std::vector<Handle> outside;
  std::vector<Vm> vms;
  for (int i = 0; i < bare; ++i) {
    ASSIGN(Handle process, StartBare(stay_, &bare_alone_));
    outside.push_back(std::move(process));
  }
  TRY(Point("bare"));
  for (int i = 0; i < count; ++i) {
    if (i % 2 == 0) TRY(BareOnce(&bare_));
    ASSIGN(Vm vm, StartVm("many-" + std::to_string(i), stay_));
    vms.push_back(std::move(vm));
  }
  TRY(Point("full"));
  churn_from_ = enter_.size();
  for (int i = 0; i < churn; ++i) {
    TRY(BareOnce(&bare_));
    TRY(VmOnce("churn-" + std::to_string(i), &delete_));
  }
  TRY(Point("churned"));
  SetEvent(stay_.get());
  for (const Vm& vm : vms)
    if (WaitForSingleObject(vm.guest.get(), kPatienceMillis) != WAIT_OBJECT_0) return Wrong("ending a guest");
  for (const Vm& vm : vms) TRY(DeleteVm(vm, &delete_all_));
  return Point("after");
}

}  // namespace

int main(int argc, char** argv) {
  int count = 100, bare = 20, churn = 20;
  std::string program;
  for (int i = 1; i + 1 < argc; i += 2) {
    const std::string option = argv[i], value = argv[i + 1];
    if (option == "--count") count = std::stoi(value);
    if (option == "--bare") bare = std::stoi(value);
    if (option == "--churn") churn = std::stoi(value);
    if (option == "--program") program = value;
  }
  const auto state = plume::agent::FindState();
  if (!state.ok()) return 1;
  Many many(*state, ToUtf16(program));
  const Status done = many.Run(count, bare, churn);
  Json out = many.Figures();
  out["failure"] = done.ok() ? "" : done.error().message;
  std::printf("%s\n", out.dump().c_str());
  return done.ok() ? 0 : 1;
}
