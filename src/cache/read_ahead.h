// Bytes of packs that were fetched together with what was asked for. Packs hold chunks in the order in which
// files are likely to be needed, so the next file's bytes often came with the last one's and cost no round
// trip. The bytes are as the server sent them: whoever uses them verifies them chunk by chunk, as if they had
// just arrived. Thread-safe.
#pragma once
#include <condition_variable>
#include <cstdint>
#include <list>
#include <memory>
#include <mutex>
#include <string>

#include "os/file.h"

namespace plume::cache {

struct ReadWindow {
  std::string pack;  // digest
  uint64_t begin = 0, end = 0;
  os::Bytes bytes;
  bool Holds(const std::string& of, uint64_t from, uint64_t to) const {
    return of == pack && from >= begin && to <= end;
  }
  os::ByteView Part(uint64_t from, uint64_t to) const {
    return os::ByteView(bytes).subspan(static_cast<size_t>(from - begin), static_cast<size_t>(to - from));
  }
};

class ReadAhead {
 public:
  // `window`: bytes asked for at least (0 = nothing ahead); `limit`: bytes kept in memory at most.
  ReadAhead(uint64_t window, uint64_t limit) : window_(window), limit_(limit) {}

  // Either `ready` has a window with all of [begin, end); or the caller is to fetch [begin, fetch_end), and
  // must call Finish if that is more than it needs (others that need a part of it wait for it).
  struct Answer {
    std::shared_ptr<const ReadWindow> ready;
    uint64_t fetch_end = 0;
  };
  Answer Ask(const std::string& pack, uint64_t begin, uint64_t end, uint64_t pack_size);
  // Ends the fetch that Ask gave out; `window` without bytes: it failed.
  void Finish(std::shared_ptr<const ReadWindow> window);
  // The bytes of a window turned out to be wrong.
  void Drop(const std::shared_ptr<const ReadWindow>& window);

 private:
  struct Item {
    std::shared_ptr<const ReadWindow> window;
    bool used = false;
  };
  const uint64_t window_, limit_;
  std::mutex mutex_;
  std::condition_variable finished_;
  std::list<Item> items_;            // guarded by mutex_: the most recently used first
  std::list<ReadWindow> under_way_;  // guarded by mutex_: without bytes
  uint64_t kept_ = 0;                // guarded by mutex_: bytes in items_
};

}  // namespace plume::cache
