// A repository together with the knowledge whether it can be reached: once a connection has failed, further
// requests fail at once, so that a hundred opens of an offline application do not wait for a hundred
// time-outs.
#pragma once
#include <atomic>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "os/clock.h"
#include "repository/repository.h"

namespace plume::cache {

class Source {
 public:
  Source(std::shared_ptr<repository::Repository> repository, os::Clock& clock, uint32_t offline_millis,
         bool probed)
      : repository_(std::move(repository)),
        clock_(clock),
        offline_micros_(offline_millis * 1000ll),
        probed_(probed) {}

  std::string Name() const { return repository()->Name(); }
  std::shared_ptr<repository::Repository> repository() const { return std::atomic_load(&repository_); }
  // Another object for the same repository: a reason to try again at once.
  void Replace(std::shared_ptr<repository::Repository> repository);

  Result<repository::ManifestBlob> GetManifest(const std::string& digest);
  Status ReadBlob(const std::string& digest, uint64_t offset, uint64_t length, const repository::Sink& sink);
  Result<std::vector<repository::Referrer>> Referrers(const std::string& digest, const std::string& type);

  bool offline() const { return offline_; }
  // Any answer, even "not found", proves that the repository is there.
  void Probe(const std::string& digest);
  // Called when the source goes offline; set before use.
  std::function<void()> on_offline;

 private:
  // kUnreachable if it would be useless to try now.
  Status Gate() const;
  void Note(const Status& outcome);
  std::shared_ptr<repository::Repository> repository_;  // atomic access only
  os::Clock& clock_;
  const int64_t offline_micros_;
  const bool probed_;  // a Prober brings it back; else the first request after the time does
  std::atomic<bool> offline_{false};
  std::atomic<int64_t> retry_at_{0};  // monotonic microseconds
};

// Tries offline sources again in the background. The thread starts with the first Watch.
class Prober {
 public:
  explicit Prober(uint32_t interval_millis) : interval_millis_(interval_millis) {}
  ~Prober();
  // `digest`: a manifest to ask for.
  void Watch(const std::shared_ptr<Source>& source, const std::string& digest);

 private:
  struct Item {
    std::weak_ptr<Source> source;
    std::string digest;
  };
  void Run();
  const uint32_t interval_millis_;
  std::mutex mutex_;
  std::condition_variable wake_;
  std::vector<Item> items_;  // guarded by mutex_
  bool stop_ = false;        // guarded by mutex_
  std::thread thread_;
};

}  // namespace plume::cache
