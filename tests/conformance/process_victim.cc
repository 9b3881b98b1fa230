#include "process_victim.h"

#include <cstdio>

namespace plume::conformance {

std::string HoldVictim(Context& c) {
  // The victims of one holder end with it, however it ends.
  static const HANDLE job = [] {
    const HANDLE h = CreateJobObjectW(nullptr, nullptr);
    JOBOBJECT_EXTENDED_LIMIT_INFORMATION limits{};
    limits.BasicLimitInformation.LimitFlags = JOB_OBJECT_LIMIT_KILL_ON_JOB_CLOSE;
    SetInformationJobObject(h, JobObjectExtendedLimitInformation, &limits, sizeof(limits));
    return h;
  }();
  wchar_t command[] = L"cmd /k";
  STARTUPINFOW info{};
  info.cb = sizeof(info);
  PROCESS_INFORMATION child{};
  if (!CreateProcessW(nullptr, command, nullptr, nullptr, FALSE, CREATE_SUSPENDED | DETACHED_PROCESS, nullptr,
                      nullptr, &info, &child))
    return "no child: " + LastError();
  AssignProcessToJobObject(job, child.hProcess);
  void* memory = VirtualAllocEx(child.hProcess, nullptr, 4096, MEM_COMMIT | MEM_RESERVE, PAGE_READWRITE);
  SIZE_T n;
  if (!memory || !WriteProcessMemory(child.hProcess, memory, &kMarker, 1, &n))
    return "no memory: " + LastError();
  c.Keep(child.hProcess);
  c.Keep(child.hThread);
  c.data = new VictimHandles{child.hProcess, child.hThread, memory};
  char text[128];
  std::snprintf(text, sizeof(text), "%lu %lu %lu %llx %llx", child.dwProcessId, child.dwThreadId,
                GetCurrentProcessId(), static_cast<unsigned long long>(reinterpret_cast<uintptr_t>(memory)),
                static_cast<unsigned long long>(reinterpret_cast<uintptr_t>(GetModuleHandleW(L"ntdll.dll"))));
  c.Give(text);
  return {};
}

VictimIds Target(const Context& c) {
  VictimIds out{};
  unsigned long long memory = 0, view = 0;
  std::sscanf(c.given.c_str(), "%lu %lu %lu %llx %llx", &out.pid, &out.tid, &out.holder, &memory, &view);
  out.memory = reinterpret_cast<void*>(static_cast<uintptr_t>(memory));
  out.view = reinterpret_cast<void*>(static_cast<uintptr_t>(view));
  return out;
}

int SuspendCount(Context& c) {
  const DWORD before = SuspendThread(Held(c).thread);
  if (before == static_cast<DWORD>(-1)) return -1;
  ResumeThread(Held(c).thread);
  return static_cast<int>(before);
}

}  // namespace plume::conformance
