// Named pipes, mailslots and the ports of remote procedure calls.
#include <rpc.h>

#include "conformance.h"
#include "nt_objects.h"

namespace plume::conformance {
namespace {

std::wstring PipeName(const Context& c) { return L"\\\\.\\pipe\\" + c.Name(); }
std::wstring SlotName(const Context& c) { return L"\\\\.\\mailslot\\" + c.Name(); }

HANDLE Serve(const std::wstring& name, DWORD mode = PIPE_ACCESS_DUPLEX, DWORD instances = 3) {
  return CreateNamedPipeW(name.c_str(), mode | FILE_FLAG_OVERLAPPED,
                          PIPE_TYPE_MESSAGE | PIPE_READMODE_MESSAGE, instances, 1000, 1000, 100, nullptr);
}
std::string HoldPipe(Context& c) {
  const HANDLE h = Serve(PipeName(c));
  if (h == INVALID_HANDLE_VALUE) return LastError();
  c.Keep(h);
  return {};
}
std::string HoldNested(Context& c) {
  const HANDLE h = Serve(PipeName(c) + L"\\nested\\pipe");
  if (h == INVALID_HANDLE_VALUE) return LastError();
  c.Keep(h);
  return {};
}
Finding Opens(const std::wstring& name, DWORD access = GENERIC_READ | GENERIC_WRITE) {
  const HANDLE h = CreateFileW(name.c_str(), access, FILE_SHARE_READ, nullptr, OPEN_EXISTING, 0, nullptr);
  const std::string why = LastError();
  return VisibleIf(h != INVALID_HANDLE_VALUE, why);
}
Finding OpensNt(const std::wstring& path, HANDLE root = nullptr) {
  HANDLE h = nullptr;
  IO_STATUS_BLOCK io = {};
  NtName name(path, root);
  const NTSTATUS status =
      NtOpenFile(&h, GENERIC_READ | GENERIC_WRITE | SYNCHRONIZE, name.get(), &io, 3, 0x20);
  return VisibleIf(status >= 0, Hex(static_cast<unsigned long>(status)));
}
HANDLE PipeDevice() {
  HANDLE h = nullptr;
  IO_STATUS_BLOCK io = {};
  NtName name(L"\\Device\\NamedPipe\\");
  NtOpenFile(&h, GENERIC_READ | SYNCHRONIZE, name.get(), &io, 3, 0x20);
  return h;
}

bool IsWine() { return GetProcAddress(GetModuleHandleW(L"ntdll.dll"), "wine_get_version") != nullptr; }

CHECK(pipe, connect, HoldPipe, [](Context& c) { return Opens(PipeName(c)); });
CHECK(pipe, other_case, HoldPipe, [](Context& c) {
  std::wstring name = PipeName(c);
  for (wchar_t& ch : name) ch = static_cast<wchar_t>(towupper(ch));
  return Opens(name);
});
CHECK(pipe, read_only, HoldPipe, [](Context& c) { return Opens(PipeName(c), GENERIC_READ); });
CHECK(pipe, nested, HoldNested, [](Context& c) { return Opens(PipeName(c) + L"\\nested\\pipe"); });
CHECK(pipe, device_name, HoldPipe, [](Context& c) { return OpensNt(L"\\Device\\NamedPipe\\" + c.Name()); });
CHECK(pipe, dos_name, HoldPipe, [](Context& c) { return OpensNt(L"\\DosDevices\\PIPE\\" + c.Name()); });
CHECK(pipe, globalroot, HoldPipe,
      [](Context& c) { return OpensNt(L"\\??\\GLOBALROOT\\Device\\NamedPipe\\" + c.Name()); });
CHECK(pipe, relative, HoldPipe, [](Context& c) {
  // Wine creates pipes relative to their device, and does not open them so.
  return IsWine() ? Unsupported("no relative opens of pipes") : OpensNt(c.Name(), PipeDevice());
});
CHECK(pipe, wait, HoldPipe,
      [](Context& c) { return VisibleIf(WaitNamedPipeW(PipeName(c).c_str(), 100), LastError()); });
CHECK(pipe, wait_code, HoldPipe, [](Context& c) {
  const std::wstring name = c.Name();
  std::vector<char> buffer(16 + name.size() * 2);
  const LONGLONG timeout = -1000000;
  const ULONG length = static_cast<ULONG>(name.size() * 2);
  memcpy(buffer.data(), &timeout, 8);
  memcpy(buffer.data() + 8, &length, 4);
  buffer[12] = 1;
  memcpy(buffer.data() + 14, name.data(), length);
  IO_STATUS_BLOCK io = {};
  const NTSTATUS status = NtFsControlFile(PipeDevice(), nullptr, nullptr, nullptr, &io, 0x110018,
                                          buffer.data(), 14 + length, nullptr, 0);
  return VisibleIf(status >= 0, Hex(static_cast<unsigned long>(status)));
});
// The holder allows one instance; another one would be a server that the holder's clients might get.
CHECK(
    pipe, instance,
    [](Context& c) {
      const HANDLE h = Serve(PipeName(c), PIPE_ACCESS_DUPLEX, 1);
      if (h == INVALID_HANDLE_VALUE) return LastError();
      c.Keep(h);
      return std::string();
    },
    [](Context& c) {
      const HANDLE h = Serve(PipeName(c), PIPE_ACCESS_DUPLEX, 1);
      const std::string why = LastError();
      return VisibleIf(h == INVALID_HANDLE_VALUE, why);
    });
CHECK(pipe, instance_count, HoldPipe, [](Context& c) {
  const HANDLE h = Serve(PipeName(c));
  DWORD count = 0;
  GetNamedPipeHandleStateW(h, nullptr, &count, nullptr, nullptr, nullptr, 0);
  return VisibleIf(count == 2, std::to_string(count) + " instances");
});
CHECK(pipe, direction, HoldPipe, [](Context& c) {
  // All instances have one direction; another one is refused.
  const HANDLE h = Serve(PipeName(c), PIPE_ACCESS_INBOUND);
  return VisibleIf(h == INVALID_HANDLE_VALUE, LastError());
});
CHECK_OBSERVED(
    pipe, message, HoldPipe,
    [](Context& c) {
      const HANDLE h = CreateFileW(PipeName(c).c_str(), GENERIC_READ | GENERIC_WRITE, 0, nullptr,
                                   OPEN_EXISTING, 0, nullptr);
      DWORD done = 0;
      return VisibleIf(h != INVALID_HANDLE_VALUE && WriteFile(h, "hello", 5, &done, nullptr));
    },
    [](Context& c) {
      DWORD waiting = 0;
      return VisibleIf(PeekNamedPipe(c.kept[0], nullptr, 0, nullptr, &waiting, nullptr) && waiting == 5);
    });
// The prober serves the name that the holder then connects to.
CHECK_OBSERVED(
    pipe, squat, [](Context&) { return std::string(); },
    [](Context& c) {
      const HANDLE h = Serve(PipeName(c));
      return VisibleIf(h != INVALID_HANDLE_VALUE);
    },
    [](Context& c) { return Opens(PipeName(c)); });
CHECK(pipe, server_process, HoldPipe, [](Context& c) {
  const HANDLE h = CreateFileW(PipeName(c).c_str(), GENERIC_READ, 0, nullptr, OPEN_EXISTING, 0, nullptr);
  ULONG pid = 0;
  return VisibleIf(h != INVALID_HANDLE_VALUE && GetNamedPipeServerProcessId(h, &pid) &&
                   pid != GetCurrentProcessId());
});

std::string HoldSlot(Context& c) {
  const HANDLE h = CreateMailslotW(SlotName(c).c_str(), 0, 0, nullptr);
  if (h == INVALID_HANDLE_VALUE) return LastError();
  c.Keep(h);
  return {};
}
CHECK(mailslot, open, HoldSlot, [](Context& c) { return Opens(SlotName(c), GENERIC_WRITE); });
CHECK(mailslot, create, HoldSlot, [](Context& c) {
  const HANDLE h = CreateMailslotW(SlotName(c).c_str(), 0, 0, nullptr);
  const std::string why = LastError();
  return VisibleIf(h == INVALID_HANDLE_VALUE, why);
});
CHECK(mailslot, other_case, HoldSlot, [](Context& c) {
  std::wstring name = SlotName(c);
  for (wchar_t& ch : name) ch = static_cast<wchar_t>(towupper(ch));
  return Opens(name, GENERIC_WRITE);
});
CHECK(mailslot, device_name, HoldSlot, [](Context& c) {
  HANDLE h = nullptr;
  IO_STATUS_BLOCK io = {};
  NtName name(L"\\Device\\MailSlot\\" + c.Name());
  const NTSTATUS status = NtOpenFile(&h, GENERIC_WRITE | SYNCHRONIZE, name.get(), &io, 3, 0x20);
  return VisibleIf(status >= 0, Hex(static_cast<unsigned long>(status)));
});
CHECK(
    mailslot, nested,
    [](Context& c) {
      const HANDLE h = CreateMailslotW((SlotName(c) + L"\\nested\\box").c_str(), 0, 0, nullptr);
      if (h == INVALID_HANDLE_VALUE) return LastError();
      c.Keep(h);
      return std::string();
    },
    [](Context& c) { return Opens(SlotName(c) + L"\\nested\\box", GENERIC_WRITE); });
CHECK_OBSERVED(
    mailslot, message, HoldSlot,
    [](Context& c) {
      const HANDLE h = CreateFileW(SlotName(c).c_str(), GENERIC_WRITE, FILE_SHARE_READ, nullptr,
                                   OPEN_EXISTING, 0, nullptr);
      DWORD done = 0;
      return VisibleIf(h != INVALID_HANDLE_VALUE && WriteFile(h, "letter", 6, &done, nullptr));
    },
    [](Context& c) {
      DWORD next = 0;
      return VisibleIf(GetMailslotInfo(c.kept[0], nullptr, &next, nullptr, nullptr) && next == 6);
    });

// --- Ports: an endpoint of remote procedure calls, local (a port, on Wine a pipe) and over pipes
// --------------------

std::string HoldEndpoint(Context& c, const wchar_t* protocol, const std::wstring& endpoint) {
  std::wstring p = protocol, e = endpoint;
  const RPC_STATUS status = RpcServerUseProtseqEpW(reinterpret_cast<RPC_WSTR>(p.data()), 5,
                                                   reinterpret_cast<RPC_WSTR>(e.data()), nullptr);
  return status ? "error " + std::to_string(status) : std::string();
}

std::string HoldPort(Context& c) { return HoldEndpoint(c, L"ncalrpc", c.Name()); }
CHECK(port, connect, HoldPort, [](Context& c) {
  if (IsWine()) return Opens(L"\\\\.\\pipe\\lrpc\\" + c.Name());
  using Connect = NTSTATUS(NTAPI*)(HANDLE*, UNICODE_STRING*, void*, void*, ULONG, void*, void*, void*, void*,
                                   void*, void*);
  const auto connect = reinterpret_cast<Connect>(
      reinterpret_cast<void*>(GetProcAddress(GetModuleHandleW(L"ntdll.dll"), "NtAlpcConnectPort")));
  if (!connect) return Unsupported("no ALPC");
  NtName name(L"\\RPC Control\\" + c.Name());
  HANDLE h = nullptr;
  const NTSTATUS status =
      connect(&h, name.string(), nullptr, nullptr, 0, nullptr, nullptr, nullptr, nullptr, nullptr, nullptr);
  // Without a proper greeting the server refuses; a port that is not there is something else.
  return VisibleIf(status != static_cast<NTSTATUS>(0xC0000034), Hex(static_cast<unsigned long>(status)));
});
CHECK(
    port, named_pipe, [](Context& c) { return HoldEndpoint(c, L"ncacn_np", L"\\pipe\\" + c.Name()); },
    [](Context& c) { return Opens(PipeName(c)); });

}  // namespace
}  // namespace plume::conformance
