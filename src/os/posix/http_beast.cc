// HttpClient on Boost.Beast: one exchange at a time on a connection, connections kept by origin.
#include <boost/asio/write.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/buffer_body.hpp>
#include <boost/beast/http/empty_body.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/write.hpp>
#include <limits>
#include <map>
#include <mutex>

#include "os/clock.h"
#include "os/http.h"
#include "os/posix/connection.h"

namespace plume::os {
namespace {

namespace net = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;
using boost::system::error_code;

constexpr size_t kPiece = 64u << 10;
constexpr size_t kIdlePerOrigin = 16;
constexpr int64_t kIdleMicros = 30'000'000;  // servers close idle connections after about a minute

struct Idle {
  std::unique_ptr<Connection> connection;
  int64_t since;
};

// A failed exchange: why, and whether it may be repeated: the connection broke before the peer answered
// anything, and either the request has no effect the second time (RFC 9110 9.2.2) or its head did not even
// get through.
struct Broken {
  Error error;
  bool repeatable;
};

bool IsIdempotent(const std::string& method) { return method != "POST" && method != "PATCH"; }

class BeastClient : public HttpClient {
 public:
  explicit BeastClient(const HttpOptions& options) : options_(options), tls_(net::ssl::context::tls_client) {}

  Result<HttpResponse> SendOnce(const HttpRequest& request, const HttpSink& sink) override {
    ASSIGN(const HttpUrl url, ParseHttpUrl(request.url));
    if (url.tls) TRY(PrepareTls());
    for (bool fresh = false;; fresh = true) {
      std::unique_ptr<Connection> connection = fresh ? nullptr : TakeIdle(url);
      const bool reused = connection != nullptr;
      if (!reused) {
        ASSIGN(connection, Connection::Open(url, options_.connect_timeout_ms, tls_));
      }
      connection->set_timeout(request.timeout_ms);
      HttpResponse response;
      bool keep = false;
      std::optional<Broken> broken = Exchange(*connection, url, request, sink, &response, &keep);
      if (!broken) {
        if (keep) Keep(url, std::move(connection));
        return response;
      }
      // The server may close a kept connection at any time; that says nothing about the request.
      if (reused && broken->repeatable) continue;
      return std::move(broken->error);
    }
  }

 private:
  // Loading the system's certificates takes a tenth of a second: only done when a server wants TLS.
  Status PrepareTls() {
    std::call_once(tls_once_, [this] {
      error_code ignored;
      tls_.set_default_verify_paths(ignored);
      if (!options_.ca_file.empty()) tls_.load_verify_file(options_.ca_file, ca_error_);
      tls_.set_verify_mode(net::ssl::verify_peer, ignored);
    });
    if (!ca_error_) return Ok();
    return Error{Errc::kInvalid,
                 "reading the certificates in " + options_.ca_file + ": " + ca_error_.message()};
  }

  std::unique_ptr<Connection> TakeIdle(const HttpUrl& url) {
    const std::lock_guard lock(mutex_);
    std::vector<Idle>& idle = idle_[url.Origin()];
    const int64_t now = SystemClock().MonotonicMicros();
    while (!idle.empty()) {
      Idle last = std::move(idle.back());
      idle.pop_back();
      if (now - last.since < kIdleMicros && last.connection->Usable()) return std::move(last.connection);
    }
    return nullptr;
  }

  void Keep(const HttpUrl& url, std::unique_ptr<Connection> connection) {
    const std::lock_guard lock(mutex_);
    std::vector<Idle>& idle = idle_[url.Origin()];
    if (idle.size() < kIdlePerOrigin)
      idle.push_back({std::move(connection), SystemClock().MonotonicMicros()});
  }

  // Writes head and body. Errors of the body's source are in *source; those of the connection are returned.
  error_code Write(Connection& connection, const HttpUrl& url, const HttpRequest& request, Status* source,
                   bool* body_begun) {
    http::request<http::empty_body> head;
    head.version(11);
    head.method_string(request.method);
    head.target(url.target);
    const std::string origin = url.Origin();
    head.set(http::field::host, origin.substr(origin.find("://") + 3));
    head.set(http::field::user_agent, options_.user_agent);
    for (const auto& [name, value] : request.headers) head.insert(name, value);
    if (request.body_size > 0 || request.method == "PUT" || request.method == "POST" ||
        request.method == "PATCH") {
      head.content_length(request.body_size);
    }
    error_code error;
    http::request_serializer<http::empty_body> serializer(head);
    http::write_header(connection, serializer, error);
    if (error || !request.body) return error;
    *body_begun = true;
    uint64_t sent = 0;
    *source = request.body([&](std::span<const uint8_t> piece) -> Status {
      net::write(connection, net::buffer(piece.data(), piece.size()), error);
      sent += piece.size();
      if (error) return Error{Errc::kUnreachable, Reason(error)};
      return Ok();
    });
    if (source->ok() && sent != request.body_size) {
      *source =
          Error{Errc::kInternal, "sending to " + request.url + ": the body has " + std::to_string(sent) +
                                     " bytes, announced were " + std::to_string(request.body_size)};
    }
    return error;
  }

  std::optional<Broken> Exchange(Connection& connection, const HttpUrl& url, const HttpRequest& request,
                                 const HttpSink& sink, HttpResponse* response, bool* keep) {
    Status source;
    bool body_begun = false;
    const error_code write_error = Write(connection, url, request, &source, &body_begun);
    if (!write_error && !source.ok()) return Broken{source.error(), false};
    // Even if the peer stopped reading it may have said why (401, 413).
    beast::flat_buffer buffer;
    http::response_parser<http::buffer_body> parser;
    parser.body_limit(std::numeric_limits<uint64_t>::max());  // sinks set their own
    parser.header_limit(256u << 10);
    if (request.method == "HEAD") parser.skip(true);
    error_code error;
    do {
      if (parser.is_header_done()) break;
      http::read_header(connection, buffer, parser, error);
    } while (!error && parser.get().result_int() / 100 == 1);
    if (error) {
      const bool silent = !parser.got_some() && error != beast::error::timeout;
      return Broken{Unreachable(request, write_error ? write_error : error),
                    silent && (IsIdempotent(request.method) || (write_error && !body_begun))};
    }
    response->status = static_cast<int>(parser.get().result_int());
    for (const auto& field : parser.get()) {
      response->headers.emplace_back(std::string(field.name_string()), std::string(field.value()));
    }
    std::vector<uint8_t> piece(kPiece);
    while (!parser.is_done()) {
      auto& body = parser.get().body();
      body.data = piece.data();
      body.size = piece.size();
      http::read_some(connection, buffer, parser, error);  // what is there: its sink measures the speed
      if (error == http::error::need_buffer) error = {};
      if (error) return Broken{Unreachable(request, error), false};
      const size_t got = piece.size() - body.size;
      if (got > 0 && sink) {
        if (Status status = sink(*response, std::span(piece.data(), got)); !status.ok()) {
          return Broken{status.error(), false};
        }
      }
    }
    *keep = parser.keep_alive() && !write_error && buffer.size() == 0;
    return std::nullopt;
  }

  static Error Unreachable(const HttpRequest& request, const error_code& error) {
    const std::string reason = error == http::error::end_of_stream || error == http::error::partial_message
                                   ? "the connection was closed"
                                   : Reason(error);
    return Error{Errc::kUnreachable, "asking " + request.url + ": " + reason};
  }

  const HttpOptions options_;
  std::once_flag tls_once_;
  error_code ca_error_;
  net::ssl::context tls_;
  std::mutex mutex_;
  std::map<std::string, std::vector<Idle>> idle_;
};

}  // namespace

std::shared_ptr<HttpClient> MakeHttpClient(const HttpOptions& options) {
  return std::make_shared<BeastClient>(options);
}

}  // namespace plume::os
