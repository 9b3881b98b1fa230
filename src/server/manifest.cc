#include "server/manifest.h"

#include <nlohmann/json.hpp>

namespace plume::server {
namespace {

using nlohmann::json;

constexpr std::string_view kOciManifest = "application/vnd.oci.image.manifest.v1+json";
constexpr std::string_view kOciIndex = "application/vnd.oci.image.index.v1+json";
constexpr std::string_view kDockerManifest = "application/vnd.docker.distribution.manifest.v2+json";
constexpr std::string_view kDockerList = "application/vnd.docker.distribution.manifest.list.v2+json";

ApiError Invalid(std::string why) { return {400, "MANIFEST_INVALID", std::move(why)}; }

std::string StringAt(const json& object, const char* key) {
  const auto it = object.find(key);
  return it != object.end() && it->is_string() ? it->get<std::string>() : std::string();
}

// A descriptor's digest, or "" if the descriptor is malformed. Foreign layers (with "urls") need not be
// stored here.
bool DescriptorDigest(const json& descriptor, std::string* digest, bool* foreign) {
  if (!descriptor.is_object()) return false;
  *digest = StringAt(descriptor, "digest");
  *foreign = descriptor.contains("urls") && descriptor["urls"].is_array() && !descriptor["urls"].empty();
  const auto size = descriptor.find("size");
  return IsDigest(*digest) && size != descriptor.end() && size->is_number_unsigned();
}

// The parameters of a media type do not matter here: "type/subtype; charset=utf-8".
std::string_view BareType(std::string_view type) {
  type = type.substr(0, type.find(';'));
  while (!type.empty() && type.back() == ' ') type.remove_suffix(1);
  return type;
}

bool CollectDescriptors(const json& list, std::vector<std::string>* out) {
  if (!list.is_array()) return false;
  for (const json& item : list) {
    std::string digest;
    bool foreign = false;
    if (!DescriptorDigest(item, &digest, &foreign)) return false;
    if (!foreign) out->push_back(std::move(digest));
  }
  return true;
}

}  // namespace

std::variant<ManifestInfo, ApiError> ParseManifest(std::string_view bytes, std::string_view content_type) {
  const json document = json::parse(bytes, nullptr, false);
  if (!document.is_object()) return Invalid("the manifest is not a JSON object");
  const auto schema = document.find("schemaVersion");
  if (schema == document.end() || *schema != 2) return Invalid("schemaVersion must be 2");

  ManifestInfo info;
  info.media_type = StringAt(document, "mediaType");
  const std::string_view declared = BareType(content_type);
  if (info.media_type.empty()) info.media_type = declared;
  if (!declared.empty() && declared != info.media_type) {
    return Invalid("Content-Type and mediaType differ");
  }
  const bool index = document.contains("manifests");
  if (info.media_type.empty()) info.media_type = index ? kOciIndex : kOciManifest;
  const bool index_type = info.media_type == kOciIndex || info.media_type == kDockerList;
  const bool image_type = info.media_type == kOciManifest || info.media_type == kDockerManifest;
  if (!index_type && !image_type) return Invalid("unsupported manifest type " + info.media_type);
  if (index != index_type) return Invalid("the document is not what its media type says");

  info.artifact_type = StringAt(document, "artifactType");
  if (index) {
    if (!CollectDescriptors(document["manifests"], &info.manifests))
      return Invalid("malformed manifests list");
  } else {
    const auto config = document.find("config");
    std::string digest;
    bool foreign = false;
    if (config == document.end() || !DescriptorDigest(*config, &digest, &foreign)) {
      return Invalid("malformed config descriptor");
    }
    info.blobs.push_back(digest);
    if (info.artifact_type.empty()) info.artifact_type = StringAt(*config, "mediaType");
    const auto layers = document.find("layers");
    if (layers == document.end() || !CollectDescriptors(*layers, &info.blobs)) {
      return Invalid("malformed layers list");
    }
  }
  const auto subject = document.find("subject");
  if (subject != document.end()) {
    bool foreign = false;
    if (!DescriptorDigest(*subject, &info.subject, &foreign)) return Invalid("malformed subject descriptor");
  }
  const auto annotations = document.find("annotations");
  if (annotations != document.end() && annotations->is_object()) {
    for (const auto& [key, value] : annotations->items()) {
      if (value.is_string()) info.annotations[key] = value.get<std::string>();
    }
  }
  return info;
}

bool ReferencesOf(std::string_view bytes, std::vector<std::string>* blobs,
                  std::vector<std::string>* manifests) {
  auto parsed = ParseManifest(bytes, "");
  if (!std::holds_alternative<ManifestInfo>(parsed)) return false;
  auto& info = std::get<ManifestInfo>(parsed);
  blobs->insert(blobs->end(), info.blobs.begin(), info.blobs.end());
  manifests->insert(manifests->end(), info.manifests.begin(), info.manifests.end());
  return true;
}

}  // namespace plume::server
