#include "repository/deltas.h"

#include <algorithm>
#include <atomic>
#include <mutex>
#include <set>
#include <thread>

#include "image/codec.h"
#include "image/delta.h"
#include "repository/artifact.h"
#include "repository/counterparts.h"
#include "repository/image_reader.h"
#include "repository/oci_layout.h"

namespace plume::repository {
namespace {

// A patch must save a fifth of what it stands for, and a delta this much in all: it costs its clients a look.
constexpr uint64_t kLeastGain = 4096;
bool IsClearlySmaller(uint64_t patch, uint64_t chunks) { return patch * 5 < chunks * 4; }
constexpr uint64_t kMaxDeltaBytes = 1u << 30;
constexpr unsigned kThreads = 2;
constexpr size_t kMostVersions = 16;  // looked at below the one that is published

class Maker {
 public:
  Maker(const ImageReader& base, const ImageReader& target, const OnDelta& progress)
      : base_(base), target_(target), progress_(progress), changed_(ChangedFiles(base, target)) {
    patches_.resize(changed_.size());
    for (const Changed& one : changed_) total_ += target_.catalog().entry(one.target).size();
  }

  Status Run() {
    std::vector<std::thread> helpers;
    for (unsigned i = 1; i < kThreads; ++i) helpers.emplace_back([this] { Work(false); });
    Work(true);
    for (std::thread& helper : helpers) helper.join();
    return std::move(failure_);
  }

  const std::vector<Changed>& changed() const { return changed_; }
  // Of each changed file; empty if its chunks are as good.
  std::vector<std::vector<uint8_t>>& patches() { return patches_; }

 private:
  void Work(bool tell) {
    for (size_t i = next_++; i < changed_.size(); i = next_++) {
      Status done = Make(i);
      const std::lock_guard lock(mutex_);
      if (!done.ok() && failure_.ok()) failure_ = std::move(done);
      if (!failure_.ok()) return;
      done_ += target_.catalog().entry(changed_[i].target).size();
      if (tell && progress_) progress_(done_, total_);
    }
  }

  Status Make(size_t i) {
    const Changed& one = changed_[i];
    const uint64_t old_size = one.base == image::kNoBase ? 0 : base_.catalog().entry(one.base).size();
    const uint64_t new_size = target_.catalog().entry(one.target).size();
    if (new_size > image::kMaxPatchBytes || old_size > image::kMaxPatchBytes - new_size) return Ok();
    std::vector<uint8_t> before;
    if (one.base != image::kNoBase) {
      ASSIGN(before, base_.ReadFile(one.base));
    }
    ASSIGN(const std::vector<uint8_t> after, target_.ReadFile(one.target));
    ASSIGN(std::vector<uint8_t> patch, image::MakePatch(before, after));
    if (IsClearlySmaller(patch.size(), one.missing)) patches_[i] = std::move(patch);
    return Ok();
  }

  const ImageReader& base_;
  const ImageReader& target_;
  const OnDelta& progress_;
  const std::vector<Changed> changed_;
  std::vector<std::vector<uint8_t>> patches_;  // each written by one thread
  std::atomic<size_t> next_{0};
  std::mutex mutex_;
  uint64_t done_ = 0, total_ = 0;  // done_ guarded by mutex_
  Status failure_;                 // guarded by mutex_
};

}  // namespace

Result<DeltaBlob> MakeDelta(Repository& base_at, const std::string& base, Repository& target_at,
                            const std::string& target, const OnDelta& progress) {
  DeltaBlob out;
  out.stats.base = base;
  ASSIGN(const std::unique_ptr<ImageReader> older, ImageReader::Open(base_at, base));
  ASSIGN(const std::unique_ptr<ImageReader> newer, ImageReader::Open(target_at, target));
  image::Delta delta;
  delta.base = *os::ParseDigest(base);
  delta.target = *os::ParseDigest(target);
  delta.zstd_version = image::ZstdVersion();
  std::vector<uint8_t> catalog;
  const uint64_t layer = newer->manifest().catalog.size;
  if (older->catalog_bytes().size() + newer->catalog_bytes().size() <= image::kMaxPatchBytes) {
    ASSIGN(catalog, image::MakePatch(older->catalog_bytes(), newer->catalog_bytes()));
    // Whoever published the image may have had another zstd: then nobody could make the layer.
    ASSIGN(const std::vector<uint8_t> packed, image::PackCatalog(newer->catalog_bytes()));
    const bool same =
        os::DigestText(os::Sha256::Of(std::span<const uint8_t>(packed))) == newer->manifest().catalog.digest;
    if (!same || !IsClearlySmaller(catalog.size(), layer)) catalog.clear();
  }
  delta.catalog_length = catalog.size();

  Maker maker(*older, *newer, progress);
  TRY(maker.Run());
  uint64_t bytes = catalog.size();
  if (!catalog.empty()) out.stats.replaced += layer;
  for (size_t i = 0; i < maker.changed().size(); ++i) {
    const size_t length = maker.patches()[i].size();
    if (length == 0) continue;
    const Changed& changed = maker.changed()[i];
    bytes += length;
    if (bytes > kMaxDeltaBytes) break;
    delta.patches.push_back({changed.target, changed.base, 0, length});
    out.stats.replaced += changed.missing;
  }
  if (bytes + kLeastGain > out.stats.replaced) return out;
  ASSIGN(out.bytes, image::EncodeDeltaHead(&delta));
  out.bytes.insert(out.bytes.end(), catalog.begin(), catalog.end());
  size_t taken = 0;
  for (size_t i = 0; taken < delta.patches.size(); ++i) {
    const std::vector<uint8_t>& patch = maker.patches()[i];
    if (patch.empty()) continue;
    out.bytes.insert(out.bytes.end(), patch.begin(), patch.end());
    ++taken;
  }
  out.stats.files = delta.patches.size();
  out.stats.bytes = out.bytes.size();
  return out;
}

Result<std::vector<std::string>> DeltaBases(Repository& at, const image::ImageRef& image,
                                            const std::vector<std::string>& tags, size_t count) {
  std::vector<std::string> bases;
  const auto add = [&](const std::string& tag) -> Status {
    if (bases.size() >= count) return Ok();
    const Result<ManifestBlob> found = at.GetManifest(tag);
    if (!found.ok()) return found.error().code == Errc::kNotFound ? Ok() : Status(found.error());
    const bool known = std::find(bases.begin(), bases.end(), found->digest) != bases.end();
    const Result<image::Manifest> manifest = image::ParseManifest(found->bytes);
    if (known || found->digest == image.digest || !manifest.ok()) return Ok();
    if (manifest->name == image.name) bases.push_back(found->digest);
    return Ok();
  };
  if (count == 0) return bases;
  for (const std::string& tag : tags) TRY(add(tag));
  Result<std::vector<std::string>> listed = at.Tags();
  if (!listed.ok()) {
    if (listed.error().code == Errc::kNotFound) return bases;  // the first image of all
    return listed.error();
  }
  std::vector<std::string> versions = std::move(*listed);
  std::erase_if(versions, [&](const std::string& tag) {
    return tag.starts_with("sha256-") || image::CompareVersions(tag, image.version) >= 0;
  });
  std::sort(versions.begin(), versions.end(),
            [](const std::string& a, const std::string& b) { return image::CompareVersions(a, b) > 0; });
  versions.resize(std::min(versions.size(), kMostVersions));
  for (const std::string& version : versions) TRY(add(version));
  return bases;
}

Result<std::vector<DeltaStats>> PublishDeltas(const image::Store& store, const image::ImageRef& image,
                                              const std::vector<std::string>& bases, Repository& to,
                                              const OnDelta& progress) {
  std::vector<DeltaStats> out;
  const auto run = [&]() -> Status {
    if (bases.empty()) return Ok();
    ASSIGN(const os::FileLock hold, store.layout().HoldBlobs());
    OciLayout local(store.layout().files(), store.layout().directory(), "the local store");
    ASSIGN(const ManifestBlob subject, local.GetManifest(image.digest));
    ASSIGN(const std::vector<Referrer> attached, to.Referrers(image.digest, image::kDeltaArtifactType));
    for (const std::string& base : bases) {
      const bool there = std::any_of(attached.begin(), attached.end(), [&](const Referrer& referrer) {
        const auto of = referrer.annotations.find(image::kDeltaBase);
        return of != referrer.annotations.end() && of->second == base;
      });
      if (there) {
        out.push_back({base, 0, 0, 0, true});
        continue;
      }
      const Result<image::Manifest> here = store.ReadManifest(base);
      const std::vector<image::Descriptor> blobs =
          here.ok() ? here->Blobs() : std::vector<image::Descriptor>();
      const bool complete = here.ok() && std::all_of(blobs.begin(), blobs.end(), [&](const auto& blob) {
                              return store.layout().HasBlob(blob.digest);
                            });
      Repository& base_at = complete ? static_cast<Repository&>(local) : to;
      ASSIGN(DeltaBlob made, MakeDelta(base_at, base, local, image.digest, progress));
      if (!made.bytes.empty()) {
        Artifact artifact{image::kDeltaArtifactType, {}, {}};
        artifact.annotations = {
            {image::kDeltaBase, base},
            {image::kDeltaBlob, os::DigestText(os::Sha256::Of(std::span<const uint8_t>(made.bytes)))},
            {image::kDeltaSize, std::to_string(made.bytes.size())}};
        artifact.layers.push_back(
            {image::kDeltaMediaType, std::string(made.bytes.begin(), made.bytes.end()), {}});
        made.bytes = {};
        ASSIGN(const Referrer put, Attach(to, subject, artifact));
      }
      out.push_back(made.stats);
    }
    return Ok();
  };
  Status done = run();
  if (!done.ok()) return done.error().In("making the deltas of " + image.Text() + " for " + to.Name());
  return out;
}

}  // namespace plume::repository
