// claim FOLDER COUNT SECOND: from that second of the system's time on, opens FOLDER\0 ... for itself alone,
// to write, one after the other, and says how many it got. In two VMs at once each must get all: neither has
// the other's files.
#include <cstdio>
#include <cstdlib>

#include "file_guest.h"

namespace plume::differential {

int Claim(const std::wstring& folder, int count, unsigned long long second) {
  for (;;) {
    FILETIME now;
    GetSystemTimeAsFileTime(&now);
    const unsigned long long ticks =
        (static_cast<unsigned long long>(now.dwHighDateTime) << 32) | now.dwLowDateTime;
    if (ticks / 10000000 - 11644473600ull >= second) break;
    Sleep(1);
  }
  int got = 0;
  DWORD error = 0;
  for (int i = 0; i < count; ++i) {
    const std::wstring name = folder + L"\\" + std::to_wstring(i);
    const HANDLE file = CreateFileW(name.c_str(), GENERIC_READ | GENERIC_WRITE, 0, nullptr, OPEN_EXISTING,
                                    FILE_ATTRIBUTE_NORMAL, nullptr);
    if (file == INVALID_HANDLE_VALUE) {
      error = GetLastError();
      continue;
    }
    ++got;
    CloseHandle(file);
  }
  std::printf("got %d of %d, error %lu\n", got, count, error);
  return got == count ? 0 : 1;
}

}  // namespace plume::differential
