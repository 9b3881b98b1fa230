#include "cache/workers.h"

#include <algorithm>
#include <optional>

namespace plume::cache {

struct Workers::Job {
  const std::function<Status(size_t)>* part = nullptr;  // valid while `closed` is false
  std::mutex mutex;
  std::condition_variable idle;
  size_t next = 0, count = 0, running = 0;  // guarded by mutex, as are the following
  bool closed = false;
  std::optional<Error> error;
};

Workers::~Workers() {
  {
    std::lock_guard hold(mutex_);
    stop_ = true;
  }
  wake_.notify_all();
  for (std::thread& thread : threads_) thread.join();
}

void Workers::Help(Job& job) {
  std::unique_lock hold(job.mutex);
  while (!job.closed && !job.error && job.next < job.count) {
    const size_t index = job.next++;
    ++job.running;
    hold.unlock();
    Status done = (*job.part)(index);
    hold.lock();
    --job.running;
    if (!done.ok() && !job.error) job.error = std::move(done).error();
  }
  if (job.running == 0) job.idle.notify_all();
}

Status Workers::ForEach(size_t count, const std::function<Status(size_t)>& part) {
  if (count == 1) return part(0);
  const auto job = std::make_shared<Job>();
  job->part = &part;
  job->count = count;
  {
    std::lock_guard hold(mutex_);
    const size_t helpers = std::min(count == 0 ? 0 : count - 1, limit_);
    while (threads_.size() < helpers) threads_.emplace_back([this] { Run(); });
    for (size_t i = 0; i < helpers; ++i) queue_.push_back(job);
  }
  wake_.notify_all();
  Help(*job);
  std::unique_lock hold(job->mutex);
  job->idle.wait(hold, [&] { return job->running == 0; });
  job->closed = true;  // helpers that come late find nothing to do
  if (job->error) return *job->error;
  return Ok();
}

void Workers::Run() {
  std::unique_lock hold(mutex_);
  while (true) {
    wake_.wait(hold, [this] { return stop_ || !queue_.empty(); });
    if (stop_) return;
    const std::shared_ptr<Job> job = std::move(queue_.front());
    queue_.pop_front();
    hold.unlock();
    Help(*job);
    hold.lock();
  }
}

}  // namespace plume::cache
