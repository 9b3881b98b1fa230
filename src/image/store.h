// The local image store: an OCI image layout folder whose entries are named "NAME:VERSION".
// docs/formats/store.md
//
// Crash safety: a blob is written under a temporary name, flushed, verified, renamed; index.json is replaced
// atomically and only names images whose blobs are all there. So a kill at any instant leaves a valid store,
// at worst with blobs that nothing refers to; CollectGarbage removes those. Several processes may use one
// store at once: index.json changes under an exclusive lock; builders hold the shared blob lock from their
// first blob to their tag, and garbage collection takes it exclusively. All functions are thread-safe.
#pragma once
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "image/config.h"
#include "image/layout.h"
#include "image/manifest.h"
#include "os/file.h"

namespace plume::image {

struct ImageRef {
  std::string name, version;
  std::string digest;  // of the manifest
  std::string Text() const { return name + ":" + version; }
};

class Store {
 public:
  // Opens the store at `directory`, making an empty one if there is none. `files` must outlive the store.
  static Result<std::unique_ptr<Store>> Open(os::FileSystem& files, const os::Path& directory);

  Result<std::vector<ImageRef>> List() const;  // sorted by name, then version
  // "NAME:VERSION", "NAME" (the highest version), "sha256:<hex>" or an unambiguous prefix of at least 6 hex
  // digits.
  Result<ImageRef> Resolve(const std::string& ref) const;
  Result<Manifest> ReadManifest(const std::string& digest) const;
  Result<Config> ReadConfig(const Manifest& manifest) const;
  // Makes NAME:VERSION (from the manifest) mean this manifest; every blob of it must be in the store, with
  // its size.
  Result<ImageRef> Tag(const std::string& manifest_digest);
  // Forgets NAME:VERSION; its blobs stay until CollectGarbage.
  Status Remove(const ImageRef& image);

  // Blobs, the blob lock, garbage collection.
  Layout& layout() { return *layout_; }
  const Layout& layout() const { return *layout_; }

 private:
  explicit Store(std::unique_ptr<Layout> layout) : layout_(std::move(layout)) {}
  const std::unique_ptr<Layout> layout_;
};

// Orders versions as people read them: runs of digits compare as numbers ("1.10" > "1.9"). Negative, 0,
// positive.
int CompareVersions(std::string_view a, std::string_view b);

}  // namespace plume::image
