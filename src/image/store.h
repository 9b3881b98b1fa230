// The local image store: an OCI image layout folder (oci-layout, index.json, blobs/sha256/...) as any OCI tool reads
// it. docs/formats/store.md
//
// Crash safety: a blob is written under a temporary name, flushed, verified, renamed; index.json is replaced
// atomically and only names images whose blobs are all there. So a kill at any instant leaves a valid store, at worst with blobs that
// nothing refers to; CollectGarbage removes those. Several processes may use one store at once: index.json changes under
// an exclusive lock; builders hold the shared blob lock from their first blob to their tag, and garbage
// collection takes it exclusively. All functions are thread-safe.
#pragma once
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "base/result.h"
#include "image/config.h"
#include "image/manifest.h"
#include "os/file.h"
#include "os/lock.h"
#include "os/sha256.h"

namespace plume::image {

struct ImageRef {
  std::string name, version;  // version may be empty for an untagged image
  std::string digest;         // of the manifest
  uint64_t size = 0;          // of the manifest
  std::string Text() const { return version.empty() ? digest : name + ":" + version; }
};

class Store;

// A blob being written. Not visible until Commit; dropped by the destructor otherwise. One thread at a time.
class BlobWriter {
 public:
  ~BlobWriter();
  Status Write(os::ByteView bytes);
  uint64_t size() const { return size_; }
  // Flushes and publishes the blob under its digest, which is returned. With `expected` (a "sha256:..." digest) it must
  // be that one, else kCorrupt and nothing is published. An existing equal blob is kept.
  Result<Descriptor> Commit(const std::string& media_type, const std::string& expected = "");

 private:
  friend class Store;
  BlobWriter(Store& store, os::Path temporary, std::unique_ptr<os::File> file);
  Store& store_;
  os::Path temporary_;
  std::unique_ptr<os::File> file_;
  os::Sha256 hash_;
  uint64_t size_ = 0;
};

class Store {
 public:
  // Opens the layout at `directory`, making an empty one if there is none. `files` must outlive the store.
  static Result<std::unique_ptr<Store>> Open(os::FileSystem& files, const os::Path& directory);

  const os::Path& directory() const { return directory_; }

  // --- images
  Result<std::vector<ImageRef>> List() const;  // sorted by name, then version
  // "NAME:VERSION", "NAME" (the highest version), "sha256:<hex>" or an unambiguous prefix of at least 6 hex digits.
  Result<ImageRef> Resolve(const std::string& ref) const;
  Result<Manifest> ReadManifest(const std::string& digest) const;
  Result<Config> ReadConfig(const Manifest& manifest) const;
  // Makes NAME:VERSION mean this manifest; every blob of it must be in the store. Replaces an earlier meaning.
  Status Tag(const std::string& name, const std::string& version, const std::string& manifest_digest);
  // Forgets NAME:VERSION (blobs stay until CollectGarbage).
  Status Remove(const ImageRef& image);
  // Removes every blob no image refers to and leftovers of killed writers; returns the bytes freed. kBusy if a
  // builder is running and stays for 2 seconds.
  Result<uint64_t> CollectGarbage();

  // --- blobs, by "sha256:<hex>"
  bool HasBlob(const std::string& digest) const;
  Result<uint64_t> BlobSize(const std::string& digest) const;
  os::Path BlobPath(const std::string& digest) const;
  // The whole blob, verified against its digest (kCorrupt otherwise).
  Result<os::Bytes> ReadBlob(const std::string& digest, uint64_t limit) const;
  // Bytes [offset, offset + length), not verified; kCorrupt if the blob is shorter.
  Result<os::Bytes> ReadBlobRange(const std::string& digest, uint64_t offset, uint64_t length) const;
  Result<std::unique_ptr<BlobWriter>> NewBlob();
  Result<Descriptor> PutBlob(os::ByteView bytes, const std::string& media_type);

  // Keeps CollectGarbage away from blobs that no tag refers to yet. Hold it from the first blob until Tag.
  Result<os::FileLock> HoldBlobs() const;

  os::FileSystem& files() const { return files_; }

 private:
  friend class BlobWriter;
  struct IndexEntry;
  Store(os::FileSystem& files, os::Path directory);
  Result<std::vector<ImageRef>> ReadIndex() const;
  Status WriteIndex(const std::vector<ImageRef>& images);
  Status CheckComplete(const std::string& manifest_digest, uint64_t* manifest_size) const;
  os::FileSystem& files_;
  const os::Path directory_;
  std::mutex mutex_;  // serialises index changes within this process (the lock file does between processes)
};

// Orders versions as people read them: runs of digits compare as numbers ("1.10" > "1.9"). <0, 0, >0.
int CompareVersions(std::string_view a, std::string_view b);

}  // namespace plume::image
