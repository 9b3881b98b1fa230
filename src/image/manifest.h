// The manifest of an image: an OCI image manifest for an artifact. docs/formats/manifest.md
// Source: OCI Image Format Specification 1.1 (image-spec, manifest.md, "Guidelines for Artifact Usage").
//
// Layer 0 is the catalog; the layers after it are the packs, in the order of Catalog.packs. The digest of the
// manifest's bytes is the identity of the image.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace plume::image {

inline constexpr char kManifestMediaType[] = "application/vnd.oci.image.manifest.v1+json";
inline constexpr char kArtifactType[] = "application/vnd.plume.image.v1";
inline constexpr char kConfigMediaType[] = "application/vnd.plume.config.v1+json";
inline constexpr char kCatalogMediaType[] = "application/vnd.plume.catalog.v1+zstd";
inline constexpr char kPackMediaType[] = "application/vnd.plume.pack.v1";
inline constexpr size_t kMaxManifestBytes = 4u << 20;  // what registries accept

struct Descriptor {
  std::string media_type;
  std::string digest;  // "sha256:<hex>"
  uint64_t size = 0;
  bool operator==(const Descriptor&) const = default;
};

struct Manifest {
  Descriptor config, catalog;
  std::vector<Descriptor> packs;
  std::string name, version;  // annotations org.opencontainers.image.title and .version
  // Every blob the image consists of: config, catalog, packs.
  std::vector<Descriptor> Blobs() const;
  uint64_t TotalBytes() const;
};

// Deterministic: same manifest, same bytes.
std::string ToJson(const Manifest& manifest);
// Strict: kInvalid unless it is a well-formed Plume manifest; unknown annotations are ignored. Never throws.
Result<Manifest> ParseManifest(std::string_view json);

// What may stand before and after the colon of an image reference: OCI names ("team/app-x", lower case) and
// tags.
bool IsImageName(
    std::string_view name);  // [a-z0-9]+((.|_|__|-+)[a-z0-9]+)* per component, components split by "/"
bool IsImageVersion(std::string_view text);  // [A-Za-z0-9_][A-Za-z0-9._-]{0,127}

}  // namespace plume::image
