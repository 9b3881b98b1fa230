#include "agent/win/client.h"

#include <cstdio>

#include "agent/text.h"
#include "agent/win/machine.h"
#include "os/file.h"

namespace plume::agent {
namespace {

constexpr ULONGLONG kStartMillis = 30000;
// How long the agent may be silent about a request before it is asked whether it lives, and how long about
// that.
constexpr uint32_t kSilenceMillis = 10000, kPingMillis = 5000;
constexpr ULONGLONG kAgainMillis = 15000;  // how long a request is repeated when the agent goes away under it

// Under Wine a child's stderr is its parent's whatever one asks for, so an agent started by us would keep the
// caller's pipe open, and `x=$(plume ...)` would never return. The Linux launcher beside us starts it with
// nothing of ours.
bool StartByLauncher() {
  const std::wstring launcher = Wide(ProgramFolder()) + L"\\plume";
  if (!RunningOnWine() || GetFileAttributesW(launcher.c_str()) == INVALID_FILE_ATTRIBUTES) return false;
  std::wstring command = L"\"" + launcher + L"\" --start-agent";
  STARTUPINFOW startup = {};
  startup.cb = sizeof(startup);
  PROCESS_INFORMATION info = {};
  if (!CreateProcessW(launcher.c_str(), command.data(), nullptr, nullptr, FALSE, 0, nullptr, nullptr,
                      &startup, &info))
    return false;
  CloseHandle(info.hThread);
  CloseHandle(info.hProcess);
  return true;
}

// The agent must not hold on to anything of ours: no handles, no console, no folder. No handle if it was not
// started by us; then its failure file alone tells of a failure.
Result<Handle> StartAgent() {
  const std::wstring exe = Wide(ProgramFolder()) + L"\\plume-agent.exe";
  if (GetFileAttributesW(exe.c_str()) == INVALID_FILE_ATTRIBUTES) {
    return Error{Errc::kNotFound,
                 "starting plume-agent failed: " + ToUtf8(FromWide(exe)) + " is not there (reinstall Plume)"};
  }
  if (StartByLauncher()) return Handle();
  SECURITY_ATTRIBUTES inherit = {sizeof(inherit), nullptr, TRUE};
  const Handle nul(CreateFileW(L"NUL", GENERIC_READ | GENERIC_WRITE, FILE_SHARE_READ | FILE_SHARE_WRITE,
                               &inherit, OPEN_EXISTING, 0, nullptr));
  STARTUPINFOEXW startup = {};
  startup.StartupInfo.cb = sizeof(startup);
  startup.StartupInfo.dwFlags = STARTF_USESTDHANDLES;
  startup.StartupInfo.hStdInput = startup.StartupInfo.hStdOutput = startup.StartupInfo.hStdError = nul.get();
  SIZE_T size = 0;
  InitializeProcThreadAttributeList(nullptr, 1, 0, &size);
  std::string list(size, 0);
  startup.lpAttributeList = reinterpret_cast<LPPROC_THREAD_ATTRIBUTE_LIST>(list.data());
  HANDLE inherited = nul.get();
  if (!InitializeProcThreadAttributeList(startup.lpAttributeList, 1, 0, &size) ||
      !UpdateProcThreadAttribute(startup.lpAttributeList, 0, PROC_THREAD_ATTRIBUTE_HANDLE_LIST, &inherited,
                                 sizeof(inherited), nullptr, nullptr)) {
    return WindowsError("starting plume-agent", GetLastError());
  }
  wchar_t windows[MAX_PATH + 1] = {};
  GetSystemWindowsDirectoryW(windows, MAX_PATH);
  std::wstring command = L"\"" + exe + L"\"";
  PROCESS_INFORMATION info = {};
  const BOOL ok = CreateProcessW(exe.c_str(), command.data(), nullptr, nullptr, TRUE,
                                 DETACHED_PROCESS | CREATE_NEW_PROCESS_GROUP | EXTENDED_STARTUPINFO_PRESENT,
                                 nullptr, windows, &startup.StartupInfo, &info);
  const DWORD error = GetLastError();
  DeleteProcThreadAttributeList(startup.lpAttributeList);
  if (!ok) return WindowsError("starting plume-agent", error);
  CloseHandle(info.hThread);
  return Handle(info.hProcess);
}

std::string FailureText(const StatePaths& state) {
  const auto why = os::ReadText(os::SystemFiles(), FailureFile(state), 64 << 10);
  return why.ok() ? *why : std::string();
}

Error StartFailure(const StatePaths& state, const std::string& otherwise) {
  if (const std::string why = FailureText(state); !why.empty()) {
    _wremove(FailureFile(state).c_str());
    return Error{Errc::kInternal, "starting plume-agent failed: " + why};
  }
  return Error{Errc::kInternal,
               "starting plume-agent failed: " + otherwise + " (see " + ToUtf8(state.Log()) + ")"};
}

bool AgentLives(const StatePaths& state) {
  auto pipe = ConnectPipe(state.ControlPipe(), kPingMillis);
  if (!pipe.ok()) return pipe.error().code == Errc::kNotFound;  // gone: then the connection breaks by itself
  Connection ping(std::move(*pipe), kPingMillis, nullptr);
  (void)ping.Call("agent.status", Json::object());
  return !ping.hung();
}

}  // namespace

std::wstring FailureFile(const StatePaths& state) {
  std::wstring temp(32768, 0);
  temp.resize(GetTempPathW(static_cast<DWORD>(temp.size()), temp.data()));
  return temp + L"plume-" + Wide(state.hash()) + L".err";
}

Result<std::unique_ptr<Connection>> ConnectAgent(const StatePaths& state, bool start) {
  Handle process;
  bool started_it = false;
  // The Linux launcher starts the agent itself, with nowhere as its standard handles; then ours would only
  // lose the race.
  wchar_t started[8] = {};
  const bool expected = GetEnvironmentVariableW(L"PLUME_AGENT_STARTED", started, 8) > 0;
  const ULONGLONG begin = GetTickCount64();
  for (DWORD wait = 1;; wait = wait < 20 ? wait + 1 : 20) {
    auto pipe = ConnectPipe(state.ControlPipe(), 5000);
    if (pipe.ok())
      return std::make_unique<Connection>(std::move(*pipe), kSilenceMillis,
                                          [state] { return AgentLives(state); });
    if (!start)
      return Error{
          Errc::kNotFound,
          "connecting to plume-agent failed: it is not running (any command that needs it starts it)"};
    if (pipe.error().code == Errc::kDenied) {
      return Error{Errc::kDenied, "connecting to plume-agent failed: the one that serves " +
                                      ToUtf8(state.root()) +
                                      " is another user's (set PLUME_HOME to a folder of your own)"};
    }
    const ULONGLONG waited = GetTickCount64() - begin;
    if (!started_it && (!expected || waited > 3000)) {
      _wremove(FailureFile(state).c_str());
      ASSIGN(process, StartAgent());
      started_it = true;
    }
    if (started_it && !process && !FailureText(state).empty()) return StartFailure(state, "");
    DWORD code = 0;
    if (process && WaitForSingleObject(process.get(), 0) == WAIT_OBJECT_0 &&
        GetExitCodeProcess(process.get(), &code) && code != 0)
      return StartFailure(state, "it ended with " + std::to_string(code));
    if (waited > kStartMillis) return StartFailure(state, "it does not answer");
    Sleep(wait);
  }
}

bool Client::Alive() const {
  return connection_ && PeekNamedPipe(connection_->pipe(), nullptr, 0, nullptr, nullptr, nullptr);
}

Result<Json> Client::Call(std::string_view verb, Json args,
                          const std::function<void(const Progress&)>& on_progress) {
  const ULONGLONG begin = GetTickCount64();
  for (DWORD wait = 5;; wait = wait < 80 ? wait * 2 : 160) {
    if (!connection_) {
      ASSIGN(connection_, ConnectAgent(state_));
    }
    auto answer = connection_->Call(verb, args, on_progress);
    // Only a broken pipe is reported in these words; an agent that could not reach a server says so in its
    // own.
    if (answer.ok() || answer.error().code != Errc::kUnreachable || !connection_->broken()) return answer;
    const bool hung = connection_->hung();
    connection_.reset();
    if (hung) return answer;
    if (GetTickCount64() - begin > kAgainMillis) return answer;
    Sleep(wait);  // it ended or died; an ending one lets nobody in, and the next one comes up soon
  }
}

}  // namespace plume::agent
