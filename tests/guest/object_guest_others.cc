// Bad arguments, threads, processes, speed: see object_guest.cc.
#include <atomic>
#include <cstdio>
#include <cstring>
#include <thread>
#include <vector>

#include "object_guest.h"

namespace guest {

int Pointers() {
  HANDLE h = nullptr;
  auto* const bad = reinterpret_cast<OBJECT_ATTRIBUTES*>(0x10);
  SayStatus("bad attributes", NtCreateEvent(&h, EVENT_ALL_ACCESS, bad, 0, FALSE));
  SayStatus("bad attributes, open", NtOpenEvent(&h, SYNCHRONIZE, bad));
  SayStatus("no attributes", NtCreateEvent(&h, EVENT_ALL_ACCESS, nullptr, 0, FALSE));
  SayStatus("no attributes, open", NtOpenEvent(&h, SYNCHRONIZE, nullptr));
  OBJECT_ATTRIBUTES wrong = {};
  wrong.Length = 1;
  SayStatus("wrong size", NtCreateEvent(&h, EVENT_ALL_ACCESS, &wrong, 0, FALSE));
  OBJECT_ATTRIBUTES attributes;
  InitializeObjectAttributes(&attributes, reinterpret_cast<UNICODE_STRING*>(0x10), 0, nullptr, nullptr);
  SayStatus("bad name", NtCreateEvent(&h, EVENT_ALL_ACCESS, &attributes, 0, FALSE));
  UNICODE_STRING name = {20, 20, reinterpret_cast<wchar_t*>(0x10)};
  attributes.ObjectName = &name;
  SayStatus("bad text", NtCreateEvent(&h, EVENT_ALL_ACCESS, &attributes, 0, FALSE));
  std::wstring text = SessionDirectory() + L"\\PlumeObjP";
  name = {static_cast<USHORT>(text.size() * 2 - 1), static_cast<USHORT>(text.size() * 2), text.data()};
  SayStatus("odd length", NtCreateEvent(&h, EVENT_ALL_ACCESS, &attributes, 0, FALSE));
  name = {0, 0, nullptr};
  SayStatus("empty name", NtCreateEvent(&h, EVENT_ALL_ACCESS, &attributes, 0, FALSE));
  std::printf("  is %s\n", NameOf(h).c_str());
  SayStatus("empty name, open", NtOpenEvent(&h, SYNCHRONIZE, &attributes));
  Name relative(L"PlumeObjP");
  SayStatus("no directory", NtCreateEvent(&h, EVENT_ALL_ACCESS, &relative, 0, FALSE));
  Name below(L"PlumeObjP", reinterpret_cast<HANDLE>(0x7ffc));
  SayStatus("bad directory", NtCreateEvent(&h, EVENT_ALL_ACCESS, &below, 0, FALSE));
  HANDLE event = CreateEventW(nullptr, FALSE, FALSE, nullptr);
  Name in_event(L"PlumeObjP", event);
  SayStatus("an event as a directory", NtCreateEvent(&h, EVENT_ALL_ACCESS, &in_event, 0, FALSE));
  Name good(text);
  SayStatus("bad handle pointer", NtOpenEvent(reinterpret_cast<HANDLE*>(0x10), SYNCHRONIZE, &good));
  SayStatus("bad context",
            NtQueryDirectoryObject(event, nullptr, 0, TRUE, TRUE, reinterpret_cast<ULONG*>(0x10), nullptr));
  ULONG context = 0;
  char buffer[200];
  SayStatus("no directory to list",
            NtQueryDirectoryObject(event, buffer, sizeof(buffer), TRUE, TRUE, &context, nullptr));
  SayStatus("bad link", NtQuerySymbolicLinkObject(event, &name, nullptr));
  SayStatus("not temporary", NtMakeTemporaryObject(nullptr));
  // Long names. (Beyond some 32,700 units a VM has no room for its mark.)
  for (size_t length : {100, 255, 256, 260, 1000, 32000}) {
    const std::wstring base(length, L'x');
    Name n(SessionDirectory() + L"\\" + base);
    HANDLE one = nullptr, two = nullptr;
    SayStatus("long " + std::to_string(length), NtCreateEvent(&one, EVENT_ALL_ACCESS, &n, 0, FALSE));
    SayStatus("  opened", NtOpenEvent(&two, SYNCHRONIZE, &n));
    if (length <= 260) std::printf("  is %s\n", NameOf(one).c_str());
    if (one) CloseHandle(one);
    if (two) CloseHandle(two);
    HANDLE win32 = CreateEventW(nullptr, FALSE, FALSE, base.c_str());
    Say("  win32", win32 != nullptr);
    if (win32) CloseHandle(win32);
  }
  // Queries with little room.
  HANDLE named = CreateEventW(nullptr, FALSE, FALSE, L"PlumeObjShort");
  for (ULONG size : {0, 4, 8, 16, 20, 60, 96, 97, 98, 99, 100, 101, 102, 120}) {
    ULONG needed = 0;
    std::memset(buffer, 0, sizeof(buffer));
    const NTSTATUS status =
        NtQueryObject(named, static_cast<OBJECT_INFORMATION_CLASS>(1), buffer, size, &needed);
    std::printf("name in %lu: %08lx needs %lu\n", size, static_cast<unsigned long>(status), needed);
  }
  return 0;
}

int Threads() {
  std::atomic<int> made{0}, existed{0}, wrong{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < 8; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < 300; ++i) {
        wchar_t name[40];
        swprintf(name, 40, L"PlumeObjT%d", i % 7);
        SetLastError(0);
        HANDLE h = CreateMutexW(nullptr, FALSE, name);
        (GetLastError() == ERROR_ALREADY_EXISTS ? existed : made)++;
        if (!h || WaitForSingleObject(h, 10000) || !ReleaseMutex(h)) wrong++;
        const std::wstring pipe = L"\\\\.\\pipe\\PlumeObjT" + std::to_wstring(t);
        HANDLE p = CreateNamedPipeW(pipe.c_str(), PIPE_ACCESS_DUPLEX, 0, 1, 10, 10, 0, nullptr);
        HANDLE c =
            CreateFileW(pipe.c_str(), GENERIC_READ | GENERIC_WRITE, 0, nullptr, OPEN_EXISTING, 0, nullptr);
        if (p == INVALID_HANDLE_VALUE || c == INVALID_HANDLE_VALUE) wrong++;
        CloseHandle(c);
        CloseHandle(p);
        CloseHandle(h);
      }
    });
  }
  for (std::thread& t : threads) t.join();
  std::printf("%d in all, %d wrong\n", made + existed, wrong.load());
  return 0;
}

int Processes(const wchar_t* self) {
  SECURITY_ATTRIBUTES inherit = {sizeof(inherit), nullptr, TRUE};
  HANDLE event = CreateEventW(nullptr, TRUE, FALSE, L"PlumeObjEvent");
  HANDLE done = CreateEventW(nullptr, TRUE, FALSE, L"Global\\PlumeObjDone");
  HANDLE section =
      CreateFileMappingW(INVALID_HANDLE_VALUE, nullptr, PAGE_READWRITE, 0, 4096, L"PlumeObjSection");
  auto* shared = static_cast<HANDLE*>(MapViewOfFile(section, FILE_MAP_WRITE, 0, 0, 0));
  // A directory that the child inherits: names relative to it mean the same there.
  HANDLE directory = nullptr, in = nullptr, bno = nullptr;
  Name dn(SessionDirectory() + L"\\PlumeObjDir", nullptr, 0x42);
  SayStatus("directory", NtCreateDirectoryObject(&directory, 0xf, &dn));
  Name en(L"PlumeObjIn", directory), bn(SessionDirectory(), nullptr, 0x42);
  SayStatus("in it", NtCreateEvent(&in, EVENT_ALL_ACCESS, &en, 0, FALSE));
  SayStatus("session's", NtOpenDirectoryObject(&bno, 0xf, &bn));
  HANDLE pipe =
      CreateNamedPipeW(L"\\\\.\\pipe\\PlumeObjPipe", PIPE_ACCESS_DUPLEX, 0, 1, 100, 100, 0, &inherit);
  shared[0] = directory;
  shared[1] = bno;
  shared[2] = pipe;
  std::wstring command = L"\"" + std::wstring(self) + L"\" child";
  STARTUPINFOW start = {};
  start.cb = sizeof(start);
  PROCESS_INFORMATION child = {};
  std::fflush(stdout);
  if (!Say("child", CreateProcessW(nullptr, command.data(), nullptr, nullptr, TRUE, 0, nullptr, nullptr,
                                   &start, &child)))
    return 1;
  HANDLE theirs = nullptr;
  Say("duplicated",
      DuplicateHandle(GetCurrentProcess(), event, child.hProcess, &theirs, 0, FALSE, DUPLICATE_SAME_ACCESS));
  shared[3] = theirs;
  SetEvent(event);
  std::printf("done: %lu\n", WaitForSingleObject(done, 20000));
  WaitForSingleObject(child.hProcess, 20000);
  std::printf("%s\n", reinterpret_cast<char*>(shared + 4));
  return 0;
}

int Child() {
  std::string said;
  HANDLE event = OpenEventW(SYNCHRONIZE, FALSE, L"Local\\PlumeObjEvent");
  HANDLE done = OpenEventW(EVENT_MODIFY_STATE, FALSE, L"Global\\PlumeObjDone");
  HANDLE section = OpenFileMappingW(FILE_MAP_WRITE, FALSE, L"PlumeObjSection");
  auto* shared = section ? static_cast<HANDLE*>(MapViewOfFile(section, FILE_MAP_WRITE, 0, 0, 0)) : nullptr;
  if (!event || !done || !shared || WaitForSingleObject(event, 20000)) return 1;
  HANDLE in = nullptr, again = nullptr;
  Name en(L"PlumeObjIn", shared[0]), sn(L"PlumeObjEvent", shared[1]);
  char text[40];
  std::snprintf(text, sizeof(text), "%08lx %08lx",
                static_cast<unsigned long>(NtOpenEvent(&in, SYNCHRONIZE, &en)),
                static_cast<unsigned long>(NtOpenEvent(&again, SYNCHRONIZE, &sn)));
  said = std::string(text) + "\n" + NameOf(shared[0]) + "\n" + NameOf(shared[1]) + "\n" + NameOf(shared[2]) +
         "\n" + NameOf(shared[3]) + "\n" + NameOf(in) + "\n" + NameOf(again);
  std::strcpy(reinterpret_cast<char*>(shared + 4), said.c_str());
  SetEvent(done);
  return 0;
}

namespace {

double Nanoseconds(int rounds, void (*call)()) {
  LARGE_INTEGER a, b, f;
  QueryPerformanceFrequency(&f);
  QueryPerformanceCounter(&a);
  for (int i = 0; i < rounds; ++i) call();
  QueryPerformanceCounter(&b);
  return 1e9 * static_cast<double>(b.QuadPart - a.QuadPart) / static_cast<double>(f.QuadPart) / rounds;
}

}  // namespace

int Speed() {
  static HANDLE kept = CreateEventW(nullptr, TRUE, FALSE, L"PlumeObjKept");
  static HANDLE pipe =
      CreateNamedPipeW(L"\\\\.\\pipe\\PlumeObjKept", PIPE_ACCESS_DUPLEX, 0, 255, 10, 10, 0, nullptr);
  std::printf("nameless event %.0f ns\n",
              Nanoseconds(20000, [] { CloseHandle(CreateEventW(nullptr, TRUE, FALSE, nullptr)); }));
  std::printf("named event, open %.0f ns\n",
              Nanoseconds(20000, [] { CloseHandle(OpenEventW(SYNCHRONIZE, FALSE, L"PlumeObjKept")); }));
  std::printf("named event, create %.0f ns\n",
              Nanoseconds(20000, [] { CloseHandle(CreateEventW(nullptr, TRUE, FALSE, L"PlumeObjNew")); }));
  std::printf("pipe instance %.0f ns\n", Nanoseconds(5000, [] {
                CloseHandle(CreateNamedPipeW(L"\\\\.\\pipe\\PlumeObjKept", PIPE_ACCESS_DUPLEX, 0, 255, 10, 10,
                                             0, nullptr));
              }));
  (void)kept;
  (void)pipe;
  return 0;
}

}  // namespace guest
