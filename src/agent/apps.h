// Subscriptions: which applications this user gets from which repository, and which version is here. Windows.
// Thread-safe. apps.json is replaced atomically on every change; docs/formats/state.md.
#pragma once
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "agent/control.h"
#include "agent/state.h"
#include "base/result.h"
#include "cache/cache.h"
#include "image/content.h"
#include "repository/repository.h"
#include "trust/judge.h"

namespace plume::agent {

// What a user subscribes to: "REPO/NAME[:TAG]".
struct Subscription {
  std::string repository;  // "http://host:5000/team/app", "oci:Z:\images\app"
  std::string name;        // last component
  std::string tag;         // empty = the newest
};
Result<Subscription> ParseSubscription(const std::string& text);
// The tag to use when none was asked for: "latest" if there is one, else the highest version; empty if none
// fits.
std::string NewestTag(const std::vector<std::string>& tags);

struct AppRecord {
  std::string name, repository, tag;
  std::string digest, version, display_name;
  std::string previous;   // digest before the last update: kept for a while, its chunks serve the new one
  std::string signed_by;  // id of the key that vouches for `digest`; empty: none, and that is allowed
  bool allow_unsigned = false;  // this subscription takes images that nobody trusted signed
  Json ToJson() const;
  static Result<AppRecord> FromJson(const Json& json);
};

using OnProgress = std::function<void(const Progress&)>;

class Apps {
 public:
  // `http`: for all repositories, which so share their connections.
  Apps(const StatePaths& state, cache::Cache& cache, std::shared_ptr<os::HttpClient> http)
      : state_(state), cache_(cache), http_(std::move(http)) {}
  // Reads apps.json and attaches what is here; needs no repository.
  Status Load();

  struct AddOptions {
    bool allow_unsigned = false, allow_older = false;
  };
  Result<AppRecord> Add(const std::string& subscription, const AddOptions& options,
                        const OnProgress& progress);
  Result<AppRecord> Find(const std::string& name) const;
  std::vector<AppRecord> List() const;
  // Takes the newest version. *changed says whether it is another one than before; *warning: what the user
  // should know all the same.
  Result<AppRecord> Update(const std::string& name, bool allow_older, bool* changed, std::string* warning,
                           const OnProgress& progress);
  // Before a start: looks for a newer version, but keeps nobody waiting for more than 5 s if there is one
  // here: then that is started, and the newer one is taken behind. *note: what the user should know (empty =
  // nothing).
  Result<AppRecord> Refresh(const std::string& name, std::string* note, const OnProgress& progress);
  Status Remove(const std::string& name);

  // Whether guests may be started over an image: not if nobody vouches for it, or who did was revoked.
  Status MayStart(const std::string& digest);
  // Makes the image of `digest` usable from what this machine and the known repositories have.
  Result<const cache::Image*> Attach(const std::string& digest);
  Result<image::Config> ConfigOf(const std::string& digest);
  // Where a subscription has the image of `digest` from; empty if none has it.
  std::string RepositoryOf(const std::string& digest) const;
  // Digests that subscriptions still want.
  std::vector<std::string> Wanted() const;

 private:
  Result<std::unique_ptr<repository::Repository>> Open(const std::string& repository, int tries = 0) const;
  AppRecord* FindLocked(const std::string& name);
  Status SaveLocked() const;
  struct Resolved {
    std::string tag;
    repository::ManifestBlob manifest;
  };
  Result<Resolved> ResolveTag(repository::Repository& repo, const AppRecord& app) const;
  // apps_trust.cc
  Result<trust::Rules> Rules();
  Status LoadMemory();
  // That somebody who is trusted signed it; remembers that, and sets app->signed_by.
  Status Vouch(AppRecord* app, repository::Repository& repo, const Resolved& resolved, bool allow_older,
               std::string* warning);
  bool Vouched(const AppRecord& app) const;
  bool FreshnessIsOld(const AppRecord& app) const;
  void NoteAnswer(const std::string& repository, bool answered);
  bool KeepsQuiet(const std::string& repository) const;
  enum class Taking { kAdd, kUpdate };
  // kUpdate: a subscription that was given up, or updated by another, in the meantime stays as it is.
  Result<AppRecord> Take(AppRecord app, std::shared_ptr<repository::Repository> repo,
                         const std::string& digest, Taking taking);
  struct Answer;
  void LookForNewer(AppRecord app, const std::shared_ptr<Answer>& answer);

  const StatePaths& state_;
  cache::Cache& cache_;
  const std::shared_ptr<os::HttpClient> http_;
  mutable std::mutex mutex_;
  std::vector<AppRecord> apps_;
  // Repositories that did not answer a while ago are not asked before every start (steady clock,
  // milliseconds).
  std::map<std::string, uint64_t> quiet_until_;
  trust::Memory memory_;
  std::optional<trust::Rules> rules_;
  std::pair<int64_t, uint64_t> rules_stamp_;  // of the file they were read from
};

}  // namespace plume::agent
