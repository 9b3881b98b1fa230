// What a program sees of processes, modules and handles. Each verb prints lines that must be the same bare
// and in a VM (process.sh compares), unless said otherwise.
//   names               the program's and its modules' names, working directory, command line
//   guest               "guest" or "bare": whether ntdll's NtClose begins with a jump (differs)
//   pointers            statuses of system calls with bad pointers
//   child N ARGS...     runs itself with ARGS through N levels of children; prints their exit codes
//   suspended           a child created suspended runs only after ResumeThread
//   named-child EXE D   starts EXE "names" in folder D
//   threads             handles are made, duplicated, asked and closed by eight threads at once
//   stdio               copies standard input to standard output, counting into standard error
//   inherit             a child reads from an inherited file handle whose name it asks
//   duplicate           duplicated handles and their names
//   exit CODE           ends with that code
// clang-format off
#include <windows.h>
// clang-format on
#include <psapi.h>
#include <winternl.h>

#include <cstdio>
#include <cstring>
#include <string>
#include <thread>
#include <vector>

namespace {

std::string Narrow(const std::wstring& w) {
  std::string out;
  for (wchar_t c : w) out += c < 128 ? static_cast<char>(c) : '?';
  return out;
}

std::wstring ModuleName(HMODULE module) {
  wchar_t name[1024];
  const DWORD n = GetModuleFileNameW(module, name, 1024);
  return std::wstring(name, n);
}

std::wstring MappedName(const void* address) {
  wchar_t name[1024];
  const DWORD n = GetMappedFileNameW(GetCurrentProcess(), const_cast<void*>(address), name, 1024);
  return std::wstring(name, n);
}

std::wstring FullImageName(HANDLE process, DWORD flags) {
  wchar_t name[1024];
  DWORD n = 1024;
  if (!QueryFullProcessImageNameW(process, flags, name, &n))
    return L"error " + std::to_wstring(GetLastError());
  return std::wstring(name, n);
}

void Print(const char* what, const std::wstring& value) {
  std::printf("%s: %s\n", what, Narrow(value).c_str());
}

int Names() {
  HMODULE self = GetModuleHandleW(nullptr);
  Print("module", ModuleName(nullptr));
  Print("kernel32", ModuleName(GetModuleHandleW(L"kernel32.dll")));
  Print("image", FullImageName(GetCurrentProcess(), 0));
  // The device form: only its tail is the same on every machine.
  std::wstring native = FullImageName(GetCurrentProcess(), PROCESS_NAME_NATIVE);
  const std::wstring dos = FullImageName(GetCurrentProcess(), 0);
  const std::wstring tail = dos.substr(2);
  std::printf(
      "native image ends alike: %d\n",
      native.size() >= tail.size() && !_wcsicmp(native.c_str() + native.size() - tail.size(), tail.c_str()));
  const std::wstring mapped = MappedName(self);
  std::printf(
      "mapped name ends alike: %d\n",
      mapped.size() >= tail.size() && !_wcsicmp(mapped.c_str() + mapped.size() - tail.size(), tail.c_str()));
  wchar_t directory[1024];
  GetCurrentDirectoryW(1024, directory);
  Print("directory", directory);
  Print("command", GetCommandLineW());
  std::fflush(stdout);
  return 0;
}

int Guest() {
  auto* code = reinterpret_cast<const uint8_t*>(
      reinterpret_cast<void*>(GetProcAddress(GetModuleHandleW(L"ntdll.dll"), "NtClose")));
  std::puts(code[0] == 0x48 && code[1] == 0xb8 ? "guest" : "bare");
  return 0;
}

template <typename F>
F* Call(const char* name) {
  return reinterpret_cast<F*>(reinterpret_cast<void*>(GetProcAddress(GetModuleHandleW(L"ntdll.dll"), name)));
}

// Pointers that a system call must refuse with c0000005 and not crash on.
int Pointers() {
  auto* page = static_cast<uint8_t*>(VirtualAlloc(nullptr, 0x3000, MEM_RESERVE | MEM_COMMIT, PAGE_READWRITE));
  DWORD old;
  *reinterpret_cast<ULONG*>(page + 0x1000 - 8) = sizeof(OBJECT_ATTRIBUTES);  // readable head, unreadable rest
  VirtualProtect(page + 0x1000, 0x1000, PAGE_NOACCESS, &old);
  VirtualProtect(page + 0x2000, 0x1000, PAGE_READONLY, &old);
  auto* text_page =
      static_cast<uint8_t*>(VirtualAlloc(nullptr, 0x2000, MEM_RESERVE | MEM_COMMIT, PAGE_READWRITE));
  VirtualProtect(text_page + 0x1000, 0x1000, PAGE_NOACCESS, &old);
  memcpy(text_page + 0x1000 - 8, L"\\??\\", 8);
  struct {
    const char* name;
    void* at;
  } bad[] = {{"low", reinterpret_cast<void*>(0x10)},
             {"noaccess", page + 0x1000},
             {"edge", page + 0x1000 - 8},
             {"null", nullptr},
#ifdef _WIN64
             {"kernel", reinterpret_cast<void*>(0xffff800000000000)}};
#else
             {"kernel", reinterpret_cast<void*>(0xffff8000)}};
#endif
  using CreateFileFn = NTSTATUS NTAPI(HANDLE*, ACCESS_MASK, OBJECT_ATTRIBUTES*, IO_STATUS_BLOCK*,
                                      LARGE_INTEGER*, ULONG, ULONG, ULONG, ULONG, void*, ULONG);
  using OpenKeyFn = NTSTATUS NTAPI(HANDLE*, ACCESS_MASK, OBJECT_ATTRIBUTES*);
  using QueryAttributesFn = NTSTATUS NTAPI(OBJECT_ATTRIBUTES*, void*);
  auto* create = Call<CreateFileFn>("NtCreateFile");
  auto* open_key = Call<OpenKeyFn>("NtOpenKey");
  auto* attributes = Call<QueryAttributesFn>("NtQueryAttributesFile");
  for (const auto& b : bad) {
    HANDLE h = nullptr;
    IO_STATUS_BLOCK io;
    uint8_t info[64];
    auto* oa = static_cast<OBJECT_ATTRIBUTES*>(b.at);
    const bool edge = b.at == page + 0x1000 - 8;
    UNICODE_STRING name{16, 16, static_cast<wchar_t*>(edge ? text_page + 0x1000 - 8 : b.at)};
    OBJECT_ATTRIBUTES with_bad_text, with_bad_string;
    InitializeObjectAttributes(&with_bad_text, &name, 0x40, nullptr, nullptr);
    InitializeObjectAttributes(&with_bad_string, static_cast<UNICODE_STRING*>(b.at), 0x40, nullptr, nullptr);
    for (OBJECT_ATTRIBUTES* o : {oa, &with_bad_string, &with_bad_text}) {
      const char* part = o == oa ? "attributes" : o == &with_bad_string ? "string" : "text";
      std::printf("%s %s: NtCreateFile %08x NtQueryAttributesFile %08x NtOpenKey %08x\n", b.name, part,
                  static_cast<unsigned>(create(&h, GENERIC_READ, o, &io, nullptr, 0, 7, 1, 0x20, nullptr, 0)),
                  static_cast<unsigned>(attributes(o, info)),
                  static_cast<unsigned>(open_key(&h, KEY_READ, o)));
    }
  }
  std::puts("still alive");
  return 0;
}

std::wstring Self() { return ModuleName(nullptr); }

// Runs a program; its exit code, or -1 and the error.
DWORD RunChild(const std::wstring& exe, const std::wstring& arguments, const wchar_t* directory, DWORD flags,
               PROCESS_INFORMATION* keep = nullptr) {
  std::wstring command = L"\"" + exe + L"\" " + arguments;
  STARTUPINFOW startup{};
  startup.cb = sizeof(startup);
  PROCESS_INFORMATION info{};
  std::fflush(stdout);
  if (!CreateProcessW(exe.c_str(), command.data(), nullptr, nullptr, TRUE, flags, nullptr, directory,
                      &startup, &info)) {
    std::printf("CreateProcess: error %lu\n", GetLastError());
    return 0xffffffff;
  }
  if (keep) {
    *keep = info;
    return 0;
  }
  WaitForSingleObject(info.hProcess, INFINITE);
  DWORD code = 0;
  GetExitCodeProcess(info.hProcess, &code);
  CloseHandle(info.hThread);
  CloseHandle(info.hProcess);
  return code;
}

int Child(int levels, const std::wstring& arguments) {
  const std::wstring next =
      levels > 1 ? L"child " + std::to_wstring(levels - 1) + L" " + arguments : arguments;
  const DWORD code = RunChild(Self(), next, nullptr, 0);
  std::printf("level %d: exit %lu\n", levels, code);
  return static_cast<int>(code);
}

int SuspendedChild() {
  PROCESS_INFORMATION info{};
  if (RunChild(Self(), L"exit 42", nullptr, CREATE_SUSPENDED, &info)) return 1;
  std::printf("before resume: %s\n",
              WaitForSingleObject(info.hProcess, 300) == WAIT_TIMEOUT ? "waiting" : "ended");
  std::printf("image while suspended: %d\n", FullImageName(info.hProcess, 0) == Self());
  std::printf("suspend count was %lu\n", ResumeThread(info.hThread));
  WaitForSingleObject(info.hProcess, 20000);
  DWORD code = 0;
  GetExitCodeProcess(info.hProcess, &code);
  std::printf("exit %lu\n", code);
  return 0;
}

int Threads() {
  std::vector<std::thread> threads;
  std::vector<int> bad(8);
  for (int t = 0; t < 8; ++t) {
    threads.emplace_back([t, &bad] {
      for (int i = 0; i < 200; ++i) {
        HANDLE file =
            CreateFileW(Self().c_str(), GENERIC_READ, FILE_SHARE_READ, nullptr, OPEN_EXISTING, 0, nullptr);
        HANDLE copy = nullptr;
        DWORD got = 0;
        char head[2] = {};
        if (file == INVALID_HANDLE_VALUE ||
            !DuplicateHandle(GetCurrentProcess(), file, GetCurrentProcess(), &copy, 0, FALSE,
                             DUPLICATE_SAME_ACCESS) ||
            !CloseHandle(file) || !ReadFile(copy, head, 2, &got, nullptr) || head[0] != 'M' ||
            !CloseHandle(copy)) {
          ++bad[t];
        }
      }
    });
  }
  int sum = 0;
  for (int t = 0; t < 8; ++t) {
    threads[t].join();
    sum += bad[t];
  }
  std::printf("threads: %d bad\n", sum);
  return sum != 0;
}

int Stdio() {
  char buffer[4096];
  size_t n, total = 0;
  while ((n = std::fread(buffer, 1, sizeof(buffer), stdin)) > 0) {
    std::fwrite(buffer, 1, n, stdout);
    total += n;
  }
  std::fprintf(stderr, "%zu bytes\n", total);
  return 0;
}

std::wstring HandleName(HANDLE h) {
  wchar_t name[1024];
  const DWORD n = GetFinalPathNameByHandleW(h, name, 1024, 0);
  return n ? std::wstring(name, n) : L"error " + std::to_wstring(GetLastError());
}

int Inherit(const std::wstring& handle_text) {
  if (!handle_text.empty()) {
    HANDLE h = reinterpret_cast<HANDLE>(std::stoull(handle_text));
    char head[3] = {};
    DWORD got = 0;
    ReadFile(h, head, 2, &got, nullptr);
    std::printf("inherited: %lu bytes, %s\n", got, head);
    Print("name", HandleName(h));
    return 0;
  }
  SECURITY_ATTRIBUTES inherit{sizeof(inherit), nullptr, TRUE};
  HANDLE h = CreateFileW(Self().c_str(), GENERIC_READ, FILE_SHARE_READ, &inherit, OPEN_EXISTING, 0, nullptr);
  Print("name", HandleName(h));
  const DWORD code =
      RunChild(Self(), L"inherit " + std::to_wstring(reinterpret_cast<uintptr_t>(h)), nullptr, 0);
  CloseHandle(h);
  return static_cast<int>(code);
}

int Duplicate() {
  HANDLE h = CreateFileW(Self().c_str(), GENERIC_READ, FILE_SHARE_READ, nullptr, OPEN_EXISTING, 0, nullptr);
  HANDLE self = OpenProcess(PROCESS_ALL_ACCESS, FALSE, GetCurrentProcessId()), a = nullptr, b = nullptr;
  DuplicateHandle(self, h, self, &a, FILE_READ_ATTRIBUTES, FALSE, 0);
  DuplicateHandle(GetCurrentProcess(), a, self, &b, 0, FALSE, DUPLICATE_SAME_ACCESS | DUPLICATE_CLOSE_SOURCE);
  Print("first", HandleName(h));
  Print("second", HandleName(b));
  auto* duplicate =
      Call<NTSTATUS NTAPI(HANDLE, HANDLE, HANDLE, HANDLE*, ACCESS_MASK, ULONG, ULONG)>("NtDuplicateObject");
  std::printf("bad handle: %08x\n",
              static_cast<unsigned>(duplicate(self, reinterpret_cast<HANDLE>(0xbad0), self, &a, 0, 0, 2)));
  CloseHandle(b);
  CloseHandle(h);
  CloseHandle(self);
  return 0;
}

}  // namespace

int wmain(int argc, wchar_t** argv) {
  const std::wstring verb = argc > 1 ? argv[1] : L"";
  if (verb == L"names") return Names();
  if (verb == L"guest") return Guest();
  if (verb == L"pointers") return Pointers();
  if (verb == L"suspended") return SuspendedChild();
  if (verb == L"threads") return Threads();
  if (verb == L"stdio") return Stdio();
  if (verb == L"duplicate") return Duplicate();
  if (verb == L"inherit") return Inherit(argc > 2 ? argv[2] : L"");
  if (verb == L"exit" && argc > 2) return static_cast<int>(std::stoul(argv[2]));
  if (verb == L"named-child" && argc > 3) return static_cast<int>(RunChild(argv[2], L"names", argv[3], 0));
  if (verb == L"child" && argc > 3) {
    std::wstring arguments;
    for (int i = 3; i < argc; ++i) arguments += (i > 3 ? L" " : L"") + std::wstring(argv[i]);
    return Child(std::stoi(argv[2]), arguments);
  }
  std::fprintf(stderr, "unknown verb\n");
  return 2;
}
