// Names of hosts under rules that do not allow all of the network: those of the rules resolve, to the
// addresses that the agent found when the VM was prepared; nothing is asked outside for any other.
//
// On Wine the resolver is the C library's, called on the Unix side of ws2_32 and dnsapi. The modules get at
// it through a table of functions, whose address they ask the system for; they are given a table of the
// layer's own. On Windows the DNS client service resolves for everybody; what connects is decided all the
// same.
#include <atomic>
#include <cstring>

#include "vl/calls/device_open.h"
#include "vl/calls/network_space.h"
#include "vl/calls/object_names.h"
#include "vl/low/guard.h"
#include "vl/low/hooks.h"
#include "vl/nt/afd.h"

namespace plume::vl {
namespace {

using view::NetAddress;
using view::WView;

constexpr uint16_t kSmbPort = 445;

// "server" out of "\server\share\...".
WView FirstComponent(WView rest) {
  size_t begin = 0;
  while (begin < rest.size() && rest[begin] == u'\\') ++begin;
  size_t end = begin;
  while (end < rest.size() && rest[end] != u'\\') ++end;
  return view::Sub(rest, begin, end - begin);
}

}  // namespace

nt::NtStatus CheckFileServer(const VlState& vl, CallScratch&, WView name) {
  if (vl.network.all) return nt::kSuccess;
  bool dos;
  WView device = view::DeviceName(name, &dos);
  // "UNC\server\share", "\Device\Mup\server\share", "\Device\LanmanRedirector\;Z:0\server\share"
  size_t at = dos ? 0 : 1;
  for (int components = dos ? 1 : 2; components && at < device.size(); --components) {
    while (at < device.size() && device[at] != u'\\') ++at;
    if (components > 1) ++at;
  }
  if (at > device.size()) at = device.size();
  WView server = FirstComponent(view::Sub(device, at, device.size() - at));
  if (!server.empty() && server[0] == u';') {
    const size_t after = static_cast<size_t>(server.data() - device.data()) + server.size();
    server = FirstComponent(view::Sub(device, after, device.size() - after));
  }
  return view::IsAllowedHost(vl.network, server, kSmbPort) ? nt::kSuccess : nt::kBadNetworkPath;
}

#ifndef __x86_64__

void FilterUnixFunctions(const VlState&, const void*, void*) {}

#else

namespace {

// The Unix side runs on a stack of its own and knows nothing of Windows: no system calls from here. Its
// functions pass their arguments as Unix does (the compiler's own sysv_abi fails with Windows' unwind
// tables).
struct UnixFunction {
  uint8_t code;
};
extern "C" int32_t plume_unix_call(void* parameters, UnixFunction* function);

constexpr int32_t kHostNotFound = 11001, kNameError = 9003;
constexpr int32_t kNumericHost = 2, kNameRequired = 4;
constexpr size_t kMaxName = 256;

bool Ends(WView text, WView end) {
  return text.size() >= end.size() &&
         view::EqualFolded(view::Sub(text, text.size() - end.size(), end.size()), end);
}

struct GetAddrInfo {
  const char* node;
  const char* service;
  const int32_t* hints;  // flags, family, type, protocol, ...
  void* info;
  uint32_t* size;
};
struct GetHostByAddr {
  const uint8_t* address;
  int32_t length, family;
  void* host;
  uint32_t* size;
};
struct GetHostByName {
  const char* name;
  void* host;
  uint32_t* size;
};
struct GetHostName {
  char* name;
  uint32_t size;
};
struct GetNameInfo {
  const uint8_t* address;
  int32_t address_length;
  char* host;
  uint32_t host_length;
  char* service;
  uint32_t service_length;
  int32_t flags;
};
struct DnsQuery {
  const char* name;
  uint16_t type;
  uint32_t options;
  void* buffer;
  uint32_t* length;
};

constexpr int kResolverFunctions = 5, kDnsFunctions = 4;
// Written before the table is handed out, never afterwards.
constinit UnixFunction* g_resolver[kResolverFunctions] = {};
constinit UnixFunction* g_resolver_own[kResolverFunctions] = {};
constinit UnixFunction* g_dns[kDnsFunctions] = {};
constinit UnixFunction* g_dns_own[kDnsFunctions] = {};

struct Name {
  char16_t units[kMaxName];
  size_t length = 0;
  WView View() const { return WView(units, length); }
};
bool Widen(const char* text, Name* out) {
  for (out->length = 0; text[out->length]; ++out->length) {
    if (out->length == kMaxName) return false;
    out->units[out->length] = static_cast<uint8_t>(text[out->length]);
  }
  return true;
}

enum class Answer { kAsk, kNumeric, kUnknown };

// What becomes of a question for `node`. kNumeric: `text` (48 bytes) is the address to ask for in its place.
// `family`: a Windows number, 0 = any.
Answer Decide(const char* node, int32_t family, char* text) {
  const VlState& vl = *g_state.load(std::memory_order_acquire);
  if (!node || !*node) return Answer::kAsk;
  Name name;
  if (!Widen(node, &name)) return Answer::kUnknown;
  uint8_t bytes[16];
  if (view::ParseAddress(name.View(), bytes) || view::EqualFolded(name.View(), u"localhost"))
    return Answer::kAsk;
  const view::NetworkRule* found = nullptr;
  for (const view::NetworkRule& r : vl.network.allow) {
    const int32_t its = r.address.size() == 4 ? view::kFamilyIpv4 : view::kFamilyIpv6;
    if (r.host.empty() || !view::EqualFolded(r.host, name.View()) || (family && family != its)) continue;
    if (!found || found->address.size() > r.address.size()) found = &r;
  }
  if (found) {
    char16_t units[48];
    const size_t n = view::FormatAddress(found->address, units);
    for (size_t i = 0; i < n; ++i) text[i] = static_cast<char>(units[i]);
    text[n] = 0;
    return Answer::kNumeric;
  }
  // This machine's own name.
  char own[kMaxName] = {};
  GetHostName ask{own, sizeof(own)};
  Name mine;
  if (g_resolver[3] && plume_unix_call(&ask, g_resolver[3]) == 0 && Widen(own, &mine) &&
      view::EqualFolded(mine.View(), name.View()))
    return Answer::kAsk;
  return Answer::kUnknown;
}

bool IsKnownAddress(const uint8_t* bytes, size_t size) {
  const VlState& vl = *g_state.load(std::memory_order_acquire);
  NetAddress a;
  if (!bytes || (size != 4 && size != 16)) return false;
  a.size = static_cast<uint8_t>(size);
  std::memcpy(a.bytes, bytes, size);
  if (a.IsLoopback()) return true;
  for (const view::NetworkRule& r : vl.network.allow) {
    a.port = r.first_port;
    if (view::IsAllowed(vl.network, a)) return true;
  }
  return false;
}

extern "C" __attribute__((used)) int32_t plume_OwnGetAddrInfo(void* parameters) {
  GetAddrInfo own = *static_cast<GetAddrInfo*>(parameters);
  char text[48];
  switch (Decide(own.node, own.hints ? own.hints[1] : 0, text)) {
    case Answer::kUnknown:
      return kHostNotFound;
    case Answer::kNumeric:
      own.node = text;
      break;
    case Answer::kAsk:
      break;
  }
  return plume_unix_call(&own, g_resolver[0]);
}
extern "C" __attribute__((used)) int32_t plume_OwnGetHostByAddr(void* parameters) {
  auto* p = static_cast<GetHostByAddr*>(parameters);
  return IsKnownAddress(p->address, static_cast<size_t>(p->length))
             ? plume_unix_call(parameters, g_resolver[1])
             : kHostNotFound;
}
extern "C" __attribute__((used)) int32_t plume_OwnGetHostByName(void* parameters) {
  GetHostByName own = *static_cast<GetHostByName*>(parameters);
  char text[48];
  switch (Decide(own.name, view::kFamilyIpv4, text)) {
    case Answer::kUnknown:
      return kHostNotFound;
    case Answer::kNumeric:
      own.name = text;
      break;
    case Answer::kAsk:
      break;
  }
  return plume_unix_call(&own, g_resolver[2]);
}
extern "C" __attribute__((used)) int32_t plume_OwnGetNameInfo(void* parameters) {
  GetNameInfo own = *static_cast<GetNameInfo*>(parameters);
  NetAddress a;
  const bool known = own.address && own.address_length > 0 &&
                     view::ReadSockaddr({own.address, static_cast<size_t>(own.address_length)}, &a) &&
                     IsKnownAddress(a.bytes, a.size);
  if (!known && own.host && !(own.flags & kNumericHost)) {
    if (own.flags & kNameRequired) return kHostNotFound;
    own.flags |= kNumericHost;
  }
  return plume_unix_call(&own, g_resolver[4]);
}
extern "C" __attribute__((used)) int32_t plume_OwnDnsQuery(void* parameters) {
  const VlState& vl = *g_state.load(std::memory_order_acquire);
  Name name;
  auto* p = static_cast<DnsQuery*>(parameters);
  if (!p->name || !Widen(p->name, &name)) return kNameError;
  if (name.length && name.units[name.length - 1] == u'.') --name.length;
  for (const view::NetworkRule& r : vl.network.allow)
    if (!r.host.empty() && view::EqualFolded(r.host, name.View()))
      return plume_unix_call(parameters, g_dns[3]);
  return kNameError;
}

// Where the Unix side enters: its argument is where Windows' functions expect it, with the room they expect
// above.
extern "C" UnixFunction plume_unix_getaddrinfo, plume_unix_gethostbyaddr, plume_unix_gethostbyname,
    plume_unix_getnameinfo, plume_unix_dnsquery;
#define PLUME_ENTRY(name, function) \
  ".globl " name "\n" name          \
  ":\n"                             \
  "  leaq " function                \
  "(%rip), %rax\n"                  \
  "  jmp plume_unix_enter\n"
asm(".text\n"
    "plume_unix_enter:\n"
    "  movq %rdi, %rcx\n"
    "  subq $40, %rsp\n"
    "  call *%rax\n"
    "  addq $40, %rsp\n"
    "  ret\n"                                                          //
    PLUME_ENTRY("plume_unix_getaddrinfo", "plume_OwnGetAddrInfo")      //
    PLUME_ENTRY("plume_unix_gethostbyaddr", "plume_OwnGetHostByAddr")  //
    PLUME_ENTRY("plume_unix_gethostbyname", "plume_OwnGetHostByName")  //
    PLUME_ENTRY("plume_unix_getnameinfo", "plume_OwnGetNameInfo")      //
    PLUME_ENTRY("plume_unix_dnsquery", "plume_OwnDnsQuery")            //
    // The way back: Unix functions keep fewer registers than Windows' callers expect.
    ".globl plume_unix_call\n"
    "plume_unix_call:\n"
    "  pushq %rdi\n"
    "  pushq %rsi\n"
    "  subq $168, %rsp\n"
    "  movaps %xmm6, (%rsp)\n"
    "  movaps %xmm7, 16(%rsp)\n"
    "  movaps %xmm8, 32(%rsp)\n"
    "  movaps %xmm9, 48(%rsp)\n"
    "  movaps %xmm10, 64(%rsp)\n"
    "  movaps %xmm11, 80(%rsp)\n"
    "  movaps %xmm12, 96(%rsp)\n"
    "  movaps %xmm13, 112(%rsp)\n"
    "  movaps %xmm14, 128(%rsp)\n"
    "  movaps %xmm15, 144(%rsp)\n"
    "  movq %rcx, %rdi\n"
    "  call *%rdx\n"
    "  movaps (%rsp), %xmm6\n"
    "  movaps 16(%rsp), %xmm7\n"
    "  movaps 32(%rsp), %xmm8\n"
    "  movaps 48(%rsp), %xmm9\n"
    "  movaps 64(%rsp), %xmm10\n"
    "  movaps 80(%rsp), %xmm11\n"
    "  movaps 96(%rsp), %xmm12\n"
    "  movaps 112(%rsp), %xmm13\n"
    "  movaps 128(%rsp), %xmm14\n"
    "  movaps 144(%rsp), %xmm15\n"
    "  addq $168, %rsp\n"
    "  popq %rsi\n"
    "  popq %rdi\n"
    "  ret\n");

}  // namespace

void FilterUnixFunctions(const VlState& vl, const void* module, void* answer) {
  if (vl.network.all) return;
  uint64_t table;
  if (!ReadUser(&table, static_cast<uint64_t*>(answer)) || !table) return;
  CallScratch scratch;
  void* file = scratch.Alloc(kNameAnswerBytes);
  if (!file ||
      !nt::Ok(orig.NtQueryVirtualMemory(nt::CurrentProcess(), module, nt::kMemoryMappedFilenameInformation,
                                        file, kNameAnswerBytes, nullptr))) {
    return;
  }
  const WView name = AnsweredName(file);
  auto* functions = reinterpret_cast<UnixFunction**>(table);
  // A module asks once; asked again, the answer is the same.
  if (Ends(name, u"\\ws2_32.dll")) {
    for (int i = 0; i < kResolverFunctions; ++i) g_resolver_own[i] = g_resolver[i] = functions[i];
    g_resolver_own[0] = &plume_unix_getaddrinfo;
    g_resolver_own[1] = &plume_unix_gethostbyaddr;
    g_resolver_own[2] = &plume_unix_gethostbyname;
    g_resolver_own[4] = &plume_unix_getnameinfo;
    table = reinterpret_cast<uint64_t>(g_resolver_own);
  } else if (Ends(name, u"\\dnsapi.dll")) {
    for (int i = 0; i < kDnsFunctions; ++i) g_dns_own[i] = g_dns[i] = functions[i];
    g_dns_own[3] = &plume_unix_dnsquery;
    table = reinterpret_cast<uint64_t>(g_dns_own);
  } else {
    return;
  }
  std::atomic_thread_fence(std::memory_order_release);
  WriteUser(static_cast<uint64_t*>(answer), table);
}

#endif

}  // namespace plume::vl
