// Makes one file of an image present: from other images of the cache, else from the repository; verified
// chunk by chunk while it arrives, complete before it gets its name. Thread-safe; does not know about
// concurrent requests for the same file (Cache joins them).
#pragma once
#include <atomic>
#include <memory>

#include "cache/delta_source.h"
#include "cache/image_data.h"
#include "cache/plan.h"
#include "cache/read_ahead.h"
#include "cache/reuse.h"
#include "cache/settle.h"
#include "cache/streams.h"
#include "cache/workers.h"

namespace plume::cache {

struct AtomicCounters {
  std::atomic<uint64_t> requests{0}, bytes{0}, files_fetched{0}, files_reused{0}, bytes_reused{0}, joined{0},
      refused{0}, files_patched{0};
};

class Hydrator {
 public:
  Hydrator(os::FileSystem& files, const Options& options, const Places& places, ReuseIndex& reuse,
           Settler& settler, DeltaSource& deltas, Streams& streams, AtomicCounters& counters)
      : files_(files),
        options_(options),
        places_(places),
        reuse_(reuse),
        settler_(settler),
        deltas_(deltas),
        streams_(streams),
        counters_(counters),
        read_ahead_(options.read_ahead, options.read_ahead_kept),
        workers_(options.connections - 1) {}

  // Whether the entry is there already. A file is if it has its name and its size: it got the name last.
  bool Present(const ImageData& image, uint32_t entry);
  // `patience`: how many bytes away what is on its way may be, to be waited for rather than fetched once
  // more.
  Status Hydrate(const ImageData& image, uint32_t entry, uint64_t patience);
  // Whether it will most likely be made from its older version, so that its chunks need not be fetched.
  bool HasPatch(const ImageData& image, uint32_t entry);

 private:
  struct Output;
  class Assembler;
  Status MakeDirectory(const ImageData& image, uint32_t entry);
  Status MakeFile(const ImageData& image, uint32_t entry, uint64_t patience);
  Status Fill(const ImageData& image, uint32_t entry, uint64_t patience, Output* output);
  // True: done, from bytes that are on their way. False: they did not come.
  Result<bool> TakeFromStream(const ImageData& image, Source& source, const Range& range, uint64_t patience,
                              const std::vector<Need>& needs, Output* output);
  // Fills what is needed with a patch, if there is one and that is less to fetch. False: it takes chunks.
  Result<bool> Patch(const ImageData& image, uint32_t entry, Source& source, const std::vector<Need>& needs,
                     Output* output);
  Result<os::Bytes> FetchPatch(Source& source, const ImageDelta& delta, const PatchRow& row, Output* output);
  Status FetchRange(const ImageData& image, Source& source, const Range& range,
                    const std::vector<Need>& needs, Output* output);

  os::FileSystem& files_;
  const Options& options_;
  const Places& places_;
  ReuseIndex& reuse_;
  Settler& settler_;
  DeltaSource& deltas_;
  Streams& streams_;
  AtomicCounters& counters_;
  ReadAhead read_ahead_;
  Workers workers_;
};

}  // namespace plume::cache
