// Devices that programs need to run at all: open in every VM, after the user's rules. Everything else is
// closed.
#include "agent/policy.h"
#include "agent/text.h"

namespace plume::agent {
namespace {

struct Row {
  const char16_t* pattern;
  const char* why;
};

constexpr Row kBoth[] = {
    {u"\\??\\NUL", "system: the null device"},
    {u"\\Device\\Null", "system: the null device"},
    {u"\\??\\CON", "system: the program's own console"},
    {u"\\??\\CONIN$", "system: the program's own console"},
    {u"\\??\\CONOUT$", "system: the program's own console"},
    {u"\\Device\\ConDrv*", "system: the program's own console"},
    {u"\\Device\\Afd*", "system: sockets, which [network] governs"},
    {u"\\??\\MountPointManager", "system: asking for drive letters (changing them stays refused)"},
    {u"\\Device\\MountPointManager", "system: asking for drive letters (changing them stays refused)"},
    {u"\\??\\Nsi", "system: asking for network interfaces; echo requests, which [network] governs"},
    {u"\\Device\\Nsi", "system: asking for network interfaces; echo requests, which [network] governs"},
};
constexpr Row kWindows[] = {
    {u"\\Device\\KsecDD", "system: random numbers, encryption"},
    {u"\\Device\\CNG", "system: random numbers, encryption"},
    {u"\\Device\\DeviceApi*", "system: lists of devices"},
    {u"\\Device\\PcwDrv", "system: performance counters"},
    {u"\\Device\\WMIDataDevice", "system: event tracing"},
    {u"\\??\\WMIDataDevice", "system: event tracing"},
    {u"\\Device\\RasAcd", "system: dialling out when a host is not reachable"},
    {u"\\Device\\ahcache", "system: application compatibility"},
    {u"\\??\\ahcache", "system: application compatibility"},
};

// "COM1", "\\.\COM1", "\\?\COM1" -> "\??\COM1"; absolute NT names and patterns for everything stay.
std::u16string DevicePattern(const std::u16string& written) {
  for (const std::u16string_view prefix : {u"\\\\.\\", u"\\\\?\\"})
    if (BeginsFolded(written, prefix)) return u"\\??\\" + written.substr(prefix.size());
  if (BeginsFolded(written, u"\\") || BeginsFolded(written, u"*")) return written;
  return u"\\??\\" + written;
}

}  // namespace

void CompleteDeviceRules(const MachineFacts& facts, std::vector<PolicyNameRule>* rules) {
  for (PolicyNameRule& r : *rules) r.pattern = DevicePattern(r.pattern);
  auto add = [&](const Row& row) { rules->push_back({row.pattern, view::Mode::kHost, row.why}); };
  for (const Row& row : kBoth) add(row);
  if (!facts.is_wine)
    for (const Row& row : kWindows) add(row);
}

}  // namespace plume::agent
