// Cost of single Windows calls, as a guest and bare: the same program, run in both places by bench.py.
//
//   bench_calls.exe FOLDER FILE KEY [CALLS]
//     FOLDER  a folder with the file FILE in it; FOLDER\FILE.none must not exist
//     KEY     a key below HKEY_LOCAL_MACHINE; the value "bench" below it need not exist
//   bench_calls.exe objects [CALLS]                named events, mutexes, sections and pipes of its own
//   bench_calls.exe start COUNT PROGRAM ARGS...    starts a program COUNT times and waits for each
//
// Prints one line for each call: NAME<TAB>microseconds of each batch, separated by spaces.
#include <windows.h>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <string>
#include <vector>

#include "measure.h"

namespace {

constexpr int kBatches = 20;

double NowMicros() { return plume::bench::NowMillis() * 1000; }

[[noreturn]] void Fail(const char* what) {
  std::fprintf(stderr, "bench_calls: %s failed with %lu\n", what, GetLastError());
  std::exit(1);
}

// Many calls for each batch, so that the clock costs nothing; several batches, so that a disturbed one can be
// told.
void Measure(const char* name, int calls, const std::function<void()>& call) {
  call();  // the first one loads and caches what all others find
  std::printf("%s\t", name);
  const int per_batch = std::max(1, calls / kBatches);
  for (int batch = 0; batch < std::min(kBatches, calls); ++batch) {
    const double start = NowMicros();
    for (int i = 0; i < per_batch; ++i) call();
    std::printf("%.3f ", (NowMicros() - start) / per_batch);
  }
  std::printf("\n");
  std::fflush(stdout);
}

void StartAndWait(const std::wstring& command_line) {
  DWORD code = 1;
  if (!plume::bench::RunToItsEnd(command_line, &code)) Fail("starting the program");
  if (code == 0) return;
  std::fprintf(stderr, "bench_calls: the program ended with code %lu\n", code);
  std::exit(1);
}

int Start(int argc, wchar_t** argv) {
  const std::wstring command_line = plume::bench::CommandLine(argc, argv, 3);
  Measure("start", _wtoi(argv[2]), [&] { StartAndWait(command_line); });
  return 0;
}

void Files(const std::wstring& folder, const std::wstring& file, int calls) {
  const std::wstring path = folder + L"\\" + file, missing = path + L".none", pattern = folder + L"\\*";
  const auto open = [](const std::wstring& name) {
    return CreateFileW(name.c_str(), GENERIC_READ, FILE_SHARE_READ, nullptr, OPEN_EXISTING, 0, nullptr);
  };
  Measure("open a file and close it", calls, [&] {
    HANDLE handle = open(path);
    if (handle == INVALID_HANDLE_VALUE) Fail("opening the file");
    CloseHandle(handle);
  });
  Measure("open a file that is not there", calls, [&] {
    if (open(missing) != INVALID_HANDLE_VALUE) Fail("a file that must not exist");
  });
  Measure("query a file's attributes", calls, [&] {
    if (GetFileAttributesW(path.c_str()) == INVALID_FILE_ATTRIBUTES) Fail("querying the file");
  });
  Measure("query a file that is not there", calls, [&] {
    if (GetFileAttributesW(missing.c_str()) != INVALID_FILE_ATTRIBUTES) Fail("a file that must not exist");
  });
  Measure("list a folder", std::max(kBatches, calls / 20), [&] {
    WIN32_FIND_DATAW data;
    HANDLE find = FindFirstFileW(pattern.c_str(), &data);
    if (find == INVALID_HANDLE_VALUE) Fail("listing the folder");
    while (FindNextFileW(find, &data)) {
    }
    FindClose(find);
  });
  HANDLE handle = open(path);
  char buffer[4096];
  DWORD got = 0;
  Measure("read 4 KB of an open file", calls, [&] {
    SetFilePointer(handle, 0, nullptr, FILE_BEGIN);
    if (!ReadFile(handle, buffer, sizeof buffer, &got, nullptr)) Fail("reading the file");
  });
  CloseHandle(handle);
}

void Registry(const std::wstring& name, int calls) {
  const auto open = [&](const std::wstring& key_name, HKEY* key) {
    return RegOpenKeyExW(HKEY_LOCAL_MACHINE, key_name.c_str(), 0, KEY_READ, key);
  };
  HKEY key = nullptr;
  Measure("open a key and close it", calls, [&] {
    if (open(name, &key) != ERROR_SUCCESS) Fail("opening the key");
    RegCloseKey(key);
  });
  const std::wstring missing = name + L"\\none";
  Measure("open a key that is not there", calls, [&] {
    if (open(missing, &key) == ERROR_SUCCESS) Fail("a key that must not exist");
  });
  if (open(name, &key) != ERROR_SUCCESS) Fail("opening the key");
  BYTE data[512];
  Measure("query a value of an open key", calls, [&] {
    DWORD size = sizeof data;
    RegQueryValueExW(key, L"bench", nullptr, nullptr, data, &size);
  });
  RegCloseKey(key);
}

int Objects(int calls) {
  const auto close = [](HANDLE handle, const char* what) {
    if (!handle || handle == INVALID_HANDLE_VALUE) Fail(what);
    CloseHandle(handle);
  };
  const wchar_t* const event = L"PlumeBenchEvent";
  Measure("create an event without a name and close it", calls,
          [&] { close(CreateEventW(nullptr, FALSE, FALSE, nullptr), "creating an event"); });
  Measure("create a named event and close it", calls,
          [&] { close(CreateEventW(nullptr, FALSE, FALSE, event), "creating an event"); });
  Measure("open an event that is not there", calls, [&] {
    if (OpenEventW(SYNCHRONIZE, FALSE, event)) Fail("an event that must not exist");
  });
  HANDLE held = CreateEventW(nullptr, FALSE, FALSE, event);
  Measure("open an event and close it", calls,
          [&] { close(OpenEventW(SYNCHRONIZE, FALSE, event), "opening the event"); });
  CloseHandle(held);
  Measure("create a mutex below Global and close it", calls,
          [&] { close(CreateMutexW(nullptr, FALSE, L"Global\\PlumeBenchMutex"), "creating a mutex"); });
  Measure("create a named section and close it", calls, [&] {
    close(CreateFileMappingW(INVALID_HANDLE_VALUE, nullptr, PAGE_READWRITE, 0, 65536, L"PlumeBenchSection"),
          "creating a section");
  });
  const wchar_t* const pipe = L"\\\\.\\pipe\\PlumeBenchPipe";
  Measure("create a named pipe, connect to it and close both", calls, [&] {
    HANDLE server = CreateNamedPipeW(pipe, PIPE_ACCESS_DUPLEX, PIPE_TYPE_BYTE, PIPE_UNLIMITED_INSTANCES, 0, 0,
                                     0, nullptr);
    close(CreateFileW(pipe, GENERIC_READ, 0, nullptr, OPEN_EXISTING, 0, nullptr), "connecting to the pipe");
    close(server, "creating the pipe");
  });
  return 0;
}

}  // namespace

int wmain(int argc, wchar_t** argv) {
  if (argc >= 2 && std::wstring(argv[1]) == L"child") return 0;
  if (argc >= 4 && std::wstring(argv[1]) == L"start") return Start(argc, argv);
  if (argc >= 2 && std::wstring(argv[1]) == L"objects") return Objects(argc > 2 ? _wtoi(argv[2]) : 4000);
  if (argc < 4) {
    std::fprintf(
        stderr,
        "usage: bench_calls FOLDER FILE KEY [CALLS] | objects [CALLS] | start COUNT PROGRAM ARGS...\n");
    return 2;
  }
  const int calls = argc > 4 ? _wtoi(argv[4]) : 4000;
  Files(argv[1], argv[2], calls);
  Registry(argv[3], calls);
  wchar_t self[MAX_PATH];
  GetModuleFileNameW(nullptr, self, MAX_PATH);
  const std::wstring child = L"\"" + std::wstring(self) + L"\" child";
  Measure("start a process and wait for it", std::max(kBatches, calls / 200), [&] { StartAndWait(child); });
  return 0;
}
