// Who we are to a server: from the address or from credentials.json. docs/formats/credentials.md
#pragma once
#include <string>

#include "base/result.h"
#include "os/file.h"
#include "os/http.h"

namespace plume::repository {

struct Credentials {
  std::string user, password;  // for Basic, and for fetching tokens
  std::string token;           // sent as "Bearer" as it is
  bool none() const { return user.empty() && token.empty(); }
};

// `url` goes before the file. A missing file means none; a malformed one is kInvalid.
Result<Credentials> FindCredentials(os::FileSystem& files, const os::Path& file, const os::HttpUrl& url);

std::string Base64(std::string_view text);  // RFC 4648 section 4

}  // namespace plume::repository
