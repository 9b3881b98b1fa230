#include "cli/guest.h"

#include <windows.h>

#include <atomic>
#include <functional>

#include "agent/text.h"
#include "agent/win/job.h"
#include "agent/win/machine.h"
#include "capture/pe.h"
#include "cli/launch_report.h"
#include "os/file.h"
#include "vl/inject/launch.h"

namespace plume::cli {
namespace {

using agent::Handle;
using agent::Json;
using agent::ToUtf16;

constexpr uint64_t kAskMillis = 500;

std::atomic<int> g_interrupts{0};
std::atomic<HANDLE> g_guest{nullptr};

// The guest shares our console, so it hears of Ctrl-C itself and decides; we stay to hand on its exit code.
// Who presses again means it.
BOOL WINAPI OnConsoleEvent(DWORD event) {
  const HANDLE guest = g_guest;
  if (guest != nullptr && (event == CTRL_CLOSE_EVENT || ++g_interrupts > 1))
    TerminateProcess(guest, STATUS_CONTROL_C_EXIT);
  return TRUE;
}

Result<agent::GuestCaller> Caller() {
  wchar_t* block = GetEnvironmentStringsW();
  if (block == nullptr) return agent::WindowsError("reading the environment", GetLastError());
  agent::GuestCaller out{agent::Environment::FromBlock(reinterpret_cast<const char16_t*>(block)), {}};
  FreeEnvironmentStringsW(block);
  std::wstring directory(32768, 0);
  directory.resize(GetCurrentDirectoryW(static_cast<DWORD>(directory.size()), directory.data()));
  out.directory = agent::FromWide(directory);
  return out;
}

// Waits for `process`. The agent serves the guest meanwhile, so it is started again should it die.
void WaitForGuest(Context& context, HANDLE process, const Json& lease,
                  const std::function<void()>& now_and_then) {
  while (WaitForSingleObject(process, 1000) == WAIT_TIMEOUT) {
    if (!context.AgentGone()) {
      now_and_then();
      continue;
    }
    (void)context.Ask("vm.lease", lease);  // connects, starting an agent if there is none
  }
}

// Started by plumew.exe, which has no console: a program that needs one gets its own.
bool OpenedFromDesktop() { return GetEnvironmentVariableW(L"PLUME_WINDOWED", nullptr, 0) > 0; }

bool IsConsoleProgram(const std::u16string& real) {
  auto file = os::SystemFiles().Open(agent::HostPath(real), os::OpenMode::kRead);
  if (!file.ok()) return false;
  std::vector<uint8_t> head(4096);
  const auto got = (*file)->ReadAt(0, head);
  if (!got.ok()) return false;
  const auto info = capture::ReadPe({head.data(), *got});
  return info && info->console;
}

// Prints it to the error output, which is not the program's.
void ShowReport(const Json& report, const std::string& wanted, const std::string& name) {
  const bool page = wanted.ends_with(".html");
  if (!page && !wanted.ends_with(".json")) {
    for (const std::string& line : LaunchReportLines(report)) Warn(line);
    return;
  }
  const auto file = agent::DosPath(wanted);
  const std::string text = page ? LaunchReportPage(report, "Start of " + name)
                                : report.dump(1, ' ', false, Json::error_handler_t::replace) + "\n";
  const Status written =
      file.ok() ? os::WriteAtomic(os::SystemFiles(), agent::HostPath(*file), std::string_view(text))
                : Status(file.error());
  if (!written.ok()) Warn(written.error().message);
}

struct PreparedVm {
  Json answer;
  agent::Job job;
};

// The job's name is there for as long as somebody has the job open: the agent that prepared the VM, from here
// on we. Should that agent have died before we got hold of it, the next one prepares the VM anew.
Result<PreparedVm> Prepare(Context& context, const Json& wanted) {
  for (int tries = 3;; --tries) {
    ASSIGN(Json answer, context.Ask("vm.prepare", wanted));
    agent::Job job = agent::Job::OpenExisting(ToUtf16(Field(answer, "job")));
    if (job) return PreparedVm{std::move(answer), std::move(job)};
    const DWORD error = GetLastError();
    if (tries == 1)
      return agent::WindowsError("opening the job of the VM '" + Field(answer, "name") + "'", error,
                                 "run the command again");
  }
}

Result<int> RunIn(Context& context, const GuestRequest& request, const PreparedVm& vm) {
  const Json& prepared = vm.answer;
  const agent::Job& job = vm.job;
  const std::string name = Field(prepared, "name");
  if (const std::string note = Field(prepared, "note"); !note.empty()) Warn(note);
  ASSIGN(agent::GuestCaller caller, Caller());
  const auto ask = [&context](std::string_view verb, Json args) {
    return context.Ask(verb, std::move(args));
  };
  ASSIGN(vl::LaunchSpec spec, agent::PlanGuest(ask, request, prepared, std::move(caller)));
  spec.suspended = true;
  spec.new_console = !request.detach && OpenedFromDesktop() && IsConsoleProgram(spec.real_exe);
  spec.detached = request.detach;
  spec.job = job.get();

  FlushOutput();
  SetConsoleCtrlHandler(OnConsoleEvent, TRUE);
  ASSIGN(const vl::LaunchedProcess launched, vl::LaunchGuest(spec));
  const Handle process(launched.process), thread(launched.thread);
  g_guest = process.get();
  // The job's name lives as long as a handle to it: with one in the guest, a restarted agent finds its guests
  // again.
  HANDLE in_guest = nullptr;
  DuplicateHandle(GetCurrentProcess(), job.get(), process.get(), &in_guest, JOB_OBJECT_QUERY, FALSE, 0);
  const Json lease{{"name", name}, {"id", Field(prepared, "id")}, {"pid", launched.pid}};
  (void)context.Ask("vm.started", lease);
  ResumeThread(thread.get());
  if (request.detach) {
    g_guest = nullptr;
    (void)context.Ask("vm.release", lease);
    return 0;
  }
  bool reported = request.report.empty();
  const auto report = [&](bool wait) {
    if (reported) return;
    const auto answer = context.Ask("vm.report", Json{{"id", Field(prepared, "id")}, {"wait", wait}});
    if (wait && answer.ok() && answer->is_null()) return;
    reported = true;
    if (answer.ok())
      ShowReport(*answer, request.report, name);
    else
      Warn(answer.error().message);
  };
  WaitForGuest(context, process.get(), lease, [&] { report(true); });
  report(false);
  DWORD code = 0;
  GetExitCodeProcess(process.get(), &code);
  g_guest = nullptr;

  if (request.wait_for_all) {
    ProgressDisplay display;
    uint64_t ask_at = GetTickCount64();
    for (uint32_t left = job.Count(); left > 0 && g_interrupts == 0; left = job.Count()) {
      if (request.stop_services && GetTickCount64() >= ask_at) {
        const auto state = context.Ask("vm.only-services", {{"name", name}});
        if (state.ok() && agent::OptionalBool(*state, "only_services"))
          TRY(context.Ask("vm.stop", {{"name", name}}));
        ask_at = GetTickCount64() + kAskMillis;
      }
      display.Show({"waiting for " + std::to_string(left) + " processes of the VM to end", 0, 0});
      Sleep(50);
    }
  }
  const auto released = context.Ask("vm.release", lease);
  if (!request.quiet) {
    if (!released.ok()) Warn(released.error().message);
    if (released.ok())
      for (const std::string& note : agent::OptionalStrings(*released, "notes")) Warn(note);
  }
  if (agent::EndedByLayer(code)) return agent::LayerFailure(spec);
  return static_cast<int>(code);
}

}  // namespace

Result<int> RunGuest(Context& context, const GuestRequest& request) {
  ASSIGN(const PreparedVm vm, Prepare(context, request.prepare));
  Result<int> code = RunIn(context, request, vm);
  // What came before its own release: the VM must not stay in use for as long as this program runs.
  if (!code.ok()) (void)context.Ask("vm.release", Json{{"id", Field(vm.answer, "id")}});
  return code;
}

Result<int> AwaitGuest(Context& context, const std::string& name, const std::string& id,
                       const std::string& pid) {
  ASSIGN(const agent::StatePaths state, context.State());
  const auto number = static_cast<DWORD>(std::strtoul(pid.c_str(), nullptr, 10));
  const Handle process(
      OpenProcess(SYNCHRONIZE | PROCESS_QUERY_INFORMATION | PROCESS_TERMINATE, FALSE, number));
  const agent::Job job = agent::Job::OpenExisting(state.Job(ToUtf16(id)));
  // It may have ended meanwhile, and the number may be another process's.
  if (!process || !job || !job.Holds(process.get())) {
    return Error{Errc::kUnreachable,
                 "waiting for the program in '" + name +
                     "' failed: plume-agent died, and then the program ended, so its exit "
                     "code is not known"};
  }
  g_guest = process.get();
  SetConsoleCtrlHandler(OnConsoleEvent, TRUE);
  const Json lease{{"name", name}, {"id", id}, {"pid", number}};
  TRY(context.Ask("vm.lease", lease));
  WaitForGuest(context, process.get(), lease, [] {});
  DWORD code = 0;
  GetExitCodeProcess(process.get(), &code);
  g_guest = nullptr;
  (void)context.Ask("vm.release", lease);
  return static_cast<int>(code);
}

Result<std::string> ReadPolicyFile(const std::string& path, Json* arguments) {
  if (path.empty()) return std::string();
  ASSIGN(const std::u16string file, agent::DosPath(path));
  auto text = os::ReadText(os::SystemFiles(), agent::HostPath(file), 1u << 20);
  if (!text.ok()) return Error(text.error()).In("reading the policy");
  (*arguments)["policy_text"] = *text;
  (*arguments)["policy_file"] = path;
  return *text;
}

}  // namespace plume::cli
