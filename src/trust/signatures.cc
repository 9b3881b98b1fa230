#include "trust/signatures.h"

#include <algorithm>
#include <map>
#include <set>

#include "image/json.h"
#include "image/manifest.h"
#include "os/sha256.h"
#include "repository/artifact.h"
#include "repository/credentials.h"

namespace plume::trust {
namespace {

using OrderedJson = nlohmann::ordered_json;

constexpr char kLayerType[] = "application/vnd.dev.cosign.simplesigning.v1+json";
constexpr char kAnnotation[] = "dev.cosignproject.cosign/signature";
constexpr char kConfigType[] = "application/vnd.oci.image.config.v1+json";
constexpr size_t kMaxSignatures = 100;  // more than that is an attempt to keep clients busy

std::string DigestOf(std::string_view bytes) { return os::DigestText(os::Sha256::Of(bytes)); }

std::string Text(const image::Json& object, const char* name) {
  const image::Json* member = image::Member(object, name);
  return member && member->is_string() ? member->get<std::string>() : std::string();
}

// Without scheme and credentials: "host:5000/apps/editor".
std::string ReferenceOf(const std::string& repository) {
  const size_t scheme = repository.find("://");
  return scheme == std::string::npos ? repository : repository.substr(scheme + 3);
}

// The statement of this key's signature of the digest, if it made one.
const Signature* FindBy(const std::vector<Signature>& all, const PublicKey& key, const std::string& digest,
                        Payload* payload) {
  for (const Signature& one : all) {
    if (!Verify(key, one.payload, one.der)) continue;
    Result<Payload> parsed = ParsePayload(one.payload);
    if (!parsed.ok() || parsed->digest != digest) continue;
    *payload = std::move(*parsed);
    return &one;
  }
  return nullptr;
}

}  // namespace

std::string SignatureTag(const std::string& digest) { return repository::FallbackTag(digest) + ".sig"; }

Result<std::vector<Signature>> ReadSignatures(repository::Repository& from, const std::string& digest) {
  std::vector<Signature> out;
  const Result<repository::ManifestBlob> manifest = from.GetManifest(SignatureTag(digest));
  if (!manifest.ok()) {
    if (manifest.error().code == Errc::kNotFound) return out;
    return manifest.error();
  }
  const std::string what = "the signatures of " + digest + " in " + from.Name();
  ASSIGN(const image::Json json, image::ParseJsonObject(manifest->bytes, what));
  const image::Json* layers = image::ArrayMember(json, "layers");
  if (!layers) return Error{Errc::kInvalid, "reading " + what + ": it is no image manifest"};
  if (layers->size() > kMaxSignatures)
    return Error{Errc::kInvalid, "reading " + what + ": they are too many"};
  for (const image::Json& layer : *layers) {
    if (Text(layer, "mediaType") != kLayerType) continue;
    const image::Json* annotations = image::ObjectMember(layer, "annotations");
    const std::string of_blob = Text(layer, "digest");
    const Result<uint64_t> size = image::NumberMember(layer, "size", 0, what);
    if (!annotations || !os::ParseDigest(of_blob) || !size.ok() || *size > kMaxPayloadBytes) continue;
    Signature one;
    bool ok = false, inlined = false;
    one.der = Base64Decode(Text(*annotations, kAnnotation), &ok);
    if (!ok || one.der.empty()) continue;
    one.payload = Base64Decode(Text(layer, "data"), &inlined);
    if (!inlined || DigestOf(one.payload) != of_blob) {
      Result<std::string> bytes = repository::ReadSmallBlob(from, of_blob, *size);
      if (!bytes.ok()) {
        if (bytes.error().code == Errc::kUnreachable) return bytes.error();
        continue;
      }
      one.payload = std::move(*bytes);
    }
    out.push_back(std::move(one));
  }
  return out;
}

Status WriteSignatures(repository::Repository& to, const std::string& digest,
                       const std::vector<Signature>& signatures) {
  OrderedJson layers = OrderedJson::array(), diff_ids = OrderedJson::array();
  for (const Signature& one : signatures) {
    const std::string of_blob = DigestOf(one.payload);
    TRY(repository::PutSmallBlob(to, of_blob, one.payload));
    diff_ids.push_back(of_blob);
    layers.push_back({{"mediaType", kLayerType},
                      {"digest", of_blob},
                      {"size", one.payload.size()},
                      {"annotations", {{kAnnotation, repository::Base64(one.der)}}},
                      {"data", repository::Base64(one.payload)}});
  }
  // What cosign expects of a config: that of an image with these layers.
  const OrderedJson config = {{"architecture", ""},
                              {"os", ""},
                              {"config", OrderedJson::object()},
                              {"rootfs", {{"type", "layers"}, {"diff_ids", std::move(diff_ids)}}}};
  const std::string config_text = config.dump();
  TRY(repository::PutSmallBlob(to, DigestOf(config_text), config_text));
  const OrderedJson json = {
      {"schemaVersion", 2},
      {"mediaType", image::kManifestMediaType},
      {"config",
       {{"mediaType", kConfigType}, {"digest", DigestOf(config_text)}, {"size", config_text.size()}}},
      {"layers", std::move(layers)}};
  repository::ManifestBlob manifest;
  manifest.media_type = image::kManifestMediaType;
  manifest.bytes = json.dump();
  manifest.digest = DigestOf(manifest.bytes);
  return to.PutManifest(SignatureTag(digest), manifest);
}

Result<Statement> SignImage(repository::Repository& at, const PrivateKey& key, const SignRequest& request) {
  ASSIGN(std::vector<Signature> all, ReadSignatures(at, request.digest));
  Payload payload;
  payload.reference = ReferenceOf(at.Name());
  payload.digest = request.digest;
  Statement statement{request.name, request.version, key.Public().Id(), request.tags, request.now, 0};
  if (request.valid_seconds > 0) statement.expires = request.now + request.valid_seconds;
  Payload before;
  while (const Signature* mine = FindBy(all, key.Public(), request.digest, &before)) {
    if (before.statement) {
      statement.tags.insert(statement.tags.end(), before.statement->tags.begin(),
                            before.statement->tags.end());
      // A clock that was set back must not make the new signature look like an old one.
      statement.issued = std::max(statement.issued, before.statement->issued + 1);
      if (statement.expires != 0) statement.expires = std::max(statement.expires, statement.issued);
    }
    all.erase(all.begin() + (mine - all.data()));
  }
  std::sort(statement.tags.begin(), statement.tags.end());
  statement.tags.erase(std::unique(statement.tags.begin(), statement.tags.end()), statement.tags.end());
  payload.statement = statement;
  Signature made;
  made.payload = ToJson(payload);
  ASSIGN(made.der, Sign(key, made.payload));
  all.push_back(std::move(made));
  TRY(WriteSignatures(at, request.digest, all));
  return statement;
}

Result<Refreshed> RefreshRepository(repository::Repository& at, const PrivateKey& key, int64_t now,
                                    int64_t valid_seconds) {
  ASSIGN(const std::vector<std::string> tags, at.Tags());
  std::map<std::string, std::vector<std::string>> by_digest;
  for (const std::string& tag : tags) {
    if (tag.starts_with("sha256-")) continue;
    ASSIGN(const repository::ManifestBlob manifest, at.GetManifest(tag));
    by_digest[manifest.digest].push_back(tag);
  }
  Refreshed out;
  for (const auto& [digest, now_here] : by_digest) {
    const std::vector<std::string>& here = now_here;  // what a lambda may hold
    ASSIGN(std::vector<Signature> all, ReadSignatures(at, digest));
    Payload before;
    const Signature* mine = FindBy(all, key.Public(), digest, &before);
    if (!mine || !before.statement) continue;
    Statement statement = *before.statement;
    // A tag that this key never signed it for is not signed by refreshing; one that moved on is given up.
    std::erase_if(statement.tags, [&](const std::string& tag) {
      return std::find(here.begin(), here.end(), tag) == here.end();
    });
    if (statement.tags.empty()) continue;
    statement.issued = std::max(now, statement.issued + 1);
    statement.expires = valid_seconds > 0 ? statement.issued + valid_seconds : 0;
    Payload payload{before.reference, digest, statement};
    Signature made;
    made.payload = ToJson(payload);
    ASSIGN(made.der, Sign(key, made.payload));
    all[static_cast<size_t>(mine - all.data())] = std::move(made);
    TRY(WriteSignatures(at, digest, all));
    ++out.images;
    out.tags += statement.tags.size();
  }
  return out;
}

}  // namespace plume::trust
