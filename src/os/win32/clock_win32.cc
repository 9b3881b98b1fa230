#include <windows.h>

#include "os/clock.h"

namespace plume::os {
namespace {

class Win32Clock : public Clock {
 public:
  Win32Clock() { QueryPerformanceFrequency(&frequency_); }
  int64_t NowFiletime() override {
    FILETIME now;
    GetSystemTimeAsFileTime(&now);
    return static_cast<int64_t>(uint64_t{now.dwHighDateTime} << 32 | now.dwLowDateTime);
  }
  int64_t MonotonicMicros() override {
    LARGE_INTEGER now;
    QueryPerformanceCounter(&now);
    const int64_t seconds = now.QuadPart / frequency_.QuadPart, rest = now.QuadPart % frequency_.QuadPart;
    return seconds * 1'000'000 + rest * 1'000'000 / frequency_.QuadPart;
  }
  void SleepMillis(uint32_t milliseconds) override { Sleep(milliseconds); }

 private:
  LARGE_INTEGER frequency_;
};

}  // namespace

Clock& SystemClock() {
  static Win32Clock clock;
  return clock;
}

}  // namespace plume::os
