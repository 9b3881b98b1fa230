// A few threads that help to do the parts of a job in parallel. The caller does parts too, so a job is never
// waiting for a free thread, and jobs of many callers share the same few helpers.
#pragma once
#include <condition_variable>
#include <cstddef>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "base/result.h"

namespace plume::cache {

class Workers {
 public:
  explicit Workers(size_t helpers) : limit_(helpers) {}
  ~Workers();
  // Calls part(0) ... part(count - 1), several at a time, and returns when none is running. After the first
  // error no new part is begun; that error is the result.
  Status ForEach(size_t count, const std::function<Status(size_t)>& part);

 private:
  struct Job;
  void Run();
  static void Help(Job& job);
  const size_t limit_;
  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<std::shared_ptr<Job>> queue_;  // guarded by mutex_: one element for each wanted helper
  bool stop_ = false;                       // guarded by mutex_
  std::vector<std::thread> threads_;        // guarded by mutex_; started when first needed
};

}  // namespace plume::cache
