#include <cerrno>
#include <ctime>

#include "os/clock.h"

namespace plume::os {
namespace {

int64_t Nanos(clockid_t id) {
  timespec now;
  clock_gettime(id, &now);
  return int64_t{now.tv_sec} * 1'000'000'000 + now.tv_nsec;
}

class PosixClock : public Clock {
 public:
  int64_t NowFiletime() override { return FiletimeFromUnixNanos(Nanos(CLOCK_REALTIME)); }
  int64_t MonotonicMicros() override { return Nanos(CLOCK_MONOTONIC) / 1000; }
  void SleepMillis(uint32_t milliseconds) override {
    timespec left{static_cast<time_t>(milliseconds / 1000),
                  static_cast<long>(milliseconds % 1000) * 1'000'000};
    while (nanosleep(&left, &left) != 0 && errno == EINTR) {
    }
  }
};

}  // namespace

Clock& SystemClock() {
  static PosixClock clock;
  return clock;
}

}  // namespace plume::os
