// Subscriptions and trust: nothing of an image is used before somebody who is trusted vouches for it.
#include <spdlog/spdlog.h>

#include "agent/apps.h"
#include "agent/text.h"
#include "image/manifest.h"
#include "os/clock.h"
#include "os/file.h"

namespace plume::agent {
namespace {

int64_t UnixNow() { return os::UnixSecondsFromFiletime(os::SystemClock().NowFiletime()); }

}  // namespace

// Read anew when the file is another one: plume trust writes it without asking the agent.
Result<trust::Rules> Apps::Rules() {
  const os::Path folder = HostPath(state_.root());
  const auto info = os::SystemFiles().Stat(folder / "trust.json");
  const std::pair<int64_t, uint64_t> stamp =
      info.ok() ? std::make_pair(info->times.modified, info->size) : std::make_pair(int64_t{0}, uint64_t{0});
  const std::lock_guard lock(mutex_);
  if (!rules_ || stamp != rules_stamp_) {
    ASSIGN(rules_, trust::LoadRules(os::SystemFiles(), folder));
    rules_stamp_ = stamp;
  }
  return *rules_;
}

Status Apps::LoadMemory() {
  ASSIGN(memory_, trust::Memory::Load(os::SystemFiles(), HostPath(state_.root())));
  return Ok();
}

Status Apps::Vouch(AppRecord* app, repository::Repository& repo, const Resolved& resolved, bool allow_older,
                   std::string* warning) {
  ASSIGN(const trust::Rules rules, Rules());
  ASSIGN(const image::Manifest manifest, image::ParseManifest(resolved.manifest.bytes));
  std::vector<trust::Signature> signatures;
  // Where nobody is known, and unsigned images are welcome, a signature would say nothing.
  if (!app->allow_unsigned || !rules.keys().empty()) {
    ASSIGN(signatures, trust::ReadSignatures(repo, resolved.manifest.digest));
  }
  const trust::Question question{.repository = app->repository,
                                 .subscribed = app->tag,
                                 .tag = resolved.tag,
                                 .digest = resolved.manifest.digest,
                                 .image_name = manifest.name,
                                 .now = UnixNow(),
                                 .allow_unsigned = app->allow_unsigned,
                                 .allow_older = allow_older};
  const std::lock_guard lock(mutex_);
  const trust::Seen seen = memory_.SeenOf(app->repository, app->tag);
  ASSIGN(const trust::Verdict verdict, trust::Judge(rules, signatures, question, seen));
  if (warning != nullptr) *warning = verdict.warning;
  app->signed_by = verdict.key;
  const std::string before = memory_.ToJson();
  memory_.Remember(question, verdict);
  // Before the image is taken: what was seen once is not forgotten because its download broke.
  return memory_.ToJson() == before ? Ok() : memory_.Save(os::SystemFiles(), HostPath(state_.root()));
}

bool Apps::Vouched(const AppRecord& app) const {
  const std::lock_guard lock(mutex_);
  const std::string* key = memory_.KeyOf(app.digest);
  return key != nullptr && (!key->empty() || app.allow_unsigned);
}

bool Apps::FreshnessIsOld(const AppRecord& app) const {
  const std::lock_guard lock(mutex_);
  const trust::Seen seen = memory_.SeenOf(app.repository, app.tag);
  return seen.expires != 0 && UnixNow() > seen.issued + (seen.expires - seen.issued) / 2;
}

Status Apps::MayStart(const std::string& digest) {
  std::string key;
  {
    const std::lock_guard lock(mutex_);
    const std::string* found = memory_.KeyOf(digest);
    if (found == nullptr) {
      for (const AppRecord& app : apps_) {
        if (app.digest != digest) continue;
        return Error{Errc::kDenied,
                     "starting '" + app.name +
                         "' failed: nobody has vouched for it yet (start it once while its repository can be "
                         "reached, or plume update " +
                         app.name + ")"};
      }
      return Ok();  // made on this machine
    }
    key = *found;
  }
  if (key.empty()) return Ok();
  ASSIGN(const trust::Rules rules, Rules());
  const trust::TrustedKey* known = rules.Find(key);
  if (known == nullptr || !known->revoked) return Ok();
  return Error{Errc::kDenied,
               "starting it failed: its image (" + digest.substr(0, 19) + ") is signed by the key " +
                   trust::ShortId(key) +
                   ", which was revoked here (plume update takes one that another key signed)"};
}

}  // namespace plume::agent
