// HttpClient on WinHTTP, synchronous: the system's proxies, TLS, certificates and connection reuse. One
// session per client, one connect handle per origin; WinHTTP keeps the sockets.
#include "os/http.h"

#include <windows.h>
#include <winhttp.h>

#include <map>
#include <mutex>

#include "base/utf16.h"
#include "os/win32/errors.h"

namespace plume::os {
namespace {

constexpr size_t kPiece = 64u << 10;

std::wstring Wide(std::string_view text) {
  const std::u16string wide = FromUtf8Lossy(text);
  return std::wstring(reinterpret_cast<const wchar_t*>(wide.data()), wide.size());
}

std::string Narrow(std::wstring_view text) {
  return ToUtf8(std::u16string_view(reinterpret_cast<const char16_t*>(text.data()), text.size()));
}

class Internet {
 public:
  explicit Internet(HINTERNET handle = nullptr) : handle_(handle) {}
  Internet(Internet&& other) noexcept : handle_(other.handle_) { other.handle_ = nullptr; }
  Internet& operator=(Internet&& other) noexcept {
    std::swap(handle_, other.handle_);
    return *this;
  }
  ~Internet() {
    if (handle_) WinHttpCloseHandle(handle_);
  }
  HINTERNET get() const { return handle_; }
  explicit operator bool() const { return handle_ != nullptr; }

 private:
  HINTERNET handle_;
};

std::string Reason(DWORD error) {
  switch (error) {
    case ERROR_WINHTTP_CANNOT_CONNECT:
      return "connection refused (is a server running there?)";
    case ERROR_WINHTTP_NAME_NOT_RESOLVED:
      return "no such host";
    case ERROR_WINHTTP_TIMEOUT:
    case WSAETIMEDOUT:  // what Wine reports
      return "no answer in time";
    case ERROR_WINHTTP_CONNECTION_ERROR:
      return "the connection was closed";
    case ERROR_WINHTTP_SECURE_FAILURE:
      return "TLS: the server's certificate is not trusted";
    case ERROR_WINHTTP_INVALID_SERVER_RESPONSE:
      return "the answer is not HTTP";
    default:
      return "WinHTTP error " + std::to_string(error);
  }
}

class WinHttpClient : public HttpClient {
 public:
  explicit WinHttpClient(const HttpOptions& options) : options_(options) {
    session_ = Internet(WinHttpOpen(Wide(options.user_agent).c_str(), WINHTTP_ACCESS_TYPE_AUTOMATIC_PROXY,
                                    WINHTTP_NO_PROXY_NAME, WINHTTP_NO_PROXY_BYPASS, 0));
    if (!session_) {  // before Windows 8.1, and some versions of Wine
      session_ = Internet(WinHttpOpen(Wide(options.user_agent).c_str(), WINHTTP_ACCESS_TYPE_DEFAULT_PROXY,
                                      WINHTTP_NO_PROXY_NAME, WINHTTP_NO_PROXY_BYPASS, 0));
    }
    if (!session_) return;
    DWORD connections = 16;
    WinHttpSetOption(session_.get(), WINHTTP_OPTION_MAX_CONNS_PER_SERVER, &connections, sizeof connections);
  }

  Result<HttpResponse> SendOnce(const HttpRequest& request, const HttpSink& sink) override {
    ASSIGN(const HttpUrl url, ParseHttpUrl(request.url));
    // A server may close a kept connection just when it is used again: WinHTTP reports that as a failure of
    // the request. It is repeated once if nothing of the answer was seen and it has no effect the second
    // time.
    const bool idempotent = request.method != "POST" && request.method != "PATCH";
    for (int attempt = 0;; ++attempt) {
      bool answered = false;
      DWORD code = 0;
      Result<HttpResponse> response = Exchange(url, request, sink, &answered, &code);
      if (response.ok() || answered || attempt == 1 || !idempotent || code != ERROR_WINHTTP_CONNECTION_ERROR)
        return response;
    }
  }

 private:
  Result<HINTERNET> Origin(const HttpUrl& url) {
    const std::lock_guard lock(mutex_);
    Internet& origin = origins_[url.Origin()];
    if (!origin) origin = Internet(WinHttpConnect(session_.get(), Wide(url.host).c_str(), url.port, 0));
    if (!origin) return Unreachable(GetLastError(), url.Origin());
    return origin.get();
  }

  static Error Unreachable(DWORD code, const std::string& where) {
    return Error{Errc::kUnreachable, "asking " + where + ": " + Reason(code)};
  }

  Result<HttpResponse> Exchange(const HttpUrl& url, const HttpRequest& request, const HttpSink& sink,
                                bool* answered, DWORD* code) {
    const auto failed = [&]() -> Error {
      *code = GetLastError();
      return Unreachable(*code, request.url);
    };
    ASSIGN(const HINTERNET origin, Origin(url));
    const Internet exchange(WinHttpOpenRequest(
        origin, Wide(request.method).c_str(), Wide(url.target).c_str(), nullptr, WINHTTP_NO_REFERER,
        WINHTTP_DEFAULT_ACCEPT_TYPES, (url.tls ? WINHTTP_FLAG_SECURE : 0) | WINHTTP_FLAG_ESCAPE_DISABLE));
    if (!exchange) return failed();
    // Redirects are followed above, alike on every platform; cookies have no place here; credentials are the
    // caller's.
    DWORD off = WINHTTP_DISABLE_REDIRECTS | WINHTTP_DISABLE_COOKIES;
    WinHttpSetOption(exchange.get(), WINHTTP_OPTION_DISABLE_FEATURE, &off, sizeof off);
    WinHttpSetTimeouts(exchange.get(), static_cast<int>(options_.connect_timeout_ms),
                       static_cast<int>(options_.connect_timeout_ms), static_cast<int>(request.timeout_ms),
                       static_cast<int>(request.timeout_ms));
    // The head of the answer has a time of its own, 90 s, whatever was said above.
    DWORD head_ms = request.timeout_ms;
    WinHttpSetOption(exchange.get(), WINHTTP_OPTION_RECEIVE_RESPONSE_TIMEOUT, &head_ms, sizeof head_ms);
    std::string headers;
    for (const auto& [name, value] : request.headers) headers += name + ": " + value + "\r\n";
    // Beyond what fits a DWORD the length goes into a header of its own.
    DWORD total = static_cast<DWORD>(request.body_size);
    if (request.body_size > 0xfffffffe) {
      headers += "Content-Length: " + std::to_string(request.body_size) + "\r\n";
      total = WINHTTP_IGNORE_REQUEST_TOTAL_LENGTH;
    }
    const std::wstring wide = Wide(headers);
    if (!WinHttpSendRequest(exchange.get(), wide.empty() ? WINHTTP_NO_ADDITIONAL_HEADERS : wide.c_str(),
                            static_cast<DWORD>(wide.size()), WINHTTP_NO_REQUEST_DATA, 0, total, 0)) {
      return failed();
    }
    if (request.body) TRY(WriteBody(exchange.get(), request, code));
    if (!WinHttpReceiveResponse(exchange.get(), nullptr)) return failed();
    *answered = true;
    HttpResponse response;
    TRY(ReadHead(exchange.get(), request, &response));
    TRY(ReadBody(exchange.get(), request, response, sink));
    return response;
  }

  static Status WriteBody(HINTERNET exchange, const HttpRequest& request, DWORD* code) {
    uint64_t sent = 0;
    TRY(request.body([&](std::span<const uint8_t> piece) -> Status {
      while (!piece.empty()) {
        const DWORD n = static_cast<DWORD>(piece.size() < (1u << 20) ? piece.size() : (1u << 20));
        DWORD written = 0;
        if (!WinHttpWriteData(exchange, piece.data(), n, &written)) {
          *code = GetLastError();
          return Unreachable(*code, request.url);
        }
        piece = piece.subspan(written);
        sent += written;
      }
      return Ok();
    }));
    if (sent == request.body_size) return Ok();
    return Error{Errc::kInternal, "sending to " + request.url + ": the body has " + std::to_string(sent) +
                                      " bytes, announced were " + std::to_string(request.body_size)};
  }

  static Status ReadHead(HINTERNET exchange, const HttpRequest& request, HttpResponse* response) {
    DWORD status = 0, size = sizeof status;
    if (!WinHttpQueryHeaders(exchange, WINHTTP_QUERY_STATUS_CODE | WINHTTP_QUERY_FLAG_NUMBER,
                             WINHTTP_HEADER_NAME_BY_INDEX, &status, &size, WINHTTP_NO_HEADER_INDEX)) {
      return Unreachable(GetLastError(), request.url);
    }
    response->status = static_cast<int>(status);
    size = 0;
    WinHttpQueryHeaders(exchange, WINHTTP_QUERY_RAW_HEADERS_CRLF, WINHTTP_HEADER_NAME_BY_INDEX, nullptr,
                        &size, WINHTTP_NO_HEADER_INDEX);
    std::wstring raw(size / sizeof(wchar_t), L'\0');
    if (!WinHttpQueryHeaders(exchange, WINHTTP_QUERY_RAW_HEADERS_CRLF, WINHTTP_HEADER_NAME_BY_INDEX,
                             raw.data(), &size, WINHTTP_NO_HEADER_INDEX)) {
      return Unreachable(GetLastError(), request.url);
    }
    raw.resize(size / sizeof(wchar_t));
    const std::string text = Narrow(raw);
    // Wine takes half a head for a whole one when the rest of it does not come, and its buffers are not to be
    // read any more.
    if (!text.ends_with("\r\n\r\n"))
      return Error{Errc::kUnreachable, "asking " + request.url + ": the answer broke off in its head"};
    for (size_t at = text.find("\r\n"); at != std::string::npos;) {
      at += 2;
      const size_t end = text.find("\r\n", at);
      const std::string line = text.substr(at, end == std::string::npos ? end : end - at);
      if (const size_t colon = line.find(':'); colon != std::string::npos) {
        const size_t value = line.find_first_not_of(" \t", colon + 1);
        response->headers.emplace_back(line.substr(0, colon),
                                       value == std::string::npos ? "" : line.substr(value));
      }
      at = end;
    }
    return Ok();
  }

  // WinHTTP takes a connection that breaks early for the end of the body: the announced length is checked
  // here.
  static Status ReadBody(HINTERNET exchange, const HttpRequest& request, const HttpResponse& head,
                         const HttpSink& sink) {
    std::vector<uint8_t> piece(kPiece);
    uint64_t received = 0;
    for (;;) {
      // Asked for more than is there, WinHTTP waits until it has all of it.
      DWORD there = 0, n = 0;
      if (!WinHttpQueryDataAvailable(exchange, &there)) return Unreachable(GetLastError(), request.url);
      if (there == 0) break;
      if (there > piece.size()) there = static_cast<DWORD>(piece.size());
      if (!WinHttpReadData(exchange, piece.data(), there, &n))
        return Unreachable(GetLastError(), request.url);
      if (n == 0) break;
      received += n;
      if (sink) TRY(sink(head, std::span(piece.data(), n)));
    }
    const std::string_view length = head.Header("Content-Length");
    const bool bodiless = request.method == "HEAD" || head.status == 204 || head.status == 304;
    if (!bodiless && !length.empty() && length != std::to_string(received)) {
      return Error{Errc::kUnreachable, "asking " + request.url + ": the connection was closed after " +
                                           std::to_string(received) + " of " + std::string(length) +
                                           " bytes"};
    }
    return Ok();
  }

  const HttpOptions options_;
  Internet session_;
  std::mutex mutex_;
  std::map<std::string, Internet> origins_;  // destroyed before session_
};

}  // namespace

std::shared_ptr<HttpClient> MakeHttpClient(const HttpOptions& options) {
  return std::make_shared<WinHttpClient>(options);
}

}  // namespace plume::os
