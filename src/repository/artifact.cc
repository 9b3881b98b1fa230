#include "repository/artifact.h"

#include <algorithm>
#include <set>

#include "image/json.h"
#include "image/manifest.h"
#include "os/sha256.h"

namespace plume::repository {
namespace {

using OrderedJson = nlohmann::ordered_json;

constexpr char kEmptyBlob[] = "{}";  // the specification's empty descriptor
constexpr size_t kMaxReferrers = 10'000;

std::string DigestOf(std::string_view bytes) { return os::DigestText(os::Sha256::Of(bytes)); }

OrderedJson Describe(const std::string& media_type, std::string_view bytes) {
  return {{"mediaType", media_type}, {"digest", DigestOf(bytes)}, {"size", bytes.size()}};
}

Result<std::map<std::string, std::string>> Annotations(const image::Json& json, const std::string& what) {
  std::map<std::string, std::string> out;
  if (const image::Json* annotations = image::ObjectMember(json, "annotations")) {
    for (const auto& [name, value] : annotations->items()) {
      if (!value.is_string()) return Error{Errc::kInvalid, "reading " + what + ": an annotation is no text"};
      out[name] = value.get<std::string>();
    }
  }
  return out;
}

}  // namespace

std::string FallbackTag(const std::string& subject) {
  std::string tag = subject;
  std::replace(tag.begin(), tag.end(), ':', '-');
  return tag;
}

Result<Attached> Describe(const ManifestBlob& manifest) {
  const std::string what = "the manifest " + manifest.digest;
  ASSIGN(const image::Json json, image::ParseJsonObject(manifest.bytes, what));
  Attached out;
  out.referrer.digest = manifest.digest;
  out.referrer.media_type = manifest.media_type;
  out.referrer.size = manifest.bytes.size();
  ASSIGN(out.referrer.artifact_type, image::TextMember(json, "artifactType", what));
  if (out.referrer.artifact_type.empty()) {
    if (const image::Json* config = image::ObjectMember(json, "config")) {
      ASSIGN(out.referrer.artifact_type, image::TextMember(*config, "mediaType", what));
    }
  }
  ASSIGN(out.referrer.annotations, Annotations(json, what));
  if (const image::Json* subject = image::ObjectMember(json, "subject")) {
    ASSIGN(out.subject, image::TextMember(*subject, "digest", what));
  }
  if (!os::ParseDigest(out.subject))
    return Error{Errc::kInvalid, "reading " + what + ": it is attached to nothing (no subject)"};
  return out;
}

Result<std::vector<Referrer>> ParseReferrers(std::string_view index, const std::string& artifact_type) {
  const std::string what = "the list of referrers";
  ASSIGN(const image::Json json, image::ParseJsonObject(index, what));
  const image::Json* list = image::ArrayMember(json, "manifests");
  if (!list) return Error{Errc::kInvalid, "reading " + what + ": it is no image index"};
  if (list->size() > kMaxReferrers) return Error{Errc::kInvalid, "reading " + what + ": it is too long"};
  std::vector<Referrer> out;
  for (const image::Json& item : *list) {
    if (!item.is_object()) return Error{Errc::kInvalid, "reading " + what + ": it is no image index"};
    Referrer referrer;
    ASSIGN(referrer.artifact_type, image::TextMember(item, "artifactType", what));
    if (!artifact_type.empty() && referrer.artifact_type != artifact_type) continue;
    ASSIGN(referrer.digest, image::TextMember(item, "digest", what));
    ASSIGN(referrer.media_type, image::TextMember(item, "mediaType", what));
    ASSIGN(referrer.size, image::NumberMember(item, "size", 0, what));
    ASSIGN(referrer.annotations, Annotations(item, what));
    if (os::ParseDigest(referrer.digest)) out.push_back(std::move(referrer));
  }
  return out;
}

Result<std::string> AddReferrer(std::string_view index, const Referrer& referrer) {
  OrderedJson json = {{"schemaVersion", 2}, {"mediaType", kIndexMediaType}};
  OrderedJson kept = OrderedJson::array();
  if (!index.empty()) {
    TRY(ParseReferrers(index, ""));  // strictly, first
    json = OrderedJson::parse(index, nullptr, false);
    for (OrderedJson& item : json["manifests"]) {
      const auto digest = item.find("digest");
      if (digest == item.end() || !digest->is_string() || digest->get<std::string>() != referrer.digest)
        kept.push_back(std::move(item));
    }
  }
  OrderedJson item = {{"mediaType", referrer.media_type},
                      {"digest", referrer.digest},
                      {"size", referrer.size},
                      {"artifactType", referrer.artifact_type}};
  if (!referrer.annotations.empty()) item["annotations"] = referrer.annotations;
  kept.push_back(std::move(item));
  json["manifests"] = std::move(kept);
  return json.dump(-1, ' ', false, OrderedJson::error_handler_t::replace);
}

Status PutSmallBlob(Repository& to, const std::string& digest, std::string_view bytes) {
  ASSIGN(const bool present, to.HasBlob(digest));
  if (present) return Ok();
  const auto* data = reinterpret_cast<const uint8_t*>(bytes.data());
  return to.PutBlob(digest, bytes.size(),
                    [&](const Sink& sink) { return sink(std::span<const uint8_t>(data, bytes.size())); });
}

Result<std::string> ReadSmallBlob(Repository& from, const std::string& digest, uint64_t size) {
  std::string out;
  TRY(from.ReadBlob(digest, 0, 0, [&](std::span<const uint8_t> piece) -> Status {
    out.append(piece.begin(), piece.end());
    if (out.size() <= size) return Ok();
    return Error{Errc::kCorrupt, "reading the blob " + digest + " from " + from.Name() +
                                     ": it is longer than its manifest says"};
  }));
  if (out.size() != size || DigestOf(out) != digest) {
    return Error{Errc::kCorrupt,
                 "reading the blob " + digest + " from " + from.Name() +
                     ": the bytes are not what the digest says (the repository's copy is damaged)"};
  }
  return out;
}

Result<Referrer> Attach(Repository& to, const ManifestBlob& subject, const Artifact& artifact) {
  OrderedJson layers = OrderedJson::array();
  for (const ArtifactLayer& layer : artifact.layers) {
    OrderedJson item = Describe(layer.media_type, layer.bytes);
    if (!layer.annotations.empty()) item["annotations"] = layer.annotations;
    TRY(PutSmallBlob(to, DigestOf(layer.bytes), layer.bytes));
    layers.push_back(std::move(item));
  }
  TRY(PutSmallBlob(to, DigestOf(kEmptyBlob), kEmptyBlob));
  OrderedJson json = {
      {"schemaVersion", 2},
      {"mediaType", image::kManifestMediaType},
      {"artifactType", artifact.type},
      {"config", Describe(kEmptyMediaType, kEmptyBlob)},
      {"layers", std::move(layers)},
      {"subject",
       {{"mediaType", subject.media_type}, {"digest", subject.digest}, {"size", subject.bytes.size()}}}};
  if (!artifact.annotations.empty()) json["annotations"] = artifact.annotations;
  ManifestBlob manifest;
  manifest.media_type = image::kManifestMediaType;
  manifest.bytes = json.dump(-1, ' ', false, OrderedJson::error_handler_t::replace);
  manifest.digest = DigestOf(manifest.bytes);
  TRY(to.PutReferrer(manifest));
  ASSIGN(Attached attached, Describe(manifest));
  return std::move(attached.referrer);
}

Result<Artifact> ReadArtifact(Repository& from, const std::string& tag_or_digest, uint64_t max_bytes) {
  const std::string what = "the artifact " + tag_or_digest + " in " + from.Name();
  ASSIGN(const ManifestBlob manifest, from.GetManifest(tag_or_digest));
  ASSIGN(const image::Json json, image::ParseJsonObject(manifest.bytes, what));
  Artifact out;
  ASSIGN(out.type, image::TextMember(json, "artifactType", what));
  ASSIGN(out.annotations, Annotations(json, what));
  const image::Json* layers = image::ArrayMember(json, "layers");
  if (!layers) return Error{Errc::kInvalid, "reading " + what + ": it has no layers"};
  for (const image::Json& item : *layers) {
    if (!item.is_object()) return Error{Errc::kInvalid, "reading " + what + ": a layer is no object"};
    ArtifactLayer layer;
    ASSIGN(layer.media_type, image::TextMember(item, "mediaType", what));
    ASSIGN(layer.annotations, Annotations(item, what));
    ASSIGN(const std::string digest, image::TextMember(item, "digest", what));
    ASSIGN(const uint64_t size, image::NumberMember(item, "size", 0, what));
    if (!os::ParseDigest(digest)) return Error{Errc::kInvalid, "reading " + what + ": a layer has no digest"};
    if (size > max_bytes) return Error{Errc::kInvalid, "reading " + what + ": it is too large"};
    max_bytes -= size;
    ASSIGN(layer.bytes, ReadSmallBlob(from, digest, size));
    out.layers.push_back(std::move(layer));
  }
  return out;
}

Result<size_t> CopyReferrers(Repository& from, const std::string& subject, Repository& to) {
  std::set<std::string> seen;
  std::vector<std::string> open = {subject};
  size_t copied = 0;
  while (!open.empty()) {
    const std::string digest = std::move(open.back());
    open.pop_back();
    if (!seen.insert(digest).second) continue;
    ASSIGN(const std::vector<Referrer> referrers, from.Referrers(digest, ""));
    for (const Referrer& referrer : referrers) {
      ASSIGN(ManifestBlob manifest, from.GetManifest(referrer.digest));
      manifest.media_type = referrer.media_type;
      const std::string what = "the manifest " + manifest.digest;
      ASSIGN(const image::Json json, image::ParseJsonObject(manifest.bytes, what));
      std::vector<const image::Json*> blobs = {image::ObjectMember(json, "config")};
      if (const image::Json* layers = image::ArrayMember(json, "layers")) {
        for (const image::Json& layer : *layers) blobs.push_back(&layer);
      }
      for (const image::Json* blob : blobs) {
        if (!blob || !blob->is_object()) continue;
        ASSIGN(const std::string of_blob, image::TextMember(*blob, "digest", what));
        ASSIGN(const uint64_t size, image::NumberMember(*blob, "size", 0, what));
        ASSIGN(const bool present, to.HasBlob(of_blob));
        if (present) continue;
        ASSIGN(const std::string bytes, ReadSmallBlob(from, of_blob, size));
        TRY(PutSmallBlob(to, of_blob, bytes));
      }
      TRY(to.PutReferrer(manifest));
      ++copied;
      open.push_back(referrer.digest);
    }
  }
  return copied;
}

}  // namespace plume::repository
