#include "agent/explain.h"

#include "agent/text.h"
#include "view/name_rules.h"

namespace plume::agent {
namespace {

Json Answer(const std::string& text, const char* space, view::Mode mode, const std::string& rule) {
  return Json{
      {"path", text}, {"canonical", text}, {"space", space}, {"mode", ModeName(mode)}, {"rule", rule}};
}

}  // namespace

bool IsDeviceText(std::string_view text) {
  const std::u16string wide = ToUtf16(text);
  auto begins = [&](std::u16string_view prefix) { return BeginsFolded(wide, prefix); };
  // Pipes and mailslots are objects.
  for (const std::u16string_view dos : {u"\\\\.\\", u"\\??\\"})
    if (begins(dos))
      return !BeginsFolded(wide.substr(4), u"pipe\\") && !BeginsFolded(wide.substr(4), u"mailslot\\");
  return begins(u"\\Driver\\") ||
         (begins(u"\\Device\\") && !begins(u"\\Device\\NamedPipe") && !begins(u"\\Device\\Mailslot"));
}

Json ExplainDevice(const Policy& complete, const std::string& text) {
  std::u16string name = ToUtf16(text);
  if (BeginsFolded(name, u"\\\\.\\")) name = u"\\??\\" + name.substr(4);
  for (const PolicyNameRule& r : complete.devices)
    if (view::MatchesNamePattern(name, r.pattern)) return Answer(text, "device", r.mode, r.origin);
  const bool volume = name.size() == 6 && name[5] == u':';
  return Answer(text, "device", view::Mode::kDeny,
                volume
                    ? "base: devices are closed (a volume may be asked about, not read or written as a whole)"
                    : "base: devices are closed (unless what it leads to is open)");
}

Json ExplainHost(const Policy& complete, const std::string& text, const HostAndPort& place) {
  const HostVerdict v = JudgeHost(complete, place);
  return Answer(text, "network", v.reachable ? view::Mode::kHost : view::Mode::kDeny, v.rule);
}

}  // namespace plume::agent
