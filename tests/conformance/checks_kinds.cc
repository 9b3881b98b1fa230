// Timers, sections and jobs: what one can learn of another's or do to it beyond opening it.
#include <cstdio>
#include <cwchar>

#include "conformance.h"
#include "nt_objects.h"
#include "process_victim.h"

extern "C" {
NTSYSAPI NTSTATUS NTAPI NtQueryTimer(HANDLE, int, void*, ULONG, ULONG*);
NTSYSAPI NTSTATUS NTAPI NtQuerySection(HANDLE, int, void*, SIZE_T, SIZE_T*);
}

namespace plume::conformance {
namespace {

std::string NarrowName(const Context& c) {
  const std::wstring name = c.Name();
  return std::string(name.begin(), name.end());
}
bool IsSignaled(HANDLE h) { return WaitForSingleObject(h, 0) == WAIT_OBJECT_0; }

// --- Timers ----------------------------------------------------------------------------------------------

constexpr LONGLONG kHour = -36000000000;

std::string HoldTimer(Context& c, bool manual, LONGLONG due) {
  SetLastError(0);
  const HANDLE h = CreateWaitableTimerW(nullptr, manual, c.Name().c_str());
  const std::string failed = c.KeepNew(h);
  if (!failed.empty()) return failed;
  LARGE_INTEGER at;
  at.QuadPart = due;
  if (!SetWaitableTimer(h, &at, 0, nullptr, nullptr, FALSE)) return LastError();
  // One that is due at once has fired when the prober looks.
  if (due > kHour && manual && WaitForSingleObject(h, 5000) != WAIT_OBJECT_0) return "it did not fire";
  if (!manual) Sleep(100);
  return {};
}
std::string HoldFired(Context& c) { return HoldTimer(c, true, -1); }
std::string HoldFiredOnce(Context& c) { return HoldTimer(c, false, -1); }
std::string HoldArmed(Context& c) { return HoldTimer(c, true, kHour); }
HANDLE SameTimer(Context& c) { return CreateWaitableTimerW(nullptr, TRUE, c.Name().c_str()); }

CHECK(timer, wait, HoldFired, [](Context& c) { return VisibleIf(IsSignaled(SameTimer(c))); });
CHECK(timer, query, HoldArmed, [](Context& c) {
  struct {
    LARGE_INTEGER remaining;
    BOOLEAN fired;
  } info{};
  const NTSTATUS status = NtQueryTimer(SameTimer(c), 0, &info, sizeof(info), nullptr);
  // A timer that was never set has no time left.
  return VisibleIf(status >= 0 && !info.fired && info.remaining.QuadPart > 35000000000,
                   Hex(static_cast<unsigned long>(status)));
});
CHECK_OBSERVED(
    timer, consumed, HoldFiredOnce,
    [](Context& c) {
      const HANDLE h = OpenWaitableTimerW(SYNCHRONIZE, FALSE, c.Name().c_str());
      return VisibleIf(h && IsSignaled(h), LastError());
    },
    [](Context& c) { return VisibleIf(!IsSignaled(c.kept[0])); });
CHECK(timer, create_ex, HoldArmed, [](Context& c) {
  SetLastError(0);
  CreateWaitableTimerExW(nullptr, c.Name().c_str(), 0, TIMER_ALL_ACCESS);
  return VisibleIf(GetLastError() == ERROR_ALREADY_EXISTS, LastError());
});
CHECK(timer, open_ansi, HoldArmed, [](Context& c) {
  return VisibleIf(OpenWaitableTimerA(TIMER_ALL_ACCESS, FALSE, NarrowName(c).c_str()) != nullptr,
                   LastError());
});
CHECK_OBSERVED(
    timer, set_relative, HoldArmed,
    [](Context& c) {
      HANDLE directory = nullptr;
      HANDLE h = nullptr;
      NtName at(SessionDirectory());
      NtOpenDirectoryObject(&directory, 3, at.get());
      NtName name(c.Name(), directory);
      const NTSTATUS status = NtOpenTimer(&h, TIMER_MODIFY_STATE, name.get());
      LARGE_INTEGER now;
      now.QuadPart = -1;
      return VisibleIf(status >= 0 && SetWaitableTimer(h, &now, 0, nullptr, nullptr, FALSE),
                       Hex(static_cast<unsigned long>(status)));
    },
    [](Context& c) { return VisibleIf(WaitForSingleObject(c.kept[0], 200) == WAIT_OBJECT_0); });

// --- Sections --------------------------------------------------------------------------------------------

constexpr char kText[] = "the holder's memory";
constexpr DWORD kPages = 3 * 4096;

std::string HoldText(Context& c, const std::wstring& name) {
  SetLastError(0);
  const HANDLE h = CreateFileMappingW(INVALID_HANDLE_VALUE, nullptr, PAGE_READWRITE, 0, kPages, name.c_str());
  const std::string failed = c.KeepNew(h);
  void* view = failed.empty() ? MapViewOfFile(h, FILE_MAP_WRITE, 0, 0, 0) : nullptr;
  if (!view) return failed.empty() ? LastError() : failed;
  memcpy(view, kText, sizeof(kText));
  char text[64];
  std::snprintf(text, sizeof(text), "%lu %llu", GetCurrentProcessId(),
                static_cast<unsigned long long>(reinterpret_cast<uintptr_t>(h)));
  c.Give(text);
  return {};
}
std::string HoldSection(Context& c) { return HoldText(c, c.Name()); }
std::string HoldGlobalSection(Context& c) { return HoldText(c, L"Global\\" + c.Name()); }
Finding HasText(HANDLE h, DWORD access) {
  const void* view = h ? MapViewOfFile(h, access, 0, 0, 0) : nullptr;
  return VisibleIf(view && !memcmp(view, kText, sizeof(kText)), LastError());
}

CHECK(section, open_ansi, HoldSection, [](Context& c) {
  return VisibleIf(OpenFileMappingA(FILE_MAP_READ, FALSE, NarrowName(c).c_str()) != nullptr, LastError());
});
CHECK(section, global_read, HoldGlobalSection, [](Context& c) {
  return HasText(OpenFileMappingW(FILE_MAP_READ, FALSE, (L"Global\\" + c.Name()).c_str()), FILE_MAP_READ);
});
CHECK(section, copy_on_write, HoldSection, [](Context& c) {
  return HasText(OpenFileMappingW(FILE_MAP_ALL_ACCESS, FALSE, c.Name().c_str()), FILE_MAP_COPY);
});
CHECK(section, numa, HoldSection, [](Context& c) {
  SetLastError(0);
  CreateFileMappingNumaW(INVALID_HANDLE_VALUE, nullptr, PAGE_READWRITE, 0, 4096, c.Name().c_str(),
                         NUMA_NO_PREFERRED_NODE);
  return VisibleIf(GetLastError() == ERROR_ALREADY_EXISTS, LastError());
});
CHECK(section, size, HoldSection, [](Context& c) {
  // Whoever has made one of another size under the name gets that of the holder's all the same.
  const HANDLE h =
      CreateFileMappingW(INVALID_HANDLE_VALUE, nullptr, PAGE_READWRITE, 0, 4096, c.Name().c_str());
  struct {
    void* base;
    ULONG attributes;
    LARGE_INTEGER size;
  } info{};
  const NTSTATUS status = NtQuerySection(h, 0, &info, sizeof(info), nullptr);
  return VisibleIf(status >= 0 && info.size.QuadPart == kPages, Hex(static_cast<unsigned long>(status)));
});
CHECK_WITH(section, duplicate, kMachineSees, "the machine is not kept out of its VMs", HoldSection,
           [](Context& c) {
             unsigned long id = 0;
             unsigned long long handle = 0;
             std::sscanf(c.given.c_str(), "%lu %llu", &id, &handle);
             const Owned process(OpenProcess(PROCESS_DUP_HANDLE, FALSE, id));
             HANDLE copy = nullptr;
             if (!process.get() ||
                 !DuplicateHandle(process.get(), reinterpret_cast<HANDLE>(handle), GetCurrentProcess(), &copy,
                                  0, FALSE, DUPLICATE_SAME_ACCESS))
               return Isolated(LastError());
             return HasText(copy, FILE_MAP_READ);
           });

std::string HoldFile(Context& c) {
  const HANDLE file = CreateFileW((c.Folder() + L"mapped").c_str(), GENERIC_READ | GENERIC_WRITE, 0, nullptr,
                                  CREATE_ALWAYS, 0, nullptr);
  DWORD n;
  if (file == INVALID_HANDLE_VALUE || !WriteFile(file, kText, sizeof(kText), &n, nullptr)) return LastError();
  c.kept.insert(c.kept.begin(), file);
  SetLastError(0);
  return c.KeepNew(CreateFileMappingW(file, nullptr, PAGE_READWRITE, 0, 0, c.Name().c_str()));
}
CHECK(section, of_file, HoldFile, [](Context& c) {
  return HasText(OpenFileMappingW(FILE_MAP_READ, FALSE, c.Name().c_str()), FILE_MAP_READ);
});

std::string HoldImage(Context& c) {
  wchar_t path[MAX_PATH];
  GetModuleFileNameW(GetModuleHandleW(L"ntdll.dll"), path, MAX_PATH);
  const HANDLE file = CreateFileW(path, GENERIC_READ, FILE_SHARE_READ | FILE_SHARE_DELETE, nullptr,
                                  OPEN_EXISTING, 0, nullptr);
  if (file == INVALID_HANDLE_VALUE) return LastError();
  SetLastError(0);
  return c.KeepNew(CreateFileMappingW(file, nullptr, PAGE_READONLY | SEC_IMAGE, 0, 0, c.Name().c_str()));
}
CHECK(section, of_image, HoldImage, [](Context& c) {
  const HANDLE h = OpenFileMappingW(FILE_MAP_READ, FALSE, c.Name().c_str());
  const auto* view = static_cast<const char*>(h ? MapViewOfFile(h, FILE_MAP_READ, 0, 0, 0) : nullptr);
  return VisibleIf(view && view[0] == 'M' && view[1] == 'Z', LastError());
});

// --- Jobs ------------------------------------------------------------------------------------------------

// A process that has not begun and is ended with its owner's handle.
HANDLE Sleeper() {
  wchar_t self[MAX_PATH];
  GetModuleFileNameW(nullptr, self, MAX_PATH);
  STARTUPINFOW start = {};
  start.cb = sizeof(start);
  PROCESS_INFORMATION child = {};
  if (!CreateProcessW(self, nullptr, nullptr, nullptr, FALSE, CREATE_SUSPENDED, nullptr, nullptr, &start,
                      &child))
    return nullptr;
  CloseHandle(child.hThread);
  return child.hProcess;
}
HANDLE SameJob(Context& c) { return CreateJobObjectW(nullptr, c.Name().c_str()); }
std::string HoldJob(Context& c) {
  SetLastError(0);
  return c.KeepNew(SameJob(c));
}
std::string HoldMember(Context& c) {
  const std::string failed = HoldJob(c);
  if (!failed.empty()) return failed;
  JOBOBJECT_EXTENDED_LIMIT_INFORMATION limits{};
  limits.BasicLimitInformation.LimitFlags = JOB_OBJECT_LIMIT_KILL_ON_JOB_CLOSE;
  SetInformationJobObject(c.kept[0], JobObjectExtendedLimitInformation, &limits, sizeof(limits));
  const HANDLE child = Sleeper();
  if (!child || !AssignProcessToJobObject(c.kept[0], child)) return LastError();
  c.Keep(child);
  c.Give(std::to_string(GetProcessId(child)));
  return {};
}
DWORD Total(HANDLE job) {
  JOBOBJECT_BASIC_ACCOUNTING_INFORMATION info{};
  QueryInformationJobObject(job, JobObjectBasicAccountingInformation, &info, sizeof(info), nullptr);
  return info.TotalProcesses;
}

CHECK(job, open_ansi, HoldJob, [](Context& c) {
  return VisibleIf(OpenJobObjectA(JOB_OBJECT_QUERY, FALSE, NarrowName(c).c_str()) != nullptr, LastError());
});
CHECK(job, accounting, HoldMember, [](Context& c) { return VisibleIf(Total(SameJob(c)) == 1); });
CHECK(job, members, HoldMember, [](Context& c) {
  struct {
    JOBOBJECT_BASIC_PROCESS_ID_LIST list;
    ULONG_PTR more[15];
  } ids{};
  QueryInformationJobObject(SameJob(c), JobObjectBasicProcessIdList, &ids, sizeof(ids), nullptr);
  return VisibleIf(ids.list.NumberOfProcessIdsInList == 1 &&
                   ids.list.ProcessIdList[0] == static_cast<ULONG_PTR>(std::stoul(c.given)));
});
CHECK(job, is_member, HoldMember, [](Context& c) {
  const Owned process(OpenProcess(PROCESS_QUERY_INFORMATION, FALSE, std::stoul(c.given)));
  const Owned job(OpenJobObjectW(JOB_OBJECT_QUERY, FALSE, c.Name().c_str()));
  BOOL is = FALSE;
  return VisibleIf(process.get() && job.get() && IsProcessInJob(process.get(), job.get(), &is) && is,
                   LastError());
});
// The prober puts a process of its own into the holder's job.
Finding PutIn(Context& c) {
  const HANDLE child = Sleeper();
  const bool done = child && AssignProcessToJobObject(SameJob(c), child);
  TerminateProcess(child, 0);
  return VisibleIf(done, LastError());
}
CHECK_OBSERVED(job, put_in, HoldJob, PutIn, [](Context& c) { return VisibleIf(Total(c.kept[0]) == 1); });
std::string HoldNotified(Context& c) {
  const std::string failed = HoldJob(c);
  if (!failed.empty()) return failed;
  const HANDLE port = CreateIoCompletionPort(INVALID_HANDLE_VALUE, nullptr, 0, 1);
  JOBOBJECT_ASSOCIATE_COMPLETION_PORT to{nullptr, port};
  c.data = port;
  return SetInformationJobObject(c.kept[0], JobObjectAssociateCompletionPortInformation, &to, sizeof(to))
             ? ""
             : LastError();
}
CHECK_OBSERVED(job, notified, HoldNotified, PutIn, [](Context& c) {
  // What nobody else sends comes last: once it is there, nothing else was on its way.
  PostQueuedCompletionStatus(c.data, 0, 1, nullptr);
  bool told = false;
  for (;;) {
    DWORD message = 0;
    ULONG_PTR key = 0;
    OVERLAPPED* process = nullptr;
    if (!GetQueuedCompletionStatus(c.data, &message, &key, &process, 5000) || key == 1) break;
    told |= message == JOB_OBJECT_MSG_NEW_PROCESS;
  }
  return VisibleIf(told);
});

}  // namespace
}  // namespace plume::conformance
