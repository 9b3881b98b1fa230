// One TCP or TLS connection with time limits, as the synchronous stream that Boost.Beast reads and writes.
#pragma once
#include <boost/asio/buffer.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/system/error_code.hpp>
#include <cstdint>
#include <memory>

#include "base/result.h"
#include "os/http.h"

namespace plume::os {

// One thread at a time. Every operation ends within the time limit (error: beast::error::timeout).
class Connection {
 public:
  // kUnreachable says why in a user's words: "connection refused", "no such host", ...
  static Result<std::unique_ptr<Connection>> Open(const HttpUrl& url, uint32_t connect_timeout_ms,
                                                  boost::asio::ssl::context& tls);
  virtual ~Connection() = default;
  void set_timeout(uint32_t milliseconds) { timeout_ms_ = milliseconds; }

  // Boost's SyncReadStream and SyncWriteStream.
  template <typename Buffers>
  size_t read_some(const Buffers& buffers, boost::system::error_code& error) {
    const auto first = boost::asio::buffer_sequence_begin(buffers);
    if (first == boost::asio::buffer_sequence_end(buffers)) return 0;
    return ReadSome(boost::asio::mutable_buffer(*first), error);
  }
  template <typename Buffers>
  size_t write_some(const Buffers& buffers, boost::system::error_code& error) {
    for (auto it = boost::asio::buffer_sequence_begin(buffers);
         it != boost::asio::buffer_sequence_end(buffers); ++it) {
      const boost::asio::const_buffer buffer(*it);
      if (buffer.size() != 0) return WriteSome(buffer, error);
    }
    return 0;
  }
  template <typename Buffers>
  size_t read_some(const Buffers& buffers) {
    boost::system::error_code error;
    return read_some(buffers, error);
  }
  template <typename Buffers>
  size_t write_some(const Buffers& buffers) {
    boost::system::error_code error;
    return write_some(buffers, error);
  }
  // False if the peer has closed it or sent something nobody asked for.
  virtual bool Usable() = 0;

 protected:
  virtual size_t ReadSome(boost::asio::mutable_buffer buffer, boost::system::error_code& error) = 0;
  virtual size_t WriteSome(boost::asio::const_buffer buffer, boost::system::error_code& error) = 0;
  uint32_t timeout_ms_ = 10'000;
};

// A Boost error in a user's words.
std::string Reason(const boost::system::error_code& error);

}  // namespace plume::os
