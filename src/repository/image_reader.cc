#include "repository/image_reader.h"

#include <algorithm>

#include "image/codec.h"
#include "os/sha256.h"

namespace plume::repository {
namespace {

constexpr uint64_t kMaxRead = 8u << 20;  // bytes of neighbouring chunks read at once

Result<std::vector<uint8_t>> ReadExactly(Repository& from, const std::string& digest, uint64_t offset,
                                         uint64_t length) {
  std::vector<uint8_t> bytes;
  bytes.reserve(static_cast<size_t>(length));
  TRY(from.ReadBlob(digest, offset, length, [&](std::span<const uint8_t> piece) -> Status {
    if (piece.size() > length - bytes.size())
      return Error{Errc::kCorrupt, "reading the blob " + digest + ": too many bytes came"};
    bytes.insert(bytes.end(), piece.begin(), piece.end());
    return Ok();
  }));
  if (bytes.size() != length)
    return Error{Errc::kCorrupt, "reading the blob " + digest + ": too few bytes came"};
  return bytes;
}

}  // namespace

Result<std::unique_ptr<ImageReader>> ImageReader::Open(Repository& from, const std::string& digest) {
  std::unique_ptr<ImageReader> out(new ImageReader(from));
  ASSIGN(const ManifestBlob manifest, from.GetManifest(digest));
  if (os::DigestText(os::Sha256::Of(manifest.bytes)) != digest)
    return Error{Errc::kCorrupt,
                 "reading the manifest " + digest + " from " + from.Name() + ": it is another one"};
  ASSIGN(out->manifest_, image::ParseManifest(manifest.bytes));
  const image::Descriptor& layer = out->manifest_.catalog;
  if (layer.size > image::kMaxCatalogBytes)
    return Error{Errc::kInvalid, "reading the catalog of " + digest + ": it is larger than any may be"};
  ASSIGN(const std::vector<uint8_t> packed, ReadExactly(from, layer.digest, 0, layer.size));
  if (os::DigestText(os::Sha256::Of(std::span<const uint8_t>(packed))) != layer.digest)
    return Error{Errc::kCorrupt, "reading the catalog of " + digest + ": its bytes are wrong"};
  ASSIGN(out->catalog_, image::UnpackCatalog(packed));
  if (!catalog::Reader::Verify(out->catalog_.data(), out->catalog_.size()) ||
      !out->reader_.Attach(out->catalog_.data(), out->catalog_.size()) ||
      out->reader_.raw().packs()->size() != out->manifest_.packs.size()) {
    return Error{Errc::kInvalid, "reading the catalog of " + digest + ": it is malformed"};
  }
  return out;
}

Result<std::vector<uint8_t>> ImageReader::ReadFile(uint32_t e) const {
  const catalog::Entry& entry = reader_.entry(e);
  std::vector<uint8_t> out;
  out.reserve(static_cast<size_t>(entry.size()));
  for (uint32_t i = 0; i < entry.chunk_count();) {
    const catalog::Chunk& first = chunk(entry, i);
    uint64_t end = first.offset() + first.stored();
    uint32_t last = i + 1;
    for (; last < entry.chunk_count(); ++last) {
      const catalog::Chunk& next = chunk(entry, last);
      if (next.pack() != first.pack() || next.offset() != end || end - first.offset() > kMaxRead) break;
      end += next.stored();
    }
    ASSIGN(const std::vector<uint8_t> bytes,
           ReadExactly(from_, manifest_.packs[first.pack()].digest, first.offset(), end - first.offset()));
    size_t at = 0;
    for (; i < last; ++i) {
      const catalog::Chunk& one = chunk(entry, i);
      os::Digest digest;
      std::copy_n(one.digest().bytes()->data(), digest.size(), digest.begin());
      ASSIGN(const std::vector<uint8_t> plain,
             image::DecodeChunk(std::span(bytes).subspan(at, one.stored()), one.size(), digest));
      out.insert(out.end(), plain.begin(), plain.end());
      at += one.stored();
    }
  }
  return out;
}

}  // namespace plume::repository
