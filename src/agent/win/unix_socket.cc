#include "agent/win/unix_socket.h"

#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "agent/text.h"
#include "agent/win/machine.h"

namespace plume::agent {
namespace {

// Linux, x86-64: arch/x86/entry/syscalls/syscall_64.tbl and the uapi headers.
enum Number : int64_t {
  kClose = 3,
  kSocket = 41,
  kSendTo = 44,
  kReceiveMessage = 47,
  kShutdown = 48,
  kBind = 49,
  kListen = 50,
  kGetOption = 55,
  kUmask = 95,
  kGetUid = 102,
  kOpenAt = 257,
  kUnlinkAt = 263,
  kFchmodAt = 268,
  kAccept4 = 288,
};
constexpr int64_t kUnix = 1, kStream = 1, kCloseOnExec = 02000000, kHere = -100;
constexpr int64_t kDirectory = 0200000, kPathOnly = 010000000;
constexpr int64_t kPeek = 2, kDoNotWait = 0x40, kNoSignal = 0x4000, kReceivedCloseOnExec = 0x40000000;
constexpr int64_t kSocketLevel = 1, kPeerCredentials = 17;
constexpr int kRights = 1;
constexpr int64_t kInterrupted = -4, kAborted = -103;

struct Address {
  uint16_t family;
  char path[108];
};
struct Credentials {
  int32_t pid;
  uint32_t uid, gid;
};
struct Piece {
  void* at;
  uint64_t bytes;
};
struct ControlHeader {
  uint64_t bytes;
  int32_t level, type;
};
struct Message {
  void* name;
  uint32_t name_bytes;
  Piece* pieces;
  uint64_t count;
  void* control;
  uint64_t control_bytes;
  int32_t flags;
};

int64_t Call(Number number, int64_t a = 0, int64_t b = 0, int64_t c = 0, int64_t d = 0, int64_t e = 0,
             int64_t f = 0) {
  int64_t result;
  register int64_t r10 __asm__("r10") = d;
  register int64_t r8 __asm__("r8") = e;
  register int64_t r9 __asm__("r9") = f;
  __asm__ volatile("syscall"
                   : "=a"(result)
                   : "a"(static_cast<int64_t>(number)), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
                   : "rcx", "r11", "memory");
  return result;
}
int64_t At(const void* p) { return static_cast<int64_t>(reinterpret_cast<uintptr_t>(p)); }

template <typename F>
F* NtdllExport(const char* name) {
  return reinterpret_cast<F*>(reinterpret_cast<void*>(GetProcAddress(GetModuleHandleW(L"ntdll.dll"), name)));
}
using FdToHandle = LONG CDECL(int fd, unsigned int access, unsigned int attributes, HANDLE* handle);

Error UnixError(const std::string& what, int64_t result) {
  return Error{Errc::kInternal, what + " failed: " + std::strerror(static_cast<int>(-result))};
}

}  // namespace

UnixFile::~UnixFile() {
  if (fd_ >= 0) Call(kClose, fd_);
}

bool UnixSocketsWork() {
  static const bool works = [] {
    const auto version = NtdllExport<const char * CDECL()>("wine_get_version");
    const auto build = NtdllExport<const char * CDECL()>("wine_get_build_id");
    const auto host = NtdllExport<void CDECL(const char**, const char**)>("wine_get_host_version");
    if (version == nullptr || build == nullptr || host == nullptr ||
        NtdllExport<FdToHandle>("wine_server_fd_to_handle") == nullptr)
      return false;
    const char *system = "", *release = "";
    host(&system, &release);
    // Wine's staging branch, and maybe a later Wine, takes such calls for those of Windows.
    return std::strcmp(system, "Linux") == 0 && std::strncmp(version(), "8.", 2) == 0 &&
           std::strstr(build(), "taging") == nullptr;
  }();
  return works;
}

Result<UnixFile> ListenUnix(const std::string& unix_folder, const std::string& name) {
  const std::string what = "opening the socket " + unix_folder + "/" + name;
  // A socket's name has 107 characters; the folder's own descriptor makes any folder short.
  const UnixFile folder(
      static_cast<int>(Call(kOpenAt, kHere, At(unix_folder.c_str()), kPathOnly | kDirectory | kCloseOnExec)));
  if (!folder) return UnixError(what, folder.get());
  Call(kUnlinkAt, folder.get(), At(name.c_str()));
  Address address = {};
  address.family = kUnix;
  std::snprintf(address.path, sizeof(address.path), "/proc/self/fd/%d/%s", folder.get(), name.c_str());
  UnixFile listener(static_cast<int>(Call(kSocket, kUnix, kStream | kCloseOnExec, 0)));
  if (!listener) return UnixError(what, listener.get());
  int64_t done = Call(kBind, listener.get(), At(&address), sizeof(address));
  // Nobody is served before it is listened to, so nobody gets in before the mode is right.
  if (done >= 0) done = Call(kFchmodAt, folder.get(), At(name.c_str()), 0600);
  if (done >= 0) done = Call(kListen, listener.get(), 64);
  if (done < 0) return UnixError(what, done);
  return listener;
}

UnixFile AcceptUnix(const UnixFile& listener) {
  for (;;) {
    const int64_t got = Call(kAccept4, listener.get(), 0, 0, kCloseOnExec);
    if (got == kInterrupted || got == kAborted) continue;
    UnixFile client(static_cast<int>(got));
    if (!client) return client;
    Credentials peer = {-1, ~0u, ~0u};
    uint32_t bytes = sizeof(peer);
    if (Call(kGetOption, client.get(), kSocketLevel, kPeerCredentials, At(&peer), At(&bytes)) == 0 &&
        peer.uid == static_cast<uint32_t>(Call(kGetUid)))
      return client;
  }
}

bool SendUnix(const UnixFile& to, std::string_view bytes) {
  while (!bytes.empty()) {
    const int64_t n =
        Call(kSendTo, to.get(), At(bytes.data()), static_cast<int64_t>(bytes.size()), kNoSignal, 0, 0);
    if (n == kInterrupted) continue;
    if (n <= 0) return false;
    bytes.remove_prefix(static_cast<size_t>(n));
  }
  return true;
}

bool ReceiveUnix(const UnixFile& from, void* to, size_t bytes, std::vector<UnixFile>* files) {
  for (char* place = static_cast<char*>(to); bytes > 0;) {
    Piece piece{place, bytes};
    alignas(8) char control[256];
    Message message = {};
    message.pieces = &piece;
    message.count = 1;
    message.control = control;
    message.control_bytes = sizeof(control);
    const int64_t n = Call(kReceiveMessage, from.get(), At(&message), kReceivedCloseOnExec);
    if (n == kInterrupted) continue;
    if (n <= 0) return false;
    for (uint64_t at = 0; at + sizeof(ControlHeader) <= message.control_bytes;) {
      ControlHeader header;
      std::memcpy(&header, control + at, sizeof(header));
      if (header.bytes < sizeof(header) || header.bytes > message.control_bytes - at) break;
      for (uint64_t i = at + sizeof(header);
           header.level == kSocketLevel && header.type == kRights && i + sizeof(int32_t) <= at + header.bytes;
           i += sizeof(int32_t)) {
        int32_t fd;
        std::memcpy(&fd, control + i, sizeof(fd));
        UnixFile file(fd);
        if (files != nullptr) files->push_back(std::move(file));
      }
      at += (header.bytes + 7) & ~uint64_t{7};
    }
    place += n;
    bytes -= static_cast<size_t>(n);
  }
  return true;
}

bool IsGone(const UnixFile& peer) {
  char byte;
  Piece piece{&byte, 1};
  Message message = {};
  message.pieces = &piece;
  message.count = 1;
  return Call(kReceiveMessage, peer.get(), At(&message), kPeek | kDoNotWait) == 0;
}

void ShutDown(const UnixFile& peer) { Call(kShutdown, peer.get(), 2); }

Handle HandleOf(const UnixFile& file, DWORD access) {
  HANDLE out = nullptr;
  const auto make = NtdllExport<FdToHandle>("wine_server_fd_to_handle");
  if (make == nullptr || make(file.get(), access | SYNCHRONIZE, 0, &out) != 0) return Handle();
  return Handle(out);
}

uint32_t UnixMask() {
  const int64_t mask = Call(kUmask, 077);
  Call(kUmask, mask);
  return static_cast<uint32_t>(mask);
}

std::string UnixName(const std::u16string& dos) {
  using Convert = char* CDECL(const wchar_t*);
  const auto convert = reinterpret_cast<Convert*>(
      reinterpret_cast<void*>(GetProcAddress(GetModuleHandleW(L"kernel32.dll"), "wine_get_unix_file_name")));
  if (convert == nullptr) return {};
  char* name = convert(Wide(dos).c_str());
  const std::string out = name != nullptr ? name : "";
  HeapFree(GetProcessHeap(), 0, name);
  return out;
}

}  // namespace plume::agent
