#include "trust/payload.h"

#include "image/json.h"
#include "image/manifest.h"
#include "os/sha256.h"

namespace plume::trust {
namespace {

constexpr char kType[] = "cosign container image signature";
constexpr char kWhat[] = "the signed payload";
constexpr uint64_t kStatementVersion = 1;
constexpr uint64_t kMaxSeconds = 1ull << 40;
constexpr size_t kMaxTags = 1000;

Error Bad(const std::string& why) {
  return Error{Errc::kInvalid, std::string("reading ") + kWhat + ": " + why};
}

Result<Statement> ParseStatement(const image::Json& json) {
  ASSIGN(const uint64_t version, image::NumberMember(json, "v", 0, kWhat));
  if (version != kStatementVersion) {
    return Error{Errc::kUnsupported,
                 std::string("reading ") + kWhat + ": it is of another version than this Plume knows"};
  }
  Statement out;
  ASSIGN(out.name, image::TextMember(json, "name", kWhat));
  ASSIGN(out.version, image::TextMember(json, "version", kWhat));
  if (!image::IsImageName(out.name) || !image::IsImageVersion(out.version))
    return Bad("its name or version is missing or illegal");
  ASSIGN(out.key, image::TextMember(json, "key", kWhat));
  if (!out.key.empty() && !os::ParseHex(out.key)) return Bad("the id of its key is malformed");
  const image::Json* tags = image::ArrayMember(json, "tags");
  if (!tags || tags->size() > kMaxTags) return Bad("its tags are missing or too many");
  for (const image::Json& tag : *tags) {
    if (!tag.is_string() || !image::IsImageVersion(tag.get<std::string>())) return Bad("a tag is illegal");
    out.tags.push_back(tag.get<std::string>());
  }
  ASSIGN(const uint64_t issued, image::NumberMember(json, "issued", 0, kWhat));
  ASSIGN(const uint64_t expires, image::NumberMember(json, "expires", 0, kWhat));
  if (issued == 0 || issued > kMaxSeconds || expires > kMaxSeconds || (expires != 0 && expires < issued))
    return Bad("its times are missing or impossible");
  out.issued = static_cast<int64_t>(issued);
  out.expires = static_cast<int64_t>(expires);
  return out;
}

}  // namespace

std::string ToJson(const Payload& payload) {
  nlohmann::ordered_json optional = nullptr;
  if (payload.statement) {
    const Statement& s = *payload.statement;
    nlohmann::ordered_json plume = {{"v", kStatementVersion},
                                    {"name", s.name},
                                    {"version", s.version},
                                    {"tags", s.tags},
                                    {"issued", s.issued}};
    if (!s.key.empty()) plume["key"] = s.key;
    if (s.expires != 0) plume["expires"] = s.expires;
    optional = {{"creator", "plume"}, {"timestamp", s.issued}, {"plume", std::move(plume)}};
  }
  const nlohmann::ordered_json json = {{"critical",
                                        {{"identity", {{"docker-reference", payload.reference}}},
                                         {"image", {{"docker-manifest-digest", payload.digest}}},
                                         {"type", kType}}},
                                       {"optional", std::move(optional)}};
  return json.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
}

Result<Payload> ParsePayload(std::string_view text) {
  if (text.size() > kMaxPayloadBytes) return Bad("it is too large");
  ASSIGN(const image::Json json, image::ParseJsonObject(text, kWhat));
  const image::Json* critical = image::ObjectMember(json, "critical");
  const image::Json* image = critical ? image::ObjectMember(*critical, "image") : nullptr;
  if (!image) return Bad("it names no image");
  ASSIGN(const std::string type, image::TextMember(*critical, "type", kWhat));
  if (type != kType) return Bad("it is of the kind \"" + type.substr(0, 60) + "\", not \"" + kType + "\"");
  Payload out;
  ASSIGN(out.digest, image::TextMember(*image, "docker-manifest-digest", kWhat));
  if (!os::ParseDigest(out.digest)) return Bad("it names no image");
  if (const image::Json* identity = image::ObjectMember(*critical, "identity")) {
    ASSIGN(out.reference, image::TextMember(*identity, "docker-reference", kWhat));
  }
  const image::Json* optional = image::ObjectMember(json, "optional");
  const image::Json* plume = optional ? image::Member(*optional, "plume") : nullptr;
  if (plume) {
    if (!plume->is_object()) return Bad("Plume's part is no object");
    ASSIGN(out.statement, ParseStatement(*plume));
  }
  return out;
}

}  // namespace plume::trust
