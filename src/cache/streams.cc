#include "cache/streams.h"

#include <algorithm>

namespace plume::cache {

bool Stream::Append(os::ByteView piece) {
  {
    std::lock_guard hold(mutex_);
    if (piece.size() > end - begin - bytes_.size()) return false;
    if (bytes_.capacity() < end - begin) bytes_.reserve(static_cast<size_t>(end - begin));
    bytes_.insert(bytes_.end(), piece.begin(), piece.end());
  }
  grown_.notify_all();
  return true;
}

void Stream::Start() {
  std::lock_guard hold(mutex_);
  started_ = true;
}

void Stream::Finish() {
  {
    std::lock_guard hold(mutex_);
    ended_ = true;
  }
  grown_.notify_all();
}

void Stream::Drop() {
  {
    std::lock_guard hold(mutex_);
    dropped_ = true;
  }
  grown_.notify_all();
}

uint64_t Stream::received() const {
  std::lock_guard hold(mutex_);
  return bytes_.size();
}

os::ByteView Stream::Wait(uint64_t from, uint64_t to) {
  std::unique_lock hold(mutex_);
  grown_.wait(hold, [&] { return dropped_ || ended_ || begin + bytes_.size() > from; });
  const uint64_t here = begin + bytes_.size();
  if (dropped_ || here <= from || from >= to) return {};
  return os::ByteView(bytes_.data() + (from - begin), static_cast<size_t>(std::min(to, here) - from));
}

uint64_t Stream::Distance(uint64_t to) const {
  std::lock_guard hold(mutex_);
  const uint64_t here = begin + bytes_.size();
  if (dropped_) return UINT64_MAX;
  if (here >= to) return 0;
  return ended_ || !started_ ? UINT64_MAX : to - here;
}

std::shared_ptr<Stream> Streams::Add(const std::string& pack, uint64_t begin, uint64_t end) {
  auto stream = std::make_shared<Stream>(pack, begin, end);
  std::lock_guard hold(mutex_);
  streams_.push_back(stream);
  return stream;
}

void Streams::Remove(const std::shared_ptr<Stream>& stream) {
  std::lock_guard hold(mutex_);
  streams_.remove(stream);
}

std::shared_ptr<Stream> Streams::Find(const std::string& pack, uint64_t begin, uint64_t end,
                                      uint64_t patience) const {
  std::lock_guard hold(mutex_);
  for (const std::shared_ptr<Stream>& stream : streams_) {
    if (stream->pack == pack && begin >= stream->begin && end <= stream->end &&
        stream->Distance(end) <= patience) {
      return stream;
    }
  }
  return nullptr;
}

}  // namespace plume::cache
