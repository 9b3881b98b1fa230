// A small synchronous HTTP/1.1 client. Windows: WinHTTP (the system's proxies, TLS and certificates). posix:
// Boost.Beast, TLS by OpenSSL. One client serves many threads; connections are kept and reused (one per
// request in flight).
//
// Source: RFC 9110, RFC 9112.
#pragma once
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"

namespace plume::os {

inline constexpr uint64_t kHttpLeastBytes = 4096;

using HttpHeaders = std::vector<std::pair<std::string, std::string>>;

struct HttpUrl {
  bool tls = false;
  std::string host;  // without brackets for IPv6
  uint16_t port = 0;
  std::string target;          // path and query, at least "/"
  std::string user, password;  // of "user:password@", percent-decoded
  std::string Origin() const;  // "http://host:port" without credentials
};
Result<HttpUrl> ParseHttpUrl(std::string_view url);  // "http://..." or "https://..."
std::string PercentEncode(std::string_view text);    // everything but unreserved characters

using HttpBodySink = std::function<Status(std::span<const uint8_t>)>;

struct HttpRequest {
  std::string method = "GET";
  std::string url;
  HttpHeaders headers;  // Host, Content-Length and Connection are the client's
  // The body: body(sink) pushes exactly body_size bytes. Called again if the request is repeated on a new
  // connection or after a redirect, so it must start over each time. Null with body_size 0 = no body
  // (PUT/POST: length 0).
  std::function<Status(const HttpBodySink&)> body;
  uint64_t body_size = 0;
  void SetBody(std::string text);  // a body held in memory
  // Longest silence of the peer. And of an answer's body at least kHttpLeastBytes must come in every three
  // times that.
  uint32_t timeout_ms = 10'000;
};

struct HttpResponse {
  int status = 0;
  HttpHeaders headers;
  std::string_view Header(std::string_view name) const;  // "" if absent; name in any case
};

// Receives the response: called for each piece of the body, with the head. Not called for an empty body. An
// error stops the transfer and is what Send returns.
using HttpSink = std::function<Status(const HttpResponse& head, std::span<const uint8_t> piece)>;

struct HttpOptions {
  std::string user_agent = "plume";
  uint32_t connect_timeout_ms = 10'000;
  std::string ca_file;  // posix: PEM trusted besides the system's; Windows: the system store alone
};

class HttpClient {
 public:
  virtual ~HttpClient() = default;
  // Sends and receives. Any status is a success here: callers judge it. Redirects of GET and HEAD are
  // followed (at most 5; Authorization is not sent to another origin). kUnreachable: no connection, silence,
  // broken or endlessly slow transfer.
  Result<HttpResponse> Send(const HttpRequest& request, const HttpSink& sink = nullptr);
  // The same with the body collected; kInvalid if it is larger than `limit`.
  struct Text {
    HttpResponse head;
    std::string body;
  };
  Result<Text> SendText(const HttpRequest& request, size_t limit = 16u << 20);

  // One exchange without redirects; what implementations and wrappers provide.
  virtual Result<HttpResponse> SendOnce(const HttpRequest& request, const HttpSink& sink) = 0;
};

std::shared_ptr<HttpClient> MakeHttpClient(const HttpOptions& options = {});

}  // namespace plume::os
