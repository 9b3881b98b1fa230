// Makes calls for trace.sh to find in the trace.
//
//   trace_guest touch FOLDER          files of FOLDER that are and are not there, a new one, keys, a child
//   trace_guest spaces PID            something of every other space; PID is a process outside
//   trace_guest flood COUNT           asks for COUNT names that do not exist, each another
//   trace_guest hold NAME             asks for NAME, says so, and never ends
//   trace_guest beat NAME COUNT MS    asks for NAME COUNT times, MS milliseconds apart
//   trace_guest threads COUNT         COUNT names from each of eight threads
#include "trace_guest.h"

#include <windows.h>

#include <cstdio>
#include <string>
#include <thread>
#include <vector>

namespace {

bool Exists(const std::wstring& name) { return GetFileAttributesW(name.c_str()) != INVALID_FILE_ATTRIBUTES; }

bool Open(const std::wstring& name, DWORD access, DWORD disposition) {
  HANDLE file = CreateFileW(name.c_str(), access, FILE_SHARE_READ, nullptr, disposition, 0, nullptr);
  if (file == INVALID_HANDLE_VALUE) return false;
  DWORD done = 0;
  if (access & GENERIC_WRITE) WriteFile(file, "new", 3, &done, nullptr);
  CloseHandle(file);
  return true;
}

int Touch(const std::wstring& folder) {
  if (!Open(folder + L"\\here.txt", GENERIC_READ, OPEN_EXISTING)) return 2;
  if (Open(folder + L"\\missing.txt", GENERIC_READ, OPEN_EXISTING)) return 3;
  if (!Open(folder + L"\\made.txt", GENERIC_WRITE, CREATE_ALWAYS)) return 4;
  if (!MoveFileW((folder + L"\\made.txt").c_str(), (folder + L"\\moved.txt").c_str())) return 5;
  if (!DeleteFileW((folder + L"\\moved.txt").c_str())) return 6;
  WIN32_FIND_DATAW data;
  HANDLE find = FindFirstFileW((folder + L"\\*").c_str(), &data);
  if (find == INVALID_HANDLE_VALUE) return 7;
  FindClose(find);
  HKEY key;
  if (RegCreateKeyExW(HKEY_CURRENT_USER, L"Software\\TraceGuest", 0, nullptr, 0, KEY_ALL_ACCESS, nullptr,
                      &key, nullptr))
    return 8;
  RegSetValueExW(key, L"Colour", 0, REG_SZ, reinterpret_cast<const BYTE*>(L"red"), 8);
  RegCloseKey(key);
  wchar_t self[MAX_PATH];
  GetModuleFileNameW(nullptr, self, MAX_PATH);
  std::wstring command = L"\"" + std::wstring(self) + L"\" beat \"" + folder + L"\\of the child.txt\" 1 0";
  STARTUPINFOW startup{};
  startup.cb = sizeof(startup);
  PROCESS_INFORMATION child;
  if (!CreateProcessW(nullptr, command.data(), nullptr, nullptr, FALSE, 0, nullptr, nullptr, &startup,
                      &child))
    return 9;
  WaitForSingleObject(child.hProcess, INFINITE);
  std::printf("%lu %lu\n", GetCurrentProcessId(), child.dwProcessId);
  return 0;
}

void Flood(const std::wstring& prefix, int count) {
  for (int i = 0; i < count; ++i) Exists(L"C:\\flood-" + prefix + std::to_wstring(i));
}

}  // namespace

int wmain(int argc, wchar_t** argv) {
  const std::wstring what = argc > 2 ? argv[1] : L"";
  if (what == L"touch") return Touch(argv[2]);
  if (what == L"spaces") return TouchSpaces(static_cast<unsigned long>(_wtoi(argv[2])));
  if (what == L"flood") {
    Flood(L"", _wtoi(argv[2]));
    return 0;
  }
  if (what == L"hold") {
    Exists(argv[2]);
    std::printf("holding %lu\n", GetCurrentProcessId());
    std::fflush(stdout);
    Sleep(INFINITE);
  }
  if (what == L"beat" && argc > 4) {
    for (int i = 0; i < _wtoi(argv[3]); ++i) {
      Exists(argv[2]);
      Sleep(_wtoi(argv[4]));
    }
    return 0;
  }
  if (what == L"threads") {
    std::vector<std::thread> threads;
    for (int t = 0; t < 8; ++t) threads.emplace_back(Flood, std::to_wstring(t) + L"-", _wtoi(argv[2]));
    for (std::thread& t : threads) t.join();
    return 0;
  }
  std::fprintf(stderr, "trace_guest: unknown arguments\n");
  return 99;
}
