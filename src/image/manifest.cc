#include "image/manifest.h"

#include <algorithm>

#include "image/config.h"
#include "image/json.h"
#include "os/sha256.h"

namespace plume::image {
namespace {

constexpr char kTitle[] = "org.opencontainers.image.title";
constexpr char kVersion[] = "org.opencontainers.image.version";
constexpr size_t kMaxLayers = 65536;
constexpr uint64_t kMaxBlob = 1ull << 50;  // keeps sums of sizes far from overflow

Error BadManifest(const std::string& why) {
  return Error{Errc::kInvalid, "reading the image manifest: " + why};
}

// Members in the order of the specification's examples; ordered_json keeps it.
nlohmann::ordered_json ToJson(const Descriptor& descriptor) {
  return {{"mediaType", descriptor.media_type}, {"digest", descriptor.digest}, {"size", descriptor.size}};
}

Result<Descriptor> ParseDescriptor(const Json& json, const char* media_type) {
  Descriptor out;
  ASSIGN(out.media_type, TextMember(json, "mediaType", "the image manifest"));
  ASSIGN(out.digest, TextMember(json, "digest", "the image manifest"));
  ASSIGN(out.size, NumberMember(json, "size", kMaxBlob, "the image manifest"));
  if (out.media_type != media_type) {
    return BadManifest("a blob has the type \"" + out.media_type + "\" where \"" + media_type +
                       "\" belongs (not a Plume image, or a newer one)");
  }
  if (!os::ParseDigest(out.digest))
    return BadManifest("a blob's digest is not \"sha256:\" and 64 hex digits");
  if (out.size >= kMaxBlob) return BadManifest("a blob's size is missing or impossible");
  return out;
}

bool IsLowerOrDigit(char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); }

bool IsNameComponent(std::string_view text) {
  if (text.empty() || !IsLowerOrDigit(text.front()) || !IsLowerOrDigit(text.back())) return false;
  for (size_t i = 0; i < text.size();) {
    if (IsLowerOrDigit(text[i])) {
      ++i;
      continue;
    }
    const size_t begin = i;
    while (i < text.size() && !IsLowerOrDigit(text[i])) ++i;
    const std::string_view separator = text.substr(begin, i - begin);
    const bool dashes = separator.find_first_not_of('-') == std::string_view::npos;
    if (separator != "." && separator != "_" && separator != "__" && !dashes) return false;
  }
  return true;
}

}  // namespace

std::vector<Descriptor> Manifest::Blobs() const {
  std::vector<Descriptor> out = {config, catalog};
  out.insert(out.end(), packs.begin(), packs.end());
  return out;
}

uint64_t Manifest::TotalBytes() const {
  uint64_t total = config.size + catalog.size;
  for (const Descriptor& pack : packs) total += pack.size;
  return total;
}

std::string ToJson(const Manifest& manifest) {
  nlohmann::ordered_json layers = nlohmann::ordered_json::array({ToJson(manifest.catalog)});
  for (const Descriptor& pack : manifest.packs) layers.push_back(ToJson(pack));
  const nlohmann::ordered_json json = {
      {"schemaVersion", 2},
      {"mediaType", kManifestMediaType},
      {"artifactType", kArtifactType},
      {"config", ToJson(manifest.config)},
      {"layers", std::move(layers)},
      {"annotations", {{kTitle, manifest.name}, {kVersion, manifest.version}}},
  };
  return json.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
}

Result<Manifest> ParseManifest(std::string_view text) {
  if (text.size() > kMaxManifestBytes) return BadManifest("it is larger than 4 MiB");
  ASSIGN(const Json json, ParseJsonObject(text, "the image manifest"));
  ASSIGN(const uint64_t schema, NumberMember(json, "schemaVersion", 0, "the image manifest"));
  ASSIGN(const std::string media_type, TextMember(json, "mediaType", "the image manifest"));
  ASSIGN(const std::string artifact_type, TextMember(json, "artifactType", "the image manifest"));
  if (schema != 2 || media_type != kManifestMediaType) return BadManifest("it is not an OCI image manifest");
  if (artifact_type != kArtifactType) {
    return BadManifest("its artifact type is \"" + artifact_type + "\", not \"" + kArtifactType +
                       "\" (not a Plume image, or a newer one)");
  }
  const Json* config = ObjectMember(json, "config");
  const Json* layers = ArrayMember(json, "layers");
  if (!config || !layers || layers->empty() || layers->size() > kMaxLayers)
    return BadManifest("config or layers are missing");
  Manifest out;
  ASSIGN(out.config, ParseDescriptor(*config, kConfigMediaType));
  if (out.config.size > kMaxConfigBytes) return BadManifest("its config is larger than 4 MiB");
  ASSIGN(out.catalog, ParseDescriptor(layers->front(), kCatalogMediaType));
  for (size_t i = 1; i < layers->size(); ++i) {
    ASSIGN(Descriptor pack, ParseDescriptor((*layers)[i], kPackMediaType));
    out.packs.push_back(std::move(pack));
  }
  if (const Json* annotations = ObjectMember(json, "annotations")) {
    ASSIGN(out.name, TextMember(*annotations, kTitle, "the image manifest"));
    ASSIGN(out.version, TextMember(*annotations, kVersion, "the image manifest"));
  }
  if (!IsImageName(out.name) || !IsImageVersion(out.version))
    return BadManifest("its name or version is missing or illegal");
  return out;
}

bool IsImageName(std::string_view name) {
  if (name.empty() || name.size() > 200) return false;
  for (;;) {
    const size_t slash = name.find('/');
    if (!IsNameComponent(name.substr(0, slash))) return false;
    if (slash == std::string_view::npos) return true;
    name.remove_prefix(slash + 1);
  }
}

bool IsImageVersion(std::string_view text) {
  const auto is_word = [](char c) { return IsLowerOrDigit(c) || (c >= 'A' && c <= 'Z') || c == '_'; };
  if (text.empty() || text.size() > 128 || !is_word(text.front())) return false;
  return std::all_of(text.begin(), text.end(), [&](char c) { return is_word(c) || c == '.' || c == '-'; });
}

}  // namespace plume::image
