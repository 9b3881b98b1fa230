// Sends a part of a file over a non-blocking socket. Linux: sendfile, so the bytes never enter the process;
// elsewhere: read and send. One thread at a time.
#pragma once
#include <boost/asio/ip/tcp.hpp>
#include <cstdint>
#include <string>
#include <vector>

#include "server/service.h"

namespace plume::server {

class FileSender {
 public:
  enum class Step : uint8_t { kProgress, kWait, kFailed };  // kWait: until the socket is writable
  static constexpr size_t kPiece = 1u << 20;
  FileSender() = default;
  FileSender(const FileSender&) = delete;
  FileSender& operator=(const FileSender&) = delete;
  ~FileSender();
  bool Open(const FileBody& file);
  uint64_t remaining() const { return remaining_; }
  Step SendSome(boost::asio::ip::tcp::socket& socket, size_t* sent);

 private:
  uint64_t offset_ = 0, remaining_ = 0;
#if defined(__linux__)
  int descriptor_ = -1;
#else
  std::unique_ptr<os::File> file_;
  std::vector<uint8_t> piece_;
  size_t piece_start_ = 0;
#endif
};

// The whole part as text; false if the file is shorter or unreadable.
bool ReadWhole(const FileBody& file, std::string* out);

// While it lives (and `active`), the socket collects small writes into full segments: a header leaves with
// the first bytes of its body.
class HoldBack {
 public:
  HoldBack(boost::asio::ip::tcp::socket& socket, bool active);
  ~HoldBack();
  HoldBack(const HoldBack&) = delete;
  HoldBack& operator=(const HoldBack&) = delete;

 private:
  boost::asio::ip::tcp::socket& socket_;
  const bool active_;
};

}  // namespace plume::server
