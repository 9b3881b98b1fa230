// Starts that the launcher on Linux asks for directly, without a Wine process of its own in between: it hands
// over its standard handles, environment and folder, and the agent starts the guest with them
// (docs/adr/0019-launcher-asks-the-agent.md, docs/formats/control.md).
#include <windows.h>
#include <winternl.h>

#include <map>
#include <mutex>
#include <thread>

#include "agent/agent.h"
#include "agent/guest_start.h"
#include "agent/text.h"
#include "agent/win/job.h"
#include "agent/win/machine.h"
#include "agent/win/thread.h"
#include "agent/win/unix_socket.h"
#include "agent/win/wine_environment.h"
#include "spdlog/spdlog.h"

namespace plume::agent {
namespace {

// A program that Wine starts from the Unix system without a terminal has this for a console (Wine's
// wine/condrv.h, CONSOLE_HANDLE_SHELL_NO_WINDOW), and so have its children: none, and none is made for them.
constexpr LONG_PTR kNoConsole = -4;

bool GuestsGetNoConsole() {
  struct Parameters {  // the head of RTL_USER_PROCESS_PARAMETERS
    ULONG sizes[2], flags, debug_flags;
    HANDLE console;
  };
  PROCESS_BASIC_INFORMATION basic = {};
  if (NtQueryInformationProcess(GetCurrentProcess(), ProcessBasicInformation, &basic, sizeof(basic),
                                nullptr) < 0)
    return false;
  const void* own = basic.PebBaseAddress->ProcessParameters;
  return static_cast<const Parameters*>(own)->console == LongToHandle(kNoConsole);
}

// The launcher's side of a start. Two threads may send.
class Link {
 public:
  explicit Link(UnixFile socket) : socket_(std::move(socket)) {}
  const UnixFile& socket() const { return socket_; }

  bool Send(const Json& message) {
    const std::string frame = EncodeFrame(message);
    const std::lock_guard lock(sending_);
    return SendUnix(socket_, frame);
  }
  Result<std::string> Receive(std::vector<UnixFile>* files = nullptr) {
    const Error gone{Errc::kUnreachable, "reading from the launcher failed: it is gone"};
    uint8_t header[4];
    if (!ReceiveUnix(socket_, header, sizeof(header), files)) return gone;
    ASSIGN(const uint32_t size, DecodeHeader(header, kMaxRequestBytes));
    std::string payload(size, 0);
    if (!ReceiveUnix(socket_, payload.data(), size, files)) return gone;
    return payload;
  }

 private:
  UnixFile socket_;
  std::mutex sending_;
};

// What the terminal's driver does for programs that it knows: Ctrl-C for the program and for what it started.
void Interrupt(const Job& job, uint32_t first) {
  const auto routine = reinterpret_cast<LPTHREAD_START_ROUTINE>(
      reinterpret_cast<void*>(GetProcAddress(GetModuleHandleW(L"ntdll.dll"), "__wine_ctrl_routine")));
  if (routine == nullptr) return;
  std::map<uint32_t, uint32_t> parents;
  std::map<uint32_t, Handle> processes;
  for (const uint32_t pid : job.Processes()) {
    Handle process(OpenProcess(PROCESS_ALL_ACCESS, FALSE, pid));
    PROCESS_BASIC_INFORMATION basic = {};
    BOOL other = FALSE;
    if (!process ||
        NtQueryInformationProcess(process.get(), ProcessBasicInformation, &basic, sizeof(basic), nullptr) < 0)
      continue;
    parents[pid] = static_cast<uint32_t>(basic.InheritedFromUniqueProcessId);
    if (IsWow64Process(process.get(), &other) && !other) processes[pid] = std::move(process);
  }
  for (const auto& [pid, process] : processes) {
    uint32_t at = pid;
    for (size_t steps = 0; at != first && steps < parents.size() && parents.contains(at); ++steps)
      at = parents[at];
    if (at != first) continue;
    const Handle thread(CreateRemoteThread(process.get(), nullptr, 0, routine,
                                           reinterpret_cast<void*>(static_cast<ULONG_PTR>(CTRL_C_EVENT)), 0,
                                           nullptr));
  }
}

// Until the launcher goes: then its program goes with it, as if it were its own.
void Listen(const std::shared_ptr<Link>& link, HANDLE guest, uint32_t pid, const std::string& job_name) {
  for (int interrupts = 0;;) {
    const auto payload = link->Receive();
    if (!payload.ok()) break;
    const auto request = ParseRequest(*payload);
    if (!request.ok()) break;
    if (request->verb == "ping") {
      if (!link->Send(Json{{"v", kControlVersion}, {"alive", true}})) break;
    } else if (request->verb == "interrupt") {
      // Who presses again means it.
      if (++interrupts > 1)
        TerminateProcess(guest, STATUS_CONTROL_C_EXIT);
      else
        Interrupt(Job::OpenExisting(ToUtf16(job_name)), pid);
    }
  }
  TerminateProcess(guest, 1);
}

GuestRequest ReadRequest(const Json& args) {
  GuestRequest out;
  out.prepare = args.contains("prepare") && args["prepare"].is_object() ? args["prepare"] : Json::object();
  out.program = OptionalString(args, "program");
  out.entry = OptionalString(args, "entry");
  out.arguments = OptionalStrings(args, "arguments");
  out.directory = OptionalString(args, "cwd");
  out.environment = OptionalStrings(args, "env");
  return out;
}

}  // namespace

void Agent::ServeLaunchers() {
  if (!facts_.is_wine || !UnixSocketsWork() || !GuestsGetNoConsole()) return;
  auto listener = ListenUnix(UnixName(state_.root()), "launch.sock");
  if (!listener.ok()) {
    // Then they start guests by a process of their own, as everywhere else.
    spdlog::warn("{}", listener.error().message);
    return;
  }
  const auto shared = std::make_shared<UnixFile>(std::move(*listener));
  (void)StartThread([this, shared] {
    for (;;) {
      const auto client = std::make_shared<UnixFile>(AcceptUnix(*shared));
      if (!*client || !StartThread([this, client] { ServeLauncher(std::move(*client)); })) Sleep(50);
    }
  });
}

void Agent::ServeLauncher(UnixFile socket) {
  if (!Enter()) return;
  const auto link = std::make_shared<Link>(std::move(socket));
  Session session{Connection(Handle()), {}, {}, nullptr};
  session.progress = [link](const Progress& p) { (void)link->Send(MakeProgress(p)); };
  std::vector<UnixFile> files;
  const auto payload = link->Receive(&files);
  if (payload.ok() && !ending_) {
    Result<Json> answer = Error{};
    try {
      const auto request = ParseRequest(*payload);
      answer = !request.ok()               ? Result<Json>(request.error())
               : request->verb != "launch" ? Error{Errc::kUnsupported, "the launcher is of another version"}
                                           : Launch(session, request->args, files, link);
    } catch (const std::exception& e) {
      answer = Error{Errc::kInternal, std::string("starting failed: ") + e.what() + " (see agent.log)"};
    }
    if (!answer.ok()) spdlog::info("launch: {}", answer.error().message);
    (void)link->Send(MakeReply(answer));
  }
  ShutDown(link->socket());
  for (const auto& [id, guest] : session.guests) TerminateProcess(guest.get(), 1);
  for (const std::string& id : session.leases) vms_->Release(id);
  Leave();
}

Result<Json> Agent::Launch(Session& session, const Json& args, const std::vector<UnixFile>& files,
                           const std::shared_ptr<void>& launcher) {
  const auto link = std::static_pointer_cast<Link>(launcher);
  if (files.size() != 3)
    return Error{Errc::kInvalid, "starting failed: the launcher gave no standard handles"};
  const GuestRequest request = ReadRequest(args);
  GuestCaller caller{WineEnvironment(OptionalStrings(args, "unix_environment")), {}};
  ASSIGN(caller.directory, DosPath(OptionalString(args, "unix_directory")));

  struct Counted {  // an agent that is told to stop lets what it has begun come to its end
    std::atomic<int>& count;
    explicit Counted(std::atomic<int>& c) : count(c) { ++count; }
    ~Counted() { --count; }
  };
  auto counted = std::make_unique<Counted>(requests_);
  ASSIGN(const Json prepared, VmPrepare(session, request.prepare));
  const std::string job_name = OptionalString(prepared, "job");
  const Job job = Job::OpenExisting(ToUtf16(job_name));
  if (!job) return WindowsError("opening the VM's job", GetLastError(), "run the command again");
  const auto ask = [&](std::string_view verb, Json wanted) {
    return Dispatch(session, Request{std::string(verb), std::move(wanted)});
  };
  ASSIGN(vl::LaunchSpec spec, PlanGuest(ask, request, prepared, std::move(caller)));
  const Handle input = HandleOf(files[0], GENERIC_READ), output = HandleOf(files[1], GENERIC_WRITE),
               errors = HandleOf(files[2], GENERIC_WRITE);
  if (!input || !output || !errors) return Error{Errc::kInternal, "taking over the standard handles failed"};
  spec.standard_input = input.get();
  spec.standard_output = output.get();
  spec.standard_error = errors.get();
  spec.suspended = true;
  spec.job = job.get();
  ASSIGN(const vl::LaunchedProcess launched, vl::LaunchGuest(spec));
  const auto process = std::make_shared<Handle>(launched.process);
  const Handle thread(launched.thread);
  const Json lease{{"name", OptionalString(prepared, "name")},
                   {"id", OptionalString(prepared, "id")},
                   {"pid", launched.pid}};
  // The job's name lives as long as a handle to it: with one in the guest, the next agent finds its guests.
  HANDLE in_guest = nullptr;
  DuplicateHandle(GetCurrentProcess(), job.get(), process->get(), &in_guest, JOB_OBJECT_QUERY, FALSE, 0);
  (void)VmStarted(session, lease);
  // Who has given up waiting starts it in another way.
  if (IsGone(link->socket()) || !link->Send(Json{{"v", kControlVersion}, {"started", lease}})) {
    TerminateProcess(process->get(), 1);
    return Error{Errc::kUnreachable, "starting failed: the launcher is gone"};
  }
  ResumeThread(thread.get());
  counted.reset();
  if (!StartThread(
          [link, process, pid = launched.pid, job_name] { Listen(link, process->get(), pid, job_name); }))
    spdlog::warn("launch: nobody listens to the launcher of process {}", launched.pid);
  WaitForSingleObject(process->get(), INFINITE);
  DWORD code = 0;
  GetExitCodeProcess(process->get(), &code);
  ASSIGN(Json released, VmRelease(session, lease));
  if (EndedByLayer(code)) return LayerFailure(spec);
  released["exit_code"] = code;
  if (const std::string note = OptionalString(prepared, "note"); !note.empty())
    released["notes"].insert(released["notes"].begin(), note);
  return released;
}

}  // namespace plume::agent
