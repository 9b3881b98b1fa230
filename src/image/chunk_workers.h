// Hashes and compresses chunks on worker threads, giving results back in the order they were put in: the
// builder decides on them in that order, so the image does not depend on thread timing.
#pragma once
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "os/sha256.h"

namespace plume::image {

struct ChunkJob {
  uint64_t file = 0;  // the caller's number
  std::vector<uint8_t> plain;
  os::Digest digest{};          // result
  std::vector<uint8_t> stored;  // result; empty if `skip` said the chunk is stored already
};

class ChunkWorkers {
 public:
  // `skip(digest)` is called on worker threads: true saves the work of compressing.
  ChunkWorkers(unsigned threads, std::function<bool(const os::Digest&)> skip);
  ~ChunkWorkers();

  void Push(std::unique_ptr<ChunkJob> job);
  // The oldest job, when it is done; null if none is in flight. Waits.
  std::unique_ptr<ChunkJob> Pop();
  bool Full() const { return in_flight_ >= limit_; }  // the caller should Pop before it pushes

 private:
  struct Slot {
    std::unique_ptr<ChunkJob> job;
    bool taken = false, done = false;
  };
  void Work();
  static void Do(ChunkJob& job, const std::function<bool(const os::Digest&)>& skip);

  const std::function<bool(const os::Digest&)> skip_;
  const size_t limit_;
  size_t in_flight_ = 0;  // of the calling thread
  std::mutex mutex_;
  std::condition_variable work_, done_;
  std::deque<std::shared_ptr<Slot>> slots_;  // oldest first; guarded by mutex_
  bool stop_ = false;                        // guarded by mutex_
  std::vector<std::thread> threads_;
};

}  // namespace plume::image
