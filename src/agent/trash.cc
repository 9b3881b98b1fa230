#include "agent/trash.h"

#include <windows.h>

#include <chrono>

#include "agent/text.h"
#include "agent/win/atoms.h"
#include "agent/win/registry.h"
#include "agent/win/thread.h"
#include "os/file.h"
#include "os/random.h"

namespace plume::agent {
namespace {

constexpr uint64_t kRetryMillis = 5000;

}  // namespace

Status Trash::Take(const std::u16string& path) {
  os::FileSystem& files = os::SystemFiles();
  const os::Path to = HostPath(state_.Trash()) / os::FromUtf8(os::RandomHex(8));
  Status moved = files.Rename(HostPath(path), to, false);
  if (!moved.ok() && moved.error().code == Errc::kNotFound && os::Exists(files, HostPath(path))) {
    TRY(files.MakeDirectories(to.parent_path()));
    moved = files.Rename(HostPath(path), to, false);
  }
  if (!moved.ok()) return moved.error().code == Errc::kNotFound ? Ok() : std::move(moved);
  Wake();
  return Ok();
}

void Trash::TakeLater(const std::u16string& path) {
  {
    const std::lock_guard lock(mutex_);
    later_.insert(path);
  }
  Wake();
}

void Trash::TakeKey(const std::u16string& key) {
  {
    const std::lock_guard lock(mutex_);
    keys_.insert(key);
  }
  Wake();
}

void Trash::TakeAtoms(const std::u16string& vm_id) {
  {
    const std::lock_guard lock(mutex_);
    atoms_.insert(vm_id);
  }
  Wake();
}

void Trash::Empty() { Wake(); }

void Trash::RetryNow() {
  {
    const std::lock_guard lock(mutex_);
    if (!left_ || GetTickCount64() < retry_at_) return;
  }
  Wake();
}

void Trash::Wake() {
  const std::lock_guard lock(mutex_);
  wanted_ = true;
  if (!started_) {
    started_ = StartThread([this] { Work(); });  // else at the next occasion
  }
  wake_.notify_one();
}

void Trash::Work() {
  std::unique_lock lock(mutex_);
  for (;;) {
    while (!wanted_) wake_.wait(lock);
    wanted_ = false;
    working_ = true;
    lock.unlock();
    const bool all = EmptyOnce();
    lock.lock();
    working_ = false;
    left_ = !all;
    retry_at_ = GetTickCount64() + kRetryMillis;
    if (!wanted_) idle_.notify_all();
  }
}

bool Trash::EmptyOnce() {
  std::set<std::u16string> keys, later, atoms;
  {
    const std::lock_guard lock(mutex_);
    keys.swap(keys_);
    later.swap(later_);
    atoms.swap(atoms_);
  }
  RemoveAtoms(atoms);
  std::set<std::u16string> keys_left, later_left;
  for (const std::u16string& key : keys)
    if (!RemoveKeyTree(key).ok()) keys_left.insert(key);
  os::FileSystem& files = os::SystemFiles();
  for (const std::u16string& path : later)
    if (!files.Rename(HostPath(path), HostPath(state_.Trash()) / os::FromUtf8(os::RandomHex(8)), false)
             .ok() &&
        os::Exists(files, HostPath(path)))
      later_left.insert(path);
  bool all = keys_left.empty() && later_left.empty();
  if (const auto rubbish = files.List(HostPath(state_.Trash())); rubbish.ok())
    for (const os::DirectoryEntry& e : *rubbish)
      all = os::RemoveTree(files, HostPath(state_.Trash()) / e.name).ok() && all;
  const std::lock_guard lock(mutex_);
  keys_.insert(keys_left.begin(), keys_left.end());
  later_.insert(later_left.begin(), later_left.end());
  return all;
}

void Trash::Finish(uint32_t milliseconds) {
  std::unique_lock lock(mutex_);
  idle_.wait_for(lock, std::chrono::milliseconds(milliseconds), [this] { return !wanted_ && !working_; });
}

}  // namespace plume::agent
