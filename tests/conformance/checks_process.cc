// Processes: one outside the VM is asked at most whether it is there, by which name, since when; it is
// neither read nor changed, and no list shows it. The machine is not kept out of its VMs.
#include "process_victim.h"

// clang-format off
#include <psapi.h>
#include <tlhelp32.h>
#include <winternl.h>
// clang-format on

namespace plume::conformance {
namespace {

constexpr char kSees[] = "the machine is not kept out of its VMs";
constexpr char kAsks[] = "whether a process is there, and its name and times, may be asked of any";

#define CHECK_PROCESS(name, probe) CHECK_WITH(process, name, kMachineSees, kSees, HoldVictim, probe)
#define CHECK_PROCESS_DONE(name, probe, look) \
  CHECK_FULL(process, name, kMachineSees, kSees, HoldVictim, probe, look)

// --- Rights
// ----------------------------------------------------------------------------------------------------------

template <DWORD kAccess>
Finding ProbeOpen(Context& c) {
  return Done(Open(kAccess, Target(c)).get() != nullptr);
}
CHECK_PROCESS(open_terminate, ProbeOpen<PROCESS_TERMINATE>);
CHECK_PROCESS(open_create_thread, ProbeOpen<PROCESS_CREATE_THREAD>);
CHECK_PROCESS(open_vm_operation, ProbeOpen<PROCESS_VM_OPERATION>);
CHECK_PROCESS(open_vm_read, ProbeOpen<PROCESS_VM_READ>);
CHECK_PROCESS(open_vm_write, ProbeOpen<PROCESS_VM_WRITE>);
CHECK_PROCESS(open_dup_handle, ProbeOpen<PROCESS_DUP_HANDLE>);
CHECK_PROCESS(open_create_process, ProbeOpen<PROCESS_CREATE_PROCESS>);
CHECK_PROCESS(open_set_quota, ProbeOpen<PROCESS_SET_QUOTA>);
CHECK_PROCESS(open_set_information, ProbeOpen<PROCESS_SET_INFORMATION>);
CHECK_PROCESS(open_query_information, ProbeOpen<PROCESS_QUERY_INFORMATION>);
CHECK_PROCESS(open_suspend_resume, ProbeOpen<PROCESS_SUSPEND_RESUME>);
CHECK_PROCESS(open_all_access, ProbeOpen<PROCESS_ALL_ACCESS>);
CHECK_PROCESS(open_generic_all, ProbeOpen<GENERIC_ALL>);
CHECK_PROCESS(open_generic_read, ProbeOpen<GENERIC_READ>);
CHECK_PROCESS(open_write_dac, ProbeOpen<WRITE_DAC>);
CHECK_PROCESS(open_delete, ProbeOpen<DELETE>);

Finding ProbeMaximum(Context& c) {
  const Owned h = Open(MAXIMUM_ALLOWED, Target(c));
  char byte;
  SIZE_T n;
  return Done(h.get() && ReadProcessMemory(h.get(), Target(c).memory, &byte, 1, &n));
}
CHECK_PROCESS(open_maximum, ProbeMaximum);

// --- Allowed questions
// -----------------------------------------------------------------------------------------------

Finding ProbeName(Context& c) {
  const Owned h = Open(PROCESS_QUERY_LIMITED_INFORMATION, Target(c));
  wchar_t name[1024];
  DWORD size = 1024;
  return Done(h.get() && QueryFullProcessImageNameW(h.get(), 0, name, &size));
}
CHECK_WITH(process, image_name, kShared, kAsks, HoldVictim, ProbeName);

Finding ProbeTimes(Context& c) {
  const Owned h = Open(PROCESS_QUERY_LIMITED_INFORMATION, Target(c));
  FILETIME t[4];
  return Done(h.get() && GetProcessTimes(h.get(), &t[0], &t[1], &t[2], &t[3]));
}
CHECK_WITH(process, times, kShared, kAsks, HoldVictim, ProbeTimes);

Finding ProbeWait(Context& c) {
  const Owned h = Open(SYNCHRONIZE, Target(c));
  return Done(h.get() && WaitForSingleObject(h.get(), 0) == WAIT_TIMEOUT);
}
CHECK_WITH(process, wait, kShared, kAsks, HoldVictim, ProbeWait);

// --- Memory
// ----------------------------------------------------------------------------------------------------------

Finding ProbeRead(Context& c) {
  const Owned h = Open(PROCESS_VM_READ, Target(c));
  char byte = 0;
  SIZE_T n;
  return Done(h.get() && ReadProcessMemory(h.get(), Target(c).memory, &byte, 1, &n) && byte == kMarker);
}
CHECK_PROCESS(read_memory, ProbeRead);

Finding ActWrite(Context& c) {
  const Owned h = Open(PROCESS_VM_WRITE | PROCESS_VM_OPERATION, Target(c));
  SIZE_T n;
  return Done(h.get() && WriteProcessMemory(h.get(), Target(c).memory, "!", 1, &n));
}
Finding MemoryChanged(Context& c) {
  char byte = 0;
  SIZE_T n;
  ReadProcessMemory(Held(c).process, Held(c).memory, &byte, 1, &n);
  return Done(byte != kMarker);
}
CHECK_PROCESS_DONE(write_memory, ActWrite, MemoryChanged);

Finding ProbeAllocate(Context& c) {
  const Owned h = Open(PROCESS_VM_OPERATION, Target(c));
  return Done(h.get() && VirtualAllocEx(h.get(), nullptr, 4096, MEM_COMMIT | MEM_RESERVE, PAGE_READWRITE));
}
CHECK_PROCESS(allocate, ProbeAllocate);

Finding ActProtect(Context& c) {
  const Owned h = Open(PROCESS_VM_OPERATION, Target(c));
  DWORD old;
  return Done(h.get() && VirtualProtectEx(h.get(), Target(c).memory, 1, PAGE_READONLY, &old));
}
Finding ProtectionChanged(Context& c) {
  MEMORY_BASIC_INFORMATION m{};
  VirtualQueryEx(Held(c).process, Held(c).memory, &m, sizeof(m));
  return Done(m.Protect == PAGE_READONLY);
}
CHECK_PROCESS_DONE(protect, ActProtect, ProtectionChanged);

Finding ActFree(Context& c) {
  const Owned h = Open(PROCESS_VM_OPERATION, Target(c));
  return Done(h.get() && VirtualFreeEx(h.get(), Target(c).memory, 0, MEM_RELEASE));
}
Finding MemoryGone(Context& c) {
  MEMORY_BASIC_INFORMATION m{};
  VirtualQueryEx(Held(c).process, Held(c).memory, &m, sizeof(m));
  return Done(m.State != MEM_COMMIT);
}
CHECK_PROCESS_DONE(free_memory, ActFree, MemoryGone);

Finding ProbeQueryMemory(Context& c) {
  const Owned h = Open(PROCESS_QUERY_INFORMATION, Target(c));
  MEMORY_BASIC_INFORMATION m{};
  return Done(h.get() && VirtualQueryEx(h.get(), Target(c).memory, &m, sizeof(m)) && m.State == MEM_COMMIT);
}
CHECK_PROCESS(query_memory, ProbeQueryMemory);

using MapView = NTSTATUS(NTAPI*)(HANDLE, HANDLE, void**, ULONG_PTR, SIZE_T, LARGE_INTEGER*, SIZE_T*, ULONG,
                                 ULONG, ULONG);
Finding ProbeMap(Context& c) {
  const Owned h = Open(PROCESS_VM_OPERATION, Target(c));
  const Owned section(CreateFileMappingW(INVALID_HANDLE_VALUE, nullptr, PAGE_READWRITE, 0, 4096, nullptr));
  void* base = nullptr;
  SIZE_T size = 0;
  const auto map = FromNtdll<MapView>("NtMapViewOfSection");
  return Done(h.get() && map(section.get(), h.get(), &base, 0, 0, nullptr, &size, 2, 0, PAGE_READWRITE) >= 0);
}
CHECK_PROCESS(map_section, ProbeMap);

Finding ProbeUnmap(Context& c) {
  const Owned h = Open(PROCESS_VM_OPERATION, Target(c));
  const auto unmap = FromNtdll<NTSTATUS(NTAPI*)(HANDLE, void*)>("NtUnmapViewOfSection");
  return Done(h.get() && unmap(h.get(), Target(c).view) >= 0);
}
CHECK_PROCESS(unmap_section, ProbeUnmap);

// --- Threads into it
// -------------------------------------------------------------------------------------------------

Finding ProbeRemoteThread(Context& c) {
  const Owned h = Open(
      PROCESS_CREATE_THREAD | PROCESS_VM_OPERATION | PROCESS_VM_WRITE | PROCESS_QUERY_INFORMATION, Target(c));
  const Owned thread(
      h.get() ? CreateRemoteThread(h.get(), nullptr, 0,
                                   reinterpret_cast<LPTHREAD_START_ROUTINE>(reinterpret_cast<void*>(Sleep)),
                                   nullptr, CREATE_SUSPENDED, nullptr)
              : nullptr);
  return Done(thread.get() != nullptr);
}
CHECK_PROCESS(remote_thread, ProbeRemoteThread);

Finding ProbeParent(Context& c) {
  const Owned parent = Open(PROCESS_CREATE_PROCESS, Target(c));
  if (!parent.get()) return Isolated(LastError());
  STARTUPINFOEXW info{};
  info.StartupInfo.cb = sizeof(info);
  SIZE_T size = 0;
  InitializeProcThreadAttributeList(nullptr, 1, 0, &size);
  std::vector<BYTE> list(size);
  info.lpAttributeList = reinterpret_cast<LPPROC_THREAD_ATTRIBUTE_LIST>(list.data());
  InitializeProcThreadAttributeList(info.lpAttributeList, 1, 0, &size);
  HANDLE handle = parent.get();
  UpdateProcThreadAttribute(info.lpAttributeList, 0, PROC_THREAD_ATTRIBUTE_PARENT_PROCESS, &handle,
                            sizeof(handle), nullptr, nullptr);
  wchar_t command[] = L"cmd /c exit";
  PROCESS_INFORMATION child{};
  const BOOL ok = CreateProcessW(nullptr, command, nullptr, nullptr, FALSE,
                                 EXTENDED_STARTUPINFO_PRESENT | DETACHED_PROCESS | CREATE_SUSPENDED, nullptr,
                                 nullptr, &info.StartupInfo, &child);
  if (!ok) return Isolated(LastError());
  TerminateProcess(child.hProcess, 0);
  CloseHandle(child.hThread);
  CloseHandle(child.hProcess);
  return Visible();
}
CHECK_PROCESS(parent_of_a_child, ProbeParent);

// --- Life
// ------------------------------------------------------------------------------------------------------------

Finding ActTerminate(Context& c) {
  const Owned h = Open(PROCESS_TERMINATE, Target(c));
  return Done(h.get() && TerminateProcess(h.get(), 9));
}
Finding Dead(Context& c) { return Done(WaitForSingleObject(Held(c).process, 300) == WAIT_OBJECT_0); }
CHECK_PROCESS_DONE(terminate, ActTerminate, Dead);

Finding ActSuspend(Context& c) {
  const Owned h = Open(PROCESS_SUSPEND_RESUME, Target(c));
  const auto suspend = FromNtdll<NTSTATUS(NTAPI*)(HANDLE)>("NtSuspendProcess");
  return Done(h.get() && suspend(h.get()) >= 0);
}
Finding SuspendedTwice(Context& c) { return Done(SuspendCount(c) > 1); }
CHECK_PROCESS_DONE(suspend, ActSuspend, SuspendedTwice);

Finding ActResume(Context& c) {
  const Owned h = Open(PROCESS_SUSPEND_RESUME, Target(c));
  const auto resume = FromNtdll<NTSTATUS(NTAPI*)(HANDLE)>("NtResumeProcess");
  return Done(h.get() && resume(h.get()) >= 0);
}
// Once it runs the victim may end at any time.
Finding Resumed(Context& c) {
  return Done(SuspendCount(c) == 0 || WaitForSingleObject(Held(c).thread, 0) == WAIT_OBJECT_0);
}
CHECK_PROCESS_DONE(resume, ActResume, Resumed);

Finding ActPriority(Context& c) {
  const Owned h = Open(PROCESS_SET_INFORMATION, Target(c));
  return Done(h.get() && SetPriorityClass(h.get(), IDLE_PRIORITY_CLASS));
}
Finding PriorityChanged(Context& c) { return Done(GetPriorityClass(Held(c).process) == IDLE_PRIORITY_CLASS); }
CHECK_PROCESS_DONE(priority, ActPriority, PriorityChanged);

Finding ProbeDebug(Context& c) {
  const DWORD pid = Target(c).pid;
  if (!DebugActiveProcess(pid)) return Isolated(LastError());
  DebugSetProcessKillOnExit(FALSE);
  DebugActiveProcessStop(pid);
  return Visible();
}
CHECK_PROCESS(debug, ProbeDebug);

Finding ProbeJob(Context& c) {
  const Owned h = Open(PROCESS_SET_QUOTA | PROCESS_TERMINATE, Target(c));
  const Owned job(CreateJobObjectW(nullptr, nullptr));
  return Done(h.get() && AssignProcessToJobObject(job.get(), h.get()));
}
CHECK_PROCESS(put_into_job, ProbeJob);

Finding ProbeToken(Context& c) {
  Owned h = Open(PROCESS_QUERY_INFORMATION, Target(c));
  if (!h.get()) h = Open(PROCESS_QUERY_LIMITED_INFORMATION, Target(c));
  HANDLE token = nullptr;
  const bool ok = h.get() && OpenProcessToken(h.get(), TOKEN_QUERY | TOKEN_DUPLICATE, &token);
  const Owned close(token);
  return Done(ok);
}
CHECK_PROCESS(token, ProbeToken);

// --- Handles
// ---------------------------------------------------------------------------------------------------------

Finding ProbeTakeHandle(Context& c) {
  const Owned h = Open(PROCESS_DUP_HANDLE, Target(c));
  HANDLE copy = nullptr;
  // The pseudo handle of the process itself: taking it is taking the process.
  const bool ok = h.get() && DuplicateHandle(h.get(), GetCurrentProcess(), GetCurrentProcess(), &copy, 0,
                                             FALSE, DUPLICATE_SAME_ACCESS);
  const Owned close(copy);
  return Done(ok);
}
CHECK_PROCESS(take_handle, ProbeTakeHandle);

Finding ProbeGiveHandle(Context& c) {
  const Owned h = Open(PROCESS_DUP_HANDLE, Target(c));
  const Owned event(CreateEventW(nullptr, TRUE, FALSE, nullptr));
  HANDLE there = nullptr;
  return Done(h.get() && DuplicateHandle(GetCurrentProcess(), event.get(), h.get(), &there, 0, FALSE,
                                         DUPLICATE_SAME_ACCESS));
}
CHECK_PROCESS(give_handle, ProbeGiveHandle);

// --- Lists
// -----------------------------------------------------------------------------------------------------------

template <DWORD kFlags>
Finding ProbeSnapshot(Context& c) {
  const DWORD pid = Target(c).pid;
  const Owned snapshot(CreateToolhelp32Snapshot(kFlags, 0));
  if (kFlags == TH32CS_SNAPPROCESS) {
    PROCESSENTRY32W e{};
    e.dwSize = sizeof(e);
    for (BOOL more = Process32FirstW(snapshot.get(), &e); more; more = Process32NextW(snapshot.get(), &e))
      if (e.th32ProcessID == pid) return Visible();
    return Isolated();
  }
  THREADENTRY32 e{};
  e.dwSize = sizeof(e);
  for (BOOL more = Thread32First(snapshot.get(), &e); more; more = Thread32Next(snapshot.get(), &e))
    if (e.th32OwnerProcessID == pid) return Visible();
  return Isolated();
}
CHECK_PROCESS(toolhelp_processes, ProbeSnapshot<TH32CS_SNAPPROCESS>);
CHECK_PROCESS(toolhelp_threads, ProbeSnapshot<TH32CS_SNAPTHREAD>);

Finding ProbeModules(Context& c) {
  // The holder itself: its loader has run.
  const Owned snapshot(CreateToolhelp32Snapshot(TH32CS_SNAPMODULE, Target(c).holder));
  return Done(snapshot.get() != INVALID_HANDLE_VALUE);
}
CHECK_PROCESS(toolhelp_modules, ProbeModules);

Finding ProbePsapi(Context& c) {
  DWORD ids[8192], bytes = 0;
  EnumProcesses(ids, sizeof(ids), &bytes);
  for (DWORD i = 0; i < bytes / sizeof(DWORD); ++i)
    if (ids[i] == Target(c).pid) return Visible();
  return Isolated();
}
CHECK_PROCESS(psapi_processes, ProbePsapi);

std::vector<BYTE> SystemList(ULONG information_class) {
  for (ULONG size = 1 << 18; size < (64u << 20); size *= 2) {
    std::vector<BYTE> out(size);
    ULONG needed = 0;
    const NTSTATUS s = NtQuerySystemInformation(static_cast<SYSTEM_INFORMATION_CLASS>(information_class),
                                                out.data(), size, &needed);
    if (s >= 0) return out;
    if (s != static_cast<NTSTATUS>(0xC0000004)) break;
  }
  return {};
}
template <ULONG kClass>
Finding ProbeSystemList(Context& c) {
  const std::vector<BYTE> list = SystemList(kClass);
  if (list.empty()) return Unsupported("no such list");
  for (size_t at = 0;;) {
    auto* e = reinterpret_cast<const SYSTEM_PROCESS_INFORMATION*>(&list[at]);
    if (reinterpret_cast<uintptr_t>(e->UniqueProcessId) == Target(c).pid) return Visible();
    if (!e->NextEntryOffset) return Isolated();
    at += e->NextEntryOffset;
  }
}
CHECK_PROCESS(system_processes, ProbeSystemList<5>);
CHECK_PROCESS(system_extended_processes, ProbeSystemList<57>);
CHECK_PROCESS(system_full_processes, ProbeSystemList<148>);

Finding ProbeHandles(Context& c) {
  const std::vector<BYTE> list = SystemList(16);
  if (list.empty()) return Unsupported("no such list");
  struct Entry {
    ULONG owner;  // on Windows 16 bits of it and another number
    BYTE type, flags;
    USHORT handle;
    void* object;
    ULONG access;
  };
  const ULONG count = *reinterpret_cast<const ULONG*>(list.data());
  auto* e = reinterpret_cast<const Entry*>(list.data() + sizeof(void*));
  for (ULONG i = 0; i < count; ++i)
    if (e[i].owner == Target(c).pid || (e[i].owner & 0xffff) == Target(c).pid) return Visible();
  return Isolated();
}
CHECK_PROCESS(system_handles, ProbeHandles);

Finding ProbeHandlesEx(Context& c) {
  const std::vector<BYTE> list = SystemList(64);
  if (list.empty()) return Unsupported("no such list");
  struct Entry {
    void* object;
    ULONG_PTR owner, handle;
    ULONG access;
    USHORT trace, type;
    ULONG attributes, reserved;
  };
  const ULONG_PTR count = *reinterpret_cast<const ULONG_PTR*>(list.data());
  auto* e = reinterpret_cast<const Entry*>(list.data() + 2 * sizeof(void*));
  for (ULONG_PTR i = 0; i < count; ++i)
    if (e[i].owner == Target(c).pid) return Visible();
  return Isolated();
}
CHECK_PROCESS(system_extended_handles, ProbeHandlesEx);

Finding ProbeNext(Context& c) {
  const auto next =
      FromNtdll<NTSTATUS(NTAPI*)(HANDLE, ACCESS_MASK, ULONG, ULONG, HANDLE*)>("NtGetNextProcess");
  if (!next) return Unsupported("no such call");
  HANDLE at = nullptr;
  bool found = false;
  for (HANDLE to = nullptr; next(at, PROCESS_QUERY_LIMITED_INFORMATION, 0, 0, &to) >= 0; at = to) {
    if (at) CloseHandle(at);
    found = found || GetProcessId(to) == Target(c).pid;
  }
  if (at) CloseHandle(at);
  return Done(found);
}
CHECK_PROCESS(next_process, ProbeNext);

Finding ProbeEnvironment(Context& c) {
  // What a debugger reads first: the parameters in the environment block.
  const Owned h = Open(PROCESS_QUERY_INFORMATION | PROCESS_VM_READ, Target(c));
  PROCESS_BASIC_INFORMATION basic{};
  ULONG size;
  void* parameters = nullptr;
  SIZE_T n;
  const bool ok =
      h.get() &&
      NtQueryInformationProcess(h.get(), ProcessBasicInformation, &basic, sizeof(basic), &size) >= 0 &&
      ReadProcessMemory(h.get(), reinterpret_cast<BYTE*>(basic.PebBaseAddress) + 0x20, &parameters,
                        sizeof(parameters), &n);
  return Done(ok);
}
CHECK_PROCESS(read_parameters, ProbeEnvironment);

}  // namespace
}  // namespace plume::conformance
