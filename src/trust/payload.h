// What is signed: the "simple signing" JSON that cosign signs, with Plume's statement in "optional".
// docs/formats/trust.md. Source: sigstore/cosign specs/SIGNATURE_SPEC.md; containers/image
// docs/containers-signature.5.md.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace plume::trust {

// What the signer says besides "this digest is mine": under which tags it is to be found, since when, and
// until when a repository that says so is fresh. Signing again (a refresh, a new tag) replaces it by a later
// one.
struct Statement {
  std::string name, version;
  std::string key;  // id of the signing key as it says itself: for messages, never for trust
  std::vector<std::string> tags;
  int64_t issued = 0;   // Unix seconds; later signatures have higher ones
  int64_t expires = 0;  // 0 = no promise, so withheld updates are not noticed
  bool operator==(const Statement&) const = default;
};

struct Payload {
  std::string reference;  // docker-reference: where it was signed; says nothing, an image may be copied
  std::string digest;     // of the manifest
  std::optional<Statement> statement;  // none: signed by another tool
};

inline constexpr size_t kMaxPayloadBytes = 64u << 10;

std::string ToJson(const Payload& payload);  // deterministic
// kInvalid unless it is a signature's payload; a statement of a newer version is kUnsupported. Never throws.
Result<Payload> ParsePayload(std::string_view json);

}  // namespace plume::trust
