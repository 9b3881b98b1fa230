// Time. Code that waits or stamps takes a Clock&, so tests run on a virtual one.
#pragma once
#include <cstdint>

namespace plume::os {

class Clock {
 public:
  virtual ~Clock() = default;
  virtual int64_t NowFiletime() = 0;      // wall clock: 100 ns since 1601-01-01 UTC
  virtual int64_t MonotonicMicros() = 0;  // never goes back; only differences mean something
  virtual void SleepMillis(uint32_t milliseconds) = 0;
};

Clock& SystemClock();  // lives for the whole program

// FILETIME <-> Unix time in nanoseconds (clamped to what fits).
inline constexpr int64_t kUnixEpochFiletime = 116444736000000000;
inline int64_t FiletimeFromUnixNanos(int64_t nanos) { return nanos / 100 + kUnixEpochFiletime; }
inline int64_t FiletimeFromUnixSeconds(int64_t seconds) { return seconds * 10000000 + kUnixEpochFiletime; }
inline int64_t UnixSecondsFromFiletime(int64_t filetime) {
  return (filetime - kUnixEpochFiletime) / 10000000;
}

}  // namespace plume::os
