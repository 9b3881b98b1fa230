// Hydrated files whose bytes the operating system may not have written out yet.
//
// Flushing each file before it gets its name would cost every first open some milliseconds. Instead a marker
// is made before the rename: directory changes are journaled in order, so after a power failure a file with
// its final name and unwritten bytes still has its marker, and the next Open checks exactly those files. A
// killed process loses nothing (the system has the bytes), so an agent that is merely started again checks
// nothing: the marker says in which run of the system it was made. Markers go when the bytes are known to be
// on the medium.
//
// Thread-safe.
#pragma once
#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <string>
#include <thread>

#include "os/clock.h"
#include "os/file.h"

namespace plume::cache {

class Settler {
 public:
  // `folder`: where the markers are. `files` and `clock` must outlive the Settler.
  Settler(os::FileSystem& files, os::Clock& clock, os::Path folder);
  ~Settler();  // ends the thread; markers that are left are taken up by the next Recover

  struct Marker {
    std::string digest;  // of the image
    uint32_t entry = 0;
  };
  // Deals with the markers of an earlier process, before any new one. `check` is called for each file that
  // may be damaged; it removes the file if it is.
  Status Recover(const std::function<void(const Marker&)>& check,
                 const std::function<os::Path(const Marker&)>& path_of);
  // Before the rename.
  Status Mark(const Marker& marker);
  // After it: `path` is complete and its bytes are to be written out in the background.
  void Settle(const Marker& marker, os::Path path);

 private:
  struct Item {
    os::Path marker, path;
    int64_t due = 0;  // of waiting_: monotonic microseconds
  };
  os::Path PathOf(const Marker& marker) const;
  void Run();

  os::FileSystem& files_;
  os::Clock& clock_;
  const os::Path folder_;
  const std::string system_run_;
  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<Item> fresh_;    // guarded by mutex_, as is the rest: to be flushed
  std::deque<Item> waiting_;  // could not be flushed: left to the system until they are due; in that order
  bool stop_ = false;
  std::thread thread_;  // started with the first item
};

}  // namespace plume::cache
