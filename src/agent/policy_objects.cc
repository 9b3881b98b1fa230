#include "agent/policy_objects.h"

#include "view/object_name.h"
#include "view/system_objects.h"

namespace plume::agent {
namespace {

using view::Mode;

bool TakePrefix(std::u16string_view* text, std::u16string_view prefix) {
  if (text->size() < prefix.size() || !view::EqualFolded(text->substr(0, prefix.size()), prefix))
    return false;
  text->remove_prefix(prefix.size());
  return true;
}

}  // namespace

void AddSystemObjects(bool is_wine, std::vector<PolicyNameRule>* rules) {
  const view::Platform other = is_wine ? view::Platform::kWindows : view::Platform::kWine;
  for (const view::SystemObject& o : view::kSystemObjects) {
    if (o.platform == other) continue;
    rules->push_back({std::u16string(o.pattern), Mode::kHost, std::string("system: ") + o.why});
  }
}

std::optional<std::u16string> ObjectNtName(std::u16string_view text, uint32_t session) {
  std::u16string_view rest = text;
  std::u16string nt;
  const std::string number = std::to_string(session);
  const std::u16string own =
      u"\\Sessions\\" + std::u16string(number.begin(), number.end()) + u"\\BaseNamedObjects\\";
  if (TakePrefix(&rest, u"\\\\.\\") || TakePrefix(&rest, u"\\\\?\\"))
    nt = u"\\??\\";
  else if (TakePrefix(&rest, u"\\\\") || TakePrefix(&rest, u"Remote\\"))
    nt = u"\\??\\UNC\\";
  else if (TakePrefix(&rest, u"Local\\"))
    nt = own;
  else if (TakePrefix(&rest, u"Global\\"))
    nt = u"\\BaseNamedObjects\\";
  else if (TakePrefix(&rest, u"Session\\"))
    nt = u"\\BaseNamedObjects\\Session\\";
  else if (TakePrefix(&rest, u"Pipe\\"))
    nt = u"\\Device\\NamedPipe\\";
  else if (TakePrefix(&rest, u"Mailslot\\"))
    nt = u"\\Device\\Mailslot\\";
  else if (TakePrefix(&rest, u"Port\\"))
    nt = u"\\RPC Control\\";
  else if (TakePrefix(&rest, u"Root\\"))
    nt = u"\\";
  else if (text.empty() || text[0] != u'\\')
    return std::nullopt;
  nt += rest;
  const view::ObjectName name = view::ParseObjectName(nt, session);
  if (name.space == view::ObjectSpace::kOther || name.container) return std::nullopt;
  // "\\Users" is a path.
  if (name.space == view::ObjectSpace::kRoot && text[0] == u'\\') return std::nullopt;
  return nt;
}

ObjectExplanation ExplainObject(std::u16string_view nt_name, uint32_t session,
                                const std::vector<PolicyNameRule>& rules, std::u16string_view vm_key) {
  const view::ObjectName name = view::ParseObjectName(nt_name, session);
  ObjectExplanation out;
  out.canonical.resize(nt_name.size() + view::kObjectPrefixUnits);
  out.canonical.resize(view::WriteObjectName(nt_name, name, nt_name.size(), out.canonical));
  std::u16string decides(out.canonical.substr(0, out.canonical.size() - (nt_name.size() - name.mark)));
  std::vector<view::NameRule> plain;
  for (const PolicyNameRule& r : rules) plain.push_back({r.pattern, r.mode});
  const view::NameRule* found = nullptr;
  const view::ObjectAction action = view::DecideObject(name, decides, plain, &found);
  out.rule = found ? rules[static_cast<size_t>(found - plain.data())].origin
                   : "built-in: private unless a rule says otherwise";
  out.real = nt_name;
  switch (action) {
    case view::ObjectAction::kPass:
      out.mode = Mode::kHost;
      break;
    case view::ObjectAction::kRefuse:
      out.mode = Mode::kDeny;
      out.real.clear();
      if (!found) out.rule = "built-in: other machines are out of reach unless a rule says otherwise";
      break;
    case view::ObjectAction::kMark:
      out.mode = Mode::kPrivate;
      out.real.insert(name.mark, view::MakeObjectMark(vm_key).View());
      if (found && found->mode == Mode::kHost)
        out.rule = "built-in: names that carry a VM's mark are never shared";
      break;
  }
  return out;
}

}  // namespace plume::agent
