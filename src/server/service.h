// The OCI Distribution API without a network: a parsed request in, a reply out. The transport (connection.h)
// moves the bytes. Thread-safe; calls block on the disk, so the transport runs those that write on worker
// threads. Source: OCI Distribution Specification 1.1.
#pragma once
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "server/protocol.h"
#include "server/storage.h"
#include "server/upload.h"

namespace plume::server {

enum class Method : uint8_t { kGet, kHead, kPost, kPut, kPatch, kDelete, kOther };

struct RequestHead {
  Method method = Method::kGet;
  Route route;
  std::string content_type, content_range, range, if_none_match, if_range;
  std::optional<uint64_t> content_length;  // absent: chunked, or no body
};

struct FileBody {
  os::Path path;
  uint64_t offset = 0, length = 0;
};

// For HEAD the transport announces the length of body or file and sends neither.
struct Reply {
  unsigned status = 200;
  std::vector<std::pair<std::string, std::string>> headers;
  std::string body;
  std::optional<FileBody> file;
  std::string trouble;  // for the server's log alone: what its storage could not do
};

// Where the body of a request goes.
enum class BodyUse : uint8_t {
  kNone,    // Answer; a body is ignored
  kMemory,  // Answer with the body, at most kMaxManifest bytes
  kUpload,  // Begin, Upload::Append..., Finish
};

inline constexpr uint64_t kMaxManifest = 4u << 20;  // what the specification asks registries to accept

struct ServiceOptions {
  bool read_only = false;  // every change is refused
  std::chrono::seconds upload_idle{3600};
  size_t max_uploads = 1024;
  uint64_t max_blob = 0;  // bytes; 0 = no limit but the disk's
};

class Service {
 public:
  // `storage` must outlive the Service.
  Service(Storage* storage, const ServiceOptions& options)
      : storage_(storage), options_(options), uploads_(storage, options.upload_idle, options.max_uploads) {}

  BodyUse UseOf(const RequestHead& head) const;
  // True if answering may write, flush or list directories, and so belongs on a worker thread.
  static bool IsSlow(const RequestHead& head);
  Reply Answer(const RequestHead& head, const std::string& body);

  // Requests with BodyUse::kUpload: the upload to append to, or the final reply.
  std::variant<Reply, std::shared_ptr<Upload>> Begin(const RequestHead& head);
  Status Append(const std::shared_ptr<Upload>& upload, std::span<const uint8_t> bytes);
  Reply Finish(const RequestHead& head, const std::shared_ptr<Upload>& upload);
  // The body did not arrive, or Append failed. `keep`: what arrived may be continued.
  void Abort(const std::shared_ptr<Upload>& upload, bool keep) { uploads_.Return(upload, keep); }

  void Expire() { uploads_.Expire(); }
  static Reply FromError(const ApiError& error);
  // Storage failures that no endpoint gives a meaning of its own.
  static Reply FromStorage(const Error& error);

 private:
  Reply Catalog(const RequestHead& head);
  Reply Tags(const RequestHead& head);
  Reply Blob(const RequestHead& head);
  Reply Manifest(const RequestHead& head, const std::string& body);
  Reply GetManifest(const RequestHead& head);
  Reply PutManifest(const RequestHead& head, const std::string& body);
  Reply Referrers(const RequestHead& head);
  Reply UploadStatus(const RequestHead& head);
  std::variant<Reply, std::shared_ptr<Upload>> BeginPost(const RequestHead& head);
  Reply Created(const std::string& name, const std::string& digest) const;

  Storage* const storage_;
  const ServiceOptions options_;
  Uploads uploads_;
};

}  // namespace plume::server
