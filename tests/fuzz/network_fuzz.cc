// Socket addresses: no crash; what is planned for a bind is shown as it was asked for, whatever the rules;
// addresses as text and bytes agree.
#include <cstring>
#include <vector>

#include "input.h"
#include "view/network.h"

using namespace plume;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  fuzz::Input input(data, size);
  const uint8_t address[16] = {input.Byte(), input.Byte(), input.Byte(), input.Byte()};
  const bool wide = input.Byte() & 1;
  const view::NetworkRule allow[] = {{{address, wide ? size_t{16} : size_t{4}},
                                      static_cast<uint8_t>(input.Byte() % 130),
                                      static_cast<uint16_t>(input.Number()),
                                      static_cast<uint16_t>(input.Number()),
                                      u"host"}};
  const uint16_t ports[] = {static_cast<uint16_t>(input.Number()), 80}, real[] = {20000, 20001};
  view::NetworkRules rules;
  rules.all = input.Byte() & 1;
  rules.allow = allow;
  rules.private_ports = ports;
  rules.real_ports = real;
  std::vector<uint8_t> own(8192, input.Byte());
  const bool v6_only = input.Byte() & 1;
  std::vector<uint8_t> sockaddr(input.Byte() % 40);
  for (uint8_t& b : sockaddr) b = input.Byte();
  const std::vector<uint8_t> asked = sockaddr;

  view::NetAddress before, after;
  const bool readable = view::ReadSockaddr(sockaddr, &before);
  const bool any = view::PlanBind(rules, v6_only, sockaddr);
  const bool special =
      before.port == 20000 || before.port == 20001;  // somebody asks for the real port itself
  view::ShowAddress(rules, any, sockaddr);
  view::ReadSockaddr(sockaddr, &after);
  if (readable && !special) {
    fuzz::Require(after.port == before.port, "a bind's port is shown as it was asked for");
    fuzz::Require(after.IsAny() == before.IsAny(), "a bind to every address is shown as one");
  }
  sockaddr = asked;
  const view::Reach reach = view::PlanPeer(rules, own.data(), sockaddr);
  fuzz::Require(rules.all ? reach == view::Reach::kYes : readable || reach != view::Reach::kYes,
                "an address that cannot be read is reached only where all are");
  view::IsPeerAllowed(rules, before, after);

  const std::u16string text = input.Rest();
  uint8_t bytes[16], again[16];
  if (const size_t n = view::ParseAddress(text, bytes)) {
    char16_t out[48];
    const view::WView formatted(out, view::FormatAddress({bytes, n}, out));
    fuzz::Require(view::ParseAddress(formatted, again) == n && std::memcmp(bytes, again, n) == 0,
                  "an address's text is read back");
  }
  view::IsAllowedHost(rules, text, 80);
  return 0;
}
