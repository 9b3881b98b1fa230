#include "cache/reuse.h"

#include <cstring>

#include "os/sha256.h"

namespace plume::cache {
namespace {

// Looking at more candidates than this costs more than fetching.
constexpr size_t kMaxCandidates = 4;

uint64_t KeyOf(const catalog::Sha256& digest) {
  uint64_t key;
  std::memcpy(&key, digest.bytes()->data(), sizeof key);
  return key;
}

bool Equal(const catalog::Sha256& a, const catalog::Sha256& b) {
  return std::memcmp(a.bytes()->data(), b.bytes()->data(), 32) == 0;
}

const catalog::Sha256& ContentOf(const ImageData& image, const catalog::Entry& entry) {
  return *image.catalog().raw().contents()->Get(entry.content());
}

}  // namespace

void ReuseIndex::Add(const std::shared_ptr<ImageData>& image) {
  std::lock_guard hold(mutex_);
  if (!known_.insert(image.get()).second) return;
  const catalog::Reader& catalog = image->catalog();
  for (uint32_t e = 0; e < catalog.entry_count(); ++e) {
    const catalog::Entry& entry = catalog.entry(e);
    if (entry.content() == catalog::kNone) continue;
    contents_.emplace(KeyOf(ContentOf(*image, entry)), Location{image, e, 0});
    uint64_t offset = 0;
    for (uint32_t i = 0; i < entry.chunk_count(); ++i) {
      const catalog::Chunk& chunk = image->chunk(image->ChunkOf(entry, i));
      chunks_.emplace(KeyOf(chunk.digest()), Location{image, e, offset});
      offset += chunk.size();
    }
  }
}

void ReuseIndex::Drop(const ImageData* image) {
  std::lock_guard hold(mutex_);
  if (known_.erase(image) == 0) return;
  for (Map* map : {&contents_, &chunks_}) {
    std::erase_if(*map, [image](const auto& item) { return item.second.image.get() == image; });
  }
}

std::vector<ReuseIndex::Location> ReuseIndex::Find(const Map& map, uint64_t key, const ImageData& except) {
  std::vector<Location> found;
  std::lock_guard hold(mutex_);
  const auto [begin, end] = map.equal_range(key);
  for (auto it = begin; it != end && found.size() < kMaxCandidates; ++it) {
    if (it->second.image.get() != &except && !it->second.image->removed) found.push_back(it->second);
  }
  return found;
}

bool ReuseIndex::Link(const ImageData& image, uint32_t e, const os::Path& to) {
  const catalog::Entry& entry = image.catalog().entry(e);
  if (entry.content() == catalog::kNone) return false;
  const catalog::Sha256& content = ContentOf(image, entry);
  const bool pe = (entry.flags() & catalog::kPeFile) != 0;
  for (const Location& place : Find(contents_, KeyOf(content), image)) {
    const catalog::Entry& other = place.image->catalog().entry(place.entry);
    const bool same_name = pe ? place.image->NameOf(place.entry) == image.NameOf(e)
                              : place.image->catalog().name(other) == image.catalog().name(entry);
    if (!same_name || !Equal(ContentOf(*place.image, other), content) || other.size() != entry.size() ||
        other.attributes() != entry.attributes() || other.created() != entry.created() ||
        other.modified() != entry.modified()) {
      continue;
    }
    if (files_.HardLink(place.image->PathOf(place.entry), to).ok()) return true;
  }
  return false;
}

std::optional<os::Bytes> ReuseIndex::ReadChunk(const catalog::Chunk& chunk, const ImageData& except) {
  for (const Location& place : Find(chunks_, KeyOf(chunk.digest()), except)) {
    auto file = files_.Open(place.image->PathOf(place.entry), os::OpenMode::kRead);
    if (!file.ok()) continue;  // not hydrated
    os::Bytes bytes(chunk.size());
    auto got = (*file)->ReadAt(place.offset, bytes);
    if (!got.ok() || *got != bytes.size()) continue;
    const os::Digest digest = os::Sha256::Of(os::ByteView(bytes));
    if (std::memcmp(digest.data(), chunk.digest().bytes()->data(), digest.size()) == 0) return bytes;
  }
  return std::nullopt;
}

bool ReuseIndex::Has(const catalog::Chunk& chunk, const ImageData& except) {
  for (const Location& place : Find(chunks_, KeyOf(chunk.digest()), except)) {
    const catalog::Entry& entry = place.image->catalog().entry(place.entry);
    const auto info = files_.Stat(place.image->PathOf(place.entry));
    if (info.ok() && !info->directory && info->size == entry.size()) return true;
  }
  return false;
}

}  // namespace plume::cache
