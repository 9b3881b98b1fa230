#include "cache/delta_source.h"

#include <algorithm>
#include <charconv>

#include "image/codec.h"
#include "os/sha256.h"

namespace plume::cache {
namespace {

// Enough for the head and the catalog's patch of most deltas: one round trip.
constexpr uint64_t kFirstRead = 64u << 10;
constexpr uint64_t kMaxDeltaBlob = 1ull << 40;
constexpr uint64_t kLargeBytes = 16u << 20;  // old and new file together
constexpr uint32_t kMostRefused = 3;

// A delta that is offered: its blob and the image it starts from.
struct Offer {
  std::string blob;
  uint64_t size = 0;
  const ImageData* base = nullptr;
};

std::string Annotation(const repository::Referrer& referrer, const char* name) {
  const auto found = referrer.annotations.find(name);
  return found == referrer.annotations.end() ? std::string() : found->second;
}

bool HasFiles(os::FileSystem& files, const ImageData& image) {
  const auto listed = files.List(image.image().files);
  return listed.ok() && !listed->empty();
}

}  // namespace

std::optional<os::Bytes> DeltaSource::Read(Source& source, const std::string& blob, uint64_t begin,
                                           uint64_t end) {
  os::Bytes bytes;
  bytes.reserve(static_cast<size_t>(end - begin));
  const Status read = source.ReadBlob(blob, begin, end - begin, [&](os::ByteView piece) -> Status {
    if (piece.size() > end - begin - bytes.size()) return Error{Errc::kCorrupt, "too many bytes"};
    bytes.insert(bytes.end(), piece.begin(), piece.end());
    return Ok();
  });
  if (!read.ok() || bytes.size() != end - begin) return std::nullopt;
  return bytes;
}

std::shared_ptr<ImageDelta> DeltaSource::Find(Source& source, const std::string& digest,
                                              const std::string& name,
                                              const std::vector<std::shared_ptr<ImageData>>& here) {
  std::vector<std::shared_ptr<ImageData>> bases;
  for (const auto& image : here) {
    if (image->image().digest != digest && image->manifest().name == name && !image->removed &&
        HasFiles(files_, *image)) {
      bases.push_back(image);
    }
  }
  if (bases.empty()) return nullptr;
  const auto listed = source.Referrers(digest, image::kDeltaArtifactType);
  if (!listed.ok()) return nullptr;
  std::vector<Offer> offers;
  for (const repository::Referrer& referrer : *listed) {
    const std::string of = Annotation(referrer, image::kDeltaBase);
    const auto base = std::find_if(bases.begin(), bases.end(),
                                   [&](const auto& image) { return image->image().digest == of; });
    Offer offer{Annotation(referrer, image::kDeltaBlob), 0, base == bases.end() ? nullptr : base->get()};
    const std::string size = Annotation(referrer, image::kDeltaSize);
    const auto [rest, error] = std::from_chars(size.data(), size.data() + size.size(), offer.size);
    if (offer.base == nullptr || !os::ParseDigest(offer.blob) || error != std::errc() ||
        rest != size.data() + size.size() || offer.size < image::kDeltaHeadStart ||
        offer.size > kMaxDeltaBlob) {
      continue;
    }
    offers.push_back(std::move(offer));
  }
  // The smallest starts from the version that is most like the new one.
  std::sort(offers.begin(), offers.end(), [](const Offer& a, const Offer& b) { return a.size < b.size; });
  for (const Offer& offer : offers) {
    if (auto delta = Open(source, digest, *offer.base, offer.blob, offer.size)) return delta;
  }
  return nullptr;
}

std::shared_ptr<ImageDelta> DeltaSource::Open(Source& source, const std::string& digest,
                                              const ImageData& base, const std::string& blob, uint64_t size) {
  auto out = std::make_shared<ImageDelta>();
  out->blob = blob;
  out->size = size;
  out->base = base.image().digest;
  const std::string what = "the delta " + blob + " of " + source.Name() + " for image " + digest;
  const auto useless = [&](const std::string& why) {
    if (options_.report) options_.report(what + " is not used: " + why);
    return nullptr;
  };
  auto start = Read(source, blob, 0, std::min(size, kFirstRead));
  if (!start) return nullptr;  // gone or offline: said by whoever needs a file
  const auto head_bytes = image::DeltaHeadBytes(*start, size);
  if (!head_bytes.ok()) return useless(head_bytes.error().message);
  if (*head_bytes > start->size()) {
    const auto rest = Read(source, blob, start->size(), *head_bytes);
    if (!rest) return nullptr;
    start->insert(start->end(), rest->begin(), rest->end());
  }
  auto head = image::ParseDeltaHead(os::ByteView(*start).first(static_cast<size_t>(*head_bytes)), size);
  if (!head.ok()) return useless(head.error().message);
  if (os::DigestText(head->base) != out->base || os::DigestText(head->target) != digest)
    return useless("it is for other images");
  for (const image::DeltaPatch& patch : head->patches) {
    PatchRow row{patch.offset, patch.length, {}, 0};
    if (patch.base != image::kNoBase) {
      if (!base.Holds(patch.base) || base.IsDirectory(patch.base))
        return useless("a patch is for a file that does not exist");
      row.base = base.PathOf(patch.base);
      row.base_size = base.catalog().entry(patch.base).size();
    }
    out->rows.emplace(patch.target, std::move(row));
  }
  out->head = std::move(*head);
  out->head.patches.clear();
  out->start = std::move(*start);
  return out;
}

std::optional<os::Bytes> DeltaSource::MakeCatalogLayer(Source& source, const ImageDelta& delta,
                                                       const std::string& layer) {
  const image::Delta& head = delta.head;
  if (head.catalog_length == 0 || head.zstd_version != image::ZstdVersion()) return std::nullopt;
  // The older catalog as it was published: the one that guests map may have this machine's values in it.
  const std::string hex = delta.base.substr(7);
  os::Bytes older;
  if (const auto packed = os::ReadFile(files_, places_.CatalogLayer(hex)); packed.ok()) {
    auto plain = image::UnpackCatalog(*packed);
    if (!plain.ok()) return std::nullopt;
    older = std::move(*plain);
  } else {
    auto plain = os::ReadFile(files_, places_.Catalog(hex));
    if (!plain.ok()) return std::nullopt;
    older = std::move(*plain);
  }
  const uint64_t end = head.catalog_offset + head.catalog_length;
  std::optional<os::Bytes> fetched;
  os::ByteView patch;
  if (end <= delta.start.size()) {
    patch = os::ByteView(delta.start)
                .subspan(static_cast<size_t>(head.catalog_offset), static_cast<size_t>(head.catalog_length));
  } else {
    fetched = Read(source, delta.blob, head.catalog_offset, end);
    if (!fetched) return std::nullopt;
    patch = *fetched;
  }
  const auto size = image::PatchedSize(patch);
  if (!size || *size > image::kMaxCatalogBytes) return std::nullopt;
  const auto made = image::ApplyPatch(older, patch, *size);
  if (!made.ok()) return std::nullopt;
  auto packed = image::PackCatalog(*made);
  if (!packed.ok() || os::DigestText(os::Sha256::Of(os::ByteView(*packed))) != layer) return std::nullopt;
  return std::move(*packed);
}

Result<std::optional<os::Bytes>> DeltaSource::Apply(const PatchRow& row, os::ByteView patch, uint64_t size) {
  std::unique_lock<std::mutex> one;
  if (row.base_size + size > kLargeBytes) one = std::unique_lock(large_);
  os::Bytes before;
  if (!row.base.empty()) {
    auto read = os::ReadFile(files_, row.base, image::kMaxPatchBytes);
    if (!read.ok() || read->size() != row.base_size) return std::optional<os::Bytes>();
    before = std::move(*read);
  }
  ASSIGN(os::Bytes made, image::ApplyPatch(before, patch, size));
  return std::optional<os::Bytes>(std::move(made));
}

void DeltaSource::Refuse(ImageDelta& delta, const std::string& why) {
  const uint32_t refused = ++delta.refused;
  if (!options_.report) return;
  options_.report(why + " (the delta " + delta.blob + "; its chunks are fetched instead" +
                  (refused == kMostRefused ? ", and this delta is not used any more)" : ")"));
}

bool DeltaSource::IsGivenUp(const ImageDelta& delta) { return delta.refused >= kMostRefused; }

}  // namespace plume::cache
