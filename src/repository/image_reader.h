// The files of an image, read from a repository: verified, nothing kept. Thread-safe once opened.
#pragma once
#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "catalog/reader.h"
#include "image/manifest.h"
#include "repository/repository.h"

namespace plume::repository {

class ImageReader {
 public:
  // Reads manifest and catalog. `from` must outlive the result.
  static Result<std::unique_ptr<ImageReader>> Open(Repository& from, const std::string& digest);

  const image::Manifest& manifest() const { return manifest_; }
  const catalog::Reader& catalog() const { return reader_; }
  const std::vector<uint8_t>& catalog_bytes() const { return catalog_; }
  const catalog::Chunk& chunk(const catalog::Entry& entry, uint32_t i) const {
    return *reader_.raw().chunks()->Get(reader_.raw().chunk_refs()->Get(entry.first_chunk() + i));
  }
  // The bytes of a file. kCorrupt if they are not what the catalog says.
  Result<std::vector<uint8_t>> ReadFile(uint32_t entry) const;

 private:
  ImageReader(Repository& from) : from_(from) {}
  Repository& from_;
  image::Manifest manifest_;
  std::vector<uint8_t> catalog_;
  catalog::Reader reader_;
};

}  // namespace plume::repository
