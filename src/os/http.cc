// What the HTTP implementations share: URLs, redirects, collecting bodies.
#include "os/http.h"

#include <cctype>
#include <charconv>

#include "os/clock.h"

namespace plume::os {
namespace {

constexpr int kMaxRedirects = 5;

bool EqualNoCase(std::string_view a, std::string_view b) {
  if (a.size() != b.size()) return false;
  for (size_t i = 0; i < a.size(); ++i) {
    if (std::tolower(static_cast<unsigned char>(a[i])) != std::tolower(static_cast<unsigned char>(b[i])))
      return false;
  }
  return true;
}

std::string PercentDecode(std::string_view text) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    unsigned value = 0;
    if (text[i] == '%' && i + 2 < text.size() &&
        std::from_chars(text.data() + i + 1, text.data() + i + 3, value, 16).ptr == text.data() + i + 3) {
      out += static_cast<char>(value);
      i += 2;
    } else {
      out += text[i];
    }
  }
  return out;
}

bool IsRedirect(int status) {
  return status == 301 || status == 302 || status == 303 || status == 307 || status == 308;
}

// Location may be absolute, "//host/path", "/path" or relative to the request's path (RFC 9110 10.2.2).
std::string ResolveLocation(const HttpUrl& base, std::string_view location) {
  if (location.starts_with("http://") || location.starts_with("https://")) return std::string(location);
  if (location.starts_with("//")) return (base.tls ? "https:" : "http:") + std::string(location);
  if (location.starts_with("/")) return base.Origin() + std::string(location);
  const std::string path = base.target.substr(0, base.target.find('?'));
  return base.Origin() + path.substr(0, path.rfind('/') + 1) + std::string(location);
}

// Silence alone is no measure: a peer that sends a byte now and then would hold us for ever. Only the time
// spent waiting for the peer counts.
class LeastSpeed {
 public:
  explicit LeastSpeed(const HttpRequest& request)
      : url_(request.url), window_micros_(int64_t{request.timeout_ms} * 3000), since_(Now()) {}

  Status Take(size_t bytes) {
    waited_ += Now() - since_;
    came_ += bytes;
    if (waited_ < window_micros_) return Ok();
    if (came_ < kHttpLeastBytes) {
      return Error{Errc::kUnreachable, "asking " + url_ + ": only " + std::to_string(came_) +
                                           " bytes came in " + std::to_string(waited_ / 1'000'000) + " s"};
    }
    waited_ = 0;
    came_ = 0;
    return Ok();
  }
  void Go() { since_ = Now(); }

 private:
  static int64_t Now() { return SystemClock().MonotonicMicros(); }
  const std::string& url_;
  const int64_t window_micros_;
  int64_t since_, waited_ = 0;
  uint64_t came_ = 0;
};

Error BadUrl(std::string_view url, const char* why) {
  return Error{Errc::kInvalid, "reading the address " + std::string(url) + ": " + why};
}

}  // namespace

std::string HttpUrl::Origin() const {
  const bool v6 = host.find(':') != std::string::npos;
  return std::string(tls ? "https://" : "http://") + (v6 ? "[" + host + "]" : host) + ":" +
         std::to_string(port);
}

Result<HttpUrl> ParseHttpUrl(std::string_view url) {
  HttpUrl out;
  std::string_view rest = url;
  if (rest.starts_with("http://")) {
    rest.remove_prefix(7);
  } else if (rest.starts_with("https://")) {
    rest.remove_prefix(8);
    out.tls = true;
  } else {
    return BadUrl(url, "it does not begin with http:// or https://");
  }
  for (const char c : rest) {
    if (static_cast<unsigned char>(c) <= ' ' || c == 0x7f)
      return BadUrl(url, "it has a space or control character");
  }
  const size_t slash = rest.find_first_of("/?#");
  std::string_view authority = rest.substr(0, slash);
  if (slash != std::string_view::npos) {
    std::string_view target = rest.substr(slash, rest.find('#') - slash);
    if (!target.starts_with('/')) out.target = "/";
    out.target += target;
  }
  if (out.target.empty()) out.target = "/";
  if (const size_t at = authority.rfind('@'); at != std::string_view::npos) {
    const std::string_view info = authority.substr(0, at);
    const size_t colon = info.find(':');
    out.user = PercentDecode(info.substr(0, colon));
    if (colon != std::string_view::npos) out.password = PercentDecode(info.substr(colon + 1));
    authority.remove_prefix(at + 1);
  }
  std::string_view port;
  if (authority.starts_with('[')) {
    const size_t end = authority.find(']');
    if (end == std::string_view::npos) return BadUrl(url, "its [ has no ]");
    out.host = authority.substr(1, end - 1);
    if (end + 1 < authority.size()) {
      if (authority[end + 1] != ':') return BadUrl(url, "text follows its ]");
      port = authority.substr(end + 2);
    }
  } else {
    const size_t colon = authority.find(':');
    out.host = authority.substr(0, colon);
    if (colon != std::string_view::npos) port = authority.substr(colon + 1);
  }
  if (out.host.empty()) return BadUrl(url, "it names no host");
  out.port = out.tls ? 443 : 80;
  if (!port.empty()) {
    const auto [end, error] = std::from_chars(port.data(), port.data() + port.size(), out.port);
    if (error != std::errc() || end != port.data() + port.size() || out.port == 0) {
      return BadUrl(url, "its port is not a number from 1 to 65535");
    }
  }
  return out;
}

std::string PercentEncode(std::string_view text) {
  static constexpr char kDigits[] = "0123456789ABCDEF";
  std::string out;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (std::isalnum(byte) || c == '-' || c == '.' || c == '_' || c == '~') {
      out += c;
    } else {
      out += '%';
      out += kDigits[byte >> 4];
      out += kDigits[byte & 15];
    }
  }
  return out;
}

void HttpRequest::SetBody(std::string text) {
  body_size = text.size();
  body = [held = std::move(text)](const HttpBodySink& sink) {
    return sink(std::span<const uint8_t>(reinterpret_cast<const uint8_t*>(held.data()), held.size()));
  };
}

std::string_view HttpResponse::Header(std::string_view name) const {
  for (const auto& [key, value] : headers) {
    if (EqualNoCase(key, name)) return value;
  }
  return {};
}

Result<HttpResponse> HttpClient::Send(const HttpRequest& request, const HttpSink& sink) {
  const bool follow = request.method == "GET" || request.method == "HEAD";
  HttpRequest current = request;
  for (int redirects = 0;; ++redirects) {
    const auto swallow = [&](const HttpResponse& head) {
      return follow && IsRedirect(head.status) && !head.Header("Location").empty();
    };
    LeastSpeed speed(request);
    Result<HttpResponse> response =
        SendOnce(current, [&](const HttpResponse& head, std::span<const uint8_t> piece) -> Status {
          TRY(speed.Take(piece.size()));
          const Status taken = sink && !swallow(head) ? sink(head, piece) : Ok();
          speed.Go();
          return taken;
        });
    if (!response.ok() || !swallow(*response)) return response;
    if (redirects == kMaxRedirects) {
      return Error{Errc::kUnreachable, "asking " + request.url + ": more than " +
                                           std::to_string(kMaxRedirects) +
                                           " redirects (the server's set-up sends us in a circle)"};
    }
    ASSIGN(const HttpUrl from, ParseHttpUrl(current.url));
    current.url = ResolveLocation(from, response->Header("Location"));
    ASSIGN(const HttpUrl to, ParseHttpUrl(current.url));
    if (to.Origin() != from.Origin()) {
      std::erase_if(current.headers,
                    [](const auto& header) { return EqualNoCase(header.first, "Authorization"); });
    }
  }
}

Result<HttpClient::Text> HttpClient::SendText(const HttpRequest& request, size_t limit) {
  Text out;
  ASSIGN(out.head, Send(request, [&](const HttpResponse&, std::span<const uint8_t> piece) -> Status {
           if (out.body.size() + piece.size() > limit) {
             return Error{Errc::kInvalid, "asking " + request.url + ": the answer is larger than " +
                                              std::to_string(limit) + " bytes"};
           }
           out.body.append(reinterpret_cast<const char*>(piece.data()), piece.size());
           return Ok();
         }));
  return out;
}

}  // namespace plume::os
