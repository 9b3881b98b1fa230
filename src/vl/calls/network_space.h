// The network space: what connects, sends or listens is decided where it reaches the AFD driver, below every
// networking library (docs/adr/0013).
#pragma once
#include <span>

#include "view/network.h"
#include "vl/low/memory.h"
#include "vl/low/state.h"

namespace plume::vl {

// One NtDeviceIoControlFile.
struct IoControl {
  nt::Handle handle, event;
  nt::ApcRoutine* apc;
  void* context;
  nt::IoStatusBlock* io;
  nt::Ulong code;
  void* in;
  nt::Ulong in_length;
  void* out;
  nt::Ulong out_length;

  nt::NtStatus Original() const;
};

// A control code of sockets. REQUIRES vl.network.Active().
nt::NtStatus SocketControl(const VlState& vl, const IoControl& c);
inline bool IsSocketCode(nt::Ulong code) { return code >> 16 == 1 || code >> 16 == 0x12; }

// May `name` (\??\UNC\server\..., \Device\Mup\server\...) be reached? kBadNetworkPath if not.
nt::NtStatus CheckFileServer(const VlState& vl, CallScratch& scratch, view::WView name);

// For the trace; all REQUIRE Tracing(). Whom a call on a socket means, if that is the call to bind or
// connect.
void TellSocket(const VlState& vl, const IoControl& c);
void TellPeer(const VlState& vl, std::span<const uint8_t> sockaddr);
void TellRealPeer(std::span<const uint8_t> sockaddr);

// Wine: a module asks for the table of its functions on the Unix side. Those that resolve names get one that
// asks the rules first. `table` is the answer, in the caller's memory.
void FilterUnixFunctions(const VlState& vl, const void* module, void* table);

}  // namespace plume::vl
