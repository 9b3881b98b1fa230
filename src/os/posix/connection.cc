#include "os/posix/connection.h"

#include <poll.h>

#include <boost/asio/connect.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl/error.hpp>
#include <boost/asio/ssl/host_name_verification.hpp>
#include <boost/asio/ssl/stream.hpp>
#include <boost/beast/core/error.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <chrono>

namespace plume::os {
namespace {

namespace net = boost::asio;
namespace beast = boost::beast;
using boost::system::error_code;
using net::ip::tcp;

// Runs one asynchronous operation to its end. Asio's own synchronous calls know no time limit; tcp_stream's
// timer works for asynchronous ones only.
class Runner {
 public:
  net::io_context& context() { return context_; }
  template <typename Start>
  size_t Run(error_code& error, Start&& start) {
    size_t transferred = 0;
    start([&](error_code e, size_t n) {
      error = e;
      transferred = n;
    });
    context_.restart();
    context_.run();
    return transferred;
  }

 private:
  net::io_context context_{1};
};

bool SocketUsable(tcp::socket& socket) {
  pollfd waiting{socket.native_handle(), POLLIN | POLLRDHUP, 0};
  return poll(&waiting, 1, 0) == 0;
}

template <typename Stream>
class ConnectionOn : public Connection {
 public:
  template <typename... Args>
  explicit ConnectionOn(Args&&... args) : stream(runner.context(), std::forward<Args>(args)...) {}

  size_t ReadSome(net::mutable_buffer buffer, error_code& error) override {
    Limit(timeout_ms_);
    return runner.Run(error, [&](auto done) { stream.async_read_some(buffer, done); });
  }
  size_t WriteSome(net::const_buffer buffer, error_code& error) override {
    Limit(timeout_ms_);
    return runner.Run(error, [&](auto done) { stream.async_write_some(buffer, done); });
  }
  bool Usable() override { return SocketUsable(beast::get_lowest_layer(stream).socket()); }
  void Limit(uint32_t milliseconds) {
    beast::get_lowest_layer(stream).expires_after(std::chrono::milliseconds(milliseconds));
  }

  Runner runner;
  Stream stream;
};

template <typename Stream>
Status Connect(ConnectionOn<Stream>& connection, const HttpUrl& url, uint32_t timeout_ms) {
  error_code error;
  tcp::resolver resolver(connection.runner.context());
  const auto addresses = resolver.resolve(url.host, std::to_string(url.port), error);
  if (!error) {
    connection.Limit(timeout_ms);
    auto& lowest = beast::get_lowest_layer(connection.stream);
    connection.runner.Run(error, [&](auto done) {
      lowest.async_connect(addresses, [done](error_code e, const tcp::endpoint&) mutable { done(e, 0); });
    });
    if (!error) {
      error_code ignored;
      lowest.socket().set_option(tcp::no_delay(true), ignored);
    }
  }
  if (error) return Error{Errc::kUnreachable, "connecting to " + url.Origin() + ": " + Reason(error)};
  return Ok();
}

}  // namespace

std::string Reason(const error_code& error) {
  if (error == net::error::connection_refused) return "connection refused (is a server running there?)";
  if (error == net::error::host_not_found || error == net::error::host_not_found_try_again ||
      error == net::error::no_data) {
    return "no such host";
  }
  if (error == beast::error::timeout || error == net::error::timed_out) return "no answer in time";
  if (error == net::error::network_unreachable || error == net::error::host_unreachable)
    return "no route to it";
  if (error == net::error::connection_reset || error == net::error::broken_pipe)
    return "the connection was reset";
  if (error == net::error::eof || error == net::ssl::error::stream_truncated)
    return "the connection was closed";
  if (error.category() == net::error::get_ssl_category()) return "TLS: " + error.message();
  return error.message();
}

Result<std::unique_ptr<Connection>> Connection::Open(const HttpUrl& url, uint32_t connect_timeout_ms,
                                                     net::ssl::context& tls) {
  if (!url.tls) {
    auto plain = std::make_unique<ConnectionOn<beast::tcp_stream>>();
    TRY(Connect(*plain, url, connect_timeout_ms));
    return std::unique_ptr<Connection>(std::move(plain));
  }
  auto secure = std::make_unique<ConnectionOn<net::ssl::stream<beast::tcp_stream>>>(tls);
  TRY(Connect(*secure, url, connect_timeout_ms));
  SSL_set_tlsext_host_name(secure->stream.native_handle(), url.host.c_str());
  error_code error;
  secure->stream.set_verify_callback(net::ssl::host_name_verification(url.host), error);
  if (!error) {
    secure->Limit(connect_timeout_ms);
    secure->runner.Run(error, [&](auto done) {
      secure->stream.async_handshake(net::ssl::stream_base::client,
                                     [done](error_code e) mutable { done(e, 0); });
    });
  }
  if (error) return Error{Errc::kUnreachable, "connecting to " + url.Origin() + ": " + Reason(error)};
  return std::unique_ptr<Connection>(std::move(secure));
}

}  // namespace plume::os
