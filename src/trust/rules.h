// Whom this machine's user trusts, and what it has seen: trust.json of the state folder.
// docs/formats/trust.md. Every change is made under a lock and replaces the file whole; readers need no lock.
#pragma once
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "base/result.h"
#include "os/file.h"
#include "trust/key.h"

namespace plume::trust {

struct TrustedKey {
  PublicKey key;
  std::string id;                         // key.Id()
  std::string name;                       // of the file it came from, for people
  std::vector<std::string> repositories;  // prefixes it is trusted for; "" = all
  bool revoked = false;                   // refused whatever else says it is trusted
};

class Rules {
 public:
  // An empty file is no rules; a damaged one is kCorrupt: nothing is trusted then, and nobody overwrites it.
  static Result<Rules> Parse(std::string_view json, const std::string& what);
  std::string ToJson() const;

  const std::vector<TrustedKey>& keys() const { return keys_; }
  const TrustedKey* Find(const std::string& id) const;
  // By id or an unambiguous beginning of at least 6 digits.
  Result<std::string> Resolve(const std::string& id) const;

  // `repository` "" = all. kDenied for a revoked key.
  Status Add(const PublicKey& key, const std::string& name, const std::string& repository);
  Status Remove(const std::string& id, const std::string& repository);  // "" = every rule of the key
  void Revoke(const std::string& id);

  // The keys that count for a repository: those of its longest prefix that has any not revoked, else those
  // trusted for all. A prefix ends at a "/" (or the repository's end).
  std::vector<const TrustedKey*> For(const std::string& repository) const;

  int64_t grace_seconds = kDefaultGrace;  // how long past its expiry a statement still counts, with a warning
  static constexpr int64_t kDefaultGrace = 14 * 24 * 3600;

 private:
  std::vector<TrustedKey> keys_;
};

Result<Rules> LoadRules(os::FileSystem& files, const os::Path& state);
Status ChangeRules(os::FileSystem& files, const os::Path& state, const std::function<Status(Rules&)>& change);

}  // namespace plume::trust
