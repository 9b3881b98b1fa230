// What the server keeps on disk, and the only code that touches it:
//
//   root/blobs/sha256/ab/<hex>                 bytes of blobs and manifests, named by what they hash to
//   root/uploads/<id>                          bytes not yet verified, and temporary files; emptied by Open
//   root/repositories/<name>/_blobs/<hex>      empty: the repository has this blob
//   root/repositories/<name>/_manifests/<hex>  the manifest's media type
//   root/repositories/<name>/_tags/<tag>       a manifest digest
//   root/repositories/<name>/_referrers/<subject hex>/<hex>   descriptor (JSON) of a manifest with that
//   subject root/serve.lock, root/gc.lock
//
// A name appears in `repositories` only after the bytes below `blobs` are complete, verified and flushed;
// every file gets its name by rename and its directory is flushed. So a crash at any instant leaves either
// nothing visible or all of it. Thread-safe. gc may run in another process (gc.h).
#pragma once
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/result.h"
#include "os/file.h"
#include "os/lock.h"
#include "server/manifest.h"

namespace plume::server {

struct BlobInfo {
  os::Path path;
  uint64_t size = 0;
};

struct StoredManifest {
  std::string digest, media_type, bytes;
};

class Storage {
 public:
  // Takes root/serve.lock for as long as the Storage lives (kBusy if another server has it) and removes the
  // uploads of a former run. `files` must outlive the Storage.
  static Result<std::unique_ptr<Storage>> OpenForServing(const os::Path& root, os::FileSystem& files);

  // --- blobs. kNotFound if the repository does not have it. `keep` also protects it from a running gc for
  // its grace period, for callers that tell a client "no need to push it".
  Result<BlobInfo> FindBlob(const std::string& name, const std::string& digest, bool keep);
  // Makes the flushed temporary file `source` the blob `digest` of `name`. The caller has verified the
  // digest.
  Status AdoptBlob(const std::string& name, const std::string& digest, const os::Path& source);
  // False if `from` does not have it.
  Result<bool> MountBlob(const std::string& name, const std::string& from, const std::string& digest);
  Status DeleteBlob(const std::string& name, const std::string& digest);

  // --- manifests
  // Stores it and, unless `tag` is empty, points the tag at it. kNotFound naming the digest: it refers to
  // something that the repository does not have.
  Status PutManifest(const std::string& name, const std::string& tag, const std::string& digest,
                     std::string_view bytes, const ManifestInfo& info);
  Result<StoredManifest> GetManifest(const std::string& name, const std::string& tag_or_digest);
  // A tag: only the tag. A digest: the manifest, every tag that points at it, and its entry among referrers.
  Status DeleteManifest(const std::string& name, const std::string& tag_or_digest);
  Result<std::vector<std::string>> Tags(const std::string& name);  // sorted; kNotFound: no such repository
  Result<std::vector<std::string>> Repositories();                 // sorted; those with a manifest
  Result<std::vector<std::string>> Referrers(const std::string& name,
                                             const std::string& subject);  // JSON texts

  os::FileSystem& files() { return files_; }
  os::Path UploadPath(const std::string& id) const { return root_ / "uploads" / id; }
  Result<uint64_t> FreeSpace() { return files_.FreeSpace(root_); }

 private:
  Storage(os::Path root, os::FileSystem& files, os::FileLock lock);
  os::Path BlobPath(std::string_view digest) const;
  os::Path RepositoryPath(std::string_view name) const;
  os::Path LinkPath(std::string_view name, const char* kind, std::string_view digest) const;
  Result<os::FileLock> HoldOffGc() const;
  Status Touch(const os::Path& path);
  Status EnsureDirectory(const os::Path& path);
  // Writes a small file under its final name, durably.
  Status Publish(const os::Path& path, std::string_view bytes);
  Status RequireReferences(const std::string& name, const ManifestInfo& info);
  void ListRepositories(const os::Path& folder, const std::string& prefix, std::vector<std::string>* out);

  const os::Path root_;
  os::FileSystem& files_;
  os::FileLock serve_lock_;
  std::mutex manifest_mutex_;  // one change of manifests and tags at a time
  std::mutex known_mutex_;
  std::set<os::Path> known_directories_;  // guarded by known_mutex_: made and flushed
};

}  // namespace plume::server
