// Repositories around repositories: retry and faults.
#pragma once
#include <cstdint>
#include <memory>

#include "os/clock.h"
#include "os/faulty.h"
#include "repository/repository.h"

namespace plume::repository {

// Pauses between tries: 100 ms, 300 ms, 900 ms, ..., at most 10 s, each shortened by a random part of up to a
// half, so that clients that lost the same server do not come back together. Tries that take long are fewer:
// none begins when `patience_ms` have passed.
class Backoff {
 public:
  Backoff(os::Clock& clock, int tries, uint32_t patience_ms = UINT32_MAX)
      : clock_(clock), left_(tries - 1), end_(clock.MonotonicMicros() + int64_t{patience_ms} * 1000) {}
  // Waits and returns true, or returns false if no try is left or the error would not go away.
  bool Again(const Error& error);

 private:
  os::Clock& clock_;
  int left_;
  uint32_t pause_ms_ = 100;
  const int64_t end_;  // monotonic microseconds
};

// Every operation that ends in kUnreachable is tried again; reading for 30 s at most without getting
// anywhere. A broken ReadBlob goes on behind the last byte that the sink got. `clock` must outlive the
// result.
std::unique_ptr<Repository> MakeRetrying(std::unique_ptr<Repository> inner, os::Clock& clock, int tries);

// Steps of the plan: "manifest", "read" (each piece), "has", "put", "put-manifest", "tags", "referrers",
// "put-referrer". For tests.
std::unique_ptr<Repository> MakeFaulty(std::unique_ptr<Repository> inner, os::FaultPlan& plan);

}  // namespace plume::repository
