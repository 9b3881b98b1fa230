// `plume vm explain` for names of objects, pipes, mailslots and ports.
#include <windows.h>

#include "agent/agent.h"
#include "agent/policy_objects.h"
#include "agent/text.h"

namespace plume::agent {

std::optional<Result<Json>> Agent::ExplainObjectName(const VmSpace& space, const std::string& text) {
  DWORD session = 0;
  ProcessIdToSessionId(GetCurrentProcessId(), &session);
  const auto nt = ObjectNtName(ToUtf16(text), session);
  if (!nt) return std::nullopt;
  auto wide = [](const flatbuffers::Vector<uint16_t>* v) { return std::u16string(v->begin(), v->end()); };
  std::vector<PolicyNameRule> rules;
  if (const auto* rows = space.view().object_rules()) {
    for (const wire::NameRule* r : *rows) {
      rules.push_back(
          {wide(r->pattern()), static_cast<view::Mode>(r->mode()), r->origin() ? r->origin()->str() : ""});
    }
  }
  const ObjectExplanation e = ExplainObject(*nt, session, rules, wide(space.view().registry_upper()));
  return Json{{"path", text},      {"canonical", ToUtf8(e.canonical)},
              {"space", "object"}, {"mode", ModeName(e.mode)},
              {"rule", e.rule},    {"real", ToUtf8(e.real)}};
}

}  // namespace plume::agent
