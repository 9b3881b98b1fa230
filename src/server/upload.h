// Uploads in progress: bytes go to a file below root/uploads and through SHA-256 at the same time, so that
// the end of an upload costs no second reading. They live as long as the server: an interrupted one is
// resumed by its id while the server runs, expires when idle, and is forgotten at a restart (clients then
// start it over).
#pragma once
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>

#include "os/sha256.h"
#include "server/storage.h"

namespace plume::server {

// One upload; used by one request at a time (see Uploads::Borrow).
class Upload {
 public:
  Upload(std::string id, std::string name, std::unique_ptr<os::File> file, os::Path path,
         os::FileSystem& files)
      : id_(std::move(id)),
        name_(std::move(name)),
        path_(std::move(path)),
        files_(files),
        file_(std::move(file)) {}
  ~Upload();  // removes the file unless it was committed
  const std::string& id() const { return id_; }
  const std::string& name() const { return name_; }
  uint64_t size() const { return size_; }
  // After an error the upload is broken and must be discarded.
  Status Append(std::span<const uint8_t> bytes);
  // Makes it the blob `digest`. kCorrupt if the bytes hash to something else. The upload is used up either
  // way.
  Status Commit(Storage* storage, const std::string& digest);

 private:
  const std::string id_, name_;
  const os::Path path_;
  os::FileSystem& files_;
  std::unique_ptr<os::File> file_;
  os::Sha256 hash_;
  uint64_t size_ = 0;
};

class Uploads {
 public:
  using Clock = std::chrono::steady_clock;
  Uploads(Storage* storage, std::chrono::seconds idle_limit, size_t max_count)
      : storage_(storage), idle_limit_(idle_limit), max_count_(max_count) {}

  // A new upload, lent to the caller. kBusy: too many.
  Result<std::shared_ptr<Upload>> Create(const std::string& name);
  // Lends it for one request. Waits a moment for another request that has it, then kBusy. kNotFound.
  Result<std::shared_ptr<Upload>> Borrow(const std::string& name, const std::string& id);
  // Ends a loan; `keep` = it may be borrowed again.
  void Return(const std::shared_ptr<Upload>& upload, bool keep);
  // Drops what nobody has used for the idle limit.
  void Expire();

 private:
  struct Slot {
    std::shared_ptr<Upload> upload;
    bool lent = false;
    Clock::time_point last_use;
  };
  Storage* const storage_;
  const std::chrono::seconds idle_limit_;
  const size_t max_count_;
  std::mutex mutex_;
  std::condition_variable returned_;
  std::map<std::string, Slot> slots_;  // guarded by mutex_
};

}  // namespace plume::server
