#include "cache/cache.h"

#include <algorithm>
#include <condition_variable>
#include <map>
#include <mutex>

#include "base/utf16.h"
#include "cache/audit.h"
#include "cache/delta_source.h"
#include "cache/hydrator.h"
#include "cache/prefetch.h"
#include "os/lock.h"
#include "os/sha256.h"

namespace plume::cache {
namespace {

bool IsDigest(const std::string& text) { return os::ParseDigest(text).has_value(); }

// The digest of the image that the file `name` in the catalogs folder is the catalog of; "" for other files.
std::string DigestOfCatalog(const std::string& name) {
  if (!name.ends_with(".plc")) return "";
  const std::string digest = "sha256:" + name.substr(0, name.size() - 4);
  return IsDigest(digest) ? digest : "";
}

Error NoImage(const std::string& digest) {
  return Error{Errc::kInvalid, "image " + digest + " is not attached"};
}

class CacheImpl final : public Cache {
 public:
  CacheImpl(os::Path state, const Options& options, os::FileLock lock)
      : options_(options),
        files_(*options_.files),
        places_{std::move(state)},
        lock_(std::move(lock)),
        prober_(options_.offline_millis),
        settler_(files_, *options_.clock, places_.Markers()),
        reuse_(files_),
        deltas_(files_, options_, places_),
        hydrator_(files_, options_, places_, reuse_, settler_, deltas_, streams_, counters_),
        prefetcher_(options_, hydrator_, reuse_, streams_, counters_,
                    [this](const std::shared_ptr<ImageData>& image, uint32_t entry) {
                      return Ensure(image, entry, UINT64_MAX);
                    }) {}

  Status Recover();

  Result<const Image*> Attach(std::shared_ptr<repository::Repository> repository,
                              const std::string& digest) override;
  const Image* Find(const std::string& digest) const override;
  bool Holds(const std::string& digest) const override { return Get(digest) != nullptr; }
  Status EnsureFile(const std::string& digest, uint32_t entry) override;
  void Prefetch(const std::string& digest, const std::vector<uint32_t>& entries) override;
  PrefetchReport Prefetched(const std::string& digest) const override;
  bool Present(const std::string& digest, uint32_t entry) override;
  uint64_t StoredBytes(const std::string& digest, uint32_t entry) const override;
  Result<os::Path> PathOf(const std::string& digest, uint32_t entry) const override;
  std::string NameOf(const std::string& digest, uint32_t entry) const override;
  Status Complete(const std::string& digest, const Progress& progress) override;
  Result<std::vector<ImageStatus>> ImageStatuses() override;
  Counters counters() const override;
  Result<VerifyReport> Verify(const Progress& progress) override;
  Result<VerifyReport> Repair(const Progress& progress) override;
  Status Remove(const std::string& digest) override;

 private:
  // A file being hydrated and those who wait for it.
  struct Flight {
    bool done = false;
    Status result;
  };
  using Key = std::pair<const ImageData*, uint32_t>;

  std::mutex& Attaching(const std::string& digest);
  std::shared_ptr<ImageData> Get(const std::string& digest) const;
  std::vector<std::shared_ptr<ImageData>> All() const;
  std::shared_ptr<Source> SourceOf(std::shared_ptr<repository::Repository> repository,
                                   const std::string& digest);
  // `patience`: see Hydrator::Hydrate.
  Status Ensure(const std::shared_ptr<ImageData>& image, uint32_t entry, uint64_t patience);
  Status Ensure(const std::shared_ptr<ImageData>& image, uint32_t entry) {
    return Ensure(image, entry, options_.overtake);
  }
  void PrepareReuse(const std::shared_ptr<ImageData>& image);
  void LookForDelta(ImageData& image);
  Status RepairCatalog(const std::string& digest);

  Options options_;
  os::FileSystem& files_;
  const Places places_;
  const os::FileLock lock_;
  Prober prober_;
  Settler settler_;
  AtomicCounters counters_;
  ReuseIndex reuse_;
  DeltaSource deltas_;
  Streams streams_;
  Hydrator hydrator_;

  mutable std::mutex mutex_;  // guards what follows
  std::map<std::string, std::shared_ptr<ImageData>> images_;
  std::map<std::string, std::shared_ptr<Source>> sources_;  // by the repository's name
  std::map<Key, std::shared_ptr<Flight>> flights_;
  std::condition_variable landed_;
  std::vector<std::shared_ptr<ImageData>>
      retired_;  // replaced by Repair; alive because pointers to them are out
  // One fetches the catalog of an image at a time; other images are not held up by it. Guarded by mutex_.
  std::map<std::string, std::mutex> attaching_;
  Prefetcher prefetcher_;  // the last one: its threads use all of the above
};

// Removes what a crash left: hydrations under way and temporary files beside the catalogs. Everything else is
// whole.
Status CacheImpl::Recover() {
  TRY(os::RemoveTree(files_, places_.Temporary()));
  TRY(files_.MakeDirectories(places_.Temporary()));
  TRY(files_.MakeDirectories(places_.Catalogs()));
  ASSIGN(const auto entries, files_.List(places_.Catalogs()));
  for (const os::DirectoryEntry& entry : entries) {
    const std::string name = os::Utf8(entry.name);
    if (name.ends_with(".tmp")) TRY(files_.Remove(places_.Catalogs() / entry.name));
    const std::string digest = DigestOfCatalog(name);
    if (digest.empty()) continue;
    auto image = ImageData::Load(files_, places_, digest);
    // A damaged one is left to Attach, which fetches it again, and to Verify, which names it.
    if (image.ok()) images_[digest] = std::move(*image);
  }
  const auto check = [this](const Settler::Marker& marker) {
    const auto image = Get(marker.digest);
    if (image == nullptr || !image->Holds(marker.entry)) {
      // Nothing can be said about its files until its catalog is fetched again; so are they.
      (void)os::RemoveTree(files_, places_.Files(marker.digest.substr(7)));
    } else if (!CheckHydrated(files_, *image, marker.entry).empty()) {
      (void)files_.Remove(image->PathOf(marker.entry));
    }
  };
  return settler_.Recover(check, [this](const Settler::Marker& marker) {
    const auto image = Get(marker.digest);
    return image == nullptr || !image->Holds(marker.entry) ? os::Path() : image->PathOf(marker.entry);
  });
}

std::shared_ptr<ImageData> CacheImpl::Get(const std::string& digest) const {
  std::lock_guard hold(mutex_);
  const auto it = images_.find(digest);
  return it == images_.end() ? nullptr : it->second;
}

std::mutex& CacheImpl::Attaching(const std::string& digest) {
  std::lock_guard hold(mutex_);
  return attaching_[digest];
}

std::vector<std::shared_ptr<ImageData>> CacheImpl::All() const {
  std::lock_guard hold(mutex_);
  std::vector<std::shared_ptr<ImageData>> all;
  for (const auto& [digest, image] : images_) all.push_back(image);
  return all;
}

std::shared_ptr<Source> CacheImpl::SourceOf(std::shared_ptr<repository::Repository> repository,
                                            const std::string& digest) {
  std::lock_guard hold(mutex_);
  std::shared_ptr<Source>& source = sources_[repository->Name()];
  if (source != nullptr) {
    source->Replace(std::move(repository));
    return source;
  }
  source = std::make_shared<Source>(std::move(repository), *options_.clock, options_.offline_millis,
                                    options_.probe);
  if (options_.probe) {
    source->on_offline = [this, weak = std::weak_ptr<Source>(source), digest] {
      if (auto strong = weak.lock()) prober_.Watch(strong, digest);
    };
  }
  return source;
}

Result<const Image*> CacheImpl::Attach(std::shared_ptr<repository::Repository> repository,
                                       const std::string& digest) {
  if (!IsDigest(digest)) return Error{Errc::kInvalid, digest + " is not the digest of an image"};
  std::lock_guard one(Attaching(digest));
  std::shared_ptr<ImageData> image = Get(digest);
  const auto source = repository == nullptr ? nullptr : SourceOf(std::move(repository), digest);
  if (image == nullptr) {
    auto loaded = ImageData::Load(files_, places_, digest);
    if (!loaded.ok()) {
      if (loaded.error().code != Errc::kNotFound && loaded.error().code != Errc::kCorrupt)
        return loaded.error();
      if (source == nullptr) return loaded.error();
      std::shared_ptr<ImageDelta> delta;
      const auto make_layer = [&](const image::Manifest& manifest) -> std::optional<os::Bytes> {
        delta = deltas_.Find(*source, digest, manifest.name, All());
        if (delta == nullptr) return std::nullopt;
        return deltas_.MakeCatalogLayer(*source, *delta, manifest.catalog.digest);
      };
      TRY(ImageData::Fetch(files_, places_, *source, digest, options_.variables, make_layer));
      loaded = ImageData::Load(files_, places_, digest);
      if (!loaded.ok()) return loaded.error();
      (*loaded)->set_delta(std::move(delta));
    }
    image = std::move(*loaded);
    std::lock_guard hold(mutex_);
    images_[digest] = image;
  }
  if (source != nullptr) image->set_source(source);
  image->attached = true;
  return &image->image();
}

const Image* CacheImpl::Find(const std::string& digest) const {
  const auto image = Get(digest);
  return image != nullptr && image->attached ? &image->image() : nullptr;
}

Result<os::Path> CacheImpl::PathOf(const std::string& digest, uint32_t entry) const {
  const auto image = Get(digest);
  if (image == nullptr || !image->Holds(entry)) return NoImage(digest);
  return image->PathOf(entry);
}

std::string CacheImpl::NameOf(const std::string& digest, uint32_t entry) const {
  const auto image = Get(digest);
  return image == nullptr || !image->Holds(entry) ? "?" : image->NameOf(entry);
}

Status CacheImpl::EnsureFile(const std::string& digest, uint32_t entry) {
  const auto image = Get(digest);
  if (image == nullptr) return NoImage(digest);
  if (!image->Holds(entry))
    return Error{Errc::kInvalid, "image " + digest + " has no entry " + std::to_string(entry)};
  return Ensure(image, entry);
}

// The other images become sources of equal files and chunks. Done when the first file is missing, not at
// Attach: an image whose files are all here never needs it.
void CacheImpl::PrepareReuse(const std::shared_ptr<ImageData>& image) {
  for (const auto& other : All()) {
    if (other != image && !other->removed) reuse_.Add(other);
  }
}

// An image whose catalog is here since an earlier run, and of which something is missing.
void CacheImpl::LookForDelta(ImageData& image) {
  const auto source = image.source();
  if (image.delta_asked || source == nullptr) return;
  const std::lock_guard one(image.asking);
  if (!image.delta_asked)
    image.set_delta(deltas_.Find(*source, image.image().digest, image.manifest().name, All()));
}

void CacheImpl::Prefetch(const std::string& digest, const std::vector<uint32_t>& entries) {
  const auto image = Get(digest);
  if (image == nullptr || !image->attached) return;
  PrepareReuse(image);
  prefetcher_.Begin(image, entries);
}

PrefetchReport CacheImpl::Prefetched(const std::string& digest) const {
  const auto image = Get(digest);
  return image == nullptr ? PrefetchReport() : prefetcher_.Report(*image);
}

bool CacheImpl::Present(const std::string& digest, uint32_t entry) {
  const auto image = Get(digest);
  return image != nullptr && image->Holds(entry) && hydrator_.Present(*image, entry);
}

uint64_t CacheImpl::StoredBytes(const std::string& digest, uint32_t e) const {
  const auto image = Get(digest);
  if (image == nullptr || !image->Holds(e) || image->IsDirectory(e)) return 0;
  const catalog::Entry& entry = image->catalog().entry(e);
  uint64_t bytes = 0;
  for (uint32_t i = 0; i < entry.chunk_count(); ++i) bytes += image->chunk(image->ChunkOf(entry, i)).stored();
  return bytes;
}

Status CacheImpl::Ensure(const std::shared_ptr<ImageData>& image, uint32_t entry, uint64_t patience) {
  const Key key(image.get(), entry);
  std::shared_ptr<Flight> flight;
  const auto join = [&](std::unique_lock<std::mutex>* hold, const std::shared_ptr<Flight>& other) {
    flight = other;
    ++counters_.joined;
    landed_.wait(*hold, [&] { return flight->done; });
    return flight->result;
  };
  {
    // Before looking at the file: while it gets its name, it is there and yet not free to be opened.
    std::unique_lock hold(mutex_);
    if (const auto it = flights_.find(key); it != flights_.end()) return join(&hold, it->second);
  }
  if (hydrator_.Present(*image, entry)) return Ok();
  {
    std::unique_lock hold(mutex_);
    std::shared_ptr<Flight>& slot = flights_[key];
    if (slot != nullptr) return join(&hold, std::shared_ptr<Flight>(slot));
    flight = slot = std::make_shared<Flight>();
  }
  // Again, now that nobody else can be at it: the flight seen missing above may have landed in between.
  Status result;
  if (!hydrator_.Present(*image, entry)) {
    PrepareReuse(image);
    LookForDelta(*image);
    result = hydrator_.Hydrate(*image, entry, patience);
  }
  {
    std::lock_guard hold(mutex_);
    flight->done = true;
    flight->result = result;
    flights_.erase(key);
  }
  landed_.notify_all();
  return result;
}

Status CacheImpl::Complete(const std::string& digest, const Progress& progress) {
  const auto image = Get(digest);
  if (image == nullptr) return NoImage(digest);
  // In the order of the packs, so that the server reads forward.
  std::vector<std::pair<std::pair<uint32_t, uint64_t>, uint32_t>> order;
  const catalog::Reader& catalog = image->catalog();
  for (uint32_t e = 0; e < catalog.entry_count(); ++e) {
    if (image->IsDirectory(e)) continue;
    const catalog::Entry& entry = catalog.entry(e);
    std::pair<uint32_t, uint64_t> place(0, 0);
    if (entry.chunk_count() > 0) {
      const catalog::Chunk& chunk = image->chunk(image->ChunkOf(entry, 0));
      place = {chunk.pack(), chunk.offset()};
    }
    order.emplace_back(place, e);
  }
  std::sort(order.begin(), order.end());
  // Small files are a round trip each, so several are under way at once.
  Workers files_at_once(options_.connections * 2 - 1);
  std::mutex progress_mutex;
  uint64_t done = 0;
  bool stopped = false;
  return files_at_once.ForEach(order.size(), [&](size_t i) -> Status {
    TRY(Ensure(image, order[i].second));
    std::lock_guard hold(progress_mutex);
    ++done;
    if (stopped || (progress && !progress(done, order.size()))) {
      stopped = true;
      return Error{Errc::kBusy, "stopped"};
    }
    return Ok();
  });
}

Result<std::vector<ImageStatus>> CacheImpl::ImageStatuses() {
  std::vector<ImageStatus> statuses;
  for (const auto& image : All()) {
    ImageStatus status;
    status.digest = image->image().digest;
    for (uint32_t e = 0; e < image->catalog().entry_count(); ++e) {
      if (image->IsDirectory(e)) continue;
      ++status.total_files;
      status.total_bytes += image->catalog().entry(e).size();
    }
    TRY(WalkFiles(files_, image->image().files, [&](const os::Path&, const os::FileInfo& info) {
      ++status.files;
      status.bytes += info.size;
      return Ok();
    }));
    const auto source = image->source();
    status.offline = source != nullptr && source->offline();
    statuses.push_back(std::move(status));
  }
  return statuses;
}

Counters CacheImpl::counters() const {
  return Counters{counters_.requests,     counters_.bytes,  counters_.files_fetched, counters_.files_reused,
                  counters_.bytes_reused, counters_.joined, counters_.refused,       counters_.files_patched};
}

Result<VerifyReport> CacheImpl::Verify(const Progress& progress) {
  ASSIGN(VerifyReport report, Audit(files_, places_, All(), progress));
  // A catalog too damaged to be loaded at all.
  ASSIGN(const auto entries, files_.List(places_.Catalogs()));
  for (const os::DirectoryEntry& entry : entries) {
    const std::string digest = DigestOfCatalog(os::Utf8(entry.name));
    if (!digest.empty() && Get(digest) == nullptr)
      report.bad.push_back(BadFile{digest, "", "its catalog is damaged"});
  }
  return report;
}

Status CacheImpl::RepairCatalog(const std::string& digest) {
  const auto image = Get(digest);
  const auto source = image == nullptr ? nullptr : image->source();
  if (source == nullptr) {
    // Without its catalog an image is not here: the next Attach fetches it again.
    const os::Path catalog = places_.Catalog(digest.substr(7));
    return os::Exists(files_, catalog) ? files_.Remove(catalog) : Ok();
  }
  TRY(ImageData::Fetch(files_, places_, *source, digest, options_.variables));
  ASSIGN(auto fresh, ImageData::Load(files_, places_, digest));
  fresh->set_source(source);
  fresh->attached = image->attached.load();
  std::lock_guard hold(mutex_);
  retired_.push_back(image);  // callers may still hold its Image
  images_[digest] = std::move(fresh);
  return Ok();
}

Result<VerifyReport> CacheImpl::Repair(const Progress& progress) {
  ASSIGN(VerifyReport report, Verify(progress));
  Status first = Ok();
  // All of them go before any is made again: one would be linked to another that is the same bad file.
  for (const BadFile& bad : report.bad) {
    if (bad.path.empty()) continue;
    TRY(files_.Remove(places_.Files(bad.digest.substr(7)) / os::FromUtf16(FromUtf8Lossy(bad.path))));
  }
  for (const BadFile& bad : report.bad) {
    const auto image = Get(bad.digest);
    if (bad.path.empty()) {  // the catalog itself
      Status fetched = RepairCatalog(bad.digest);
      if (!fetched.ok() && first.ok()) first = fetched;
      continue;
    }
    const os::Path relative = os::FromUtf16(FromUtf8Lossy(bad.path));
    const uint32_t entry = image == nullptr ? catalog::kNone : image->EntryOf(relative);
    if (entry == catalog::kNone) continue;  // no catalog knows it: gone is right
    Status fetched = Ensure(image, entry);
    if (!fetched.ok() && first.ok()) first = fetched;
  }
  TRY(std::move(first));
  return report;
}

Status CacheImpl::Remove(const std::string& digest) {
  std::lock_guard one(Attaching(digest));
  const auto image = Get(digest);
  if (image == nullptr) return NoImage(digest);
  prefetcher_.Drop(*image);
  {
    std::lock_guard hold(mutex_);
    const auto flying = std::any_of(flights_.begin(), flights_.end(),
                                    [&](const auto& item) { return item.first.first == image.get(); });
    if (flying)
      return Error{Errc::kBusy, "removing image " + digest + " failed: a file of it is being fetched"};
    image->removed = true;
  }
  const std::string hex = digest.substr(7);
  Status removed = os::RemoveTree(files_, places_.Files(hex));
  if (!removed.ok()) {
    image->removed = false;  // still usable: what is missing is fetched again
    return removed.error().In("removing image " + digest + " failed");
  }
  reuse_.Drop(image.get());
  {
    std::lock_guard hold(mutex_);
    images_.erase(digest);
  }
  image->Unmap();  // Windows removes no mapped file
  for (const os::Path& path : {places_.Catalog(hex), places_.CatalogHash(hex), places_.CatalogLayer(hex),
                               places_.Config(hex), places_.Manifest(hex)}) {
    Status gone = files_.Remove(path);
    if (!gone.ok() && gone.error().code != Errc::kNotFound)
      return gone.error().In("removing image " + digest + " failed");
  }
  return Ok();
}

}  // namespace

Result<std::unique_ptr<Cache>> Cache::Open(const os::Path& state, const Options& given) {
  Options options = given;
  if (options.files == nullptr) options.files = &os::SystemFiles();
  if (options.clock == nullptr) options.clock = &os::SystemClock();
  options.connections = std::max(1u, options.connections);
  auto lock = os::FileLock::Acquire(state / "cache.lock", os::FileLock::Mode::kExclusive, 0);
  if (!lock.ok()) {
    if (lock.error().code != Errc::kBusy) return lock.error().In("opening the cache failed");
    return Error{Errc::kBusy, "opening the cache failed: another agent is using " + os::Utf8(state)};
  }
  auto cache = std::make_unique<CacheImpl>(state, options, std::move(*lock));
  TRY(cache->Recover());
  return std::unique_ptr<Cache>(std::move(cache));
}

}  // namespace plume::cache
