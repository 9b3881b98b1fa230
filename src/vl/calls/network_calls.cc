// NtDeviceIoControlFile on sockets.
#include <atomic>
#include <cstring>

#include "vl/calls/network_space.h"
#include "vl/low/fail.h"
#include "vl/low/guard.h"
#include "vl/low/handles.h"
#include "vl/low/hooks.h"
#include "vl/low/map_file.h"
#include "vl/low/trace.h"
#include "vl/nt/afd.h"

namespace plume::vl {
namespace {

using view::NetAddress;
using view::Reach;

constexpr size_t kMaxSockaddr = 128;  // SOCKADDR_STORAGE
struct Sockaddr {
  uint8_t bytes[kMaxSockaddr];
  uint32_t length = 0;
  std::span<uint8_t> Span() { return {bytes, length}; }
};

// What is known of a socket, in HandleInfo::options.
constexpr nt::Ulong kBoundToAny = 1;   // the guest asked for every address and got the loopback
constexpr nt::Ulong kPortKnown = 2;    // its local port is among the VM's own
constexpr nt::Ulong kPeerChecked = 4;  // who is at the other end may be

nt::Ulong FlagsOf(nt::Handle socket) {
  const HandleRef known = Handles().Find(socket);
  return known && known->kind == HandleKind::kSocket ? known->options : 0;
}
void AddFlags(nt::Handle socket, nt::Ulong flags) {
  HandleInfo* info = NewHandleInfo(HandleKind::kSocket);
  if (!info) return;
  info->options = FlagsOf(socket) | flags;
  Handles().Insert(socket, info);
}

// A question of the layer's own about a socket, which is answered at once.
nt::NtStatus Ask(nt::Handle socket, nt::Ulong code, void* in, nt::Ulong in_length, void* out,
                 nt::Ulong out_length) {
  nt::IoStatusBlock io{};
  return orig.NtDeviceIoControlFile(socket, nullptr, nullptr, nullptr, &io, code, in, in_length, out,
                                    out_length);
}

nt::NtStatus AskAndWait(nt::Handle socket, nt::Ulong code, void* in, nt::Ulong in_length, void* out,
                        nt::Ulong out_length) {
  nt::Handle event = nullptr;
  nt::NtStatus s = orig.NtCreateEvent(&event, nt::kEventAllAccess, nullptr, nt::kNotificationEvent, 0);
  if (!nt::Ok(s)) return s;
  nt::IoStatusBlock io{};
  s = orig.NtDeviceIoControlFile(socket, event, nullptr, nullptr, &io, code, in, in_length, out, out_length);
  if (s == nt::kPending) {
    orig.NtWaitForSingleObject(event, 0, nullptr);
    s = io.status;
  }
  orig.NtClose(event);
  return s;
}

bool LocalAddress(nt::Handle socket, Sockaddr* out) {
  std::memset(out->bytes, 0, sizeof(out->bytes));
  out->length = view::kSockaddrIpv6;
  return nt::Ok(Ask(socket, nt::kAfdGetAddress, nullptr, 0, out->bytes, out->length));
}
bool PeerAddress(const VlState& vl, nt::Handle socket, Sockaddr* out) {
  std::memset(out->bytes, 0, sizeof(out->bytes));
  out->length = view::kSockaddrIpv6;
  const nt::Ulong code = vl.is_wine ? nt::kAfdWineGetPeerName : nt::kAfdGetRemoteAddress;
  return nt::Ok(Ask(socket, code, nullptr, 0, out->bytes, out->length));
}

bool IsV6Only(const VlState& vl, nt::Handle socket) {
  uint32_t value = 1;
  if (vl.is_wine) {
    Ask(socket, nt::kAfdWineGetV6Only, nullptr, 0, &value, sizeof(value));
  } else {
    nt::TlIoControlInfo option{nt::kTlGetOption, nt::kIpv6Level, nt::kIpv6V6Only, 1, nullptr, 0};
    Ask(socket, nt::kAfdTransportIoctl, &option, sizeof(option), &value, sizeof(value));
  }
  return value != 0;
}

// The ports that the VM's guests have bound: one bit each, shared by all of them; the agent clears it when
// nobody runs. Only under rules that keep the machine's loopback closed.
uint8_t* OwnPorts(const VlState& vl) {
  static constinit std::atomic<uint8_t*> g_ports{nullptr};
  if (vl.network.all) return nullptr;
  if (uint8_t* ports = g_ports.load(std::memory_order_acquire)) return ports;
  CallScratch scratch;
  constexpr view::WView kName = u"\\ports.plp";
  char16_t* name = scratch.Units(vl.vm_folder.size() + kName.size() + 1);
  if (!name) return nullptr;
  std::memcpy(name, vl.vm_folder.data(), vl.vm_folder.size() * 2);
  std::memcpy(name + vl.vm_folder.size(), kName.data(), kName.size() * 2);
  const view::WView path(name, vl.vm_folder.size() + kName.size());
  void* base;
  size_t size;
  if (const nt::NtStatus s = MapFile(path, true, &base, &size); !nt::Ok(s) || size < 65536 / 8) {
    Log("mapping the VM's list of ports failed:", s, path);
    return nullptr;
  }
  uint8_t* none = nullptr;
  auto* mapped = static_cast<uint8_t*>(base);
  if (g_ports.compare_exchange_strong(none, mapped, std::memory_order_acq_rel)) return mapped;
  orig.NtUnmapViewOfSection(nt::CurrentProcess(), base);
  return none;
}

void MarkOwnPort(const VlState& vl, nt::Handle socket) {
  uint8_t* ports = OwnPorts(vl);
  Sockaddr local;
  NetAddress a;
  if (!ports || !LocalAddress(socket, &local) || !view::ReadSockaddr(local.Span(), &a) || !a.port) return;
  const std::atomic_ref<uint8_t> byte(ports[a.port / 8]);
  byte.fetch_or(static_cast<uint8_t>(1u << a.port % 8), std::memory_order_acq_rel);
  AddFlags(socket, kPortKnown);
}

// Wine only.
bool IsDatagram(nt::Handle socket) {
  nt::AfdWineInfo info{};
  return nt::Ok(Ask(socket, nt::kAfdWineGetInfo, nullptr, 0, &info, sizeof(info))) &&
         info.type != nt::kSocketStream;
}

// Whoever answers a datagram that came over the loopback must know its sender's port for one of the VM's.
void BindBeforeSending(const VlState& vl, nt::Handle socket, Sockaddr& to) {
  NetAddress a;
  if (vl.network.all || (FlagsOf(socket) & kPortKnown) || !view::ReadSockaddr(to.Span(), &a) ||
      !a.IsLoopback())
    return;
  Sockaddr local;
  if (!LocalAddress(socket, &local)) {
    struct {
      nt::Ulong share;
      uint8_t address[view::kSockaddrIpv6];
    } any{};
    any.address[0] = to.bytes[0];
    const nt::Ulong length = to.bytes[0] == view::kFamilyIpv6 ? view::kSockaddrIpv6 : view::kSockaddrIpv4;
    uint8_t bound[view::kSockaddrIpv6];
    AskAndWait(socket, nt::kAfdBind, &any, static_cast<nt::Ulong>(sizeof(nt::Ulong) + length), bound, length);
  }
  MarkOwnPort(vl, socket);
}

nt::NtStatus StatusOf(Reach reach) {
  return reach == Reach::kYes       ? nt::kSuccess
         : reach == Reach::kRefused ? nt::kConnectionRefused
                                    : nt::kNetworkUnreachable;
}

// A caller's address. False: no memory to read. Longer than any address: cut, which no family understands.
bool Capture(const void* user, size_t length, Sockaddr* out) {
  out->length = static_cast<uint32_t>(length > kMaxSockaddr ? 0 : length);
  return CopyIn(out->bytes, user, out->length);
}

// Addresses that a send may still read after its call has returned live on: each one once, for good. There
// are as many as the guest has places to send to.
const uint8_t* Keep(const Sockaddr& address) {
  struct Kept {
    Kept* next;
    uint32_t length;
    uint8_t bytes[kMaxSockaddr];
  };
  static constinit std::atomic<Kept*> g_buckets[64] = {};
  uint32_t hash = address.length;
  for (uint32_t i = 0; i < address.length; ++i) hash = (hash ^ address.bytes[i]) * 16777619u;
  std::atomic<Kept*>& bucket = g_buckets[(hash >> 16) % 64];
  Kept* first = bucket.load(std::memory_order_acquire);
  Kept* made = nullptr;
  for (;;) {
    for (Kept* k = first; k; k = k->next) {
      if (k->length != address.length || std::memcmp(k->bytes, address.bytes, k->length) != 0) continue;
      HeapDelete(made);
      return k->bytes;
    }
    if (!made) {
      made = HeapNew<Kept>();
      if (!made) return nullptr;
      made->length = address.length;
      std::memcpy(made->bytes, address.bytes, address.length);
    }
    made->next = first;
    if (bucket.compare_exchange_weak(first, made, std::memory_order_acq_rel)) return made->bytes;
  }
}

// --- Binding, connecting
// ---------------------------------------------------------------------------------------------

nt::NtStatus Bind(const VlState& vl, IoControl c) {
  struct {
    nt::Ulong share;
    uint8_t address[kMaxSockaddr];
  } own;
  Sockaddr to;
  if (c.in_length < sizeof(nt::Ulong) || c.in_length > sizeof(own)) return c.Original();
  if (!CopyIn(&own, c.in, c.in_length)) return nt::kAccessViolation;
  to.length = c.in_length - static_cast<nt::Ulong>(sizeof(nt::Ulong));
  std::memcpy(to.bytes, own.address, to.length);
  NetAddress wanted;
  bool any = false;
  if (view::ReadSockaddr(to.Span(), &wanted)) {
    const bool v6_only =
        wanted.size == 4 || !view::RealPort(vl.network, wanted.port) || IsV6Only(vl, c.handle);
    any = view::PlanBind(vl.network, v6_only, to.Span());
  }
  if (Tracing()) TellRealPeer(to.Span());
  std::memcpy(own.address, to.bytes, to.length);
  c.in = &own;
  const nt::NtStatus s = c.Original();
  if (!nt::Ok(s)) return s;
  if (any) AddFlags(c.handle, kBoundToAny);
  if (!vl.network.all) MarkOwnPort(vl, c.handle);
  if (s == nt::kSuccess && c.out && c.out_length >= view::kSockaddrIpv4) {
    // Where it is bound, as the guest meant it.
    if (!Capture(c.out, c.out_length, &to)) return s;
    view::ShowAddress(vl.network, any, to.Span());
    CopyOut(c.out, to.bytes, to.length);
  }
  return s;
}

// Connecting: `head` bytes of the request come before the address, which has `length` bytes (the rest if 0).
nt::NtStatus Connect(const VlState& vl, IoControl c, size_t head, size_t length) {
  if (c.in_length < head + length || c.in_length > (64u << 20))
    return vl.network.all ? c.Original() : nt::kInvalidParameter;
  if (length == 0) length = c.in_length - head;
  CallScratch scratch;
  auto* own = static_cast<uint8_t*>(scratch.Alloc(c.in_length ? c.in_length : 1));
  if (!own) return nt::kNoMemory;
  if (!CopyIn(own, c.in, c.in_length)) return nt::kAccessViolation;
  const nt::NtStatus s = StatusOf(view::PlanPeer(vl.network, OwnPorts(vl), {own + head, length}));
  if (Tracing() && nt::Ok(s)) TellRealPeer({own + head, length});
  if (!nt::Ok(s)) return s;
  // Windows binds every socket before it connects it.
  if (vl.is_wine && !vl.network.all && IsDatagram(c.handle)) {
    Sockaddr to;
    to.length = static_cast<uint32_t>(length > kMaxSockaddr ? 0 : length);
    std::memcpy(to.bytes, own + head, to.length);
    BindBeforeSending(vl, c.handle, to);
  }
  c.in = own;
  return c.Original();
}

// --- Sending, receiving
// ----------------------------------------------------------------------------------------------

// A connection may have come in from where the rules do not lead to. Asked once for each handle, when data is
// about to pass.
nt::NtStatus CheckPeer(const VlState& vl, nt::Handle socket) {
  if (FlagsOf(socket) & kPeerChecked) return nt::kSuccess;
  Sockaddr local, peer;
  NetAddress here, there;
  const bool named = LocalAddress(socket, &local) && view::ReadSockaddr(local.Span(), &here);
  // With the network open, only those who came to a private port are of interest.
  const bool open = vl.network.all && !(named && view::PrivatePort(vl.network, here.port));
  if (!open) {
    if (!PeerAddress(vl, socket, &peer)) return nt::kSuccess;  // not connected: each datagram is looked at
    if (!named || !view::ReadSockaddr(peer.Span(), &there) || !view::IsPeerAllowed(vl.network, here, there)) {
      if (Tracing()) TellPeer(vl, peer.Span());
      return nt::kConnectionReset;
    }
  }
  AddFlags(socket, kPeerChecked);
  return nt::kSuccess;
}

nt::NtStatus PassData(const VlState& vl, const IoControl& c) {
  const nt::NtStatus s = CheckPeer(vl, c.handle);
  return nt::Ok(s) ? c.Original() : s;
}

// Where a datagram goes. `kept`: the address to send to, which outlives the call.
nt::NtStatus PlanDatagram(const VlState& vl, nt::Handle socket, const void* user, size_t length,
                          const uint8_t** kept) {
  Sockaddr to;
  if (!Capture(user, length, &to)) return nt::kAccessViolation;
  if (Tracing()) TellPeer(vl, to.Span());
  const nt::NtStatus s = StatusOf(view::PlanPeer(vl.network, OwnPorts(vl), to.Span()));
  if (!nt::Ok(s)) return s;
  if (Tracing()) TellRealPeer(to.Span());
  BindBeforeSending(vl, socket, to);
  *kept = Keep(to);
  return *kept ? s : nt::kNoMemory;
}

nt::NtStatus WineSend(const VlState& vl, IoControl c) {
  nt::AfdWineSendParams own;
  if (c.in_length < sizeof(own)) return c.Original();
  if (!ReadUser(&own, static_cast<nt::AfdWineSendParams*>(c.in))) return nt::kAccessViolation;
  if (!own.address) return PassData(vl, c);
  const uint8_t* kept;
  const nt::NtStatus s = PlanDatagram(
      vl, c.handle, reinterpret_cast<void*>(static_cast<uintptr_t>(own.address)), own.address_length, &kept);
  if (!nt::Ok(s)) return s;
  own.address = reinterpret_cast<uintptr_t>(kept);
  c.in = &own;
  c.in_length = sizeof(own);
  return c.Original();
}

nt::NtStatus SendDatagram(const VlState& vl, IoControl c) {
  nt::AfdSendDatagramInfo own;
  if (c.in_length < sizeof(own)) return vl.network.all ? c.Original() : nt::kInvalidParameter;
  if (!ReadUser(&own, static_cast<nt::AfdSendDatagramInfo*>(c.in))) return nt::kAccessViolation;
  if (!own.connection.remote_address) return PassData(vl, c);
  const uint8_t* kept;
  const nt::NtStatus s = PlanDatagram(vl, c.handle, own.connection.remote_address,
                                      static_cast<size_t>(own.connection.remote_address_length), &kept);
  if (!nt::Ok(s)) return s;
  own.connection.remote_address = const_cast<uint8_t*>(kept);
  own.request.information = &own.connection;
  c.in = &own;
  c.in_length = sizeof(own);
  return c.Original();
}

nt::NtStatus SendMessage(const VlState& vl, IoControl c) {
  nt::AfdMessageInfo own;
  if (c.in_length < sizeof(own)) return vl.network.all ? c.Original() : nt::kInvalidParameter;
  if (!ReadUser(&own, static_cast<nt::AfdMessageInfo*>(c.in))) return nt::kAccessViolation;
  nt::Ulong length = 0;
  if (own.datagram.address && !ReadUser(&length, own.datagram.address_length)) return nt::kAccessViolation;
  if (!own.datagram.address || !length) return PassData(vl, c);
  const uint8_t* kept;
  const nt::NtStatus s = PlanDatagram(vl, c.handle, own.datagram.address, length, &kept);
  if (!nt::Ok(s)) return s;
  own.datagram.address = const_cast<uint8_t*>(kept);
  own.datagram.address_length = &length;
  c.in = &own;
  c.in_length = sizeof(own);
  return c.Original();
}

// The sender of what has just been received, in the caller's memory.
void ShowSender(const VlState& vl, void* user, size_t length) {
  Sockaddr from;
  NetAddress a;
  if (length < view::kSockaddrIpv4 ||
      !Capture(user, length < view::kSockaddrIpv6 ? length : view::kSockaddrIpv6, &from))
    return;
  if (!view::ReadSockaddr(from.Span(), &a) || !a.IsLoopback() || !view::PrivatePort(vl.network, a.port))
    return;
  view::ShowAddress(vl.network, false, from.Span());
  CopyOut(user, from.bytes, from.length);
}

nt::NtStatus WineReceive(const VlState& vl, const IoControl& c) {
  nt::AfdWineReceiveParams own;
  if (c.in_length < sizeof(own)) return c.Original();
  if (!ReadUser(&own, static_cast<nt::AfdWineReceiveParams*>(c.in))) return nt::kAccessViolation;
  if (!own.address) return PassData(vl, c);
  const nt::NtStatus s = c.Original();
  // What comes later is seen with its real port (docs/nt-compat.md).
  int32_t length = 0;
  if (s == nt::kSuccess && own.address_length &&
      ReadUser(&length, reinterpret_cast<int32_t*>(static_cast<uintptr_t>(own.address_length))) &&
      length > 0) {
    ShowSender(vl, reinterpret_cast<void*>(static_cast<uintptr_t>(own.address)), static_cast<size_t>(length));
  }
  return s;
}

// Names of sockets, answered at once.
nt::NtStatus ShowName(const VlState& vl, const IoControl& c, bool local) {
  const nt::NtStatus s = c.Original();
  Sockaddr name;
  if (s != nt::kSuccess || c.out_length < view::kSockaddrIpv4) return s;
  if (!Capture(c.out, c.out_length < view::kSockaddrIpv6 ? c.out_length : view::kSockaddrIpv6, &name))
    return s;
  view::ShowAddress(vl.network, local && (FlagsOf(c.handle) & kBoundToAny), name.Span());
  CopyOut(c.out, name.bytes, name.length);
  return s;
}

nt::NtStatus EchoRequest(const VlState& vl, const IoControl& c) {
  nt::NsiWineIcmpEcho own;
  NetAddress a;
  if (c.in_length < sizeof(own)) return c.Original();
  if (!ReadUser(&own, static_cast<nt::NsiWineIcmpEcho*>(c.in))) return nt::kAccessViolation;
  if (!view::ReadSockaddr(own.destination, &a)) return nt::kNetworkUnreachable;
  if (Tracing()) TellPeer(vl, own.destination);
  a.port = 0;  // the rule must be for the whole host
  return a.IsLoopback() || view::IsAllowed(vl.network, a) ? c.Original() : nt::kNetworkUnreachable;
}

nt::NtStatus WineControl(const VlState& vl, const IoControl& c) {
  switch (c.code) {
    case nt::kAfdWineConnect: {
      nt::AfdWineConnectParams head;
      if (c.in_length < sizeof(head)) return c.Original();
      if (!ReadUser(&head, static_cast<nt::AfdWineConnectParams*>(c.in))) return nt::kAccessViolation;
      if (head.address_length <= 0) return c.Original();
      return Connect(vl, c, sizeof(head), static_cast<size_t>(head.address_length));
    }
    case nt::kAfdWineSend:
      return WineSend(vl, c);
    case nt::kAfdWineReceive:
      return WineReceive(vl, c);
    case nt::kAfdWineTransmit:
      return PassData(vl, c);
    case nt::kAfdWineGetPeerName:
      return ShowName(vl, c, false);
    case nt::kNsiWineIcmpEcho:
      return EchoRequest(vl, c);
    default:
      return c.Original();
  }
}

nt::NtStatus WindowsControl(const VlState& vl, const IoControl& c) {
  switch (c.code) {
    case nt::kAfdConnect:
    case nt::kAfdJoinLeaf:
      return Connect(vl, c, sizeof(nt::AfdConnectInfo), 0);
    case nt::kAfdSuperConnect:
      return Connect(vl, c, sizeof(nt::AfdSuperConnectInfo), 0);
    case nt::kAfdSendDatagram:
      return SendDatagram(vl, c);
    case nt::kAfdSendMessage:
      return SendMessage(vl, c);
    case nt::kAfdSend:
    case nt::kAfdTransmitFile:
    case nt::kAfdTransmitPackets:
      return PassData(vl, c);
    case nt::kAfdGetRemoteAddress:
      return ShowName(vl, c, false);
    case nt::kAfdRio:
      // Registered I/O takes addresses from memory that only the driver reads.
      return vl.network.all ? c.Original() : nt::kNotSupported;
    default:
      return c.Original();
  }
}

}  // namespace

nt::NtStatus IoControl::Original() const {
  return orig.NtDeviceIoControlFile(handle, event, apc, context, io, code, in, in_length, out, out_length);
}

nt::NtStatus SocketControl(const VlState& vl, const IoControl& c) {
  switch (c.code) {
    case nt::kAfdBind:
      return Bind(vl, c);
    case nt::kAfdGetAddress:
      return ShowName(vl, c, true);
    case nt::kAfdReceive:
      return PassData(vl, c);
    default:
      return vl.is_wine ? WineControl(vl, c) : WindowsControl(vl, c);
  }
}

}  // namespace plume::vl
