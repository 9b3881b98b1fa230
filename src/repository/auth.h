// Signing in to an OCI registry: Basic, and the token protocol that registries announce in WWW-Authenticate.
// Source: OCI Distribution Specification 1.1; "Docker Registry v2 authentication via central service"; RFC
// 9110 11.
#pragma once
#include <map>
#include <mutex>
#include <string>

#include "base/result.h"
#include "os/http.h"
#include "repository/credentials.h"

namespace plume::repository {

// One challenge of WWW-Authenticate: scheme in lower case and parameters with lower-case names.
struct Challenge {
  std::string scheme;
  std::map<std::string, std::string> parameters;
};
Challenge ParseChallenge(std::string_view header);  // the first challenge; scheme empty if malformed

// What goes into Authorization, learned from the server's challenges. Thread-safe.
class Authenticator {
 public:
  Authenticator(std::shared_ptr<os::HttpClient> http, Credentials credentials)
      : http_(std::move(http)), credentials_(std::move(credentials)) {}
  // The header value to try first; empty = none. `access`: "pull" or "pull,push".
  std::string Current(const std::string& access) const;
  // After a 401 to a request that carried `used`: learns a new value. kDenied if there is nothing else to
  // offer.
  Status Answer(const std::string& challenge_header, const std::string& access, const std::string& used,
                const std::string& repository);

 private:
  Result<std::string> FetchToken(const Challenge& challenge, const std::string& scope);
  const std::shared_ptr<os::HttpClient> http_;
  const Credentials credentials_;
  mutable std::mutex mutex_;
  std::map<std::string, std::string> values_;  // by access; guarded by mutex_
};

}  // namespace plume::repository
