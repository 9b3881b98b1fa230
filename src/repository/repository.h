// Where images are: an OCI registry over HTTP, or an OCI image-layout folder. Wrappers (retry, faults) are
// Repositories too. Thread-safe: one object serves many threads. Nothing here is trusted: callers verify
// digests. Source: OCI Distribution Specification 1.1, OCI Image Format Specification 1.1.
#pragma once
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "os/clock.h"
#include "os/file.h"
#include "os/http.h"

namespace plume::repository {

struct ManifestBlob {
  std::string digest, media_type, bytes;
};                                                             // digest "sha256:<hex>" computed from bytes
using Sink = std::function<Status(std::span<const uint8_t>)>;  // pieces in order; an error stops the transfer

// A manifest that names an image as its subject: a profile, a statement (repository/artifact.h).
struct Referrer {
  std::string digest, media_type, artifact_type;
  uint64_t size = 0;
  std::map<std::string, std::string> annotations = {};
};

class Repository {
 public:
  virtual ~Repository() = default;
  virtual std::string Name() const = 0;  // as the user wrote it, for messages
  virtual Result<ManifestBlob> GetManifest(const std::string& tag_or_digest) = 0;
  // Bytes [offset, offset + length) of a blob; length 0 = to the end. Fewer or more bytes is an error.
  virtual Status ReadBlob(const std::string& digest, uint64_t offset, uint64_t length, const Sink& sink) = 0;
  virtual Result<bool> HasBlob(const std::string& digest) = 0;
  // `read(sink)` produces exactly `size` bytes and may be called again after a transport error.
  virtual Status PutBlob(const std::string& digest, uint64_t size,
                         const std::function<Status(const Sink&)>& read) = 0;
  virtual Status PutManifest(const std::string& tag, const ManifestBlob& manifest) = 0;
  virtual Result<std::vector<std::string>> Tags() = 0;
  // What is attached to the manifest `subject` (a digest), in no order that means something; of all kinds if
  // `artifact_type` is empty. Nothing attached, or no such image, is an empty list.
  virtual Result<std::vector<Referrer>> Referrers(const std::string& subject,
                                                  const std::string& artifact_type) = 0;
  // Stores a manifest under its digest; its blobs are there. Its subject need not be, and lists it from then.
  virtual Status PutReferrer(const ManifestBlob& manifest) = 0;
};

struct OpenOptions {
  // JSON with passwords and tokens by "host:port" (docs/formats/credentials.md); may be missing.
  // "user:password@" in the address goes before it.
  os::Path credentials;
  std::shared_ptr<os::HttpClient> http;  // default: os::MakeHttpClient()
  os::FileSystem* files = nullptr;       // default: os::SystemFiles()
  os::Clock* clock = nullptr;            // default: os::SystemClock(); waits between tries
  int tries = 5;                         // of an operation that failed with kUnreachable; 1 = no retry
};

// Opens `where`: "http(s)://[user:password@]host[:port]/name" or "oci:DIR", one application each: DIR is the
// layout folder itself and tags are its org.opencontainers.image.ref.name annotations (so skopeo reads
// oci:DIR:TAG). RepositoryOf (publish.h) joins what users call REPO with the name of an application. No
// connection is made here. Wrapped in retry with exponential back-off and jitter for Errc::kUnreachable.
Result<std::unique_ptr<Repository>> Open(const std::string& where, const OpenOptions& options = {});

}  // namespace plume::repository
