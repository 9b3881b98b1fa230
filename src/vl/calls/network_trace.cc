// What calls on sockets tell the trace. Reached only while a recording is on.
#include <cstring>

#include "vl/calls/network_space.h"
#include "vl/low/guard.h"
#include "vl/low/trace.h"
#include "vl/nt/afd.h"
#include "wire/view_generated.h"

namespace plume::vl {
namespace {

using view::NetAddress;

size_t Format(const NetAddress& a, char16_t* text) {
  size_t n = 0;
  if (a.size == 16) text[n++] = u'[';
  n += view::FormatAddress({a.bytes, a.size}, text + n);
  if (a.size == 16) text[n++] = u']';
  text[n++] = u':';
  char16_t digits[5];
  int count = 0;
  uint32_t port = a.port;
  do digits[count++] = static_cast<char16_t>(u'0' + port % 10);
  while (port /= 10);
  while (count) text[n++] = digits[--count];
  return n;
}
constexpr size_t kAddressUnits = 64;

// Which row of the policy lets the guest reach the address.
void TellRule(const VlState& vl, TraceNote* note, const NetAddress& a) {
  if (vl.network.all) return note->Rule(view::Mode::kHost, "all of the network is allowed");
  view::NetworkRules one = vl.network;
  const auto* rows = static_cast<const wire::View*>(vl.view)->network()->allow();
  for (size_t i = 0; i < vl.network.allow.size(); ++i) {
    one.allow = vl.network.allow.subspan(i, 1);
    if (!view::IsAllowed(one, a)) continue;
    const flatbuffers::String* origin = rows ? rows->Get(static_cast<uint32_t>(i))->origin() : nullptr;
    return note->Rule(view::Mode::kHost,
                      origin ? std::string_view(origin->c_str(), origin->size()) : std::string_view());
  }
  if (a.IsLoopback()) return note->Rule(view::Mode::kPrivate, "the VM's own loopback");
  note->Rule(view::Mode::kDeny, "no rule of [network] allows it");
}

}  // namespace

void TellPeer(const VlState& vl, std::span<const uint8_t> sockaddr) {
  TraceNote* note = FindNote();
  NetAddress a;
  if (!note || !view::ReadSockaddr(sockaddr, &a)) return;
  char16_t text[kAddressUnits];
  note->Name(trace::Space::kNetwork, view::WView(text, Format(a, text)));
  TellRule(vl, note, a);
}

void TellRealPeer(std::span<const uint8_t> sockaddr) {
  TraceNote* note = FindNote();
  NetAddress a;
  if (!note || !view::ReadSockaddr(sockaddr, &a)) return;
  char16_t text[kAddressUnits];
  note->Real(a.IsLoopback() ? trace::Layer::kUpper : trace::Layer::kHost, view::WView(text, Format(a, text)));
}

void TellSocket(const VlState& vl, const IoControl& c) {
  size_t head;
  switch (c.code) {
    case nt::kAfdBind:
      head = sizeof(nt::Ulong);
      break;
    case nt::kAfdWineConnect:
      head = sizeof(nt::AfdWineConnectParams);
      break;
    case nt::kAfdConnect:
    case nt::kAfdJoinLeaf:
      head = sizeof(nt::AfdConnectInfo);
      break;
    case nt::kAfdSuperConnect:
      head = sizeof(nt::AfdSuperConnectInfo);
      break;
    default:
      return;
  }
  uint8_t address[view::kSockaddrIpv6] = {};
  if (c.in_length <= head) return;
  const size_t rest = c.in_length - head, length = rest < sizeof(address) ? rest : sizeof(address);
  if (!CopyIn(address, static_cast<const uint8_t*>(c.in) + head, length)) return;
  if (TraceNote* note = FindNote()) note->Detail(c.code);
  TellPeer(vl, {address, length});
  if (!vl.network.Active()) TellRealPeer({address, length});
}

}  // namespace plume::vl
