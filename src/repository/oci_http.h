// Repository over an OCI registry: "http(s)://host[:port]/name". Source: OCI Distribution Specification 1.1.
#pragma once
#include <atomic>
#include <memory>
#include <string>

#include "os/clock.h"
#include "repository/auth.h"
#include "repository/repository.h"

namespace plume::repository {

class OciHttp : public Repository {
 public:
  // `url` without credentials and query; its path is the name. `clock` must outlive the object.
  OciHttp(std::shared_ptr<os::HttpClient> http, const os::HttpUrl& url, std::string name,
          Credentials credentials, os::Clock& clock);
  std::string Name() const override { return origin_ + "/" + name_; }
  Result<ManifestBlob> GetManifest(const std::string& tag_or_digest) override;
  Status ReadBlob(const std::string& digest, uint64_t offset, uint64_t length, const Sink& sink) override;
  Result<bool> HasBlob(const std::string& digest) override;
  Status PutBlob(const std::string& digest, uint64_t size,
                 const std::function<Status(const Sink&)>& read) override;
  Status PutManifest(const std::string& tag, const ManifestBlob& manifest) override;
  Result<std::vector<std::string>> Tags() override;
  Result<std::vector<Referrer>> Referrers(const std::string& subject,
                                          const std::string& artifact_type) override;
  Status PutReferrer(const ManifestBlob& manifest) override;

 private:
  // Sends with Authorization, signing in if the server asks. Collects the body unless a sink takes it.
  Result<os::HttpResponse> Send(os::HttpRequest request, const std::string& access, const os::HttpSink& sink);
  Result<os::HttpClient::Text> SendText(os::HttpRequest request, const std::string& access);
  Result<std::string> StartUpload();
  // The image index under a tag; kNotFound if there is none.
  Result<std::string> ReadIndex(const std::string& tag);
  Status PutUnder(const std::string& tag_or_digest, const ManifestBlob& manifest, bool* subject_known);
  Status AddToFallback(const std::string& subject, const Referrer& referrer);
  // One PATCH of [start, size); *location follows the server.
  Status SendPart(std::string* location, uint64_t start, uint64_t size,
                  const std::function<Status(const Sink&)>& read);
  // How much of an upload the server has; kNotFound if it forgot the upload.
  Result<uint64_t> UploadedBytes(std::string* location);
  Status FinishUpload(const std::string& location, const std::string& digest);
  std::string Url(const std::string& rest) const { return origin_ + "/v2/" + name_ + rest; }
  std::string Absolute(std::string_view location) const;

  const std::shared_ptr<os::HttpClient> http_;
  const std::string origin_, name_;
  Authenticator authenticator_;
  os::Clock& clock_;
  std::atomic<bool> no_referrers_api_{false};  // learned from its first answer
};

}  // namespace plume::repository
