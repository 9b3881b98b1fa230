// Artifacts attached to images: manifests that name an image as their "subject" (profiles, statements), and
// the image index under the tag "sha256-<hex>" by which a registry without the referrers API lists them.
// Source: OCI Distribution Specification 1.1 ("Listing Referrers", "Referrers Tag Schema"), OCI Image Format
// Specification 1.1 ("Guidelines for Artifact Usage").
#pragma once
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "repository/repository.h"

namespace plume::repository {

inline constexpr char kIndexMediaType[] = "application/vnd.oci.image.index.v1+json";
inline constexpr char kEmptyMediaType[] = "application/vnd.oci.empty.v1+json";

struct ArtifactLayer {
  std::string media_type, bytes;
  std::map<std::string, std::string> annotations = {};
};
struct Artifact {
  std::string type;  // artifactType
  std::vector<ArtifactLayer> layers;
  std::map<std::string, std::string> annotations = {};
};

// Stores the artifact and makes it a referrer of `subject`. The same artifact again changes nothing; one that
// replaces another is a second referrer: readers take the newest by an annotation of their own.
Result<Referrer> Attach(Repository& to, const ManifestBlob& subject, const Artifact& artifact);

// An artifact with all its layers, each verified; kInvalid if it is larger than `max_bytes`.
Result<Artifact> ReadArtifact(Repository& from, const std::string& tag_or_digest, uint64_t max_bytes);

// A whole blob of known size, verified: kCorrupt if it is not what its digest says.
Result<std::string> ReadSmallBlob(Repository& from, const std::string& digest, uint64_t size);
Status PutSmallBlob(Repository& to, const std::string& digest, std::string_view bytes);  // unless it is there

// Copies the referrers of an image, and theirs, to where the image is already. Returns how many were copied;
// a source that lists none is no error.
Result<size_t> CopyReferrers(Repository& from, const std::string& subject, Repository& to);

// --- for implementations of Repository

std::string FallbackTag(const std::string& subject);  // "sha256-<hex>"
// What a list of referrers says of a manifest that is attached to something.
struct Attached {
  std::string subject;  // digest
  Referrer referrer;
};
Result<Attached> Describe(const ManifestBlob& manifest);  // kInvalid without a well-formed subject
// The referrers an index lists, but for other artifact types than `artifact_type` if that is not empty.
Result<std::vector<Referrer>> ParseReferrers(std::string_view index, const std::string& artifact_type);
// The index with one more referrer; `index` empty = a new one. What other tools wrote stays.
Result<std::string> AddReferrer(std::string_view index, const Referrer& referrer);

}  // namespace plume::repository
