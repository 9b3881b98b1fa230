// Verbs about starts: what one waited for, and what was learned from them.
#include "agent/agent.h"
#include "agent/text.h"
#include "image/config.h"

namespace plume::agent {

// What the last start of a VM touched and waited for. "wait": not yet if the start has not ended; then null.
Result<Json> Agent::VmReport(Session&, const Json& args) {
  ASSIGN(const std::string id, RequiredString(args, "id"));
  if (OptionalBool(args, "wait") && starts_->Running(id)) return Json(nullptr);
  return starts_->Report(id);
}

// What is known of the starts of a subscribed application.
Result<Json> Agent::ProfileShow(Session&, const Json& args) {
  ASSIGN(const std::string name, RequiredString(args, "name"));
  ASSIGN(const AppRecord app, apps_->Find(name));
  ASSIGN(const image::Config config, apps_->ConfigOf(app.digest));
  const image::Profile profile = starts_->ProfileOf(config.name);
  Json files = Json::array();
  for (const image::ProfileFile& file : image::StartUpSet(profile)) files.push_back(file.path);
  return Json{{"name", app.name},
              {"image", config.name},
              {"version", profile.version},
              {"runs", profile.runs},
              {"file", os::Utf8(starts_->ProfileFile(config.name))},
              {"known_files", profile.files.size()},
              {"files", std::move(files)}};
}

}  // namespace plume::agent
