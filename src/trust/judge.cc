#include "trust/judge.h"

#include <algorithm>
#include <ctime>

#include "image/json.h"
#include "os/sha256.h"

namespace plume::trust {
namespace {

constexpr int64_t kClockSkew = 24 * 3600;
constexpr uint64_t kMemoryVersion = 1;

std::string Day(int64_t seconds) {
  const time_t t = static_cast<time_t>(seconds);
  const std::tm* parts = std::gmtime(&t);
  char text[32] = "?";
  if (parts) std::strftime(text, sizeof text, "%Y-%m-%d %H:%M UTC", parts);
  return text;
}

Error Denied(const Question& q, const std::string& why) {
  return Error{Errc::kDenied,
               q.repository + ":" + q.tag + " (" + q.digest.substr(0, 19) + ") is refused: " + why};
}

bool Has(const std::vector<std::string>& list, const std::string& one) {
  return std::find(list.begin(), list.end(), one) != list.end();
}

// A signature of this very image by a key.
struct Valid {
  const TrustedKey* key = nullptr;
  Payload payload;
};

std::vector<Valid> ValidBy(const std::vector<const TrustedKey*>& keys,
                           const std::vector<Signature>& signatures, const std::string& digest) {
  std::vector<Valid> out;
  for (const Signature& one : signatures) {
    Result<Payload> payload = ParsePayload(one.payload);
    if (!payload.ok() || payload->digest != digest) continue;
    for (const TrustedKey* key : keys) {
      if (!Verify(key->key, one.payload, one.der)) continue;
      out.push_back({key, std::move(*payload)});
      break;
    }
  }
  return out;
}

// No trusted key vouches for it: why, and what would help.
Error NotTrusted(const Rules& rules, const std::vector<Signature>& signatures, const Question& q) {
  const std::string command = "plume trust add KEY.pub --for " + q.repository;
  std::vector<const TrustedKey*> known;
  for (const TrustedKey& key : rules.keys()) known.push_back(&key);
  for (const Valid& one : ValidBy(known, signatures, q.digest)) {
    const std::string who = "it is signed by the key " + ShortId(one.key->id);
    if (one.key->revoked) return Denied(q, who + ", which was revoked here (plume trust list)");
    return Denied(q, who + ", which is trusted for other repositories only (" + command + " trusts it)");
  }
  if (signatures.empty()) {
    return Denied(q, "it is not signed (its publisher can: plume sign " + q.repository + ":" + q.tag +
                         " --key KEY.pem; plume add --allow-unsigned takes it all the same)");
  }
  std::string claimed;
  for (const Signature& one : signatures) {
    const Result<Payload> payload = ParsePayload(one.payload);
    if (payload.ok() && payload->digest == q.digest && payload->statement && payload->statement->key != "")
      claimed = " " + ShortId(payload->statement->key) + " (so it says)";
  }
  return Denied(q, "no trusted key signed it, but the key" +
                       (claimed.empty() ? " of somebody else" : claimed) +
                       " (with the publisher's file: " + command + ")");
}

}  // namespace

Result<Verdict> Judge(const Rules& rules, const std::vector<Signature>& signatures, const Question& q,
                      const Seen& seen) {
  const std::vector<Valid> valid = ValidBy(rules.For(q.repository), signatures, q.digest);
  Verdict out;
  out.seen = seen;
  if (valid.empty()) {
    const Error refused = NotTrusted(rules, signatures, q);
    // Somebody who is known to sign what he should not is not let in by the way out for those who do not
    // sign.
    if (!q.allow_unsigned || refused.message.find("was revoked here") != std::string::npos) return refused;
    return out;
  }
  // The image says its own name below the signature: another application of the same publisher is no
  // substitute.
  const std::string last = q.image_name.substr(q.image_name.rfind('/') + 1);
  const std::string wanted = q.repository.substr(q.repository.find_last_of("/\\:") + 1);
  if (last != wanted) {
    return Denied(q, "it is the application '" + q.image_name + "', not '" + wanted +
                         "' (is the repository mixed up?)");
  }
  const Valid* best = nullptr;
  for (const Valid& one : valid) {
    if (one.payload.statement && !Has(one.payload.statement->tags, q.tag)) continue;
    const auto issued = [](const Valid& v) { return v.payload.statement ? v.payload.statement->issued : 0; };
    if (!best || issued(one) > issued(*best)) best = &one;
  }
  if (!best) {
    std::string tags;
    for (const std::string& tag : valid[0].payload.statement->tags) tags += (tags.empty() ? "" : ", ") + tag;
    return Denied(q, "it was signed as " + tags + ", not as " + q.tag + " (its publisher can: plume sign " +
                         q.repository + ":" + q.tag + " --key KEY.pem)");
  }
  out.key = best->key->id;
  const Statement statement = best->payload.statement.value_or(Statement{});
  if (statement.issued > q.now + kClockSkew) {
    return Denied(
        q, "it was signed in the future, on " + Day(statement.issued) + " (is this machine's clock right?)");
  }
  const bool same = seen.digest == q.digest;
  if (!same && statement.issued < seen.issued && !q.allow_older) {
    return Denied(q, "it is older than what this machine has already seen there: signed on " +
                         (statement.issued ? Day(statement.issued) : std::string("no date")) + ", seen " +
                         Day(seen.issued) +
                         " (--allow-older with plume update or plume add, if it is meant)");
  }
  out.seen.digest = q.digest;
  out.seen.issued = same ? std::max(seen.issued, statement.issued) : statement.issued;
  out.seen.expires = same ? std::max(seen.expires, statement.expires) : statement.expires;
  if (out.seen.expires != 0 && q.now > out.seen.expires) {
    const std::string ended = "the publisher's word that this is the newest ended on " +
                              Day(out.seen.expires) + ": the repository may be keeping newer ones back";
    if (!same && !q.allow_older && q.now - out.seen.expires > rules.grace_seconds) {
      return Denied(q, ended + " (its publisher can renew it: plume sign " + q.repository +
                           " --refresh --key KEY.pem; --allow-older takes it)");
    }
    out.warning = q.repository + ":" + q.tag + ": " + ended;
  }
  return out;
}

Result<Memory> Memory::Parse(std::string_view text, const std::string& what) {
  const Error damaged{
      Errc::kCorrupt,
      "reading " + what + " failed: it is damaged (move it away: what was seen is then forgotten)"};
  const Result<image::Json> json = image::ParseJsonObject(text, what);
  if (!json.ok()) return damaged;
  const Result<uint64_t> version = image::NumberMember(*json, "version", 0, what);
  const image::Json* seen = image::ArrayMember(*json, "seen");
  const image::Json* images = image::ObjectMember(*json, "images");
  if (!version.ok() || *version != kMemoryVersion || !seen || !images) return damaged;
  Memory out;
  for (const image::Json& item : *seen) {
    if (!item.is_object()) return damaged;
    const auto repository = image::TextMember(item, "repository", what),
               tag = image::TextMember(item, "tag", what), digest = image::TextMember(item, "digest", what);
    const auto issued = image::NumberMember(item, "issued", 0, what),
               expires = image::NumberMember(item, "expires", 0, what);
    if (!repository.ok() || !tag.ok() || !digest.ok() || !issued.ok() || !expires.ok() ||
        std::max(*issued, *expires) > (1ull << 40))
      return damaged;
    out.seen_[{*repository, *tag}] = {static_cast<int64_t>(*issued), static_cast<int64_t>(*expires), *digest};
  }
  for (const auto& [digest, key] : images->items()) {
    if (!key.is_string()) return damaged;
    out.images_[digest] = key.get<std::string>();
  }
  return out;
}

std::string Memory::ToJson() const {
  nlohmann::ordered_json seen = nlohmann::ordered_json::array();
  for (const auto& [where, one] : seen_) {
    seen.push_back({{"repository", where.first},
                    {"tag", where.second},
                    {"digest", one.digest},
                    {"issued", one.issued},
                    {"expires", one.expires}});
  }
  return nlohmann::ordered_json{
      {"version", kMemoryVersion}, {"seen", std::move(seen)}, {"images", nlohmann::ordered_json(images_)}}
      .dump(1, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
}

Result<Memory> Memory::Load(os::FileSystem& files, const os::Path& state) {
  const os::Path path = state / "trust-seen.json";
  const Result<std::string> text = os::ReadText(files, path, 64u << 20);
  if (text.ok()) return Parse(*text, os::Utf8(path));
  if (text.error().code == Errc::kNotFound) return Memory();
  return text.error();
}

Status Memory::Save(os::FileSystem& files, const os::Path& state) const {
  return os::WriteAtomic(files, state / "trust-seen.json", std::string_view(ToJson()));
}

Seen Memory::SeenOf(const std::string& repository, const std::string& subscribed) const {
  const auto found = seen_.find({repository, subscribed});
  return found == seen_.end() ? Seen{} : found->second;
}

void Memory::Remember(const Question& question, const Verdict& verdict) {
  images_[question.digest] = verdict.key;
  if (!verdict.key.empty()) seen_[{question.repository, question.subscribed}] = verdict.seen;
}

const std::string* Memory::KeyOf(const std::string& digest) const {
  const auto found = images_.find(digest);
  return found == images_.end() ? nullptr : &found->second;
}

}  // namespace plume::trust
