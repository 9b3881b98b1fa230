// What a program can do to others and to the machine. Each verb prints one line per thing tried: "NAME ok" or
// "NAME CODE" (guard.sh compares what comes out bare and in VMs).
//   victim               prints its id and waits for the end of its input
//   open PID             opens a process with one right after the other
//   list [EXE]           the ids of the processes (with this program's name), by four ways of asking
//   given                reads a process handle's value from its input, then uses it on whoever that is
//   give PID             gives that process a handle of this one, prints the value there, waits for its
//   input's end breakaway            a child that asks to leave its parent's job: "member" or "outside" the
//   job of its parent nested               the same with a job of its own that allows it parent PID a child
//   whose parent should be another process unhook               makes ntdll's code writable and writes there
//   what is there run NT-NAME ARGS...  starts a program by the name of its file, whatever kind of file it is
//   tree N               N levels of detached children that sleep for a minute; prints their ids
//   sleep                sleeps for a minute
//   device ACCESS NAME   opens a device by its NT name: "r" reading, "w" writing, "q" asking only
//   machine              drivers, clock, power, debugger of the machine
// clang-format off
#include <windows.h>
// clang-format on
#include <psapi.h>
#include <tlhelp32.h>
#include <winternl.h>

#include <cstdio>
#include <cstring>
#include <string>
#include <vector>

extern "C" {
NTSTATUS NTAPI NtLoadDriver(PUNICODE_STRING);
NTSTATUS NTAPI NtUnloadDriver(PUNICODE_STRING);
NTSTATUS NTAPI NtShutdownSystem(ULONG);
NTSTATUS NTAPI NtSetSystemTime(const LARGE_INTEGER*, LARGE_INTEGER*);
NTSTATUS NTAPI NtSystemDebugControl(ULONG, void*, ULONG, void*, ULONG, ULONG*);
NTSTATUS NTAPI NtSuspendProcess(HANDLE);
}

namespace {

std::wstring g_self;

void Say(const char* what, bool ok) {
  const DWORD code = GetLastError();
  if (ok)
    std::printf("%s ok\n", what);
  else
    std::printf("%s %lu\n", what, code);
  std::fflush(stdout);
}
void SayStatus(const char* what, NTSTATUS s) {
  std::printf("%s %08lx\n", what, static_cast<unsigned long>(s));
  std::fflush(stdout);
}

// A "." ends it too: a pipe's end may be held open by programs that were started meanwhile.
void WaitForInputEnd() {
  char c;
  DWORD n;
  while (ReadFile(GetStdHandle(STD_INPUT_HANDLE), &c, 1, &n, nullptr) && n && c != '.') {
  }
}
std::string ReadLine() {
  std::string line;
  char c;
  DWORD n;
  while (ReadFile(GetStdHandle(STD_INPUT_HANDLE), &c, 1, &n, nullptr) && n && c != '\n') line += c;
  return line;
}

// Runs itself with `arguments`; false if it could not be started.
bool Start(const std::wstring& arguments, DWORD flags, PROCESS_INFORMATION* out,
           STARTUPINFOEXW* extended = nullptr) {
  std::wstring command = L"\"" + g_self + L"\" " + arguments;
  STARTUPINFOEXW plain{};
  plain.StartupInfo.cb = sizeof(plain.StartupInfo);
  STARTUPINFOEXW* info = extended ? extended : &plain;
  return CreateProcessW(g_self.c_str(), command.data(), nullptr, nullptr, extended == nullptr, flags, nullptr,
                        nullptr, &info->StartupInfo, out) != 0;
}
void End(const PROCESS_INFORMATION& child) {
  TerminateProcess(child.hProcess, 0);
  CloseHandle(child.hThread);
  CloseHandle(child.hProcess);
}

int Open(DWORD pid) {
  static constexpr struct {
    const char* name;
    DWORD access;
  } kRights[] = {{"terminate", PROCESS_TERMINATE},
                 {"create-thread", PROCESS_CREATE_THREAD},
                 {"vm-operation", PROCESS_VM_OPERATION},
                 {"vm-read", PROCESS_VM_READ},
                 {"vm-write", PROCESS_VM_WRITE},
                 {"dup-handle", PROCESS_DUP_HANDLE},
                 {"create-process", PROCESS_CREATE_PROCESS},
                 {"set-quota", PROCESS_SET_QUOTA},
                 {"set-information", PROCESS_SET_INFORMATION},
                 {"query", PROCESS_QUERY_INFORMATION},
                 {"suspend", PROCESS_SUSPEND_RESUME},
                 {"all", PROCESS_ALL_ACCESS},
                 {"generic-read", GENERIC_READ},
                 {"query-limited", PROCESS_QUERY_LIMITED_INFORMATION},
                 {"synchronize", SYNCHRONIZE}};
  for (const auto& r : kRights) {
    const HANDLE h = OpenProcess(r.access, FALSE, pid);
    Say(r.name, h != nullptr);
    if (h) CloseHandle(h);
  }
  return 0;
}

std::vector<DWORD> ByInformation(ULONG information_class) {
  std::vector<DWORD> out;
  std::vector<uint8_t> buffer(1 << 20);
  ULONG size = 0;
  if (NtQuerySystemInformation(static_cast<SYSTEM_INFORMATION_CLASS>(information_class), buffer.data(),
                               static_cast<ULONG>(buffer.size()), &size) != 0)
    return out;
  for (size_t at = 0;;) {
    auto* entry = reinterpret_cast<const SYSTEM_PROCESS_INFORMATION*>(&buffer[at]);
    out.push_back(static_cast<DWORD>(reinterpret_cast<uintptr_t>(entry->UniqueProcessId)));
    if (!entry->NextEntryOffset) return out;
    at += entry->NextEntryOffset;
  }
}

int List(const wchar_t* exe) {
  auto print = [&](const char* way, const std::vector<DWORD>& ids) {
    std::printf("%s", way);
    for (DWORD id : ids) std::printf(" %lu", id);
    std::printf("\n");
  };
  std::vector<DWORD> ids;
  const HANDLE snapshot = CreateToolhelp32Snapshot(TH32CS_SNAPPROCESS, 0);
  PROCESSENTRY32W entry{};
  entry.dwSize = sizeof(entry);
  for (BOOL more = Process32FirstW(snapshot, &entry); more; more = Process32NextW(snapshot, &entry))
    if (!exe || _wcsicmp(entry.szExeFile, exe) == 0) ids.push_back(entry.th32ProcessID);
  CloseHandle(snapshot);
  print("toolhelp", ids);
  if (exe) return 0;
  DWORD found[4096], bytes = 0;
  EnumProcesses(found, sizeof(found), &bytes);
  print("psapi", std::vector<DWORD>(found, found + bytes / sizeof(DWORD)));
  print("information", ByInformation(5));
  print("extended", ByInformation(57));
  return 0;
}

int Given() {
  std::printf("%lu\n", GetCurrentProcessId());
  std::fflush(stdout);
  unsigned long long value = std::strtoull(ReadLine().c_str(), nullptr, 16);
  const auto process = reinterpret_cast<HANDLE>(static_cast<uintptr_t>(value));
  char byte = 0;
  SIZE_T done = 0;
  Say("read",
      ReadProcessMemory(process, reinterpret_cast<void*>(GetModuleHandleW(L"ntdll.dll")), &byte, 1, &done));
  void* memory = VirtualAllocEx(process, nullptr, 4096, MEM_COMMIT | MEM_RESERVE, PAGE_READWRITE);
  Say("allocate", memory != nullptr);
  Say("write", memory && WriteProcessMemory(process, memory, &byte, 1, &done));
  DWORD old;
  Say("protect", memory && VirtualProtectEx(process, memory, 4096, PAGE_READONLY, &old));
  HANDLE copy = nullptr;
  Say("duplicate", DuplicateHandle(process, GetCurrentProcess(), GetCurrentProcess(), &copy, 0, FALSE,
                                   DUPLICATE_SAME_ACCESS));
  Say("thread", CreateRemoteThread(process, nullptr, 0,
                                   reinterpret_cast<LPTHREAD_START_ROUTINE>(reinterpret_cast<void*>(Sleep)),
                                   nullptr, 0, nullptr) != nullptr);
  Say("priority", SetPriorityClass(process, NORMAL_PRIORITY_CLASS));
  const HANDLE job = CreateJobObjectW(nullptr, nullptr);
  Say("job", AssignProcessToJobObject(job, process));
  HANDLE token = nullptr;
  Say("token", OpenProcessToken(process, TOKEN_QUERY, &token));
  Say("terminate", TerminateProcess(process, 42));
  return 0;
}

int Give(DWORD pid) {
  const HANDLE target = OpenProcess(PROCESS_DUP_HANDLE, FALSE, pid);
  HANDLE there = nullptr;
  if (!target || !DuplicateHandle(GetCurrentProcess(), GetCurrentProcess(), target, &there,
                                  PROCESS_ALL_ACCESS, FALSE, 0))
    return 1;
  std::printf("%llx\n", static_cast<unsigned long long>(reinterpret_cast<uintptr_t>(there)));
  std::fflush(stdout);
  WaitForInputEnd();
  std::printf("alive\n");
  return 0;
}

int Breakaway(bool nested) {
  HANDLE job = nullptr;
  if (nested) {
    job = CreateJobObjectW(nullptr, nullptr);
    JOBOBJECT_EXTENDED_LIMIT_INFORMATION limits{};
    limits.BasicLimitInformation.LimitFlags = JOB_OBJECT_LIMIT_BREAKAWAY_OK;
    SetInformationJobObject(job, JobObjectExtendedLimitInformation, &limits, sizeof(limits));
    Say("assign", AssignProcessToJobObject(job, GetCurrentProcess()));
  }
  PROCESS_INFORMATION child;
  const bool ok = Start(L"sleep", CREATE_BREAKAWAY_FROM_JOB, &child);
  Say("start", ok);
  if (!ok) return 1;
  std::printf("child %lu\n", child.dwProcessId);
  std::fflush(stdout);
  if (nested) {
    BOOL in = TRUE;
    IsProcessInJob(child.hProcess, job, &in);
    std::printf("child is %s its parent's job\n", in ? "in" : "outside");
    std::fflush(stdout);
  }
  WaitForInputEnd();
  End(child);
  return 0;
}

int Parent(DWORD pid) {
  HANDLE parent = OpenProcess(PROCESS_CREATE_PROCESS, FALSE, pid);
  Say("open", parent != nullptr);
  if (!parent) parent = OpenProcess(PROCESS_QUERY_LIMITED_INFORMATION, FALSE, pid);
  STARTUPINFOEXW info{};
  info.StartupInfo.cb = sizeof(info);
  SIZE_T size = 0;
  InitializeProcThreadAttributeList(nullptr, 1, 0, &size);
  std::vector<uint8_t> list(size);
  info.lpAttributeList = reinterpret_cast<LPPROC_THREAD_ATTRIBUTE_LIST>(list.data());
  InitializeProcThreadAttributeList(info.lpAttributeList, 1, 0, &size);
  UpdateProcThreadAttribute(info.lpAttributeList, 0, PROC_THREAD_ATTRIBUTE_PARENT_PROCESS, &parent,
                            sizeof(parent), nullptr, nullptr);
  PROCESS_INFORMATION child;
  const bool ok = Start(L"sleep", EXTENDED_STARTUPINFO_PRESENT | DETACHED_PROCESS, &child, &info);
  Say("start", ok);
  if (ok) End(child);
  return 0;
}

int Unhook() {
  auto* at = reinterpret_cast<uint8_t*>(
      reinterpret_cast<void*>(GetProcAddress(GetModuleHandleW(L"ntdll.dll"), "NtCreateFile")));
  DWORD old;
  uint8_t byte = *at;
  Say("protect", VirtualProtect(at, 1, PAGE_EXECUTE_READWRITE, &old));
  *at = byte;
  Say("restore", VirtualProtect(at, 1, old, &old));
  SIZE_T done;
  Say("write", WriteProcessMemory(GetCurrentProcess(), at, &byte, 1, &done));
  return 0;
}

int Run(int argc, wchar_t** argv) {
  std::wstring command = std::wstring(L"\"") + argv[0] + L"\"";
  for (int i = 1; i < argc; ++i) command += std::wstring(L" \"") + argv[i] + L"\"";
  STARTUPINFOW info{};
  info.cb = sizeof(info);
  PROCESS_INFORMATION child{};
  const bool ok =
      CreateProcessW(argv[0], command.data(), nullptr, nullptr, TRUE, 0, nullptr, nullptr, &info, &child);
  Say("run", ok);
  if (ok && child.hProcess) WaitForSingleObject(child.hProcess, 20000);
  return 0;
}

int Tree(int levels) {
  std::printf("%lu\n", GetCurrentProcessId());
  std::fflush(stdout);
  PROCESS_INFORMATION child;
  if (levels > 0) Start(L"tree " + std::to_wstring(levels - 1), CREATE_NEW_PROCESS_GROUP, &child);
  Sleep(60000);
  return 0;
}

UNICODE_STRING Unicode(const wchar_t* text) {
  const auto bytes = static_cast<USHORT>(std::wcslen(text) * 2);
  return {bytes, static_cast<USHORT>(bytes + 2), const_cast<wchar_t*>(text)};
}

int Device(wchar_t access, const wchar_t* name) {
  UNICODE_STRING text = Unicode(name);
  OBJECT_ATTRIBUTES object{};
  InitializeObjectAttributes(&object, &text, OBJ_CASE_INSENSITIVE, nullptr, nullptr);
  const ACCESS_MASK mask = access == L'w'   ? GENERIC_WRITE
                           : access == L'r' ? GENERIC_READ
                                            : FILE_READ_ATTRIBUTES;
  HANDLE handle = nullptr;
  IO_STATUS_BLOCK io;
  SayStatus("device",
            NtOpenFile(&handle, mask | SYNCHRONIZE, &object, &io,
                       FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE, FILE_SYNCHRONOUS_IO_NONALERT));
  if (handle) NtClose(handle);
  return 0;
}

int Machine() {
  UNICODE_STRING driver = Unicode(L"\\Registry\\Machine\\System\\CurrentControlSet\\Services\\PlumeNoDriver");
  SayStatus("load-driver", NtLoadDriver(&driver));
  SayStatus("unload-driver", NtUnloadDriver(&driver));
  LARGE_INTEGER now;
  GetSystemTimeAsFileTime(reinterpret_cast<FILETIME*>(&now));
  SayStatus("time", NtSetSystemTime(&now, nullptr));
  SayStatus("shutdown", NtShutdownSystem(0));
  SayStatus("debug", NtSystemDebugControl(1, nullptr, 0, nullptr, 0, nullptr));
  const HANDLE manager = CreateFileW(L"\\\\.\\MountPointManager", GENERIC_READ | GENERIC_WRITE,
                                     FILE_SHARE_READ | FILE_SHARE_WRITE, nullptr, OPEN_EXISTING, 0, nullptr);
  Say("mount-manager", manager != INVALID_HANDLE_VALUE);
  DWORD done;
  uint8_t in[64] = {}, out[4096];
  // IOCTL_MOUNTMGR_QUERY_POINTS, IOCTL_MOUNTMGR_CREATE_POINT
  const BOOL asked = DeviceIoControl(manager, 0x6d0008, in, 24, out, sizeof(out), &done, nullptr);
  Say("query-points", asked || GetLastError() == ERROR_MORE_DATA);
  Say("create-point", DeviceIoControl(manager, 0x6dc000, in, sizeof(in), out, sizeof(out), &done, nullptr));
  return 0;
}

}  // namespace

int wmain(int argc, wchar_t** argv) {
  wchar_t self[1024];
  GetModuleFileNameW(nullptr, self, 1024);
  g_self = self;
  const std::wstring verb = argc > 1 ? argv[1] : L"";
  auto number = [&](int i) { return static_cast<DWORD>(argc > i ? std::wcstoul(argv[i], nullptr, 10) : 0); };
  if (verb == L"victim") {
    std::printf("%lu\n", GetCurrentProcessId());
    std::fflush(stdout);
    WaitForInputEnd();
    std::printf("alive\n");
    return 0;
  }
  if (verb == L"open") return Open(number(2));
  if (verb == L"list") return List(argc > 2 ? argv[2] : nullptr);
  if (verb == L"given") return Given();
  if (verb == L"give") return Give(number(2));
  if (verb == L"breakaway") return Breakaway(false);
  if (verb == L"nested") return Breakaway(true);
  if (verb == L"parent") return Parent(number(2));
  if (verb == L"unhook") return Unhook();
  if (verb == L"run" && argc > 2) return Run(argc - 2, argv + 2);
  if (verb == L"tree") return Tree(static_cast<int>(number(2)));
  if (verb == L"sleep") return Sleep(60000), 0;
  if (verb == L"device" && argc > 3) return Device(argv[2][0], argv[3]);
  if (verb == L"machine") return Machine();
  return 2;
}
