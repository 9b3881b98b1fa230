// An OCI image layout folder: oci-layout, index.json, blobs/sha256/<hex>. The part that the local image store
// and `oci:` repositories share. Source: OCI Image Format Specification 1.1, image-layout.md.
//
// Crash safety and concurrency are described in image/store.h; all functions are thread-safe. index.json
// entries that other tools made are kept as they are.
#pragma once
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "base/result.h"
#include "image/manifest.h"
#include "os/file.h"
#include "os/lock.h"
#include "os/sha256.h"

namespace plume::image {

// One named entry of index.json.
struct LayoutEntry {
  std::string ref_name;  // annotation org.opencontainers.image.ref.name
  Descriptor manifest;
};

class Layout;

// A blob being written. Not visible until Commit; dropped by the destructor otherwise. One thread at a time.
class BlobWriter {
 public:
  ~BlobWriter();
  BlobWriter(const BlobWriter&) = delete;
  BlobWriter& operator=(const BlobWriter&) = delete;
  Status Write(os::ByteView bytes);
  uint64_t size() const { return size_; }
  // Flushes and publishes the blob under its digest, which is returned. With `expected` (a "sha256:..."
  // digest) it must be that one, else kCorrupt and nothing is published. An existing equal blob is kept.
  Result<Descriptor> Commit(const std::string& media_type, const std::string& expected = "");

 private:
  friend class Layout;
  BlobWriter(const Layout& layout, os::Path temporary, std::unique_ptr<os::File> file);
  const Layout& layout_;
  const os::Path temporary_;
  std::unique_ptr<os::File> file_;
  os::Sha256 hash_;
  uint64_t size_ = 0;
};

class Layout {
 public:
  // Opens the layout at `directory`. With `create` an empty one is made if there is none, else that is
  // kNotFound. `files` must outlive the layout.
  static Result<std::unique_ptr<Layout>> Open(os::FileSystem& files, const os::Path& directory, bool create);

  const os::Path& directory() const { return directory_; }
  os::FileSystem& files() const { return files_; }

  // --- index.json
  Result<std::vector<LayoutEntry>> Entries() const;  // those with a ref.name, in file order
  Result<LayoutEntry> Find(const std::string& ref_name) const;
  // Makes `ref_name` mean this manifest, replacing an earlier meaning.
  Status Set(const LayoutEntry& entry);
  Status Erase(const std::string& ref_name);

  // --- blobs, by "sha256:<hex>"
  bool HasBlob(const std::string& digest) const;
  Result<uint64_t> BlobSize(const std::string& digest) const;
  os::Path BlobPath(const std::string& digest) const;  // REQUIRES a well-formed digest
  Result<os::Bytes> ReadBlob(const std::string& digest, uint64_t limit) const;  // verified, else kCorrupt
  Result<os::Bytes> ReadBlobRange(const std::string& digest, uint64_t offset,
                                  uint64_t length) const;  // not verified
  // Pieces of [offset, offset + length), length 0 = to the end; not verified. kCorrupt if the blob is
  // shorter.
  Status StreamBlob(const std::string& digest, uint64_t offset, uint64_t length,
                    const std::function<Status(os::ByteView)>& sink) const;
  // Reads the whole blob and compares its digest.
  Status CheckBlob(const Descriptor& blob) const;
  Result<std::unique_ptr<BlobWriter>> NewBlob() const;
  Result<Descriptor> PutBlob(os::ByteView bytes, const std::string& media_type) const;

  // Keeps CollectGarbage away from blobs that no entry refers to yet.
  Result<os::FileLock> HoldBlobs() const;
  // Removes every blob that no entry's manifest refers to, and what killed writers left; returns the bytes
  // freed. What is attached to an image (entries "sha256-<hex>...") goes with it. kBusy if somebody holds the
  // blobs and goes on for 2 seconds.
  Result<uint64_t> CollectGarbage();

 private:
  friend class BlobWriter;
  Layout(os::FileSystem& files, os::Path directory);
  Result<std::string> ReadIndexText() const;
  Status ChangeIndex(const std::string& ref_name, const Descriptor* manifest);
  Status ChangeIndexLocked(const std::string& ref_name, const Descriptor* manifest);
  Result<std::vector<std::string>> Referenced(std::vector<std::string>* orphans) const;
  os::Path BlobFolder() const { return directory_ / "blobs" / "sha256"; }
  os::Path TemporaryFolder() const { return directory_ / "tmp"; }
  os::FileSystem& files_;
  const os::Path directory_;
};

}  // namespace plume::image
