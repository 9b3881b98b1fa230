// Repository over an image layout folder: "oci:DIR". Referrers are listed under the fallback tag.
#pragma once
#include <memory>
#include <mutex>
#include <optional>

#include "image/layout.h"
#include "repository/repository.h"

namespace plume::repository {

// The folder may not exist yet: reading is then kNotFound, the first PutBlob makes it. `files` must outlive
// the result.
class OciLayout : public Repository {
 public:
  OciLayout(os::FileSystem& files, os::Path directory, std::string name);
  std::string Name() const override { return name_; }
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
  Result<image::Layout*> Open(bool create);
  os::FileSystem& files_;
  const os::Path directory_;
  const std::string name_;
  std::mutex mutex_;
  std::unique_ptr<image::Layout> layout_;  // once opened it stays; guarded by mutex_
  std::optional<os::FileLock> hold_;       // from the first PutBlob to PutManifest; guarded by mutex_
};

}  // namespace plume::repository
