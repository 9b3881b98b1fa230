#include "cli/guest.h"

#include <windows.h>

#include <atomic>

#include "agent/environment.h"
#include "agent/text.h"
#include "agent/win/job.h"
#include "agent/win/machine.h"
#include "capture/pe.h"
#include "cli/quote.h"
#include "integrate/associations.h"
#include "os/file.h"
#include "view/path.h"
#include "vl/inject/launch.h"

namespace plume::cli {
namespace {

using agent::Handle;
using agent::Json;
using agent::ToUtf16;

// Exit statuses with which the virtualization layer ends a process rather than let it see the host
// (vl/low/fail.h).
constexpr DWORD kLayerFacility = 0xE0504C00;

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

using Variables = std::vector<std::pair<std::u16string, std::u16string>>;

Variables ReadVariables(const Json& prepared) {
  Variables out;
  for (const auto& [name, value] : prepared["variables"].items())
    out.emplace_back(ToUtf16(name), ToUtf16(value.get<std::string>()));
  return out;
}

Result<agent::Environment> GuestEnvironment(const Json& prepared, const Variables& variables,
                                            const std::vector<std::string>& wanted) {
  wchar_t* block = GetEnvironmentStringsW();
  if (block == nullptr) return agent::WindowsError("reading the environment", GetLastError());
  agent::Environment out = agent::Environment::FromBlock(reinterpret_cast<const char16_t*>(block));
  FreeEnvironmentStringsW(block);
  // Of use to plume alone, not to programs.
  for (const char16_t* name : {u"PLUME_HOME", u"PLUME_AGENT_STARTED", u"PLUME_WINEPREFIX", u"PLUME_WINDOWED"})
    out.Remove(name);
  for (const Json& v : prepared["environment"])
    out.Apply({Field(v, "name"), Field(v, "value"), agent::OptionalBool(v, "join")}, variables);
  for (const std::string& item : wanted) {
    const size_t eq = item.find('=');
    if (eq == std::string::npos || eq == 0) {
      return Error{Errc::kInvalid, "setting the environment failed: '" + item + "' is not NAME=VALUE"};
    }
    out.Set(ToUtf16(item.substr(0, eq)), ToUtf16(item.substr(eq + 1)));
  }
  return out;
}

std::u16string CurrentDirectory() {
  std::wstring out(32768, 0);
  out.resize(GetCurrentDirectoryW(static_cast<DWORD>(out.size()), out.data()));
  return agent::FromWide(out);
}

Result<Json> ChooseEntry(const Json& prepared, const std::string& wanted) {
  std::string known;
  for (const Json& entry : prepared["entries"]) {
    if (wanted.empty() || Field(entry, "id") == wanted || Field(entry, "name") == wanted) return entry;
    known += (known.empty() ? "" : ", ") + Field(entry, "id");
  }
  const std::string name = Field(prepared, "name");
  if (wanted.empty()) {
    return Error{
        Errc::kNotFound,
        "starting '" + name + "' failed: its image names no program (plume vm run " + name + " -- PROGRAM)"};
  }
  return Error{Errc::kNotFound, "starting '" + name + "' failed: it has no entry point '" + wanted +
                                    "' (there are: " + known + ")"};
}

// The last line that the layer wrote before it ended a guest.
std::string LayerComplaint(const std::u16string& view_path) {
  const std::u16string log = view_path.substr(0, view_path.find_last_of(u'\\')) + u"\\guest.log";
  auto text = os::ReadText(os::SystemFiles(), agent::HostPath(log), 64u << 20);
  if (!text.ok() || text->empty()) return "no reason was recorded";
  while (!text->empty() && (text->back() == '\n' || text->back() == '\r')) text->pop_back();
  return text->substr(text->find_last_of('\n') + 1);
}

// Waits for `process`. The agent serves the guest meanwhile, so it is started again should it die.
void WaitForGuest(Context& context, HANDLE process, const Json& lease) {
  while (WaitForSingleObject(process, 1000) == WAIT_TIMEOUT) {
    if (!context.AgentGone()) continue;
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
  const Variables variables = ReadVariables(prepared);
  ASSIGN(agent::Environment environment, GuestEnvironment(prepared, variables, request.environment));

  std::u16string program = ToUtf16(request.program), directory, fixed, start_in;
  if (!request.document.empty()) {
    std::u16string document = ToUtf16(request.document);
    if (integrate::SchemeOf(document).empty()) {
      ASSIGN(document, agent::DosPath(request.document));
      // As from a shell's window that shows its folder.
      if (request.directory.empty()) start_in = document.substr(0, document.find_last_of(u'\\'));
    }
    const Json wanted{{"name", name},
                      {"document", ToUtf8(document)},
                      {"class", request.document_class},
                      {"verb", request.verb}};
    ASSIGN(const Json opens, context.Ask("app.command", wanted));
    const std::u16string command = environment.Expand(ToUtf16(Field(opens, "command")), variables);
    integrate::SplitCommand split = integrate::SplitProgram(integrate::FillCommand(command, document));
    program = std::move(split.program);
    fixed = std::move(split.arguments);
  } else if (program.empty()) {
    ASSIGN(const Json entry, ChooseEntry(prepared, request.entry));
    program = environment.Expand(ToUtf16(Field(entry, "path")), variables);
    fixed = environment.Expand(ToUtf16(Field(entry, "arguments")), variables);
    // As from its shortcut. With arguments it is a command, and relative names mean the caller's folder.
    if (request.arguments.empty() && request.directory.empty())
      start_in = environment.Expand(ToUtf16(Field(entry, "cwd")), variables);
  } else if (program[0] == u'/' && agent::RunningOnWine()) {
    ASSIGN(program, agent::DosPath(request.program));
  }
  if (request.directory.empty()) {
    directory = CurrentDirectory();
  } else if (request.directory[0] == '/' && agent::RunningOnWine()) {
    ASSIGN(directory, agent::DosPath(request.directory));
  } else {
    directory = environment.Expand(ToUtf16(request.directory), variables);
  }

  const std::u16string* path = environment.Find(u"PATH");
  const Json resolve{{"name", name},
                     {"program", ToUtf8(program)},
                     {"cwd", ToUtf8(directory)},
                     {"start_in", ToUtf8(start_in)},
                     {"path", path ? ToUtf8(*path) : ""}};
  ASSIGN(const Json found, context.Ask("vm.resolve", resolve));
  std::vector<std::u16string> arguments;
  for (const std::string& a : request.arguments) arguments.push_back(ToUtf16(a));

  vl::LaunchSpec spec;
  spec.virtual_exe = ToUtf16(Field(found, "virtual"));
  spec.real_exe = ToUtf16(Field(found, "real"));
  const std::string kind = Field(found, "kind");
  if (kind == "program") {
    const std::u16string file = spec.virtual_exe.substr(spec.virtual_exe.find_last_of(u'\\') + 1);
    const bool shell = view::EqualFolded(file, u"cmd.exe");
    spec.command_line =
        shell ? ShellCommandLine(spec.virtual_exe, arguments) : CommandLine(spec.virtual_exe, {});
    if (!fixed.empty()) spec.command_line += u" " + fixed;
    if (!shell)
      for (const std::u16string& a : arguments) spec.command_line += u" " + QuoteArgument(a);
  } else {
    // Scripts and installer packages have a program that runs them.
    const std::u16string what = spec.virtual_exe;
    const bool script = kind == "script";
    Json runner = resolve;
    runner["program"] =
        Field(prepared, "system_root") + (script ? "\\System32\\cmd.exe" : "\\System32\\msiexec.exe");
    ASSIGN(const Json host, context.Ask("vm.resolve", runner));
    spec.virtual_exe = ToUtf16(Field(host, "virtual"));
    spec.real_exe = ToUtf16(Field(host, "real"));
    if (script) {
      spec.command_line = ScriptCommandLine(spec.virtual_exe, what, arguments);
    } else {
      arguments.insert(arguments.begin(), {u"/i", what});
      spec.command_line = CommandLine(spec.virtual_exe, arguments);
    }
  }
  spec.directory = ToUtf16(Field(found, "cwd"));
  if (spec.directory.size() == 2) spec.directory += u'\\';
  spec.environment = environment.Block();
  spec.view_path = ToUtf16(Field(prepared, "view"));
  spec.layer64 = agent::ProgramFolder() + u"\\plume-vl64.dll";
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
  WaitForGuest(context, process.get(), lease);
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
  if ((code & 0xFFFFFF00) == kLayerFacility) {
    return Error{Errc::kInternal, "running " + ToUtf8(spec.virtual_exe) +
                                      " failed: the virtualization layer ended it (" +
                                      LayerComplaint(spec.view_path) + ")"};
  }
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
