// What programs share that drive the agent and enter VMs themselves, faster than plume would.
#pragma once
#include <windows.h>

#include <string>

#include "agent/text.h"
#include "agent/win/client.h"
#include "agent/win/job.h"
#include "agent/win/machine.h"
#include "base/result.h"
#include "measure.h"
#include "vl/inject/launch.h"

namespace plume::bench {

inline Error Wrong(const std::string& what) {
  return Error{Errc::kInternal, what + " failed [" + std::to_string(GetLastError()) + "]"};
}

// Starts `spec`'s program in the VM that "vm.prepare" answered with `prepared`.
inline Result<vl::LaunchedProcess> Enter(const agent::Json& prepared, vl::LaunchSpec spec) {
  spec.view_path = agent::ToUtf16(prepared["view"].get<std::string>());
  spec.layer64 = agent::ProgramFolder() + u"\\plume-vl64.dll";
  const auto job = agent::Job::OpenExisting(agent::ToUtf16(prepared["job"].get<std::string>()));
  spec.job = job.get();
  return vl::LaunchGuest(spec);
}

// Starts a program outside any VM.
inline Result<agent::Handle> StartOutside(const std::wstring& exe, std::wstring command_line,
                                          STARTUPINFOW startup) {
  startup.cb = sizeof(startup);
  PROCESS_INFORMATION info = {};
  const BOOL inherit = (startup.dwFlags & STARTF_USESTDHANDLES) != 0;
  if (!CreateProcessW(exe.c_str(), command_line.data(), nullptr, nullptr, inherit, 0, nullptr, nullptr,
                      &startup, &info))
    return Wrong("starting the program");
  CloseHandle(info.hThread);
  return agent::Handle(info.hProcess);
}

}  // namespace plume::bench
