// Fetches what a start will need before it asks. The needed bytes of all files are planned at once, as long
// ranges of the packs, and received one after the other, the earliest needed first; files are made from them
// while they arrive, by the same code as on a miss. A guest that needs a file meanwhile waits for that file
// alone if its bytes are close, and fetches it on a connection of its own if not (hydrator.h). Nothing here
// ever fails a guest: what did not come is fetched on its miss. Thread-safe.
#pragma once
#include <condition_variable>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "cache/hydrator.h"
#include "cache/streams.h"

namespace plume::cache {

// Which ranges of which packs bring `entries`, in the order in which they are first needed; what other images
// have here is left out, and so is what would make it more than `limit` bytes.
std::vector<Range> PlanPrefetch(const ImageData& image, const std::vector<uint32_t>& entries,
                                const std::function<bool(const catalog::Chunk&)>& is_here, uint64_t max_gap,
                                uint64_t limit);

class Prefetcher {
 public:
  // Makes one file present, waiting for its bytes if they are on the way.
  using Ensure = std::function<Status(const std::shared_ptr<ImageData>&, uint32_t entry)>;
  Prefetcher(const Options& options, Hydrator& hydrator, ReuseIndex& reuse, Streams& streams,
             AtomicCounters& counters, Ensure ensure)
      : options_(options),
        hydrator_(hydrator),
        reuse_(reuse),
        streams_(streams),
        counters_(counters),
        ensure_(std::move(ensure)) {}
  ~Prefetcher();

  // Returns at once. While one is under way for this image nothing is begun.
  void Begin(const std::shared_ptr<ImageData>& image, const std::vector<uint32_t>& entries);
  // Of the last one; all zero if there was none.
  PrefetchReport Report(const ImageData& image) const;
  // Ends what is under way for this image, and forgets it.
  void Drop(const ImageData& image);

 private:
  struct Job;
  void Plan(Job& job);
  void Run(Job& job);
  void Receive(Job& job, Source& source);
  void Fill(Job& job);

  const Options& options_;
  Hydrator& hydrator_;
  ReuseIndex& reuse_;
  Streams& streams_;
  AtomicCounters& counters_;
  const Ensure ensure_;
  mutable std::mutex mutex_;
  std::map<const ImageData*, std::shared_ptr<Job>> jobs_;  // guarded by mutex_
};

}  // namespace plume::cache
