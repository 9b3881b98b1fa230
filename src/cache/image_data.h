// An image as it lies in the state folder: manifest, config and catalog, loaded or fetched; names and places
// of its files. Immutable after construction, so any thread may use it.
#pragma once
#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "cache/cache.h"
#include "cache/source.h"
#include "image/manifest.h"
#include "os/mapped_file.h"

namespace plume::cache {

// Where things are below the state folder. `hex` is the manifest's digest.
struct Places {
  os::Path state;
  os::Path Catalogs() const { return state / "catalogs"; }
  os::Path Catalog(const std::string& hex) const { return Catalogs() / (hex + ".plc"); }
  os::Path CatalogHash(const std::string& hex) const { return Catalogs() / (hex + ".plc.sha256"); }
  os::Path Manifest(const std::string& hex) const { return Catalogs() / (hex + ".manifest.json"); }
  os::Path CatalogLayer(const std::string& hex) const { return Catalogs() / (hex + ".layer"); }
  os::Path Config(const std::string& hex) const { return Catalogs() / (hex + ".config.json"); }
  os::Path Images() const { return state / "images"; }
  os::Path Files(const std::string& hex) const { return Images() / hex; }
  os::Path Temporary() const { return Images() / "tmp"; }
  os::Path Markers() const { return Images() / "unsettled"; }
};

struct ImageDelta;

class ImageData {
 public:
  // Returns bytes with the digest manifest.catalog.digest, or nothing.
  using MakeLayer = std::function<std::optional<os::Bytes>(const image::Manifest& manifest)>;
  // What lies in the state folder; kNotFound if the image is not (completely) here, kCorrupt if it is
  // damaged.
  static Result<std::shared_ptr<ImageData>> Load(os::FileSystem& files, const Places& places,
                                                 const std::string& digest);
  // Fetches manifest, config and catalog, verifies them, and puts them into the state folder; the catalog
  // last.
  // `variables` as in Options. `make_layer` may know the catalog's layer already.
  static Status Fetch(os::FileSystem& files, const Places& places, Source& source, const std::string& digest,
                      const std::vector<std::pair<std::string, std::u16string>>& variables,
                      const MakeLayer& make_layer = nullptr);

  const Image& image() const { return image_; }
  const catalog::Reader& catalog() const { return image_.catalog; }
  const image::Manifest& manifest() const { return manifest_; }
  bool Holds(uint32_t entry) const { return entry < image_.catalog.entry_count(); }
  bool IsDirectory(uint32_t entry) const {
    return (catalog().entry(entry).flags() & catalog::kDirectory) != 0;
  }
  // REQUIRES: Holds(entry), for all below.
  os::Path PathOf(uint32_t entry) const;
  std::string NameOf(uint32_t entry) const;  // "C\Program Files\A\a.dll"
  // The chunk at position `i` of a file's chunks.
  uint32_t ChunkOf(const catalog::Entry& entry, uint32_t i) const {
    return catalog().raw().chunk_refs()->Get(entry.first_chunk() + i);
  }
  const catalog::Chunk& chunk(uint32_t i) const { return *catalog().raw().chunks()->Get(i); }
  std::string PackDigest(uint32_t pack) const;
  // The entry of a file below image().files, by its path relative to that folder; catalog::kNone if the
  // catalog has none.
  uint32_t EntryOf(const os::Path& relative) const;

  // Set by Attach; null until then. Missing files come from here.
  std::shared_ptr<Source> source() const { return std::atomic_load(&source_); }
  void set_source(std::shared_ptr<Source> source) { std::atomic_store(&source_, std::move(source)); }

  // How its files are made from those of an older image here; null if nobody knows.
  std::shared_ptr<ImageDelta> delta() const { return std::atomic_load(&delta_); }
  void set_delta(std::shared_ptr<ImageDelta> delta) {
    std::atomic_store(&delta_, std::move(delta));
    delta_asked = true;
  }
  std::atomic<bool> delta_asked{false};  // the repository was asked for one
  std::mutex asking;                     // held by who asks

  // Gives the catalog back to the system. REQUIRES: nobody uses catalog() any more.
  void Unmap() { mapping_ = os::MappedFile(); }

  std::atomic<bool> attached{false};  // by Attach in this process
  std::atomic<bool> removed{false};   // by Remove: no new hydration may begin

 private:
  std::u16string RelativeName(uint32_t entry) const;  // with backslashes, beginning with the root's name
  Image image_;
  image::Manifest manifest_;
  os::MappedFile mapping_;
  std::shared_ptr<Source> source_;     // atomic access only
  std::shared_ptr<ImageDelta> delta_;  // atomic access only
};

// The bytes of a file whose digest must be `digest`: reads a blob whole. kCorrupt naming `what` if they are
// others.
Result<os::Bytes> FetchBlob(Source& source, const std::string& digest, uint64_t size, uint64_t limit,
                            const std::string& what);

}  // namespace plume::cache
