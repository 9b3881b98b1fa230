#include "os/http_log.h"

#include <algorithm>

namespace plume::os {

size_t DependentRounds(std::vector<HttpExchange> exchanges) {
  std::sort(exchanges.begin(), exchanges.end(),
            [](const HttpExchange& a, const HttpExchange& b) { return a.ended < b.ended; });
  size_t rounds = 0;
  int64_t free_at = INT64_MIN;
  for (const HttpExchange& e : exchanges) {
    if (e.began < free_at) continue;
    ++rounds;
    free_at = e.ended;
  }
  return rounds;
}

Result<HttpResponse> HttpLog::SendOnce(const HttpRequest& request, const HttpSink& sink) {
  HttpExchange e;
  e.method = request.method;
  e.url = request.url;
  if (const auto url = ParseHttpUrl(request.url); url.ok()) e.url = url->Origin() + url->target;
  for (const auto& [name, value] : request.headers)
    if (name == "Range") e.range = value;
  e.began = clock_.MonotonicMicros();
  auto response = inner_->SendOnce(request, [&](const HttpResponse& head, std::span<const uint8_t> piece) {
    if (e.first == 0) e.first = clock_.MonotonicMicros();
    e.bytes += piece.size();
    return sink ? sink(head, piece) : Ok();
  });
  e.ended = clock_.MonotonicMicros();
  if (response.ok()) e.status = response->status;
  std::lock_guard hold(mutex_);
  exchanges_.push_back(std::move(e));
  if (exchanges_.size() > kKept) exchanges_.pop_front();
  return response;
}

std::vector<HttpExchange> HttpLog::Since(int64_t since) const {
  std::vector<HttpExchange> out;
  {
    std::lock_guard hold(mutex_);
    for (const HttpExchange& e : exchanges_)
      if (e.began >= since) out.push_back(e);
  }
  std::stable_sort(out.begin(), out.end(),
                   [](const HttpExchange& a, const HttpExchange& b) { return a.began < b.began; });
  return out;
}

}  // namespace plume::os
