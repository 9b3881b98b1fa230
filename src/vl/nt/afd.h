// Sockets as ntdll sees them: control codes of the AFD driver and their structures. Windows (since Vista) and
// Wine 8 share some; Wine's own have function numbers from 200 on.
#pragma once
#include "vl/nt/nt.h"

namespace plume::nt {

// Both systems.
inline constexpr Ulong kAfdBind = 0x12003, kAfdReceive = 0x12017, kAfdGetAddress = 0x1202F;
// Windows.
inline constexpr Ulong kAfdConnect = 0x12007, kAfdReceiveDatagram = 0x1201B, kAfdSend = 0x1201F,
                       kAfdSendDatagram = 0x12023, kAfdGetRemoteAddress = 0x1203F, kAfdTransmitFile = 0x1207F,
                       kAfdJoinLeaf = 0x120BB, kAfdTransportIoctl = 0x120BF, kAfdTransmitPackets = 0x120C3,
                       kAfdSuperConnect = 0x120C7, kAfdReceiveMessage = 0x120CF, kAfdSendMessage = 0x120D3,
                       kAfdRio = 0x1211B;
// Wine.
inline constexpr Ulong WineAfd(Ulong function) { return 0x120000 | function << 2; }
inline constexpr Ulong kAfdWineConnect = WineAfd(203), kAfdWineReceive = WineAfd(205),
                       kAfdWineSend = WineAfd(206), kAfdWineTransmit = WineAfd(207),
                       kAfdWineGetPeerName = WineAfd(216), kAfdWineGetInfo = WineAfd(218),
                       kAfdWineGetV6Only = WineAfd(279);
// The network's own information device (Wine: echo requests go through it).
inline constexpr Ulong kNsiWineIcmpEcho = 0x120000 | 0x403 << 2;

struct AfdBindInfo {
  Ulong share;
  // SOCKADDR
};
struct AfdConnectInfo {
  uintptr_t san_active;
  Handle root, connect;
  // SOCKADDR
};
struct AfdSuperConnectInfo {
  uintptr_t san_active;
  // SOCKADDR
};
struct TdiConnectionInformation {
  int32_t user_data_length;
  void* user_data;
  int32_t options_length;
  void* options;
  int32_t remote_address_length;
  void* remote_address;
};
struct AfdSendDatagramInfo {
  void* buffers;
  Ulong buffer_count, afd_flags, tdi_flags;
  struct {
    Handle handle;
    void* notify;
    void* context;
    int32_t status;
    TdiConnectionInformation* information;
  } request;
  TdiConnectionInformation connection;
};
struct AfdMessageInfo {  // WSASendMsg
  struct {
    void* buffers;
    Ulong buffer_count, afd_flags, tdi_flags;
    void* address;
    Ulong* address_length;
  } datagram;
  void* control;
  Ulong* control_length;
  Ulong* flags;
};
struct TlIoControlInfo {
  Ulong type, level, code;
  uint8_t endpoint;
  void* input;
  size_t input_length;
};
inline constexpr Ulong kTlGetOption = 2, kIpv6Level = 41, kIpv6V6Only = 27;

struct AfdWineConnectParams {
  int32_t address_length, synchronous;
  // SOCKADDR, data to send
};
struct AfdWineSendParams {
  uint64_t address;
  uint32_t address_length, flags;
  int32_t force_async;
  uint32_t count;
  uint64_t buffers;
};
struct AfdWineReceiveParams {
  uint64_t control, address, address_length, flags;
  int32_t force_async;
  uint32_t count;
  uint64_t buffers;
};
struct AfdWineInfo {
  int32_t family, type, protocol;
};
inline constexpr int32_t kSocketStream = 1;
struct NsiWineIcmpEcho {
  uint8_t source[28], destination[28];
};

inline constexpr NtStatus kConnectionReset = Status(0xC000020D), kConnectionRefused = Status(0xC0000236),
                          kNetworkUnreachable = Status(0xC000023C), kBadNetworkPath = Status(0xC00000BE);

}  // namespace plume::nt
