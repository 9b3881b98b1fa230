#include "image/pack.h"

namespace plume::image {

Result<PackWriter::Place> PackWriter::Add(std::span<const uint8_t> stored) {
  if (open_ && open_->size() + stored.size() > kPackTarget) TRY(Close());
  if (!open_) {
    ASSIGN(open_, layout_.NewBlob());
  }
  const Place place{static_cast<uint32_t>(done_.size()), open_->size()};
  TRY(open_->Write(stored));
  return place;
}

Status PackWriter::Close() {
  ASSIGN(Descriptor pack, open_->Commit(kPackMediaType));
  done_.push_back(std::move(pack));
  open_.reset();
  return Ok();
}

Result<std::vector<Descriptor>> PackWriter::Finish() {
  if (open_) TRY(Close());
  return std::move(done_);
}

}  // namespace plume::image
