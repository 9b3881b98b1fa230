#include "agent/apps.h"

#include <algorithm>
#include <condition_variable>

#include "agent/text.h"
#include "agent/win/handle.h"
#include "agent/win/thread.h"
#include "image/config.h"
#include "image/store.h"
#include "os/clock.h"
#include "os/file.h"

namespace plume::agent {
namespace {

// How long a start of what is here waits for the repository to say whether there is a newer version, and then
// for that version's catalog.
constexpr int64_t kAskMillis = 1500, kTakeMillis = 3500;
// How long a repository that did not answer in time is not waited for by starts.
constexpr uint64_t kQuietMillis = 15000;

Error NoSuchApp(const std::string& name) {
  return Error{Errc::kNotFound, "finding the application '" + name +
                                    "' failed: it is not subscribed to (plume add REPO/" + name +
                                    ", plume apps lists them)"};
}

}  // namespace

// Of a lookup that may outlive the one who asked.
struct Apps::Answer {
  enum Stage { kAsking, kTaking, kDone };
  std::mutex mutex;
  std::condition_variable changed;
  Stage stage = kAsking;
  Result<AppRecord> taken = Error{};
  std::string warning;  // with a taken one
};

Result<Subscription> ParseSubscription(const std::string& text) {
  const Error bad{Errc::kInvalid,
                  "reading '" + text +
                      "' failed: it is not REPO/NAME[:TAG] (for example http://server:5000/apps/editor "
                      "or oci:C:\\images\\editor:1.2)"};
  const bool http = text.rfind("http://", 0) == 0 || text.rfind("https://", 0) == 0;
  if (!http && text.rfind("oci:", 0) != 0) return bad;
  const size_t slash = text.find_last_of(http ? "/" : "/\\");
  if (slash == std::string::npos || slash + 1 >= text.size()) return bad;
  if (http && slash <= text.find("//") + 1) return bad;
  Subscription out;
  const size_t colon = text.find(':', slash);
  out.repository = text.substr(0, colon);
  out.name = out.repository.substr(slash + 1);
  if (colon != std::string::npos) {
    out.tag = text.substr(colon + 1);
    if (out.tag.empty()) return bad;
  }
  if (!CheckName("application", out.name).ok()) return bad;
  return out;
}

std::string NewestTag(const std::vector<std::string>& tags) {
  std::string best;
  for (const std::string& tag : tags) {
    if (tag == "latest") return tag;
    // Signatures and other attachments of an image are tags too ("sha256-<hex>.sig").
    if (tag.rfind("sha256-", 0) == 0) continue;
    if (best.empty() || image::CompareVersions(tag, best) > 0) best = tag;
  }
  return best;
}

Json AppRecord::ToJson() const {
  return Json{{"name", name},         {"repository", repository}, {"tag", tag},
              {"digest", digest},     {"version", version},       {"display_name", display_name},
              {"previous", previous}, {"signed_by", signed_by},   {"allow_unsigned", allow_unsigned}};
}

Result<AppRecord> AppRecord::FromJson(const Json& json) {
  AppRecord out;
  if (json.is_object()) {
    out = {OptionalString(json, "name"),        OptionalString(json, "repository"),
           OptionalString(json, "tag"),         OptionalString(json, "digest"),
           OptionalString(json, "version"),     OptionalString(json, "display_name"),
           OptionalString(json, "previous"),    OptionalString(json, "signed_by"),
           OptionalBool(json, "allow_unsigned")};
  }
  if (out.name.empty() || out.repository.empty() || out.digest.empty()) {
    return Error{Errc::kCorrupt, "reading the list of applications failed: it is damaged"};
  }
  return out;
}

Result<std::unique_ptr<repository::Repository>> Apps::Open(const std::string& repository, int tries) const {
  repository::OpenOptions options;
  options.http = http_;
  if (tries != 0) options.tries = tries;
  return repository::Open(repository, options);
}

Status Apps::Load() {
  const std::lock_guard lock(mutex_);
  TRY(LoadMemory());
  const auto text = os::ReadText(os::SystemFiles(), HostPath(state_.Applications()));
  if (!text.ok()) return text.error().code == Errc::kNotFound ? Ok() : Status(text.error());
  const Json json = Json::parse(*text, nullptr, false);
  const Error damaged{Errc::kCorrupt,
                      "reading " + ToUtf8(state_.Applications()) +
                          " failed: it is damaged (move it away and add the applications again)"};
  if (!json.is_object() || !json.contains("apps") || !json["apps"].is_array()) return damaged;
  for (const Json& item : json["apps"]) {
    auto app = AppRecord::FromJson(item);
    if (!app.ok()) return damaged;
    apps_.push_back(std::move(*app));
  }
  return Ok();
}

Status Apps::SaveLocked() const {
  Json list = Json::array();
  for (const AppRecord& app : apps_) list.push_back(app.ToJson());
  const std::string text =
      Json{{"version", 1}, {"apps", list}}.dump(2, ' ', false, Json::error_handler_t::replace);
  return os::WriteAtomic(os::SystemFiles(), HostPath(state_.Applications()), std::string_view(text));
}

AppRecord* Apps::FindLocked(const std::string& name) {
  for (AppRecord& app : apps_)
    if (SameName(app.name, name)) return &app;
  return nullptr;
}

Result<Apps::Resolved> Apps::ResolveTag(repository::Repository& repo, const AppRecord& app) const {
  std::string tag = app.tag;
  if (tag.empty()) {
    ASSIGN(const std::vector<std::string> tags, repo.Tags());
    tag = NewestTag(tags);
    if (tag.empty()) {
      return Error{Errc::kNotFound, "finding a version of '" + app.name + "' failed: " + repo.Name() +
                                        " has none (was it published?)"};
    }
  }
  ASSIGN(repository::ManifestBlob manifest, repo.GetManifest(tag));
  return Resolved{tag, std::move(manifest)};
}

Result<AppRecord> Apps::Take(AppRecord app, std::shared_ptr<repository::Repository> repo,
                             const std::string& digest, Taking taking) {
  const std::string was = app.digest;
  ASSIGN(const cache::Image* image, cache_.Attach(std::move(repo), digest));
  ASSIGN(const image::Config config, image::ParseConfig(image->config_json));
  if (!app.digest.empty() && app.digest != digest) app.previous = app.digest;
  app.digest = digest;
  app.version = config.version;
  app.display_name = config.display_name;
  const std::lock_guard lock(mutex_);
  AppRecord* known = FindLocked(app.name);
  if (taking == Taking::kUpdate) {
    if (known == nullptr) return NoSuchApp(app.name);
    if (known->digest != was) return *known;
  }
  if (known != nullptr && known->ToJson() == app.ToJson()) return app;  // nothing new, and no room needed
  const std::vector<AppRecord> before = apps_;
  if (known != nullptr)
    *known = app;
  else
    apps_.push_back(app);
  if (Status saved = SaveLocked(); !saved.ok()) {
    apps_ = before;  // as the next agent would find it
    return saved.error();
  }
  return app;
}

Result<AppRecord> Apps::Add(const std::string& subscription, const AddOptions& options,
                            const OnProgress& progress) {
  ASSIGN(const Subscription wanted, ParseSubscription(subscription));
  AppRecord app;
  {
    const std::lock_guard lock(mutex_);
    if (const AppRecord* known = FindLocked(wanted.name)) {
      if (known->repository != wanted.repository) {
        return Error{Errc::kExists, "adding '" + wanted.name + "' failed: it comes from " +
                                        known->repository + " already (plume remove " + wanted.name +
                                        " first)"};
      }
      app = *known;
    }
  }
  app.name = wanted.name;
  app.repository = wanted.repository;
  app.tag = wanted.tag;
  app.allow_unsigned = options.allow_unsigned;
  if (progress) progress({"asking " + wanted.repository, 0, 0});
  ASSIGN(std::shared_ptr<repository::Repository> repo, Open(app.repository));
  auto resolved = ResolveTag(*repo, app);
  if (!resolved.ok()) return Error(resolved.error()).In("adding '" + wanted.name + "'");
  if (Status vouched = Vouch(&app, *repo, *resolved, options.allow_older, nullptr); !vouched.ok())
    return vouched.error().In("adding '" + wanted.name + "' failed");
  if (progress) progress({"reading the catalog of " + app.name, 0, 0});
  return Take(std::move(app), std::move(repo), resolved->manifest.digest, Taking::kAdd);
}

Result<AppRecord> Apps::Find(const std::string& name) const {
  const std::lock_guard lock(mutex_);
  for (const AppRecord& app : apps_)
    if (SameName(app.name, name)) return app;
  return NoSuchApp(name);
}

std::vector<AppRecord> Apps::List() const {
  const std::lock_guard lock(mutex_);
  return apps_;
}

Result<AppRecord> Apps::Update(const std::string& name, bool allow_older, bool* changed, std::string* warning,
                               const OnProgress& progress) {
  ASSIGN(AppRecord app, Find(name));
  if (progress) progress({"asking " + app.repository, 0, 0});
  ASSIGN(std::shared_ptr<repository::Repository> repo, Open(app.repository));
  auto resolved = ResolveTag(*repo, app);
  if (!resolved.ok()) return Error(resolved.error()).In("updating '" + name + "'");
  NoteAnswer(app.repository, true);
  if (Status vouched = Vouch(&app, *repo, *resolved, allow_older, warning); !vouched.ok())
    return vouched.error().In("updating '" + name + "' failed");
  *changed = resolved->manifest.digest != app.digest;
  return Take(std::move(app), std::move(repo), resolved->manifest.digest, Taking::kUpdate);
}

void Apps::NoteAnswer(const std::string& repository, bool answered) {
  const std::lock_guard lock(mutex_);
  if (answered)
    quiet_until_.erase(repository);
  else
    quiet_until_[repository] =
        static_cast<uint64_t>(os::SystemClock().MonotonicMicros()) / 1000 + kQuietMillis;
}

bool Apps::KeepsQuiet(const std::string& repository) const {
  const std::lock_guard lock(mutex_);
  const auto it = quiet_until_.find(repository);
  return it != quiet_until_.end() &&
         static_cast<uint64_t>(os::SystemClock().MonotonicMicros()) / 1000 < it->second;
}

void Apps::LookForNewer(AppRecord app, const std::shared_ptr<Answer>& answer) {
  const auto finish = [&](Result<AppRecord> taken) {
    const std::lock_guard lock(answer->mutex);
    answer->taken = std::move(taken);
    answer->stage = Answer::kDone;
    answer->changed.notify_all();
  };
  // One try: a refused connection is an answer, and the next start asks again.
  const int64_t begin = os::SystemClock().MonotonicMicros();
  auto opened = Open(app.repository, 1);
  if (!opened.ok()) return finish(opened.error());
  const auto resolved = ResolveTag(**opened, app);
  const bool silent = !resolved.ok() && resolved.error().code == Errc::kUnreachable &&
                      os::SystemClock().MonotonicMicros() - begin > kAskMillis * 1000;
  NoteAnswer(app.repository, !silent);
  if (!resolved.ok()) return finish(resolved.error());
  const std::string& digest = resolved->manifest.digest;
  if (digest == app.digest && Vouched(app) && cache_.Find(app.digest) != nullptr) {
    // The same; but is the publisher's word for that still fresh?
    if (FreshnessIsOld(app)) (void)Vouch(&app, **opened, *resolved, false, &answer->warning);
    return finish(app);
  }
  {
    const std::lock_guard lock(answer->mutex);
    answer->stage = Answer::kTaking;
    answer->changed.notify_all();
  }
  // With its retries: from here on, a passing fault must not lose the new version.
  auto repo = Open(app.repository);
  if (!repo.ok()) return finish(repo.error());
  if (Status vouched = Vouch(&app, **repo, *resolved, false, &answer->warning); !vouched.ok())
    return finish(vouched.error());
  finish(Take(app, std::shared_ptr<repository::Repository>(std::move(*repo)), digest, Taking::kUpdate));
}

Result<AppRecord> Apps::Refresh(const std::string& name, std::string* note, const OnProgress& progress) {
  ASSIGN(const AppRecord app, Find(name));
  const bool here = Vouched(app) && cache_.Holds(app.digest);
  if (here) TRY(Attach(app.digest));  // asks nobody
  const bool quiet = here && KeepsQuiet(app.repository);
  // On a thread of its own, because a server that does not answer must not hold up the start. The agent lives
  // on, and so does what it fetches.
  auto answer = std::make_shared<Answer>();
  if (!StartThread([this, answer, app] { LookForNewer(app, answer); })) {
    const Error refused = WindowsError("looking for a newer version", GetLastError());
    if (!here) return refused;
    *note = refused.message;
    return app;
  }

  // A repository that let the last start wait in vain is asked all the same, but not waited for.
  const std::string starting = "starting the one that is here (" + app.version + ")";
  std::unique_lock lock(answer->mutex);
  const auto wait = [&](int64_t milliseconds, Answer::Stage until) {
    const auto reached = [&] { return answer->stage >= until; };
    if (here) return answer->changed.wait_for(lock, std::chrono::milliseconds(milliseconds), reached);
    answer->changed.wait(lock, reached);  // nothing to start without it; what is asked ends by itself
    return true;
  };
  if (quiet || !wait(kAskMillis, Answer::kTaking)) {
    if (!quiet) NoteAnswer(app.repository, false);
    *note = app.repository + " does not answer; " + starting;
    return app;
  }
  if (answer->stage == Answer::kTaking && progress) {
    lock.unlock();
    progress({"reading the catalog of " + app.name, 0, 0});
    lock.lock();
  }
  if (!wait(kTakeMillis, Answer::kDone)) {
    *note = "a newer version is still on its way; " + starting;
    return app;
  }
  if (answer->taken.ok()) *note = answer->warning;
  if (answer->taken.ok() || !here) return std::move(answer->taken);
  *note = "looking for a newer version failed; " + starting + ": " + answer->taken.error().message;
  return app;
}

Status Apps::Remove(const std::string& name) {
  const std::lock_guard lock(mutex_);
  const std::vector<AppRecord> before = apps_;
  std::erase_if(apps_, [&](const AppRecord& app) { return SameName(app.name, name); });
  if (apps_.size() == before.size()) return NoSuchApp(name);
  Status saved = SaveLocked();
  if (!saved.ok()) apps_ = before;
  return saved;
}

Result<const cache::Image*> Apps::Attach(const std::string& digest) {
  if (const cache::Image* image = cache_.Find(digest)) return image;
  // Whoever offers this digest will do: it is verified against its name.
  for (const AppRecord& app : List()) {
    if (app.digest != digest && app.previous != digest) continue;
    auto repo = Open(app.repository);
    if (!repo.ok()) continue;
    return cache_.Attach(std::shared_ptr<repository::Repository>(std::move(*repo)), digest);
  }
  // An image of the local store is read from there, also when its catalog is here since an earlier agent.
  std::shared_ptr<repository::Repository> store;
  if (os::Exists(os::SystemFiles(),
                 HostPath(state_.Store()) / "blobs" / "sha256" / digest.substr(digest.find(':') + 1))) {
    ASSIGN(store, repository::Open("oci:" + ToUtf8(state_.Store())));
  }
  return cache_.Attach(std::move(store), digest);
}

Result<image::Config> Apps::ConfigOf(const std::string& digest) {
  ASSIGN(const cache::Image* image, Attach(digest));
  return image::ParseConfig(image->config_json);
}

std::string Apps::RepositoryOf(const std::string& digest) const {
  for (const AppRecord& app : List())
    if (app.digest == digest || app.previous == digest) return app.repository;
  return {};
}

std::vector<std::string> Apps::Wanted() const {
  const std::lock_guard lock(mutex_);
  std::vector<std::string> out;
  for (const AppRecord& app : apps_) {
    out.push_back(app.digest);
    if (!app.previous.empty()) out.push_back(app.previous);
  }
  return out;
}

}  // namespace plume::agent
