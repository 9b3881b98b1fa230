#include <winsock2.h>
// winsock2.h first.
#include <windows.h>

#include <cstdio>

#include "trace_guest.h"

namespace {

int g_wrong = 0;

void Check(bool ok, const char* what) {
  if (ok) return;
  std::printf("wrong: %s (%lu)\n", what, GetLastError());
  ++g_wrong;
}

void Objects() {
  HANDLE own = CreateEventW(nullptr, TRUE, FALSE, L"TraceOwn");
  HANDLE shared = CreateMutexW(nullptr, FALSE, L"TraceShared");
  HANDLE section =
      CreateFileMappingW(INVALID_HANDLE_VALUE, nullptr, PAGE_READWRITE, 0, 4096, L"Local\\TraceSection");
  HANDLE unnamed = CreateEventW(nullptr, TRUE, FALSE, nullptr);
  Check(own && shared && section && unnamed, "objects");
  Check(!OpenSemaphoreW(SYNCHRONIZE, FALSE, L"TraceMissing"), "a semaphore that nobody made");
  Check(!OpenEventW(SYNCHRONIZE, FALSE, L"TraceDenied"), "an event that the policy refuses");
  HANDLE pipe = CreateNamedPipeW(L"\\\\.\\pipe\\TracePipe", PIPE_ACCESS_DUPLEX, 0, 2, 512, 512, 0, nullptr);
  HANDLE client = CreateFileW(L"\\\\.\\pipe\\TracePipe", GENERIC_READ | GENERIC_WRITE, 0, nullptr,
                              OPEN_EXISTING, 0, nullptr);
  Check(pipe != INVALID_HANDLE_VALUE && client != INVALID_HANDLE_VALUE, "pipe");
  Check(CreateMailslotW(L"\\\\.\\mailslot\\TraceSlot", 0, 0, nullptr) != INVALID_HANDLE_VALUE, "mailslot");
  Check(GlobalAddAtomW(L"TraceAtom") != 0, "atom");
}

void Devices() {
  Check(CreateFileW(L"\\\\.\\PhysicalDrive0", GENERIC_READ, FILE_SHARE_READ | FILE_SHARE_WRITE, nullptr,
                    OPEN_EXISTING, 0, nullptr) == INVALID_HANDLE_VALUE,
        "a disk is closed");
  HANDLE null = CreateFileW(L"\\\\.\\NUL", GENERIC_WRITE, 0, nullptr, OPEN_EXISTING, 0, nullptr);
  Check(null != INVALID_HANDLE_VALUE, "NUL is open");
}

void Processes(unsigned long outside) {
  Check(!OpenProcess(PROCESS_TERMINATE, FALSE, outside), "a process outside cannot be ended");
  HANDLE own = OpenProcess(PROCESS_TERMINATE, FALSE, GetCurrentProcessId());
  Check(own != nullptr, "one's own can be opened");
  CloseHandle(own);
}

void Windows() {
  Check(!FindWindowW(L"TraceNoSuchClass", nullptr), "a window that nobody made");
  HWND window =
      CreateWindowExW(0, L"STATIC", L"Trace title", WS_POPUP, 0, 0, 9, 9, nullptr, nullptr, nullptr, nullptr);
  Check(window != nullptr, "window");
  Check(FindWindowW(L"STATIC", L"Trace title") == window, "the own window is found");
  Check(OpenClipboard(window) && EmptyClipboard(), "clipboard");
  HGLOBAL text = GlobalAlloc(GMEM_MOVEABLE, 16);
  Check(text && SetClipboardData(CF_UNICODETEXT, text), "text on the clipboard");
  Check(SetClipboardData(RegisterClipboardFormatW(L"TraceFormat"), GlobalAlloc(GMEM_MOVEABLE, 16)),
        "a format of its own on the clipboard");
  Check(GetClipboardData(CF_UNICODETEXT) != nullptr, "text from the clipboard");
  CloseClipboard();
  DestroyWindow(window);
}

sockaddr_in Address(unsigned char last, unsigned short port) {
  sockaddr_in a{};
  a.sin_family = AF_INET;
  a.sin_addr.s_addr = 127 | static_cast<unsigned>(last) << 24;
  a.sin_port = static_cast<unsigned short>(port >> 8 | port << 8);
  return a;
}

void Network() {
  WSADATA data;
  Check(WSAStartup(0x202, &data) == 0, "sockets");
  SOCKET listener = socket(AF_INET, SOCK_STREAM, 0), client = socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in at = Address(1, 0);
  int length = sizeof(at);
  Check(bind(listener, reinterpret_cast<sockaddr*>(&at), length) == 0 && listen(listener, 1) == 0 &&
            getsockname(listener, reinterpret_cast<sockaddr*>(&at), &length) == 0,
        "listen");
  Check(connect(client, reinterpret_cast<sockaddr*>(&at), length) == 0, "connect to the own port");
  std::printf("port %u\n", static_cast<unsigned>((at.sin_port & 0xff) << 8 | at.sin_port >> 8));
  // An address of documentation (TEST-NET-1), which the policy does not allow.
  sockaddr_in remote = Address(1, 4711);
  remote.sin_addr.s_addr = 192 | 2u << 16 | 1u << 24;
  SOCKET other = socket(AF_INET, SOCK_STREAM, 0);
  Check(connect(other, reinterpret_cast<sockaddr*>(&remote), sizeof(remote)) != 0, "a refused host");
}

}  // namespace

int TouchSpaces(unsigned long outside) {
  Objects();
  Devices();
  Processes(outside);
  Windows();
  Network();
  return g_wrong;
}
