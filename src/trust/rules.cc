#include "trust/rules.h"

#include <algorithm>

#include "image/json.h"
#include "os/lock.h"

namespace plume::trust {
namespace {

constexpr uint32_t kLockMillis = 10'000;
constexpr size_t kLeastId = 6;
constexpr uint64_t kRulesVersion = 1, kMaxGrace = 100ull * 365 * 24 * 3600;

bool IsBelow(const std::string& repository, const std::string& prefix) {
  if (prefix.empty()) return true;
  if (!repository.starts_with(prefix)) return false;
  const char last = prefix.back();
  if (repository.size() == prefix.size() || last == '/' || last == '\\') return true;
  const char next = repository[prefix.size()];
  return next == '/' || next == '\\';
}

Error NoSuchKey(const std::string& id) {
  return Error{Errc::kNotFound,
               "finding the key " + id + ": it is not among the trusted ones (plume trust list shows them)"};
}

}  // namespace

Result<Rules> Rules::Parse(std::string_view text, const std::string& what) {
  Rules out;
  const Error damaged{Errc::kCorrupt,
                      "reading " + what + " failed: it is damaged (move it away and trust the keys again)"};
  const Result<image::Json> json = image::ParseJsonObject(text, what);
  if (!json.ok()) return damaged;
  const Result<uint64_t> version = image::NumberMember(*json, "version", 0, what);
  const Result<uint64_t> grace = image::NumberMember(*json, "grace", kDefaultGrace, what);
  if (!version.ok() || !grace.ok() || *grace > kMaxGrace) return damaged;
  if (*version != kRulesVersion) {
    return Error{Errc::kUnsupported, "reading " + what + " failed: it is of version " +
                                         std::to_string(*version) + ", this Plume knows 1"};
  }
  out.grace_seconds = static_cast<int64_t>(*grace);
  const image::Json* keys = image::ArrayMember(*json, "keys");
  if (!keys) return damaged;
  for (const image::Json& item : *keys) {
    if (!item.is_object()) return damaged;
    TrustedKey key;
    const Result<std::string> pem = image::TextMember(item, "key", what);
    const Result<std::string> name = image::TextMember(item, "name", what);
    const Result<bool> revoked = image::BoolMember(item, "revoked", false, what);
    const image::Json* repositories = image::ArrayMember(item, "for");
    if (!pem.ok() || !name.ok() || !revoked.ok() || !repositories) return damaged;
    const Result<PublicKey> parsed = ParsePublicKey(*pem, what);
    if (!parsed.ok()) return damaged;
    key.key = *parsed;
    key.id = key.key.Id();
    key.name = *name;
    key.revoked = *revoked;
    for (const image::Json& repository : *repositories) {
      if (!repository.is_string()) return damaged;
      key.repositories.push_back(repository.get<std::string>());
    }
    if (out.Find(key.id)) return damaged;
    out.keys_.push_back(std::move(key));
  }
  return out;
}

std::string Rules::ToJson() const {
  nlohmann::ordered_json keys = nlohmann::ordered_json::array();
  for (const TrustedKey& key : keys_) {
    keys.push_back({{"id", key.id},
                    {"name", key.name},
                    {"for", key.repositories},
                    {"revoked", key.revoked},
                    {"key", key.key.Pem()}});
  }
  return nlohmann::ordered_json{
      {"version", kRulesVersion}, {"grace", grace_seconds}, {"keys", std::move(keys)}}
      .dump(1, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
}

const TrustedKey* Rules::Find(const std::string& id) const {
  const auto found =
      std::find_if(keys_.begin(), keys_.end(), [&](const TrustedKey& k) { return k.id == id; });
  return found == keys_.end() ? nullptr : &*found;
}

Result<std::string> Rules::Resolve(const std::string& id) const {
  const TrustedKey* match = nullptr;
  for (const TrustedKey& key : keys_) {
    if (id.size() < kLeastId || !key.id.starts_with(id)) continue;
    if (match)
      return Error{Errc::kInvalid, "finding the key " + id + ": several ids begin so (give more digits)"};
    match = &key;
  }
  if (!match) return NoSuchKey(id);
  return match->id;
}

Status Rules::Add(const PublicKey& key, const std::string& name, const std::string& repository) {
  const std::string id = key.Id();
  for (TrustedKey& known : keys_) {
    if (known.id != id) continue;
    if (known.revoked) {
      return Error{Errc::kDenied, "trusting the key " + ShortId(id) +
                                      ": it was revoked (plume trust remove " + ShortId(id) +
                                      " forgets that, if it was a mistake)"};
    }
    if (std::find(known.repositories.begin(), known.repositories.end(), repository) ==
        known.repositories.end())
      known.repositories.push_back(repository);
    return Ok();
  }
  keys_.push_back({key, id, name, {repository}, false});
  return Ok();
}

Status Rules::Remove(const std::string& id, const std::string& repository) {
  const auto found =
      std::find_if(keys_.begin(), keys_.end(), [&](const TrustedKey& k) { return k.id == id; });
  if (found == keys_.end()) return NoSuchKey(id);
  if (!repository.empty()) {
    if (std::erase(found->repositories, repository) == 0) {
      return Error{Errc::kNotFound, "removing trust in the key " + ShortId(id) + ": there is no rule for " +
                                        repository + " (plume trust list shows them)"};
    }
    if (!found->repositories.empty() || found->revoked) return Ok();
  }
  keys_.erase(found);
  return Ok();
}

void Rules::Revoke(const std::string& id) {
  for (TrustedKey& key : keys_)
    if (key.id == id) key.revoked = true;
}

std::vector<const TrustedKey*> Rules::For(const std::string& repository) const {
  std::vector<const TrustedKey*> out;
  size_t longest = 0;
  for (const TrustedKey& key : keys_) {
    if (key.revoked) continue;
    for (const std::string& prefix : key.repositories) {
      if (!IsBelow(repository, prefix) || prefix.size() < longest) continue;
      if (prefix.size() > longest) out.clear();
      longest = prefix.size();
      out.push_back(&key);
    }
  }
  return out;
}

Result<Rules> LoadRules(os::FileSystem& files, const os::Path& state) {
  const os::Path path = state / "trust.json";
  const Result<std::string> text = os::ReadText(files, path, 16u << 20);
  if (text.ok()) return Rules::Parse(*text, os::Utf8(path));
  if (text.error().code == Errc::kNotFound) return Rules();
  return text.error();
}

Status ChangeRules(os::FileSystem& files, const os::Path& state,
                   const std::function<Status(Rules&)>& change) {
  ASSIGN(const os::FileLock lock,
         os::FileLock::Acquire(state / "trust.lock", os::FileLock::Mode::kExclusive, kLockMillis));
  ASSIGN(Rules rules, LoadRules(files, state));
  TRY(change(rules));
  return os::WriteAtomic(files, state / "trust.json", std::string_view(rules.ToJson()));
}

}  // namespace plume::trust
