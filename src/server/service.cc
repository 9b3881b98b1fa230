#include "server/service.h"

#include <algorithm>
#include <charconv>
#include <nlohmann/json.hpp>

#include "os/sha256.h"

namespace plume::server {
namespace {

using nlohmann::json;

constexpr char kJson[] = "application/json";
constexpr char kIndexType[] = "application/vnd.oci.image.index.v1+json";
// A blob's name is its content, so any cache on the way may keep it for ever.
constexpr char kImmutable[] = "public, max-age=31536000, immutable";

Reply JsonReply(unsigned status, const json& body) {
  Reply reply;
  reply.status = status;
  reply.headers.emplace_back("Content-Type", kJson);
  reply.body = body.dump(-1, ' ', false, json::error_handler_t::replace) + "\n";
  return reply;
}

Reply StatusOnly(unsigned status) {
  Reply reply;
  reply.status = status;
  return reply;
}

Reply NotAllowed() { return Service::FromError({405, "UNSUPPORTED", "the method is not supported here"}); }

std::string UploadLocation(const Upload& upload) {
  return "/v2/" + upload.name() + "/blobs/uploads/" + upload.id();
}

// The specification's "0-<last byte>"; an empty upload says 0-0, as registries have always done.
std::string UploadRange(const Upload& upload) {
  return "0-" + std::to_string(upload.size() == 0 ? 0 : upload.size() - 1);
}

Reply UploadReply(unsigned status, const Upload& upload) {
  Reply reply;
  reply.status = status;
  reply.headers = {{"Location", UploadLocation(upload)},
                   {"Range", UploadRange(upload)},
                   {"Docker-Upload-UUID", upload.id()}};
  return reply;
}

// One page of a sorted list: entries after `last`, at most `n`. Sets a Link header if there are more.
bool Paginate(const RequestHead& head, const std::string& path, std::vector<std::string>* items,
              Reply* reply) {
  const std::string* n_text = head.route.Query("n");
  const std::string* last = head.route.Query("last");
  if (last != nullptr) items->erase(items->begin(), std::upper_bound(items->begin(), items->end(), *last));
  if (n_text == nullptr) return true;
  size_t n = 0;
  const auto [end, error] = std::from_chars(n_text->data(), n_text->data() + n_text->size(), n);
  if (error != std::errc() || end != n_text->data() + n_text->size()) {
    *reply = Service::FromError({400, "UNSUPPORTED", "n is not a number"});
    return false;
  }
  if (items->size() <= n) return true;
  items->resize(n);
  if (n > 0) {
    reply->headers.emplace_back("Link", "<" + path + "?n=" + std::to_string(n) +
                                            "&last=" + PercentEncode(items->back()) + ">; rel=\"next\"");
  }
  return true;
}

void AddHeaders(const Reply& from, Reply* to) {
  to->headers.insert(to->headers.end(), from.headers.begin(), from.headers.end());
}

}  // namespace

Reply Service::FromError(const ApiError& error) {
  Reply reply;
  reply.status = error.status;
  reply.headers.emplace_back("Content-Type", kJson);
  reply.body = error.Json();
  return reply;
}

namespace {

// The peer learns no paths of the server; its log does.
Reply InternalFault(unsigned status, const char* for_peer, const Error& error) {
  Reply reply = Service::FromError({status, "UNKNOWN", for_peer});
  reply.trouble = error.message;
  return reply;
}

}  // namespace

Reply Service::FromStorage(const Error& error) {
  switch (error.code) {
    case Errc::kNoSpace:
      return InternalFault(507, "the server's disk is full", error);
    case Errc::kInvalid:
      return FromError({413, "SIZE_INVALID", error.message});
    case Errc::kBusy:
      return FromError({429, "TOOMANYREQUESTS", error.message});
    default:
      return InternalFault(500, "the server could not read or write its storage", error);
  }
}

BodyUse Service::UseOf(const RequestHead& head) const {
  if (options_.read_only) return BodyUse::kNone;
  const Endpoint endpoint = head.route.endpoint;
  if (endpoint == Endpoint::kManifest && head.method == Method::kPut) return BodyUse::kMemory;
  if (endpoint == Endpoint::kUploads && head.method == Method::kPost) return BodyUse::kUpload;
  if (endpoint == Endpoint::kUpload && (head.method == Method::kPatch || head.method == Method::kPut)) {
    return BodyUse::kUpload;
  }
  return BodyUse::kNone;
}

bool Service::IsSlow(const RequestHead& head) {
  const Endpoint endpoint = head.route.endpoint;
  if (endpoint == Endpoint::kCatalog || endpoint == Endpoint::kTags || endpoint == Endpoint::kReferrers ||
      endpoint == Endpoint::kUpload) {
    return true;
  }
  return head.method != Method::kGet && !(head.method == Method::kHead && endpoint != Endpoint::kBlob);
}

Reply Service::Answer(const RequestHead& head, const std::string& body) {
  const bool read = head.method == Method::kGet || head.method == Method::kHead;
  if (options_.read_only && !read) return FromError({405, "UNSUPPORTED", "this server is read-only"});
  switch (head.route.endpoint) {
    case Endpoint::kHealth:
      return read ? JsonReply(200, {{"status", "ok"}}) : NotAllowed();
    case Endpoint::kBase:
      return read ? JsonReply(200, json::object()) : NotAllowed();
    case Endpoint::kCatalog:
      return read ? Catalog(head) : NotAllowed();
    case Endpoint::kTags:
      return read ? Tags(head) : NotAllowed();
    case Endpoint::kManifest:
      return Manifest(head, body);
    case Endpoint::kBlob:
      return Blob(head);
    case Endpoint::kReferrers:
      return read ? Referrers(head) : NotAllowed();
    case Endpoint::kUpload:
      return UploadStatus(head);
    case Endpoint::kUploads:
      return NotAllowed();
  }
  return NotAllowed();
}

Reply Service::Catalog(const RequestHead& head) {
  auto names = storage_->Repositories();
  if (!names.ok()) return FromStorage(names.error());
  Reply page;
  if (!Paginate(head, "/v2/_catalog", &*names, &page)) return page;
  Reply reply = JsonReply(200, {{"repositories", *names}});
  AddHeaders(page, &reply);
  return reply;
}

Reply Service::Tags(const RequestHead& head) {
  auto tags = storage_->Tags(head.route.name);
  if (!tags.ok()) {
    if (tags.error().code != Errc::kNotFound) return FromStorage(tags.error());
    return FromError({404, "NAME_UNKNOWN", "no repository " + head.route.name});
  }
  Reply page;
  if (!Paginate(head, "/v2/" + head.route.name + "/tags/list", &*tags, &page)) return page;
  Reply reply = JsonReply(200, {{"name", head.route.name}, {"tags", *tags}});
  AddHeaders(page, &reply);
  return reply;
}

Reply Service::Blob(const RequestHead& head) {
  const std::string& digest = head.route.reference;
  const ApiError unknown{404, "BLOB_UNKNOWN", "no blob " + digest + " in " + head.route.name};
  if (head.method == Method::kDelete) {
    Status removed = storage_->DeleteBlob(head.route.name, digest);
    if (removed.ok()) return StatusOnly(202);
    return removed.error().code == Errc::kNotFound ? FromError(unknown) : FromStorage(removed.error());
  }
  if (head.method != Method::kGet && head.method != Method::kHead) return NotAllowed();
  auto blob =
      storage_->FindBlob(head.route.name, digest, head.method == Method::kHead && !options_.read_only);
  if (!blob.ok()) {
    return blob.error().code == Errc::kNotFound ? FromError(unknown) : FromStorage(blob.error());
  }
  const std::string etag = "\"" + digest + "\"";
  Reply reply;
  reply.headers = {{"Docker-Content-Digest", digest},
                   {"ETag", etag},
                   {"Accept-Ranges", "bytes"},
                   {"Cache-Control", kImmutable}};
  if (!head.if_none_match.empty() && MatchesETag(head.if_none_match, etag)) {
    reply.status = 304;
    return reply;
  }
  reply.headers.emplace_back("Content-Type", "application/octet-stream");
  ByteRange range{0, blob->size};
  const bool ranged = !head.range.empty() && (head.if_range.empty() || head.if_range == etag);
  if (ranged) {
    const std::string total = std::to_string(blob->size);
    switch (ApplyRange(head.range, blob->size, &range)) {
      case RangeVerdict::kWhole:
        break;
      case RangeVerdict::kPart:
        reply.status = 206;
        reply.headers.emplace_back("Content-Range", "bytes " + std::to_string(range.offset) + "-" +
                                                        std::to_string(range.offset + range.length - 1) +
                                                        "/" + total);
        break;
      case RangeVerdict::kUnsatisfiable: {
        Reply refusal = FromError({416, "SIZE_INVALID", "the range lies outside the blob"});
        refusal.headers.emplace_back("Content-Range", "bytes */" + total);
        return refusal;
      }
    }
  }
  reply.file = FileBody{blob->path, range.offset, range.length};
  return reply;
}

Reply Service::Manifest(const RequestHead& head, const std::string& body) {
  if (head.method == Method::kGet || head.method == Method::kHead) return GetManifest(head);
  if (head.method == Method::kPut) return PutManifest(head, body);
  if (head.method != Method::kDelete) return NotAllowed();
  Status removed = storage_->DeleteManifest(head.route.name, head.route.reference);
  if (removed.ok()) return StatusOnly(202);
  if (removed.error().code != Errc::kNotFound) return FromStorage(removed.error());
  return FromError(
      {404, "MANIFEST_UNKNOWN", "no manifest " + head.route.reference + " in " + head.route.name});
}

Reply Service::GetManifest(const RequestHead& head) {
  auto manifest = storage_->GetManifest(head.route.name, head.route.reference);
  if (!manifest.ok()) {
    if (manifest.error().code != Errc::kNotFound) return FromStorage(manifest.error());
    return FromError(
        {404, "MANIFEST_UNKNOWN", "no manifest " + head.route.reference + " in " + head.route.name});
  }
  const std::string etag = "\"" + manifest->digest + "\"";
  Reply reply;
  reply.headers = {{"Docker-Content-Digest", manifest->digest},
                   {"ETag", etag},
                   {"Cache-Control", IsDigest(head.route.reference) ? kImmutable : "no-cache"}};
  if (!head.if_none_match.empty() && MatchesETag(head.if_none_match, etag)) {
    reply.status = 304;
    return reply;
  }
  reply.headers.emplace_back("Content-Type", manifest->media_type);
  reply.body = std::move(manifest->bytes);
  return reply;
}

Reply Service::PutManifest(const RequestHead& head, const std::string& body) {
  const std::string digest = os::DigestText(os::Sha256::Of(body));
  const bool by_digest = IsDigest(head.route.reference);
  if (by_digest && head.route.reference != digest) {
    return FromError({400, "DIGEST_INVALID", "the manifest received hashes to " + digest});
  }
  auto parsed = ParseManifest(body, head.content_type);
  if (auto* error = std::get_if<ApiError>(&parsed)) return FromError(*error);
  const auto& info = std::get<ManifestInfo>(parsed);
  Status stored =
      storage_->PutManifest(head.route.name, by_digest ? "" : head.route.reference, digest, body, info);
  if (!stored.ok()) {
    if (stored.error().code != Errc::kNotFound) return FromStorage(stored.error());
    return FromError({404, "MANIFEST_BLOB_UNKNOWN", stored.error().message});
  }
  Reply reply;
  reply.status = 201;
  reply.headers = {{"Location", "/v2/" + head.route.name + "/manifests/" + digest},
                   {"Docker-Content-Digest", digest}};
  if (!info.subject.empty()) reply.headers.emplace_back("OCI-Subject", info.subject);
  return reply;
}

Reply Service::Referrers(const RequestHead& head) {
  auto texts = storage_->Referrers(head.route.name, head.route.reference);
  if (!texts.ok()) return FromStorage(texts.error());
  const std::string* wanted = head.route.Query("artifactType");
  json manifests = json::array();
  for (const std::string& text : *texts) {
    json descriptor = json::parse(text, nullptr, false);
    if (!descriptor.is_object()) continue;
    if (wanted != nullptr && descriptor.value("artifactType", "") != *wanted) continue;
    manifests.push_back(std::move(descriptor));
  }
  Reply reply = JsonReply(200, {{"schemaVersion", 2}, {"mediaType", kIndexType}, {"manifests", manifests}});
  reply.headers[0].second = kIndexType;
  if (wanted != nullptr) reply.headers.emplace_back("OCI-Filters-Applied", "artifactType");
  return reply;
}

Reply Service::UploadStatus(const RequestHead& head) {
  if (head.method != Method::kGet && head.method != Method::kDelete) return NotAllowed();
  auto upload = uploads_.Borrow(head.route.name, head.route.reference);
  if (!upload.ok()) {
    if (upload.error().code == Errc::kBusy)
      return FromError({409, "BLOB_UPLOAD_INVALID", upload.error().message});
    return FromError({404, "BLOB_UPLOAD_UNKNOWN", upload.error().message});
  }
  const bool keep = head.method == Method::kGet;
  Reply reply = keep ? UploadReply(204, **upload) : StatusOnly(204);
  uploads_.Return(*upload, keep);
  return reply;
}

std::variant<Reply, std::shared_ptr<Upload>> Service::BeginPost(const RequestHead& head) {
  const std::string* digest = head.route.Query("digest");
  if (digest != nullptr && !IsDigest(*digest)) {
    return FromError({400, "DIGEST_INVALID", "digest is not sha256:<64 hex digits>"});
  }
  const std::string* mount = head.route.Query("mount");
  const std::string* from = head.route.Query("from");
  if (mount != nullptr && !IsDigest(*mount)) {
    return FromError({400, "DIGEST_INVALID", "mount is not sha256:<64 hex digits>"});
  }
  if (mount != nullptr && from != nullptr) {
    if (!IsRepositoryName(*from))
      return FromError({400, "NAME_INVALID", "from is not a legal repository name"});
    auto mounted = storage_->MountBlob(head.route.name, *from, *mount);
    if (!mounted.ok()) return FromStorage(mounted.error());
    if (*mounted) return Created(head.route.name, *mount);
  }
  auto upload = uploads_.Create(head.route.name);
  if (!upload.ok()) return FromStorage(upload.error());
  return *upload;
}

std::variant<Reply, std::shared_ptr<Upload>> Service::Begin(const RequestHead& head) {
  if (options_.max_blob != 0 && head.content_length.value_or(0) > options_.max_blob) {
    return FromError({413, "SIZE_INVALID", "larger than this server accepts"});
  }
  if (head.method == Method::kPost) return BeginPost(head);
  if (head.method == Method::kPut) {
    const std::string* digest = head.route.Query("digest");
    if (digest == nullptr || !IsDigest(*digest)) {
      return FromError({400, "DIGEST_INVALID", "digest is missing or not sha256:<64 hex digits>"});
    }
  }
  auto upload = uploads_.Borrow(head.route.name, head.route.reference);
  if (!upload.ok()) {
    if (upload.error().code == Errc::kBusy)
      return FromError({409, "BLOB_UPLOAD_INVALID", upload.error().message});
    return FromError({404, "BLOB_UPLOAD_UNKNOWN", upload.error().message});
  }
  if (!head.content_range.empty()) {
    const auto range = ParseContentRange(head.content_range);
    std::optional<Reply> refusal;
    if (!range || (head.content_length && *head.content_length != range->length)) {
      refusal = FromError({400, "SIZE_INVALID", "Content-Range and Content-Length do not fit together"});
    } else if (range->offset != (*upload)->size()) {
      refusal = FromError({416, "BLOB_UPLOAD_INVALID", "the chunk does not begin where the last one ended"});
      AddHeaders(UploadReply(416, **upload), &*refusal);
    }
    if (refusal) {
      uploads_.Return(*upload, true);
      return *refusal;
    }
  }
  return *upload;
}

Status Service::Append(const std::shared_ptr<Upload>& upload, std::span<const uint8_t> bytes) {
  if (options_.max_blob != 0 && upload->size() + bytes.size() > options_.max_blob) {
    return Error{Errc::kInvalid, "larger than this server accepts"};
  }
  return upload->Append(bytes);
}

Reply Service::Created(const std::string& name, const std::string& digest) const {
  Reply reply;
  reply.status = 201;
  reply.headers = {{"Location", "/v2/" + name + "/blobs/" + digest}, {"Docker-Content-Digest", digest}};
  return reply;
}

Reply Service::Finish(const RequestHead& head, const std::shared_ptr<Upload>& upload) {
  const std::string* digest = head.route.Query("digest");
  const bool complete = head.method == Method::kPut || (head.method == Method::kPost && digest != nullptr);
  if (!complete) {
    Reply reply = UploadReply(202, *upload);
    uploads_.Return(upload, true);
    return reply;
  }
  Status committed = upload->Commit(storage_, *digest);
  uploads_.Return(upload, false);
  if (committed.ok()) return Created(upload->name(), *digest);
  if (committed.error().code == Errc::kCorrupt) {
    return FromError({400, "DIGEST_INVALID", committed.error().message});
  }
  return FromStorage(committed.error());
}

}  // namespace plume::server
