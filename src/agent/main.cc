// plume-agent: the background process. Started on demand by plume; takes no arguments from users.
#include <windows.h>

#include <cstdio>

#include "agent/agent.h"
#include "agent/text.h"
#include "agent/win/client.h"
#include "agent/win/machine.h"
#include "spdlog/sinks/rotating_file_sink.h"
#include "spdlog/spdlog.h"

namespace {

uint32_t IdleSeconds() {
  wchar_t text[16] = {};
  const DWORD n = GetEnvironmentVariableW(L"PLUME_AGENT_IDLE_SECONDS", text, 16);
  const long seconds = n > 0 && n < 16 ? wcstol(text, nullptr, 10) : 0;
  return seconds > 0 ? static_cast<uint32_t>(seconds) : 600;
}

void OpenLog(const plume::agent::StatePaths& state) {
  try {
    auto sink =
        std::make_shared<spdlog::sinks::rotating_file_sink_mt>(plume::agent::Wide(state.Log()), 4u << 20, 1);
    auto logger = std::make_shared<spdlog::logger>("agent", sink);
    logger->flush_on(spdlog::level::info);
    spdlog::set_default_logger(logger);
  } catch (const spdlog::spdlog_ex&) {
    spdlog::set_level(spdlog::level::off);  // no log is better than no agent
  }
}

bool CanBeReached(const plume::agent::StatePaths& state) {
  return WaitNamedPipeW(plume::agent::Wide(state.ControlPipe()).c_str(), 50) ||
         GetLastError() == ERROR_SEM_TIMEOUT;
}

// Opening the state failed: plume, which started us, is waiting for a reason.
int Refuse(const plume::agent::StatePaths& state, const std::string& why) {
  const std::wstring name = plume::agent::FailureFile(state), whole = name + L".new";
  if (FILE* f = _wfopen(whole.c_str(), L"wb")) {
    fwrite(why.data(), 1, why.size(), f);
    fclose(f);
    MoveFileExW(whole.c_str(), name.c_str(), MOVEFILE_REPLACE_EXISTING);
  }
  return 125;
}

}  // namespace

int main() {
  SetErrorMode(SEM_FAILCRITICALERRORS | SEM_NOGPFAULTERRORBOX);
  // Another program's crash or a Ctrl-C at a prompt is no reason to end. Not by null for a handler: guests
  // would inherit that.
  SetConsoleCtrlHandler([](DWORD) -> BOOL { return TRUE; }, TRUE);
  const auto state = plume::agent::FindState();
  if (!state.ok()) return 125;
  auto started = plume::agent::Agent::Start(*state);
  // Another agent has the state folder. If this user reaches it by this name of the folder, it will serve; it
  // may also be just starting, or just dying.
  for (int i = 0; !started.ok() && started.error().code == plume::Errc::kBusy && i < 100; ++i) {
    if (CanBeReached(*state)) return 0;
    Sleep(50);
    started = plume::agent::Agent::Start(*state);
  }
  if (!started.ok()) {
    return Refuse(*state,
                  started.error().code != plume::Errc::kBusy
                      ? started.error().message
                      : "another plume-agent has the folder " + plume::ToUtf8(state->root()) +
                            " open, for another user or Wine prefix, or by another name (stop it there with "
                            "plume agent stop, or set PLUME_HOME to another folder)");
  }
  OpenLog(*state);
  if (plume::agent::RunningOnWine()) {
    // Wine starts explorer.exe with the first window's process, and explorer keeps that process's standard
    // handles open for as long as it lives. Ours are nowhere, a guest's may be somebody's pipe.
    GetDesktopWindow();
  }
  (*started)->Run(IdleSeconds());
  spdlog::shutdown();
  // Threads of clients are still about: no destructors.
  TerminateProcess(GetCurrentProcess(), 0);
  return 0;
}
