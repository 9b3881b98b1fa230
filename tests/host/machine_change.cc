// Changes what tests/host/machine_listing.cc and tools/machine_listing.py list, each kind once, and prints a
// line per change.
//   machine_change FOLDER     FOLDER\content.txt, deleted.txt, attribute.txt and the key
//   HKCU\Software\MachineChange with
//                             the values Data and Kind and the subkey Doomed are there
//                             (tests/guest/machine_listing.sh)
// What lives only as long as somebody holds it is held until standard input ends.
#include <windows.h>

#include <cstdio>
#include <string>

namespace {

int g_failed = 0;

void Done(const char* what, bool done) {
  std::printf("%s %s\n", what, done ? "done" : "failed");
  g_failed += !done;
}

// Same size, same times: only the content tells.
bool Rewrite(const std::wstring& path) {
  HANDLE h = CreateFileW(path.c_str(), GENERIC_READ | GENERIC_WRITE, 0, nullptr, OPEN_EXISTING, 0, nullptr);
  FILETIME made, read, written;
  DWORD n = 0;
  const bool done = h != INVALID_HANDLE_VALUE && GetFileTime(h, &made, &read, &written) &&
                    WriteFile(h, "CONTENT", 7, &n, nullptr) && SetFileTime(h, &made, &read, &written);
  CloseHandle(h);
  return done;
}

bool Make(const std::wstring& path) {
  HANDLE h = CreateFileW(path.c_str(), GENERIC_WRITE, 0, nullptr, CREATE_NEW, 0, nullptr);
  return h != INVALID_HANDLE_VALUE && CloseHandle(h);
}

void Files(const std::wstring& folder) {
  Done("content", Rewrite(folder + L"\\content.txt"));
  Done("attribute", SetFileAttributesW((folder + L"\\attribute.txt").c_str(), FILE_ATTRIBUTE_HIDDEN));
  Done("deleted", DeleteFileW((folder + L"\\deleted.txt").c_str()));
  Done("new file", Make(folder + L"\\new.txt"));
  Done("new folder", CreateDirectoryW((folder + L"\\folder").c_str(), nullptr));
}

void Keys() {
  HKEY key = nullptr, made = nullptr;
  const BYTE data[] = {1, 2, 3, 4};
  wchar_t of_class[] = L"OfClass";
  RegOpenKeyExW(HKEY_CURRENT_USER, L"Software\\MachineChange", 0, KEY_ALL_ACCESS, &key);
  Done("value", !RegSetValueExW(key, L"Data", 0, REG_BINARY, data, sizeof(data)));
  Done("type", !RegSetValueExW(key, L"Kind", 0, REG_EXPAND_SZ, reinterpret_cast<const BYTE*>(L"text"), 10));
  Done("key", !RegDeleteKeyW(key, L"Doomed"));
  Done("class", !RegCreateKeyExW(key, L"Made", 0, of_class, 0, KEY_ALL_ACCESS, nullptr, &made, nullptr));
  Done("new value", !RegSetValueExW(made, L"New", 0, REG_BINARY, data, sizeof(data)));
  RegCloseKey(made);
  RegCloseKey(key);
}

void Objects() {
  Done("event", CreateEventW(nullptr, TRUE, FALSE, L"MachineChangeEvent"));
  Done("section", CreateFileMappingW(INVALID_HANDLE_VALUE, nullptr, PAGE_READWRITE, 0, 4096,
                                     L"Global\\MachineChangeSection"));
  Done("pipe", CreateNamedPipeW(L"\\\\.\\pipe\\MachineChangePipe", PIPE_ACCESS_DUPLEX, PIPE_TYPE_BYTE, 1, 0,
                                0, 0, nullptr) != INVALID_HANDLE_VALUE);
  Done("mailslot",
       CreateMailslotW(L"\\\\.\\mailslot\\MachineChangeSlot", 0, 0, nullptr) != INVALID_HANDLE_VALUE);
}

void Desktop() {
  Done("atom", GlobalAddAtomW(L"MachineChangeAtom"));
  HWND window = CreateWindowExW(0, L"STATIC", L"MachineChangeWindow", WS_POPUP, 0, 0, 9, 9, nullptr, nullptr,
                                nullptr, nullptr);
  Done("window", window);
  Done("message window", CreateWindowExW(0, L"STATIC", L"MachineChangeMessage", 0, 0, 0, 0, 0, HWND_MESSAGE,
                                         nullptr, nullptr, nullptr));
  HGLOBAL text = GlobalAlloc(GMEM_MOVEABLE, 4);
  Done("clipboard", OpenClipboard(window) && EmptyClipboard() &&
                        SetClipboardData(RegisterClipboardFormatW(L"MachineChangeFormat"), text) &&
                        CloseClipboard());
}

}  // namespace

int wmain(int argc, wchar_t** argv) {
  if (argc != 2) return 2;
  Files(argv[1]);
  Keys();
  Objects();
  Desktop();
  std::printf("ready\n");
  std::fflush(stdout);
  char c;
  DWORD n;
  while (ReadFile(GetStdHandle(STD_INPUT_HANDLE), &c, 1, &n, nullptr) && n) {
  }
  return g_failed ? 1 : 0;
}
