#include "agent/identity.h"

#include "agent/control.h"
#include "agent/text.h"
#include "view/path.h"

namespace plume::agent {
namespace {

Error Refused(Errc code, const IdentityFacts& facts, const std::string& why) {
  return Error{code, "opening the state folder " + ToUtf8(facts.path) + " failed: " + why};
}

}  // namespace

std::string StateIdentity::ToText() const {
  return Json{{"version", 1}, {"id", id}, {"path", ToUtf8(path)}, {"user", ToUtf8(user_sid)}}.dump(
             2, ' ', false, Json::error_handler_t::replace) +
         "\n";
}

Result<StateIdentity> StateIdentity::FromText(std::string_view text) {
  const Json json = Json::parse(text, nullptr, false);
  StateIdentity out;
  if (json.is_object() && json.contains("version") && json["version"] == 1) {
    out.id = OptionalString(json, "id");
    out.path = ToUtf16(OptionalString(json, "path"));
    out.user_sid = ToUtf16(OptionalString(json, "user"));
  }
  if (out.id.empty() || out.path.empty() || out.user_sid.empty()) {
    return Error{Errc::kCorrupt,
                 "reading state.json failed: it is damaged (delete it to use the folder without the registry "
                 "of its VMs)"};
  }
  return out;
}

Result<StateClaim> ClaimState(const IdentityFacts& facts) {
  if (!facts.written) return StateClaim::kAdopt;
  const StateIdentity& written = *facts.written;
  if (!view::EqualFolded(written.user_sid, facts.user_sid)) {
    return Refused(
        Errc::kDenied, facts,
        "it is another user's, " + ToUtf8(written.user_sid) + " (set PLUME_HOME to a folder of your own)");
  }
  const bool same_path = view::EqualFolded(written.path, facts.path);
  if (facts.registry_id == written.id) return same_path ? StateClaim::kAsItIs : StateClaim::kAdopt;
  if (!same_path && facts.old_folder_lives) {
    return Refused(
        Errc::kInvalid, facts,
        "it is a copy of " + ToUtf8(written.path) +
            ", and a copy has no registry (copy VMs with plume vm export and import, or set PLUME_HOME to "
            "another folder)");
  }
  if (!same_path && facts.old_registry_id == written.id) return StateClaim::kMove;
  if (!facts.has_vms) return StateClaim::kAdopt;
  return Refused(
      Errc::kNotFound, facts,
      "the registry of its VMs is not here: it was used on another machine or Wine prefix (use it there, and "
      "plume vm export what you need; or delete state.json in it to use its VMs without their registry)");
}

}  // namespace plume::agent
