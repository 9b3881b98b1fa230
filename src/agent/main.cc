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

// Opening the state failed: plume, which started us, is waiting for a reason.
int Refuse(const plume::agent::StatePaths& state, const plume::Error& error) {
  if (error.code == plume::Errc::kBusy) return 0;  // another agent has the state folder: that one will serve
  const std::wstring name = plume::agent::FailureFile(state), whole = name + L".new";
  if (FILE* f = _wfopen(whole.c_str(), L"wb")) {
    fwrite(error.message.data(), 1, error.message.size(), f);
    fclose(f);
    MoveFileExW(whole.c_str(), name.c_str(), MOVEFILE_REPLACE_EXISTING);
  }
  return 125;
}

}  // namespace

int main() {
  SetErrorMode(SEM_FAILCRITICALERRORS | SEM_NOGPFAULTERRORBOX);
  // Another program's crash or a Ctrl-C at a prompt is no reason to end.
  SetConsoleCtrlHandler(nullptr, TRUE);
  const auto state = plume::agent::FindState();
  if (!state.ok()) return 125;
  const auto started = plume::agent::Agent::Start(*state);
  if (!started.ok()) return Refuse(*state, started.error());
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
