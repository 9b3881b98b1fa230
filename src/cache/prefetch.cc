#include "cache/prefetch.h"

#include <algorithm>
#include <unordered_map>

namespace plume::cache {
namespace {

// Connections at most. A further range is asked for only when less than this is still to come of those before
// it: so small ones share a round trip, and the bytes needed first are not slowed down by later ones.
constexpr size_t kReceivers = 6;
constexpr uint64_t kAhead = 512u << 10;
constexpr size_t kFillers = 3;
constexpr size_t kLookedAtFirst = 4;

}  // namespace

struct Prefetcher::Job {
  std::shared_ptr<ImageData> image;
  std::vector<uint32_t> wanted;
  std::vector<uint32_t> entries;  // of these, missing when it began
  std::vector<Range> ranges;
  std::vector<std::shared_ptr<Stream>> streams;  // one for each range
  std::thread thread;
  mutable std::mutex mutex;
  std::condition_variable less;
  // Guarded by mutex:
  size_t next_range = 0, next_entry = 0;
  uint64_t outstanding = 0;
  bool stop = false, ended = false, complete = false;
  PrefetchReport report;
};

std::vector<Range> PlanPrefetch(const ImageData& image, const std::vector<uint32_t>& entries,
                                const std::function<bool(const catalog::Chunk&)>& is_here, uint64_t max_gap,
                                uint64_t limit) {
  std::vector<Need> needs;
  std::unordered_map<uint32_t, size_t> order;  // chunk -> when it is first needed
  uint64_t total = 0;
  for (const uint32_t e : entries) {
    const catalog::Entry& entry = image.catalog().entry(e);
    std::vector<Need> own;
    uint64_t bytes = 0;
    for (uint32_t i = 0; i < entry.chunk_count(); ++i) {
      const uint32_t index = image.ChunkOf(entry, i);
      if (!order.emplace(index, order.size()).second) continue;
      const catalog::Chunk& chunk = image.chunk(index);
      if (is_here(chunk)) continue;
      own.push_back(Need{index, chunk.pack(), chunk.offset(), chunk.stored(), {}});
      bytes += chunk.stored();
    }
    if (total + bytes > limit) break;
    total += bytes;
    needs.insert(needs.end(), own.begin(), own.end());
  }
  std::vector<Range> ranges = PlanRanges(&needs, UINT64_MAX, max_gap);
  std::vector<std::pair<size_t, Range>> ordered;
  for (const Range& range : ranges) {
    size_t first = SIZE_MAX;
    for (size_t i = range.first; i < range.first + range.count; ++i)
      first = std::min(first, order.at(needs[i].chunk));
    ordered.emplace_back(first, range);
  }
  std::sort(ordered.begin(), ordered.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
  for (size_t i = 0; i < ranges.size(); ++i) ranges[i] = ordered[i].second;
  return ranges;
}

Prefetcher::~Prefetcher() {
  std::vector<std::shared_ptr<Job>> jobs;
  {
    std::lock_guard hold(mutex_);
    for (auto& [image, job] : jobs_) jobs.push_back(job);
  }
  for (const auto& job : jobs) Drop(*job->image);
}

void Prefetcher::Drop(const ImageData& image) {
  std::shared_ptr<Job> job;
  {
    std::lock_guard hold(mutex_);
    const auto it = jobs_.find(&image);
    if (it == jobs_.end()) return;
    job = std::move(it->second);
    jobs_.erase(it);
  }
  {
    std::lock_guard hold(job->mutex);
    job->stop = true;
    for (const auto& stream : job->streams) stream->Finish();
  }
  job->less.notify_all();
  if (job->thread.joinable()) job->thread.join();
}

void Prefetcher::Begin(const std::shared_ptr<ImageData>& image, const std::vector<uint32_t>& entries) {
  const auto source = image->source();
  if (source == nullptr || source->offline() || image->removed || entries.empty()) return;
  // What is needed first decides whether anybody waits for us: then a miss must find what is on its way. Else
  // looking for the little that may be missing must not hold up the start.
  bool cold = false;
  for (size_t i = 0; i < std::min(kLookedAtFirst, entries.size()); ++i)
    cold |= image->Holds(entries[i]) && !hydrator_.Present(*image, entries[i]);
  {
    std::lock_guard hold(mutex_);
    if (const auto it = jobs_.find(image.get()); it != jobs_.end()) {
      std::lock_guard of_job(it->second->mutex);
      if (!it->second->ended || (!cold && it->second->complete && it->second->wanted == entries)) return;
    }
  }
  Drop(*image);
  auto job = std::make_shared<Job>();
  job->image = image;
  job->wanted = entries;
  job->report.began = options_.clock->MonotonicMicros();
  std::lock_guard hold(mutex_);
  if (!jobs_.emplace(image.get(), job).second) return;  // somebody else was faster
  if (cold) Plan(*job);
  Job* const raw = job.get();  // joined before it goes
  job->thread = std::thread([this, raw, cold] {
    if (!cold) Plan(*raw);
    Run(*raw);
  });
}

void Prefetcher::Plan(Job& job) {
  const ImageData& image = *job.image;
  std::vector<uint32_t> missing;
  for (const uint32_t e : job.wanted) {
    if (image.Holds(e) && !image.IsDirectory(e) && !hydrator_.Present(image, e)) missing.push_back(e);
  }
  std::vector<uint32_t> whole = missing;
  std::erase_if(whole, [&](uint32_t e) { return hydrator_.HasPatch(image, e); });
  std::vector<Range> ranges = PlanPrefetch(
      image, whole, [&](const catalog::Chunk& chunk) { return reuse_.Has(chunk, image); }, options_.max_gap,
      options_.prefetch_limit);
  std::lock_guard hold(job.mutex);
  job.complete = missing.empty();
  job.report.entries = job.entries = std::move(missing);
  job.ranges = std::move(ranges);
  for (const Range& range : job.ranges) {
    job.streams.push_back(streams_.Add(image.PackDigest(range.pack), range.begin, range.end));
    job.report.planned += range.end - range.begin;
    if (job.stop) job.streams.back()->Finish();
  }
}

PrefetchReport Prefetcher::Report(const ImageData& image) const {
  std::lock_guard hold(mutex_);
  const auto it = jobs_.find(&image);
  if (it == jobs_.end()) return {};
  std::lock_guard of_job(it->second->mutex);
  PrefetchReport report = it->second->report;
  report.running = !it->second->ended;
  return report;
}

void Prefetcher::Run(Job& job) {
  const auto source = job.image->source();
  std::vector<std::thread> threads;
  for (size_t i = 0; i < std::min(kReceivers, job.ranges.size()); ++i)
    threads.emplace_back([&] { Receive(job, *source); });
  for (size_t i = 0; i < std::min(kFillers, job.entries.size()); ++i)
    threads.emplace_back([&] { Fill(job); });
  for (std::thread& thread : threads) thread.join();
  for (const auto& stream : job.streams) streams_.Remove(stream);
  std::lock_guard hold(job.mutex);
  job.streams.clear();
  job.ended = true;
  job.report.ended = options_.clock->MonotonicMicros();
}

void Prefetcher::Receive(Job& job, Source& source) {
  while (true) {
    size_t i = 0;
    uint64_t length = 0;
    {
      std::unique_lock hold(job.mutex);
      job.less.wait(
          hold, [&] { return job.stop || job.next_range == job.ranges.size() || job.outstanding < kAhead; });
      if (job.stop || job.next_range == job.ranges.size()) break;
      i = job.next_range++;
      length = job.ranges[i].end - job.ranges[i].begin;
      job.outstanding += length;
      ++job.report.requests;
      job.streams[i]->Start();
    }
    ++counters_.requests;
    const std::shared_ptr<Stream> stream = job.streams[i];
    (void)source.ReadBlob(stream->pack, stream->begin, length, [&](os::ByteView piece) -> Status {
      counters_.bytes += piece.size();
      if (!stream->Append(piece)) return Error{Errc::kCorrupt, "too many bytes"};
      std::lock_guard hold(job.mutex);
      job.report.received += piece.size();
      job.outstanding -= piece.size();
      if (job.outstanding < kAhead) job.less.notify_all();
      return job.stop ? Status(Error{Errc::kBusy, "stopped"}) : Ok();
    });
    stream->Finish();
    std::lock_guard hold(job.mutex);
    job.outstanding -= length - stream->received();
    job.less.notify_all();
  }
  job.less.notify_all();
  // Whoever waits for what was not begun goes its own way.
  std::lock_guard hold(job.mutex);
  if (job.stop)
    for (const auto& stream : job.streams) stream->Finish();
}

void Prefetcher::Fill(Job& job) {
  const auto source = job.image->source();
  while (true) {
    uint32_t entry = 0;
    {
      std::lock_guard hold(job.mutex);
      if (job.stop || job.next_entry == job.entries.size() || source->offline()) return;
      entry = job.entries[job.next_entry++];
    }
    if (!ensure_(job.image, entry).ok()) continue;  // a miss will say why
    std::lock_guard hold(job.mutex);
    ++job.report.files;
  }
}

}  // namespace plume::cache
