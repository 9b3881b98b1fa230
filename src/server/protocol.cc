#include "server/protocol.h"

#include <algorithm>
#include <nlohmann/json.hpp>

namespace plume::server {
namespace {

constexpr size_t kMaxName = 255;
constexpr size_t kMaxTarget = 4096;
constexpr size_t kMaxQuery = 16;
constexpr size_t kUploadIdLength = 32;

bool IsLowerAlnum(char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); }
bool IsDigit(char c) { return c >= '0' && c <= '9'; }
bool IsHex(char c) { return IsDigit(c) || (c >= 'a' && c <= 'f'); }
bool AllHex(std::string_view text) { return std::all_of(text.begin(), text.end(), IsHex); }

// [a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*
bool IsNameComponent(std::string_view text) {
  if (text.empty() || !IsLowerAlnum(text.front()) || !IsLowerAlnum(text.back())) return false;
  for (size_t i = 0; i < text.size();) {
    if (IsLowerAlnum(text[i])) {
      ++i;
      continue;
    }
    size_t end = i;
    while (end < text.size() && text[end] == text[i]) ++end;
    const size_t run = end - i;
    const bool legal = (text[i] == '.' && run == 1) || (text[i] == '_' && run <= 2) || text[i] == '-';
    if (!legal || !IsLowerAlnum(text[end])) return false;  // text ends with an alnum, so text[end] exists
    i = end;
  }
  return true;
}

int HexValue(char c) {
  if (IsDigit(c)) return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

std::optional<std::string> PercentDecode(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      out.push_back(text[i]);
      continue;
    }
    if (i + 2 >= text.size()) return std::nullopt;
    const int high = HexValue(text[i + 1]), low = HexValue(text[i + 2]);
    if (high < 0 || low < 0) return std::nullopt;
    out.push_back(static_cast<char>(high * 16 + low));
    i += 2;
  }
  return out;
}

std::optional<uint64_t> ParseNumber(std::string_view text) {
  if (text.empty() || text.size() > 18) return std::nullopt;  // 18 digits cannot overflow
  uint64_t value = 0;
  for (char c : text) {
    if (!IsDigit(c)) return std::nullopt;
    value = value * 10 + static_cast<uint64_t>(c - '0');
  }
  return value;
}

std::string_view Trim(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

bool ParseQuery(std::string_view text, Route* route) {
  while (!text.empty()) {
    const size_t end = std::min(text.find('&'), text.size());
    const std::string_view pair = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (pair.empty()) continue;
    if (route->query.size() == kMaxQuery) return false;
    const size_t equals = std::min(pair.find('='), pair.size());
    auto key = PercentDecode(pair.substr(0, equals));
    auto value = PercentDecode(pair.substr(std::min(equals + 1, pair.size())));
    if (!key || !value) return false;
    route->query.emplace_back(std::move(*key), std::move(*value));
  }
  return true;
}

ApiError NotFound() { return {404, "UNSUPPORTED", "no such endpoint"}; }

// Splits "left/word/right" at the last slashes: `right` has no slash.
bool SplitTail(std::string_view path, std::string_view word, std::string_view* left,
               std::string_view* right) {
  const size_t slash = path.rfind('/');
  if (slash == std::string_view::npos) return false;
  const std::string_view head = path.substr(0, slash);
  if (head.size() <= word.size() || !head.ends_with(word) || head[head.size() - word.size() - 1] != '/') {
    return false;
  }
  *left = head.substr(0, head.size() - word.size() - 1);
  *right = path.substr(slash + 1);
  return true;
}

// Endpoints are recognised from the right, because a repository may itself be named ".../manifests/...".
std::variant<Route, ApiError> ParseRepositoryPath(std::string_view path, Route route) {
  std::string_view name, tail;
  if (path.ends_with("/blobs/uploads") || path.ends_with("/blobs/uploads/")) {
    route.endpoint = Endpoint::kUploads;
    name = path.substr(0, path.rfind("/blobs/uploads"));
  } else if (path.ends_with("/tags/list")) {
    route.endpoint = Endpoint::kTags;
    name = path.substr(0, path.size() - std::string_view("/tags/list").size());
  } else if (SplitTail(path, "blobs/uploads", &name, &tail)) {
    route.endpoint = Endpoint::kUpload;
    if (tail.size() != kUploadIdLength || !AllHex(tail)) {
      return ApiError{404, "BLOB_UPLOAD_UNKNOWN", "no such upload"};
    }
  } else if (SplitTail(path, "manifests", &name, &tail)) {
    route.endpoint = Endpoint::kManifest;
    if (tail.find(':') != std::string_view::npos) {
      if (!IsDigest(tail)) return ApiError{400, "DIGEST_INVALID", "digest is not sha256:<64 hex digits>"};
    } else if (!IsTag(tail)) {
      return ApiError{404, "MANIFEST_UNKNOWN", "not a legal tag"};
    }
  } else if (SplitTail(path, "blobs", &name, &tail)) {
    route.endpoint = Endpoint::kBlob;
    if (!IsDigest(tail)) return ApiError{400, "DIGEST_INVALID", "digest is not sha256:<64 hex digits>"};
  } else if (SplitTail(path, "referrers", &name, &tail)) {
    route.endpoint = Endpoint::kReferrers;
    if (!IsDigest(tail)) return ApiError{400, "DIGEST_INVALID", "digest is not sha256:<64 hex digits>"};
  } else {
    return NotFound();
  }
  if (!IsRepositoryName(name)) return ApiError{400, "NAME_INVALID", "not a legal repository name"};
  route.name = name;
  route.reference = tail;
  return route;
}

}  // namespace

bool IsRepositoryName(std::string_view name) {
  if (name.empty() || name.size() > kMaxName) return false;
  while (true) {
    const size_t slash = name.find('/');
    if (!IsNameComponent(name.substr(0, slash))) return false;
    if (slash == std::string_view::npos) return true;
    name.remove_prefix(slash + 1);
  }
}

bool IsTag(std::string_view tag) {
  if (tag.empty() || tag.size() > 128 || tag.front() == '.' || tag.front() == '-') return false;
  return std::all_of(tag.begin(), tag.end(), [](char c) {
    return IsLowerAlnum(c) || (c >= 'A' && c <= 'Z') || c == '.' || c == '_' || c == '-';
  });
}

bool IsDigest(std::string_view digest) {
  return digest.size() == 71 && digest.starts_with("sha256:") && AllHex(digest.substr(7));
}

std::string_view HexOf(std::string_view digest) { return digest.substr(7); }

std::string ApiError::Json() const {
  nlohmann::json body = {{"errors", {{{"code", code}, {"message", message}}}}};
  return body.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace) + "\n";
}

const std::string* Route::Query(std::string_view key) const {
  for (const auto& [k, v] : query) {
    if (k == key) return &v;
  }
  return nullptr;
}

std::variant<Route, ApiError> ParseTarget(std::string_view target) {
  if (target.empty() || target.front() != '/' || target.size() > kMaxTarget) return NotFound();
  Route route;
  const size_t question = std::min(target.find('?'), target.size());
  if (!ParseQuery(target.substr(std::min(question + 1, target.size())), &route)) {
    return ApiError{400, "UNSUPPORTED", "malformed query string"};
  }
  const auto decoded = PercentDecode(target.substr(0, question));
  if (!decoded) return ApiError{400, "UNSUPPORTED", "malformed request target"};
  std::string_view path = *decoded;
  if (path == "/healthz") {
    route.endpoint = Endpoint::kHealth;
    return route;
  }
  if (path == "/v2" || path == "/v2/") {
    route.endpoint = Endpoint::kBase;
    return route;
  }
  if (!path.starts_with("/v2/")) return NotFound();
  path.remove_prefix(4);
  if (path == "_catalog") {
    route.endpoint = Endpoint::kCatalog;
    return route;
  }
  return ParseRepositoryPath(path, std::move(route));
}

RangeVerdict ApplyRange(std::string_view header, uint64_t size, ByteRange* out) {
  *out = {0, size};
  header = Trim(header);
  constexpr std::string_view kUnit = "bytes=";
  if (!header.starts_with(kUnit) || header.find(',') != std::string_view::npos) return RangeVerdict::kWhole;
  header = Trim(header.substr(kUnit.size()));
  const size_t dash = header.find('-');
  if (dash == std::string_view::npos) return RangeVerdict::kWhole;
  const std::string_view first_text = header.substr(0, dash), last_text = header.substr(dash + 1);
  if (first_text.empty()) {  // the last N bytes
    const auto suffix = ParseNumber(last_text);
    if (!suffix) return RangeVerdict::kWhole;
    if (*suffix == 0 || size == 0) return RangeVerdict::kUnsatisfiable;
    const uint64_t length = std::min(*suffix, size);
    *out = {size - length, length};
    return RangeVerdict::kPart;
  }
  const auto first = ParseNumber(first_text);
  const auto last = last_text.empty() ? std::optional<uint64_t>(UINT64_MAX) : ParseNumber(last_text);
  if (!first || !last || *last < *first) return RangeVerdict::kWhole;
  if (*first >= size) return RangeVerdict::kUnsatisfiable;
  *out = {*first, std::min(*last, size - 1) - *first + 1};
  return RangeVerdict::kPart;
}

std::optional<ByteRange> ParseContentRange(std::string_view header) {
  header = Trim(header);
  if (header.starts_with("bytes ") || header.starts_with("bytes=")) header = Trim(header.substr(6));
  header = header.substr(0, header.find('/'));
  const size_t dash = header.find('-');
  if (dash == std::string_view::npos) return std::nullopt;
  const auto first = ParseNumber(header.substr(0, dash)), last = ParseNumber(header.substr(dash + 1));
  if (!first || !last || *last < *first) return std::nullopt;
  return ByteRange{*first, *last - *first + 1};
}

bool MatchesETag(std::string_view header, std::string_view etag) {
  while (!header.empty()) {
    const size_t comma = std::min(header.find(','), header.size());
    std::string_view item = Trim(header.substr(0, comma));
    if (item.starts_with("W/")) item.remove_prefix(2);
    if (item == "*" || item == etag) return true;
    header.remove_prefix(std::min(comma + 1, header.size()));
  }
  return false;
}

std::string PercentEncode(std::string_view text) {
  constexpr char kHex[] = "0123456789ABCDEF";
  std::string out;
  for (char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (IsLowerAlnum(c) || (c >= 'A' && c <= 'Z') || c == '-' || c == '_' || c == '.' || c == '~' ||
        c == '/') {
      out.push_back(c);
    } else {
      out += {'%', kHex[byte >> 4], kHex[byte & 15]};
    }
  }
  return out;
}

}  // namespace plume::server
