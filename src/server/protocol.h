// The pure part of the OCI Distribution API: names, request targets, ranges, error bodies. No I/O, no state;
// safe to call from any thread and on hostile input (fuzzed by protocol_fuzz.cc). Source: OCI Distribution
// Specification 1.1 ("Endpoints", "Error Codes"), RFC 9110 section 14 (ranges).
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace plume::server {

// `a/b/c`: lower-case components joined by slashes, at most 255 characters. Never contains "." or ".."
// components, an empty component or one that starts with "_", so it is safe as a relative path.
bool IsRepositoryName(std::string_view name);
bool IsTag(std::string_view tag);
// "sha256:" and 64 lower-case hex digits, the one algorithm the server stores.
bool IsDigest(std::string_view digest);
// The 64 hex digits of a digest. REQUIRES: IsDigest(digest).
std::string_view HexOf(std::string_view digest);

// An API failure: HTTP status, the specification's code word, a text for people.
struct ApiError {
  unsigned status = 500;
  std::string code;
  std::string message;
  // {"errors":[{"code","message"}]}
  std::string Json() const;
};

enum class Endpoint : uint8_t {
  kHealth,     // /healthz
  kBase,       // /v2/
  kCatalog,    // /v2/_catalog
  kTags,       // /v2/<name>/tags/list
  kManifest,   // /v2/<name>/manifests/<reference>
  kBlob,       // /v2/<name>/blobs/<digest>
  kUploads,    // /v2/<name>/blobs/uploads/
  kUpload,     // /v2/<name>/blobs/uploads/<id>
  kReferrers,  // /v2/<name>/referrers/<digest>
};

struct Route {
  Endpoint endpoint = Endpoint::kBase;
  std::string name;       // validated repository name, "" where the endpoint has none
  std::string reference;  // validated tag or digest, digest, or upload id (32 hex digits)
  std::vector<std::pair<std::string, std::string>> query;  // percent-decoded, in order

  // The first value of `key`, or nullptr.
  const std::string* Query(std::string_view key) const;
};

// Parses an origin-form request target. Everything in the Route is validated.
std::variant<Route, ApiError> ParseTarget(std::string_view target);

struct ByteRange {
  uint64_t offset = 0, length = 0;
};
enum class RangeVerdict : uint8_t { kWhole, kPart, kUnsatisfiable };

// Applies a Range header to a representation of `size` bytes. Syntax errors, other units and several ranges
// mean the whole (RFC 9110 allows a server to ignore them); `out` is set for kWhole and kPart.
RangeVerdict ApplyRange(std::string_view header, uint64_t size, ByteRange* out);

// "<first>-<last>" as clients of the upload API write it, with or without "bytes " and "/total".
std::optional<ByteRange> ParseContentRange(std::string_view header);

// True if an If-None-Match header matches the entity tag (quotes included).
bool MatchesETag(std::string_view header, std::string_view etag);

std::string PercentEncode(std::string_view text);

}  // namespace plume::server
