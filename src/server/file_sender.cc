#include "server/file_sender.h"

#if defined(__linux__)
#include <fcntl.h>
#include <netinet/tcp.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#endif
#include <algorithm>

namespace plume::server {

bool ReadWhole(const FileBody& file, std::string* out) {
  out->resize(file.length);
  auto opened = os::SystemFiles().Open(file.path, os::OpenMode::kRead);
  if (!opened.ok()) return false;
  auto got = (*opened)->ReadAt(file.offset, {reinterpret_cast<uint8_t*>(out->data()), out->size()});
  return got.ok() && *got == out->size();
}

#if defined(__linux__)

FileSender::~FileSender() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

bool FileSender::Open(const FileBody& file) {
  offset_ = file.offset;
  remaining_ = file.length;
  descriptor_ = ::open(file.path.c_str(), O_RDONLY | O_CLOEXEC);
  return descriptor_ >= 0;
}

FileSender::Step FileSender::SendSome(boost::asio::ip::tcp::socket& socket, size_t* sent) {
  *sent = 0;
  off_t offset = static_cast<off_t>(offset_);
  const ssize_t count = ::sendfile(socket.native_handle(), descriptor_, &offset,
                                   static_cast<size_t>(std::min<uint64_t>(remaining_, kPiece)));
  if (count < 0) {
    if (errno == EAGAIN) return Step::kWait;
    return errno == EINTR ? Step::kProgress : Step::kFailed;
  }
  if (count == 0) return Step::kFailed;  // the file is shorter than it was
  *sent = static_cast<size_t>(count);
  offset_ += *sent;
  remaining_ -= *sent;
  return Step::kProgress;
}

HoldBack::HoldBack(boost::asio::ip::tcp::socket& socket, bool active) : socket_(socket), active_(active) {
  const int on = 1;
  if (active_) ::setsockopt(socket_.native_handle(), IPPROTO_TCP, TCP_CORK, &on, sizeof on);
}

HoldBack::~HoldBack() {
  const int off = 0;
  if (active_ && socket_.is_open())
    ::setsockopt(socket_.native_handle(), IPPROTO_TCP, TCP_CORK, &off, sizeof off);
}

#else

FileSender::~FileSender() = default;

bool FileSender::Open(const FileBody& file) {
  offset_ = file.offset;
  remaining_ = file.length;
  auto opened = os::SystemFiles().Open(file.path, os::OpenMode::kRead);
  if (!opened.ok()) return false;
  file_ = std::move(*opened);
  return true;
}

FileSender::Step FileSender::SendSome(boost::asio::ip::tcp::socket& socket, size_t* sent) {
  *sent = 0;
  if (piece_start_ == piece_.size()) {
    piece_.resize(static_cast<size_t>(std::min<uint64_t>(remaining_, kPiece)));
    piece_start_ = 0;
    auto got = file_->ReadAt(offset_, piece_);
    if (!got.ok() || *got != piece_.size()) return Step::kFailed;
    offset_ += piece_.size();
  }
  boost::system::error_code error;
  *sent =
      socket.send(boost::asio::buffer(piece_.data() + piece_start_, piece_.size() - piece_start_), 0, error);
  if (error == boost::asio::error::would_block) return Step::kWait;
  if (error) return Step::kFailed;
  piece_start_ += *sent;
  remaining_ -= *sent;
  return Step::kProgress;
}

HoldBack::HoldBack(boost::asio::ip::tcp::socket& socket, bool active) : socket_(socket), active_(active) {}
HoldBack::~HoldBack() = default;

#endif

}  // namespace plume::server
