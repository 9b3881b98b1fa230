#include "server/upload.h"

#include "os/random.h"

namespace plume::server {
namespace {

// A client whose connection broke comes back at once, often before the broken request has let go of the
// upload.
constexpr std::chrono::milliseconds kBorrowWait(1000);

}  // namespace

Upload::~Upload() {
  if (file_ == nullptr) return;
  file_.reset();
  (void)files_.Remove(path_);
}

Status Upload::Append(std::span<const uint8_t> bytes) {
  TRY(file_->WriteAt(size_, bytes));
  hash_.Update(bytes);
  size_ += bytes.size();
  return Ok();
}

Status Upload::Commit(Storage* storage, const std::string& digest) {
  const std::string actual = os::DigestText(hash_.Finish());
  if (actual != digest) {
    return Error{Errc::kCorrupt, "the bytes received hash to " + actual + ", not to " + digest};
  }
  TRY(file_->Flush());
  TRY(file_->Close());
  // From here the file is no longer the destructor's: it is the blob, or it is removed right now.
  file_.reset();
  Status adopted = storage->AdoptBlob(name_, digest, path_);
  if (!adopted.ok()) (void)files_.Remove(path_);
  return adopted;
}

Result<std::shared_ptr<Upload>> Uploads::Create(const std::string& name) {
  Expire();
  {
    std::lock_guard hold(mutex_);
    if (slots_.size() >= max_count_) return Error{Errc::kBusy, "too many uploads in progress"};
  }
  const std::string id = os::RandomHex(16);
  const os::Path path = storage_->UploadPath(id);
  ASSIGN(auto file, storage_->files().Open(path, os::OpenMode::kCreateNew));
  auto upload = std::make_shared<Upload>(id, name, std::move(file), path, storage_->files());
  std::lock_guard hold(mutex_);
  slots_[id] = Slot{upload, true, Clock::now()};
  return upload;
}

Result<std::shared_ptr<Upload>> Uploads::Borrow(const std::string& name, const std::string& id) {
  std::unique_lock hold(mutex_);
  const auto give_up = Clock::now() + kBorrowWait;
  while (true) {
    const auto it = slots_.find(id);
    // An upload belongs to its repository: another one's id is as good as none.
    if (it == slots_.end() || it->second.upload->name() != name)
      return Error{Errc::kNotFound, "no such upload"};
    if (!it->second.lent) {
      it->second.lent = true;
      return it->second.upload;
    }
    if (returned_.wait_until(hold, give_up) == std::cv_status::timeout) {
      return Error{Errc::kBusy, "another request is using this upload"};
    }
  }
}

void Uploads::Return(const std::shared_ptr<Upload>& upload, bool keep) {
  std::lock_guard hold(mutex_);
  const auto it = slots_.find(upload->id());
  if (it == slots_.end()) return;
  if (keep) {
    it->second.lent = false;
    it->second.last_use = Clock::now();
  } else {
    slots_.erase(it);
  }
  returned_.notify_all();
}

void Uploads::Expire() {
  const auto now = Clock::now();
  std::lock_guard hold(mutex_);
  std::erase_if(slots_, [&](const auto& item) {
    return !item.second.lent && now - item.second.last_use > idle_limit_;
  });
}

}  // namespace plume::server
