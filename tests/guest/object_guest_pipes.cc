// Named pipes and mailslots: see object_guest.cc.
#include <cstdio>
#include <cstring>
#include <thread>
#include <vector>

#include "object_guest.h"

namespace guest {
namespace {

constexpr ULONG kPipeWait = 0x110018;

HANDLE Serve(const std::wstring& name, DWORD mode = PIPE_ACCESS_DUPLEX, DWORD instances = 2) {
  const HANDLE h = CreateNamedPipeW(name.c_str(), mode, PIPE_TYPE_MESSAGE | PIPE_READMODE_MESSAGE, instances,
                                    512, 512, 50, nullptr);
  Say("serve " + Narrow(name), h != INVALID_HANDLE_VALUE);
  return h;
}

HANDLE Connect(const std::wstring& name, DWORD flags = 0) {
  const HANDLE h =
      CreateFileW(name.c_str(), GENERIC_READ | GENERIC_WRITE, 0, nullptr, OPEN_EXISTING, flags, nullptr);
  Say("connect " + Narrow(name), h != INVALID_HANDLE_VALUE);
  return h;
}

std::string FileName(HANDLE h) {
  alignas(8) char buffer[1024];
  IO_STATUS_BLOCK io = {};
  const NTSTATUS status =
      NtQueryInformationFile(h, &io, buffer, sizeof(buffer), static_cast<FILE_INFORMATION_CLASS>(9));
  char text[20];
  std::snprintf(text, sizeof(text), "%08lx ", static_cast<unsigned long>(status));
  if (status) return text;
  ULONG length;
  std::memcpy(&length, buffer, 4);
  return text + Narrow(std::wstring(reinterpret_cast<wchar_t*>(buffer + 4), length / 2)) + " in " +
         std::to_string(io.Information);
}

NTSTATUS Wait(HANDLE device, const std::wstring& name, LONGLONG timeout, size_t cut = 0) {
  std::vector<char> buffer(16 + name.size() * 2 + 2);
  std::memcpy(buffer.data(), &timeout, 8);
  const ULONG length = static_cast<ULONG>(name.size() * 2);
  std::memcpy(buffer.data() + 8, &length, 4);
  buffer[12] = 1;
  std::memcpy(buffer.data() + 14, name.data(), length);
  IO_STATUS_BLOCK io = {};
  NTSTATUS status = NtFsControlFile(device, nullptr, nullptr, nullptr, &io, kPipeWait, buffer.data(),
                                    static_cast<ULONG>(14 + length - cut), nullptr, 0);
  if (status == 0x103) {
    WaitForSingleObject(device, INFINITE);
    status = io.Status;
  }
  return status;
}

HANDLE Device(const std::wstring& name, ULONG options = 0x20) {
  HANDLE h = nullptr;
  IO_STATUS_BLOCK io = {};
  Name n(name);
  SayStatus("device " + Narrow(name), NtOpenFile(&h, GENERIC_READ | SYNCHRONIZE, &n, &io, 3, options));
  return h;
}

void OpenNt(const std::string& what, const std::wstring& name, HANDLE root = nullptr) {
  HANDLE h = nullptr;
  IO_STATUS_BLOCK io = {};
  Name n(name, root);
  const NTSTATUS status = NtOpenFile(&h, GENERIC_READ | GENERIC_WRITE | SYNCHRONIZE, &n, &io, 3, 0x20);
  SayStatus("open " + what, status);
  if (!status) CloseHandle(h);
}

HANDLE ServeNt(const std::string& what, const std::wstring& name, HANDLE root = nullptr) {
  HANDLE h = nullptr;
  IO_STATUS_BLOCK io = {};
  LARGE_INTEGER timeout;
  timeout.QuadPart = -500000;
  Name n(name, root);
  SayStatus("serve " + what, NtCreateNamedPipeFile(&h, GENERIC_READ | GENERIC_WRITE | SYNCHRONIZE, &n, &io, 3,
                                                   3, 0x20, 0, 0, 0, 10, 100, 100, &timeout));
  if (h) std::printf("  is %s, %s\n", NameOf(h).c_str(), FileName(h).c_str());
  return h;
}

}  // namespace

int Pipes() {
  const std::wstring name = L"\\\\.\\pipe\\PlumeObj";
  Connect(name);
  Say("wait for nobody", WaitNamedPipeW(name.c_str(), 1));
  HANDLE server = Serve(name);
  std::printf("%s, %s\n", NameOf(server).c_str(), FileName(server).c_str());
  Say("wait for it", WaitNamedPipeW(name.c_str(), 100));
  Say("wait in upper case", WaitNamedPipeW(L"\\\\.\\PIPE\\PLUMEOBJ", 100));
  HANDLE client = Connect(L"\\\\.\\Pipe\\plumeOBJ");
  std::printf("%s, %s\n", NameOf(client).c_str(), FileName(client).c_str());
  Say("busy", WaitNamedPipeW(name.c_str(), 20));
  Connect(name);
  Say("connected already", ConnectNamedPipe(server, nullptr));
  char buffer[64] = {};
  DWORD count = 0;
  Say("write", WriteFile(client, "question", 9, &count, nullptr));
  Say("read", ReadFile(server, buffer, sizeof(buffer), &count, nullptr));
  std::printf("  %lu %s\n", count, buffer);
  DWORD flags = 0, out = 0, in = 0, most = 0, now = 0;
  Say("information", GetNamedPipeInfo(server, &flags, &out, &in, &most));
  std::printf("  %lu %lu %lu %lu\n", flags, out, in, most);
  ULONG pid = 0;
  Say("client's process", GetNamedPipeClientProcessId(server, &pid));
  std::printf("  %d\n", pid == GetCurrentProcessId());
  HANDLE second = Serve(name), third = Serve(name);
  Say("instances", GetNamedPipeHandleStateW(server, nullptr, &now, nullptr, nullptr, nullptr, 0));
  std::printf("  %lu\n", now);
  HANDLE first = Serve(name, PIPE_ACCESS_DUPLEX | FILE_FLAG_FIRST_PIPE_INSTANCE);
  std::thread echo([&] {
    char text[64];
    DWORD n = 0;
    ConnectNamedPipe(second, nullptr);
    if (ReadFile(second, text, sizeof(text), &n, nullptr)) WriteFile(second, text, n, &n, nullptr);
    FlushFileBuffers(second);
    DisconnectNamedPipe(second);
  });
  Say("call",
      CallNamedPipeW(name.c_str(), const_cast<char*>("again"), 6, buffer, sizeof(buffer), &count, 2000));
  std::printf("  %lu %s\n", count, buffer);
  echo.join();
  // Somebody waits until an instance is free.
  HANDLE again = Connect(name);
  std::thread free_it([&] {
    Sleep(50);
    DisconnectNamedPipe(second);
    ConnectNamedPipe(second, nullptr);
  });
  std::printf("connect while another waits: %d\n", again != INVALID_HANDLE_VALUE);
  Say("wait until free", WaitNamedPipeW(name.c_str(), 5000));
  HANDLE last = Connect(name);
  free_it.join();
  for (HANDLE h : {server, client, second, third, first, again, last}) {
    if (h != INVALID_HANDLE_VALUE) CloseHandle(h);
  }
  Connect(name);
  // Anonymous pipes are named ones inside.
  HANDLE r = nullptr, w = nullptr;
  Say("anonymous", CreatePipe(&r, &w, nullptr, 0));
  WriteFile(w, "x", 1, &count, nullptr);
  Say("anonymous read", ReadFile(r, buffer, 1, &count, nullptr) && buffer[0] == 'x');
  return 0;
}

int PipeNames() {
  HANDLE server = Serve(L"\\\\.\\pipe\\PlumeObj\\sub\\pipe");
  for (const wchar_t* name :
       {L"\\??\\pipe\\PlumeObj\\sub\\pipe", L"\\??\\PIPE\\plumeobj\\SUB\\pipe",
        L"\\DosDevices\\Pipe\\PlumeObj\\sub\\pipe", L"\\Device\\NamedPipe\\PlumeObj\\sub\\pipe",
        L"\\??\\GLOBALROOT\\Device\\NamedPipe\\PlumeObj\\sub\\pipe", L"\\??\\pipe\\PlumeObj\\sub",
        L"\\??\\pipe\\PlumeObj\\sub\\pipe\\", L"\\??\\pipe\\", L"\\??\\pipe", L"\\Device\\NamedPipe",
        L"\\Device\\NamedPipe\\", L"\\??\\pipe\\\\PlumeObj"}) {
    OpenNt(Narrow(name), name);
    DisconnectNamedPipe(server);
    DWORD nowait = PIPE_NOWAIT;
    SetNamedPipeHandleState(server, &nowait, nullptr, nullptr);
    ConnectNamedPipe(server, nullptr);
  }
  // Relative to the device.
  for (const wchar_t* device : {L"\\Device\\NamedPipe\\", L"\\??\\pipe\\", L"\\Device\\NamedPipe"}) {
    HANDLE root = Device(device);
    std::printf("  is %s\n", NameOf(root).c_str());
    if (!root) continue;
    HANDLE made = ServeNt("relative", L"PlumeObjRel", root);
    OpenNt("relative", L"PLUMEOBJREL", root);
    OpenNt("absolute", L"\\??\\pipe\\PlumeObjRel");
    OpenNt("relative with a backslash", L"\\PlumeObjRel", root);
    OpenNt("relative and missing", L"PlumeObjNone", root);
    SayStatus("wait", Wait(root, L"PlumeObjRel", -10000));
    SayStatus("wait for nobody", Wait(root, L"PlumeObjNone", -10000));
    SayStatus("wait, cut", Wait(root, L"PlumeObjRel", -10000, 4));
    SayStatus("wait, empty", Wait(root, L"", -10000));
    if (made) CloseHandle(made);
    // Nameless pipes, the second end opened relative to the first.
    HANDLE nameless = ServeNt("nameless", L"", root);
    if (nameless) OpenNt("its other end", L"", nameless);
    if (nameless) CloseHandle(nameless);
    CloseHandle(root);
  }
  ServeNt("by absolute name", L"\\??\\pipe\\PlumeObjAbs");
  ServeNt("at the device", L"\\Device\\NamedPipe\\PlumeObjDev");
  ServeNt("elsewhere", L"\\BaseNamedObjects\\PlumeObjElse");
  for (size_t length : {200, 245, 246, 247, 256, 257, 300, 4000, 32000}) {
    const std::wstring name = L"\\??\\pipe\\" + std::wstring(length, L'p');
    HANDLE h = ServeNt("of " + std::to_string(length), name);
    OpenNt("of " + std::to_string(length), name);
    if (h) CloseHandle(h);
  }
  std::printf("attributes: %lx\n", GetFileAttributesW(L"\\\\.\\pipe\\PlumeObjAbs"));
  HANDLE section = CreateFileMappingW(INVALID_HANDLE_VALUE, nullptr, PAGE_READWRITE, 0, 100, L"PlumeObjFile");
  OpenNt("a section as a file", SessionDirectory() + L"\\PlumeObjFile");
  CloseHandle(section);
  return 0;
}

int Mailslots() {
  const std::wstring name = L"\\\\.\\mailslot\\PlumeObj\\box";
  HANDLE none = CreateFileW(name.c_str(), GENERIC_WRITE, FILE_SHARE_READ, nullptr, OPEN_EXISTING, 0, nullptr);
  Say("nobody's box", none != INVALID_HANDLE_VALUE);
  HANDLE box = CreateMailslotW(name.c_str(), 0, 50, nullptr);
  Say("box", box != INVALID_HANDLE_VALUE);
  std::printf("  is %s, %s\n", NameOf(box).c_str(), FileName(box).c_str());
  HANDLE again = CreateMailslotW(name.c_str(), 0, 50, nullptr);
  Say("again", again != INVALID_HANDLE_VALUE);
  HANDLE writer = CreateFileW(L"\\\\.\\MAILSLOT\\plumeobj\\BOX", GENERIC_WRITE, FILE_SHARE_READ, nullptr,
                              OPEN_EXISTING, 0, nullptr);
  Say("writer", writer != INVALID_HANDLE_VALUE);
  std::printf("  is %s\n", NameOf(writer).c_str());
  DWORD count = 0;
  Say("write", WriteFile(writer, "letter", 7, &count, nullptr));
  DWORD size = 0, next = 0, messages = 0, timeout = 0;
  Say("information", GetMailslotInfo(box, &size, &next, &messages, &timeout));
  std::printf("  %lu %lu %lu %lu\n", size, next, messages, timeout);
  char buffer[20] = {};
  Say("read", ReadFile(box, buffer, sizeof(buffer), &count, nullptr));
  std::printf("  %s\n", buffer);
  Say("read nothing", ReadFile(box, buffer, sizeof(buffer), &count, nullptr));
  HANDLE root = Device(L"\\Device\\MailSlot\\");
  HANDLE made = nullptr;
  IO_STATUS_BLOCK io = {};
  LARGE_INTEGER wait;
  wait.QuadPart = -10000;
  if (root) {
    Name n(L"PlumeObjRel", root);
    SayStatus("relative",
              NtCreateMailslotFile(&made, GENERIC_READ | SYNCHRONIZE, &n, &io, 0x20, 0, 0, &wait));
    std::printf("  is %s\n", NameOf(made).c_str());
    HANDLE w = CreateFileW(L"\\\\.\\mailslot\\PlumeObjRel", GENERIC_WRITE, FILE_SHARE_READ, nullptr,
                           OPEN_EXISTING, 0, nullptr);
    Say("relative's writer", w != INVALID_HANDLE_VALUE);
  }
  Name absolute(L"\\??\\mailslot\\PlumeObjAbs");
  SayStatus("absolute",
            NtCreateMailslotFile(&made, GENERIC_READ | SYNCHRONIZE, &absolute, &io, 0x20, 0, 0, &wait));
  CloseHandle(box);
  Say("gone", CreateFileW(name.c_str(), GENERIC_WRITE, FILE_SHARE_READ, nullptr, OPEN_EXISTING, 0, nullptr) !=
                  INVALID_HANDLE_VALUE);
  return 0;
}

}  // namespace guest
