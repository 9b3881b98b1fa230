// What commands that sign share.
#pragma once
#include <string>
#include <vector>

#include "agent/control.h"
#include "base/result.h"
#include "repository/repository.h"
#include "trust/key.h"

namespace plume::cli {

struct SignedImage {
  std::string digest, name, version;
};

int64_t UnixNow();
Result<trust::PrivateKey> ReadSigningKey(const std::string& user_path);
// `valid_days` 0 = without an expiry.
Status SignAs(repository::Repository& at, const trust::PrivateKey& key, const SignedImage& image,
              const std::vector<std::string>& tags, uint32_t valid_days);

// Of an application: the short id of the key that vouches for it, or "no (allowed)".
std::string SignerText(const agent::Json& app);
// ", signed by <id>" or ", not signed (allowed)".
std::string SignedText(const agent::Json& app);

}  // namespace plume::cli
