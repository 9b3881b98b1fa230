// The signatures of an image in its repository: an OCI image manifest under the tag "sha256-<hex>.sig", one
// layer each, as cosign keeps them. docs/formats/trust.md
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"
#include "repository/repository.h"
#include "trust/key.h"
#include "trust/payload.h"

namespace plume::trust {

// One layer. Nothing of it has been checked but that the payload's bytes are those of its digest.
struct Signature {
  std::string payload, der;
};

std::string SignatureTag(const std::string& digest);  // "sha256-<hex>.sig"

// None if the image has none. Malformed layers are left out: whoever may write to a repository could add
// them, and they must not keep good ones from being found. One request where payloads are inline, as Plume
// writes them.
Result<std::vector<Signature>> ReadSignatures(repository::Repository& from, const std::string& digest);
// Replaces all.
Status WriteSignatures(repository::Repository& to, const std::string& digest,
                       const std::vector<Signature>& signatures);

struct SignRequest {
  std::string digest, name, version;
  std::vector<std::string> tags;  // added to those that this key's signature of the digest has
  int64_t now = 0;                // Unix seconds
  int64_t valid_seconds = 0;      // 0 = no expiry
};
// Signs, or signs anew what this key signed before; signatures of others stay.
Result<Statement> SignImage(repository::Repository& at, const PrivateKey& key, const SignRequest& request);

struct Refreshed {
  size_t images = 0, tags = 0;
};
// Signs anew, for the tags that still mean them, all images that have a signature by this key.
Result<Refreshed> RefreshRepository(repository::Repository& at, const PrivateKey& key, int64_t now,
                                    int64_t valid_seconds);

}  // namespace plume::trust
