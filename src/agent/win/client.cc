#include "agent/win/client.h"

#include <cstdio>

#include "agent/text.h"
#include "agent/win/machine.h"
#include "os/file.h"

namespace plume::agent {
namespace {

constexpr ULONGLONG kStartMillis = 30000;

// The agent must not hold on to anything of ours: no handles, no console, no folder.
Result<Handle> StartAgent() {
  const std::wstring exe = Wide(ProgramFolder()) + L"\\plume-agent.exe";
  if (GetFileAttributesW(exe.c_str()) == INVALID_FILE_ATTRIBUTES) {
    return Error{Errc::kNotFound,
                 "starting plume-agent failed: " + ToUtf8(FromWide(exe)) + " is not there (reinstall Plume)"};
  }
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

Error StartFailure(const StatePaths& state, const std::string& otherwise) {
  if (const auto why = os::ReadText(os::SystemFiles(), FailureFile(state), 64 << 10);
      why.ok() && !why->empty())
    return Error{Errc::kInternal, "starting plume-agent failed: " + *why};
  return Error{Errc::kInternal,
               "starting plume-agent failed: " + otherwise + " (see " + ToUtf8(state.Log()) + ")"};
}

}  // namespace

std::wstring FailureFile(const StatePaths& state) {
  std::wstring temp(32768, 0);
  temp.resize(GetTempPathW(static_cast<DWORD>(temp.size()), temp.data()));
  return temp + L"plume-" + Wide(state.hash()) + L".err";
}

Result<std::unique_ptr<Connection>> ConnectAgent(const StatePaths& state, bool start) {
  Handle process;
  // The Linux launcher starts the agent itself, with nowhere as its standard handles; then ours would only
  // lose the race.
  wchar_t started[8] = {};
  const bool expected = GetEnvironmentVariableW(L"PLUME_AGENT_STARTED", started, 8) > 0;
  const ULONGLONG begin = GetTickCount64();
  for (DWORD wait = 1;; wait = wait < 20 ? wait + 1 : 20) {
    auto pipe = ConnectPipe(state.ControlPipe(), 5000);
    if (pipe.ok()) return std::make_unique<Connection>(std::move(*pipe));
    if (!start)
      return Error{
          Errc::kNotFound,
          "connecting to plume-agent failed: it is not running (any command that needs it starts it)"};
    if (pipe.error().code == Errc::kDenied) return pipe.error();
    const ULONGLONG waited = GetTickCount64() - begin;
    if (!process && (!expected || waited > 3000)) {
      _wremove(FailureFile(state).c_str());
      ASSIGN(process, StartAgent());
    }
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
  for (int attempt = 0;; ++attempt) {
    const bool fresh = !connection_;
    if (fresh) {
      ASSIGN(connection_, ConnectAgent(state_));
    }
    auto answer = connection_->Call(verb, args, on_progress);
    // Only a broken pipe is reported in these words; an agent that could not reach a server says so in its
    // own.
    if (answer.ok() || answer.error().code != Errc::kUnreachable || !connection_->broken()) return answer;
    connection_.reset();
    if (attempt > 0) return answer;
  }
}

}  // namespace plume::agent
