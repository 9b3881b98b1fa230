#include "repository/oci_http.h"

#include <charconv>

#include "image/json.h"
#include "image/manifest.h"
#include "os/sha256.h"
#include "repository/artifact.h"
#include "repository/retry.h"

namespace plume::repository {
namespace {

constexpr char kPull[] = "pull", kPush[] = "pull,push";
constexpr size_t kMaxAnswer = 16u << 20;
constexpr int kResumes = 4;  // of one upload; the retry around it starts uploads anew
constexpr size_t kMaxTagPages = 1000;
constexpr int kFallbackTries = 8;  // of a list of referrers that several write at once
constexpr uint32_t kUploadSilenceMs = 60'000;

// What the server says went wrong: errors[0].message of the specification, else the status alone.
Error Refused(const std::string& doing, int status, std::string_view body) {
  std::string why = "the server answered " + std::to_string(status);
  if (const Result<image::Json> json = image::ParseJsonObject(body, "the answer"); json.ok()) {
    const image::Json* errors = image::ArrayMember(*json, "errors");
    if (errors && !errors->empty()) {
      const image::Json* message = image::Member(errors->front(), "message");
      if (message && message->is_string() && !message->get<std::string>().empty())
        why += ": " + message->get<std::string>();
    }
  }
  if (status == 507) why += " (free some space there, for instance with plume-server gc, then try again)";
  Errc code = Errc::kInvalid;
  if (status == 404) {
    code = Errc::kNotFound;
  } else if (status == 401 || status == 403) {
    code = Errc::kDenied;
  } else if (status == 405 || status == 501) {
    code = Errc::kUnsupported;
  } else if (status == 507 || status == 413) {
    code = Errc::kNoSpace;
  } else if (status == 408 || status == 429 || status >= 500) {
    code = Errc::kUnreachable;
  }
  return Error{code, doing + ": " + why};
}

// "bytes 5-9/100" or "0-9" (of upload sessions) -> 5 and 9.
bool ParseRange(std::string_view text, uint64_t* first, uint64_t* last) {
  if (text.starts_with("bytes")) text.remove_prefix(5);
  while (!text.empty() && (text.front() == ' ' || text.front() == '=')) text.remove_prefix(1);
  const char* end = text.data() + text.size();
  const auto one = std::from_chars(text.data(), end, *first);
  if (one.ec != std::errc() || one.ptr == end || *one.ptr != '-') return false;
  return std::from_chars(one.ptr + 1, end, *last).ec == std::errc();
}

// The rest of a source behind its first `start` bytes.
Status ReadFrom(const std::function<Status(const Sink&)>& read, uint64_t start, const Sink& sink) {
  uint64_t skip = start;
  return read([&](std::span<const uint8_t> piece) -> Status {
    const size_t n = static_cast<size_t>(std::min<uint64_t>(skip, piece.size()));
    skip -= n;
    return n == piece.size() ? Ok() : sink(piece.subspan(n));
  });
}

// rel="next" of RFC 8288.
std::string NextPage(std::string_view link) {
  const size_t open = link.find('<'), close = link.find('>');
  if (open == std::string_view::npos || close == std::string_view::npos || close < open) return {};
  if (link.substr(close).find("next") == std::string_view::npos) return {};
  return std::string(link.substr(open + 1, close - open - 1));
}

}  // namespace

OciHttp::OciHttp(std::shared_ptr<os::HttpClient> http, const os::HttpUrl& url, std::string name,
                 Credentials credentials, os::Clock& clock)
    : http_(http),
      origin_(url.Origin()),
      name_(std::move(name)),
      authenticator_(http, std::move(credentials)),
      clock_(clock) {}

std::string OciHttp::Absolute(std::string_view location) const {
  if (location.starts_with("http://") || location.starts_with("https://")) return std::string(location);
  return origin_ + (location.starts_with("/") ? "" : "/") + std::string(location);
}

Result<os::HttpResponse> OciHttp::Send(os::HttpRequest request, const std::string& access,
                                       const os::HttpSink& sink) {
  const os::HttpHeaders headers = request.headers;
  // A registry checks a whole blob before it answers to its end.
  if (request.method != "GET" && request.method != "HEAD") request.timeout_ms = kUploadSilenceMs;
  // An upload location or blob may be on another server; only ours gets our credentials.
  const bool ours = request.url.starts_with(origin_ + "/");
  for (int attempt = 0;; ++attempt) {
    const std::string used = ours ? authenticator_.Current(access) : std::string();
    request.headers = headers;
    if (!used.empty()) request.headers.emplace_back("Authorization", used);
    ASSIGN(const os::HttpResponse response,
           http_->Send(request, [&](const os::HttpResponse& head, std::span<const uint8_t> piece) -> Status {
             return sink && head.status != 401 ? sink(head, piece) : Ok();
           }));
    if (response.status != 401 || !ours || attempt == 2) return response;
    TRY(authenticator_.Answer(std::string(response.Header("WWW-Authenticate")), access, used, name_));
  }
}

Result<os::HttpClient::Text> OciHttp::SendText(os::HttpRequest request, const std::string& access) {
  os::HttpClient::Text out;
  const std::string url = request.url;
  ASSIGN(out.head, Send(std::move(request), access,
                        [&](const os::HttpResponse&, std::span<const uint8_t> piece) -> Status {
                          if (out.body.size() + piece.size() > kMaxAnswer) {
                            return Error{Errc::kInvalid, "asking " + url + ": the answer is too large"};
                          }
                          out.body.append(reinterpret_cast<const char*>(piece.data()), piece.size());
                          return Ok();
                        }));
  return out;
}

// --- reading
// ---------------------------------------------------------------------------------------------------

Result<ManifestBlob> OciHttp::GetManifest(const std::string& tag_or_digest) {
  const std::string doing = "reading " + Name() + ":" + tag_or_digest;
  const bool by_digest = os::ParseDigest(tag_or_digest).has_value();
  if (!by_digest && !image::IsImageVersion(tag_or_digest)) {
    return Error{Errc::kInvalid, doing + ": \"" + tag_or_digest + "\" is no tag"};
  }
  os::HttpRequest request;
  request.url = Url("/manifests/" + tag_or_digest);
  request.headers.emplace_back("Accept", image::kManifestMediaType);
  ASSIGN(os::HttpClient::Text answer, SendText(std::move(request), kPull));
  if (answer.head.status == 404) {
    return Error{Errc::kNotFound, doing + ": the server has no such image or tag"};
  }
  if (answer.head.status != 200) return Refused(doing, answer.head.status, answer.body);
  ManifestBlob out;
  out.media_type = std::string(answer.head.Header("Content-Type"));
  out.media_type = out.media_type.substr(0, out.media_type.find(';'));
  out.bytes = std::move(answer.body);
  out.digest = os::DigestText(os::Sha256::Of(std::string_view(out.bytes)));
  if (by_digest && out.digest != tag_or_digest) {
    return Error{Errc::kCorrupt, doing + ": the server sent another manifest (" + out.digest + ")"};
  }
  return out;
}

Status OciHttp::ReadBlob(const std::string& digest, uint64_t offset, uint64_t length, const Sink& sink) {
  const std::string doing = "reading the blob " + digest + " from " + Name();
  os::HttpRequest request;
  request.url = Url("/blobs/" + digest);
  if (offset != 0 || length != 0) {
    request.headers.emplace_back("Range", "bytes=" + std::to_string(offset) + "-" +
                                              (length ? std::to_string(offset + length - 1) : std::string()));
  }
  uint64_t received = 0, skip = 0;
  bool checked = false;
  std::string refusal;
  const auto take = [&](const os::HttpResponse& head, std::span<const uint8_t> piece) -> Status {
    if (head.status != 200 && head.status != 206) {
      if (refusal.size() < 4096) refusal.append(reinterpret_cast<const char*>(piece.data()), piece.size());
      return Ok();
    }
    if (!checked) {
      checked = true;
      uint64_t first = 0, last = 0;
      // A server may ignore Range and send everything: the part is cut out here.
      if (head.status == 200)
        skip = offset;
      else if (!ParseRange(head.Header("Content-Range"), &first, &last) || first != offset) {
        return Error{Errc::kUnreachable, doing + ": the server sent another part than was asked for"};
      }
    }
    const size_t dropped = static_cast<size_t>(std::min<uint64_t>(skip, piece.size()));
    skip -= dropped;
    piece = piece.subspan(dropped);
    if (length != 0 && piece.size() > length - received) {
      if (head.status == 206)
        return Error{Errc::kUnreachable, doing + ": the server sent more than was asked for"};
      piece = piece.first(static_cast<size_t>(length - received));
    }
    received += piece.size();
    return piece.empty() ? Ok() : sink(piece);
  };
  ASSIGN(const os::HttpResponse response, Send(std::move(request), kPull, take));
  if (response.status == 416) {
    return Error{Errc::kCorrupt, doing + ": the server's copy is shorter than it should be"};
  }
  if (response.status != 200 && response.status != 206) return Refused(doing, response.status, refusal);
  if (length != 0 && received != length) {
    return Error{Errc::kCorrupt, doing + ": the server's copy is shorter than it should be"};
  }
  return Ok();
}

Result<bool> OciHttp::HasBlob(const std::string& digest) {
  os::HttpRequest request;
  request.method = "HEAD";
  request.url = Url("/blobs/" + digest);
  ASSIGN(const os::HttpClient::Text answer, SendText(std::move(request), kPull));
  if (answer.head.status == 200) return true;
  if (answer.head.status == 404) return false;
  return Refused("looking for a blob in " + Name(), answer.head.status, answer.body);
}

Result<std::vector<std::string>> OciHttp::Tags() {
  std::vector<std::string> tags;
  std::string url = Url("/tags/list?n=1000");
  for (size_t page = 0; page < kMaxTagPages; ++page) {
    os::HttpRequest request;
    request.url = url;
    ASSIGN(const os::HttpClient::Text answer, SendText(std::move(request), kPull));
    if (answer.head.status != 200)
      return Refused("listing the versions in " + Name(), answer.head.status, answer.body);
    ASSIGN(const image::Json json, image::ParseJsonObject(answer.body, "the list of versions in " + Name()));
    if (const image::Json* list = image::ArrayMember(json, "tags")) {
      for (const image::Json& tag : *list) {
        if (tag.is_string()) tags.push_back(tag.get<std::string>());
      }
    }
    const std::string next = NextPage(answer.head.Header("Link"));
    if (next.empty()) break;
    url = Absolute(next);
  }
  return tags;
}

Result<std::string> OciHttp::ReadIndex(const std::string& tag) {
  os::HttpRequest request;
  request.url = Url("/manifests/" + tag);
  request.headers.emplace_back("Accept", kIndexMediaType);
  ASSIGN(os::HttpClient::Text answer, SendText(std::move(request), kPull));
  if (answer.head.status != 200)
    return Refused("reading " + Name() + ":" + tag, answer.head.status, answer.body);
  return std::move(answer.body);
}

Result<std::vector<Referrer>> OciHttp::Referrers(const std::string& subject,
                                                 const std::string& artifact_type) {
  const std::string doing = "listing what is attached to " + subject + " in " + Name();
  if (!os::ParseDigest(subject)) return Error{Errc::kInvalid, doing + ": it is no digest"};
  std::vector<Referrer> all;
  std::string url = Url("/referrers/" + subject);
  // The server may leave the filter out: it is applied here as well.
  if (!artifact_type.empty()) url += "?artifactType=" + os::PercentEncode(artifact_type);
  for (size_t page = 0; page < kMaxTagPages && !no_referrers_api_; ++page) {
    os::HttpRequest request;
    request.url = url;
    request.headers.emplace_back("Accept", kIndexMediaType);
    ASSIGN(const os::HttpClient::Text answer, SendText(std::move(request), kPull));
    const int status = answer.head.status;
    if (page == 0 && (status == 400 || status == 404 || status == 405 || status == 501)) {
      no_referrers_api_ = true;
      break;
    }
    if (status != 200) return Refused(doing, status, answer.body);
    ASSIGN(const std::vector<Referrer> some, ParseReferrers(answer.body, artifact_type));
    all.insert(all.end(), some.begin(), some.end());
    const std::string next = NextPage(answer.head.Header("Link"));
    if (next.empty()) break;
    url = Absolute(next);
  }
  if (!no_referrers_api_) return all;
  const Result<std::string> index = ReadIndex(FallbackTag(subject));
  if (!index.ok()) {
    if (index.error().code == Errc::kNotFound) return all;
    return index.error();
  }
  return ParseReferrers(*index, artifact_type);
}

// --- writing
// ---------------------------------------------------------------------------------------------------

Result<std::string> OciHttp::StartUpload() {
  os::HttpRequest request;
  request.method = "POST";
  request.url = Url("/blobs/uploads/");
  ASSIGN(const os::HttpClient::Text answer, SendText(std::move(request), kPush));
  const std::string_view location = answer.head.Header("Location");
  if (answer.head.status != 202 || location.empty()) {
    return Refused("starting an upload to " + Name(), answer.head.status, answer.body);
  }
  return Absolute(location);
}

Status OciHttp::SendPart(std::string* location, uint64_t start, uint64_t size,
                         const std::function<Status(const Sink&)>& read) {
  os::HttpRequest request;
  request.method = "PATCH";
  request.url = *location;
  request.headers = {{"Content-Type", "application/octet-stream"},
                     {"Content-Range", std::to_string(start) + "-" + std::to_string(size - 1)}};
  request.body_size = size - start;
  request.body = [&](const os::HttpBodySink& sink) { return ReadFrom(read, start, sink); };
  ASSIGN(const os::HttpClient::Text answer, SendText(std::move(request), kPush));
  if (answer.head.status == 416) {
    return Error{Errc::kUnreachable, "uploading to " + Name() + ": the server has lost part of the upload"};
  }
  if (answer.head.status != 202 && answer.head.status != 204) {
    return Refused("uploading to " + Name(), answer.head.status, answer.body);
  }
  if (const std::string_view next = answer.head.Header("Location"); !next.empty()) *location = Absolute(next);
  return Ok();
}

Result<uint64_t> OciHttp::UploadedBytes(std::string* location) {
  os::HttpRequest request;
  request.url = *location;
  ASSIGN(const os::HttpClient::Text answer, SendText(std::move(request), kPush));
  if (answer.head.status != 204 && answer.head.status != 202 && answer.head.status != 200) {
    return Refused("resuming an upload to " + Name(), answer.head.status, answer.body);
  }
  if (const std::string_view next = answer.head.Header("Location"); !next.empty()) *location = Absolute(next);
  uint64_t first = 0, last = 0;
  if (!ParseRange(answer.head.Header("Range"), &first, &last) || first != 0) return 0;
  // "0-0" is what registries say of an empty upload and of one with a single byte: sending that byte again is
  // refused with 416 at worst, and the upload begins anew.
  return last == 0 ? 0 : last + 1;
}

Status OciHttp::FinishUpload(const std::string& location, const std::string& digest) {
  os::HttpRequest request;
  request.method = "PUT";
  request.url = location + (location.find('?') == std::string::npos ? "?" : "&") +
                "digest=" + os::PercentEncode(digest);
  request.headers = {{"Content-Type", "application/octet-stream"}};
  ASSIGN(const os::HttpClient::Text answer, SendText(std::move(request), kPush));
  if (answer.head.status != 201 && answer.head.status != 204) {
    return Refused("finishing an upload to " + Name(), answer.head.status, answer.body);
  }
  return Ok();
}

Status OciHttp::PutBlob(const std::string& digest, uint64_t size,
                        const std::function<Status(const Sink&)>& read) {
  ASSIGN(std::string location, StartUpload());
  Backoff backoff(clock_, kResumes);
  for (uint64_t start = 0; start < size;) {
    Status sent = SendPart(&location, start, size, read);
    if (sent.ok()) break;
    if (!backoff.Again(sent.error())) return sent;
    Result<uint64_t> there = UploadedBytes(&location);
    if (!there.ok()) return there.error().code == Errc::kNotFound ? sent : Status(there.error());
    start = std::min(*there, size);
  }
  return FinishUpload(location, digest);
}

Status OciHttp::PutManifest(const std::string& tag, const ManifestBlob& manifest) {
  return PutUnder(tag, manifest, nullptr);
}

Status OciHttp::PutReferrer(const ManifestBlob& manifest) {
  ASSIGN(const Attached attached, Describe(manifest));
  bool subject_known = false;
  TRY(PutUnder(manifest.digest, manifest, &subject_known));
  return subject_known ? Ok() : AddToFallback(attached.subject, attached.referrer);
}

// The registry has no way to change a tag only if nobody else did: whoever finds his entry lost adds it
// again.
Status OciHttp::AddToFallback(const std::string& subject, const Referrer& referrer) {
  const std::string tag = FallbackTag(subject);
  for (int i = 0; i < kFallbackTries; ++i) {
    const Result<std::string> old = ReadIndex(tag);
    if (!old.ok() && old.error().code != Errc::kNotFound) return old.error();
    if (old.ok()) {
      ASSIGN(const std::vector<Referrer> there, ParseReferrers(*old, ""));
      for (const Referrer& one : there) {
        if (one.digest == referrer.digest) return Ok();
      }
    }
    ManifestBlob index;
    ASSIGN(index.bytes, AddReferrer(old.ok() ? *old : std::string(), referrer));
    index.media_type = kIndexMediaType;
    index.digest = os::DigestText(os::Sha256::Of(std::string_view(index.bytes)));
    TRY(PutUnder(tag, index, nullptr));
    if (i > 0) clock_.SleepMillis(20u << i);
  }
  return Error{Errc::kBusy,
               "attaching to " + subject + " in " + Name() + ": others attach at the same time (try again)"};
}

Status OciHttp::PutUnder(const std::string& tag, const ManifestBlob& manifest, bool* subject_known) {
  const std::string doing = "publishing " + Name() + ":" + tag;
  os::HttpRequest request;
  request.method = "PUT";
  request.url = Url("/manifests/" + tag);
  request.headers = {{"Content-Type", manifest.media_type}};
  request.SetBody(manifest.bytes);
  ASSIGN(const os::HttpClient::Text answer, SendText(std::move(request), kPush));
  if (answer.head.status != 201 && answer.head.status != 200)
    return Refused(doing, answer.head.status, answer.body);
  const std::string_view stored = answer.head.Header("Docker-Content-Digest");
  if (!stored.empty() && stored != manifest.digest) {
    return Error{Errc::kCorrupt,
                 doing + ": the server stored another manifest (" + std::string(stored) + ")"};
  }
  if (subject_known) *subject_known = !answer.head.Header("OCI-Subject").empty();
  return Ok();
}

}  // namespace plume::repository
