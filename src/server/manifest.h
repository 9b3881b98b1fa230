// What the server must know about a manifest: what it refers to. The bytes themselves are stored untouched.
// Pure; safe on hostile input (fuzzed). Source: OCI Image Format Specification 1.1, Docker image manifest v2
// schema 2.
#pragma once
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "server/protocol.h"

namespace plume::server {

struct ManifestInfo {
  std::string media_type;
  std::string artifact_type;           // for referrers: artifactType, else the config's media type
  std::vector<std::string> blobs;      // digests that must exist as blobs of the repository
  std::vector<std::string> manifests;  // digests that must exist as manifests of the repository (an index)
  std::string subject;                 // digest, or ""
  std::map<std::string, std::string> annotations;
};

// `content_type` is the request's; it must agree with the document's mediaType if that has one.
std::variant<ManifestInfo, ApiError> ParseManifest(std::string_view bytes, std::string_view content_type);

// The digests a stored manifest refers to, for garbage collection; false if the bytes are not a manifest.
bool ReferencesOf(std::string_view bytes, std::vector<std::string>* blobs,
                  std::vector<std::string>* manifests);

}  // namespace plume::server
