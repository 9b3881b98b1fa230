// claim FOLDER COUNT SECOND: from that second of the system's time on, opens FOLDER\0 ... for itself alone,
// to write, one after the other, and says how many it got. In two VMs at once each must get all: neither has
// the other's files.
//
// keep    A file that the caller alone may read is given a time and a second name through that handle, which
// Wine lets handles for reading do: in a VM its copy is made by reading through the caller's handle.
#include <algorithm>
#include <cstddef>
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

int Keep() {
  const wchar_t* const name = L"C:\\fg\\Lower File.txt";
  HANDLE file = CreateFileW(name, GENERIC_READ, 0, nullptr, OPEN_EXISTING, FILE_ATTRIBUTE_NORMAL, nullptr);
  char text[64] = "";
  DWORD done = 0;
  Put("first bytes", ReadFile(file, text, 3, &done, nullptr));
  BasicInformation basic{};
  basic.written = 130'000'000'000'000'000;
  IO_STATUS_BLOCK io;
  Put("time", pNtSetInformationFile(file, &io, &basic, sizeof basic, 4));
  RenameInformation link{};
  const std::wstring target = L"\\??\\C:\\fg\\second name.txt";
  link.length = static_cast<ULONG>(target.size() * 2);
  std::copy(target.begin(), target.end(), link.name);
  const auto size = static_cast<ULONG>(offsetof(RenameInformation, name)) + link.length;
  Put("link", pNtSetInformationFile(file, &io, &link, size, 11));
  Put("next bytes", ReadFile(file, text + 3, 3, &done, nullptr));
  CloseHandle(file);
  std::printf("%s; %s\n", text, ReadText(L"C:\\fg\\second name.txt").c_str());
  WIN32_FILE_ATTRIBUTE_DATA facts{};
  for (const wchar_t* path : {name, L"C:\\fg\\second name.txt"}) {
    Put("attributes", GetFileAttributesExW(path, GetFileExInfoStandard, &facts));
    std::printf("%08lx %08lx\n", facts.ftLastWriteTime.dwHighDateTime, facts.ftLastWriteTime.dwLowDateTime);
  }
  return 0;
}

}  // namespace plume::differential
