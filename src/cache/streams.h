// Long ranges of packs that are being received ahead of need (prefetch.h), and the files that take their
// bytes from them as they come. The bytes are as the server sent them: whoever uses them verifies them chunk
// by chunk. Thread-safe.
#pragma once
#include <condition_variable>
#include <cstdint>
#include <list>
#include <memory>
#include <mutex>
#include <string>

#include "os/file.h"

namespace plume::cache {

class Stream {
 public:
  Stream(std::string of, uint64_t from, uint64_t to) : pack(std::move(of)), begin(from), end(to) {}
  const std::string pack;  // digest
  const uint64_t begin, end;

  // For the one who receives. False: more bytes than were asked for; nothing is kept of them.
  bool Append(os::ByteView piece);
  void Start();   // its request is on the way
  void Finish();  // nothing more will come
  void Drop();    // its bytes are wrong: as if it had ended with none
  uint64_t received() const;

  // What there is of [from, to), at least one byte: waits for it. Empty: it will not come. The bytes stay
  // valid as long as the stream.
  os::ByteView Wait(uint64_t from, uint64_t to);
  // Bytes that must still arrive until `to` is here; UINT64_MAX: they will not, or are not asked for yet.
  uint64_t Distance(uint64_t to) const;

 private:
  mutable std::mutex mutex_;
  std::condition_variable grown_;
  os::Bytes bytes_;  // guarded by mutex_; reserved as a whole, so it never moves
  bool started_ = false, ended_ = false, dropped_ = false;  // guarded by mutex_
};

class Streams {
 public:
  std::shared_ptr<Stream> Add(const std::string& pack, uint64_t begin, uint64_t end);
  void Remove(const std::shared_ptr<Stream>& stream);
  // The stream that has, or will have, all of [begin, end) at most `patience` bytes from now. Null: fetch
  // them yourself.
  std::shared_ptr<Stream> Find(const std::string& pack, uint64_t begin, uint64_t end,
                               uint64_t patience) const;

 private:
  mutable std::mutex mutex_;
  std::list<std::shared_ptr<Stream>> streams_;  // guarded by mutex_
};

}  // namespace plume::cache
