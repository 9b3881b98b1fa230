#include "cache/read_ahead.h"

#include <algorithm>

namespace plume::cache {
namespace {

// A window that was of use earns the next one twice its size, up to this many times the first.
constexpr uint64_t kMostGrowth = 8;

}  // namespace

ReadAhead::Answer ReadAhead::Ask(const std::string& pack, uint64_t begin, uint64_t end, uint64_t pack_size) {
  std::unique_lock hold(mutex_);
  const auto coming = [&] {
    return std::any_of(under_way_.begin(), under_way_.end(),
                       [&](const ReadWindow& window) { return window.Holds(pack, begin, end); });
  };
  finished_.wait(hold, [&] { return !coming(); });
  uint64_t wanted = window_;
  for (auto it = items_.begin(); it != items_.end(); ++it) {
    if (it->window->Holds(pack, begin, end)) {
      it->used = true;
      items_.splice(items_.begin(), items_, it);
      return Answer{items_.front().window, end};
    }
    if (it->used && it->window->pack == pack)
      wanted = std::max<uint64_t>(wanted, it->window->bytes.size() * 2);
  }
  wanted = std::min(wanted, window_ * kMostGrowth);
  Answer answer{nullptr, end};
  if (begin < pack_size && end - begin < wanted) {
    answer.fetch_end = std::max(end, begin + std::min(wanted, pack_size - begin));
  }
  if (answer.fetch_end > end) under_way_.push_back(ReadWindow{pack, begin, answer.fetch_end, {}});
  return answer;
}

void ReadAhead::Finish(std::shared_ptr<const ReadWindow> window) {
  {
    std::lock_guard hold(mutex_);
    const auto it = std::find_if(under_way_.begin(), under_way_.end(), [&](const ReadWindow& other) {
      return other.pack == window->pack && other.begin == window->begin && other.end == window->end;
    });
    if (it != under_way_.end()) under_way_.erase(it);
    if (!window->bytes.empty()) {
      kept_ += window->bytes.size();
      items_.push_front(Item{std::move(window), false});
    }
    while (kept_ > limit_) {
      kept_ -= items_.back().window->bytes.size();
      items_.pop_back();
    }
  }
  finished_.notify_all();
}

void ReadAhead::Drop(const std::shared_ptr<const ReadWindow>& window) {
  std::lock_guard hold(mutex_);
  const auto it =
      std::find_if(items_.begin(), items_.end(), [&](const Item& item) { return item.window == window; });
  if (it == items_.end()) return;
  kept_ -= window->bytes.size();
  items_.erase(it);
}

}  // namespace plume::cache
