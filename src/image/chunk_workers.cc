#include "image/chunk_workers.h"

#include <algorithm>

#include "image/codec.h"

namespace plume::image {
namespace {

constexpr size_t kJobsPerThread = 16;  // at most 4 MiB of chunks per thread

}  // namespace

ChunkWorkers::ChunkWorkers(unsigned threads, std::function<bool(const os::Digest&)> skip)
    : skip_(std::move(skip)), limit_(std::max(1u, threads) * kJobsPerThread) {
  for (unsigned i = 0; i < std::max(1u, threads); ++i) threads_.emplace_back([this] { Work(); });
}

ChunkWorkers::~ChunkWorkers() {
  {
    const std::lock_guard lock(mutex_);
    stop_ = true;
  }
  work_.notify_all();
  for (std::thread& thread : threads_) thread.join();
}

void ChunkWorkers::Push(std::unique_ptr<ChunkJob> job) {
  auto slot = std::make_shared<Slot>();
  slot->job = std::move(job);
  {
    const std::lock_guard lock(mutex_);
    slots_.push_back(std::move(slot));
  }
  ++in_flight_;
  work_.notify_one();
}

std::unique_ptr<ChunkJob> ChunkWorkers::Pop() {
  if (in_flight_ == 0) return nullptr;
  std::unique_lock lock(mutex_);
  done_.wait(lock, [this] { return slots_.front()->done; });
  std::unique_ptr<ChunkJob> job = std::move(slots_.front()->job);
  slots_.pop_front();
  --in_flight_;
  return job;
}

void ChunkWorkers::Work() {
  std::unique_lock lock(mutex_);
  for (;;) {
    const auto next =
        std::find_if(slots_.begin(), slots_.end(), [](const auto& slot) { return !slot->taken; });
    if (stop_) return;
    if (next == slots_.end()) {
      work_.wait(lock);
      continue;
    }
    const std::shared_ptr<Slot> slot = *next;
    slot->taken = true;
    lock.unlock();
    Do(*slot->job, skip_);
    lock.lock();
    slot->done = true;
    done_.notify_one();
  }
}

void ChunkWorkers::Do(ChunkJob& job, const std::function<bool(const os::Digest&)>& skip) {
  job.digest = os::Sha256::Of(job.plain);
  if (!skip(job.digest)) job.stored = EncodeChunk(job.plain);
}

}  // namespace plume::image
