#include "cache/source.h"

#include <chrono>

namespace plume::cache {

void Source::Replace(std::shared_ptr<repository::Repository> repository) {
  std::atomic_store(&repository_, std::move(repository));
  offline_ = false;
}

Status Source::Gate() const {
  if (!offline_ || (!probed_ && clock_.MonotonicMicros() >= retry_at_)) return Ok();
  return Error{Errc::kUnreachable, "the repository " + Name() + " cannot be reached"};
}

void Source::Note(const Status& outcome) {
  if (outcome.ok() || outcome.error().code != Errc::kUnreachable) {
    // An error of the local side (disk full) says nothing about the connection, but no other error hides a
    // dead one.
    offline_ = false;
    return;
  }
  retry_at_ = clock_.MonotonicMicros() + offline_micros_;
  if (!offline_.exchange(true) && on_offline) on_offline();
}

Result<repository::ManifestBlob> Source::GetManifest(const std::string& digest) {
  TRY(Gate());
  auto manifest = repository()->GetManifest(digest);
  Note(manifest.ok() ? Ok() : Status(manifest.error()));
  return manifest;
}

Status Source::ReadBlob(const std::string& digest, uint64_t offset, uint64_t length,
                        const repository::Sink& sink) {
  TRY(Gate());
  Status read = repository()->ReadBlob(digest, offset, length, sink);
  Note(read);
  return read;
}

Result<std::vector<repository::Referrer>> Source::Referrers(const std::string& digest,
                                                            const std::string& type) {
  TRY(Gate());
  auto referrers = repository()->Referrers(digest, type);
  Note(referrers.ok() ? Ok() : Status(referrers.error()));
  return referrers;
}

void Source::Probe(const std::string& digest) {
  if (!offline_) return;
  auto answer = repository()->GetManifest(digest);
  if (answer.ok() || answer.error().code != Errc::kUnreachable) offline_ = false;
}

Prober::~Prober() {
  {
    std::lock_guard hold(mutex_);
    stop_ = true;
  }
  wake_.notify_all();
  if (thread_.joinable()) thread_.join();
}

void Prober::Watch(const std::shared_ptr<Source>& source, const std::string& digest) {
  std::lock_guard hold(mutex_);
  if (stop_) return;
  items_.push_back(Item{source, digest});
  if (!thread_.joinable()) thread_ = std::thread([this] { Run(); });
  wake_.notify_all();
}

void Prober::Run() {
  std::unique_lock hold(mutex_);
  while (!stop_) {
    if (items_.empty()) {
      wake_.wait(hold);
      continue;
    }
    wake_.wait_for(hold, std::chrono::milliseconds(interval_millis_), [this] { return stop_; });
    if (stop_) break;
    std::vector<Item> items;
    items.swap(items_);
    hold.unlock();
    std::erase_if(items, [](const Item& item) {
      const auto source = item.source.lock();
      if (source == nullptr) return true;
      source->Probe(item.digest);
      return !source->offline();
    });
    hold.lock();
    items_.insert(items_.end(), items.begin(), items.end());
  }
}

}  // namespace plume::cache
