// What was asked of servers, when, and how long the answers took: a client that keeps a record of the
// exchanges of another one. For launch reports, and for tests that count. Thread-safe.
#pragma once
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "os/clock.h"
#include "os/http.h"

namespace plume::os {

struct HttpExchange {
  std::string method, url, range;  // url without credentials; range as sent, or empty
  int status = 0;                  // 0: no answer
  uint64_t bytes = 0;              // of the body
  int64_t began = 0, first = 0,
          ended = 0;  // monotonic microseconds; first: the first byte of the body, 0 = none
};

// The most exchanges of which each began after the one before had ended: what a start that could do nothing
// meanwhile waited for one after the other.
size_t DependentRounds(std::vector<HttpExchange> exchanges);

class HttpLog final : public HttpClient {
 public:
  explicit HttpLog(std::shared_ptr<HttpClient> inner, Clock& clock = SystemClock())
      : inner_(std::move(inner)), clock_(clock) {}
  Result<HttpResponse> SendOnce(const HttpRequest& request, const HttpSink& sink) override;
  // Those that began at `since` or later and have ended, in the order of their beginning; of very many the
  // newest.
  std::vector<HttpExchange> Since(int64_t since) const;

 private:
  static constexpr size_t kKept = 4096;
  const std::shared_ptr<HttpClient> inner_;
  Clock& clock_;
  mutable std::mutex mutex_;
  std::deque<HttpExchange> exchanges_;  // guarded by mutex_
};

}  // namespace plume::os
