// What was deleted, from the moment the user sees it gone until it is. Windows. Thread-safe.
//
// Taking is one rename into the state folder's trash; a thread empties it. What is in use stays until it is
// not: it is tried again now and then, and by the next agent.
#pragma once
#include <condition_variable>
#include <mutex>
#include <set>
#include <string>

#include "agent/state.h"
#include "base/result.h"

namespace plume::agent {

class Trash {
 public:
  explicit Trash(const StatePaths& state) : state_(state) {}
  // Moves a file or folder of the state folder into the trash. Fails if something in it is in use (on
  // Windows).
  Status Take(const std::u16string& path);
  // The same, as soon as it can be moved.
  void TakeLater(const std::u16string& path);
  // Removes a key tree, relative to the current user's key.
  void TakeKey(const std::u16string& key);
  // Removes the global atoms of a VM whose guests have all ended.
  void TakeAtoms(const std::u16string& vm_id);
  // Empties it in the background; also what an earlier agent left.
  void Empty();
  // Called often: goes on with what was in use, not more often than makes sense.
  void RetryNow();
  // Waits until everything is gone that can go, at most so long.
  void Finish(uint32_t milliseconds);

 private:
  void Wake();
  void Work();
  bool EmptyOnce();

  const StatePaths& state_;
  std::mutex mutex_;
  std::condition_variable wake_, idle_;
  std::set<std::u16string> keys_, later_, atoms_;
  bool started_ = false, wanted_ = false, working_ = false, left_ = false;
  uint64_t retry_at_ = 0;  // GetTickCount64
};

}  // namespace plume::agent
