// What the life cycle test needs of Windows programs, on the host and in VMs.
//   life_guest hold FILE      opens it so that nobody else may touch it, until its standard input ends
//   life_guest link KEY TO    makes HKCU\KEY a symbolic link to the key TO ("\Registry\User\...")
//   life_guest stamp FILE     prints size and last write time
#include <windows.h>
#include <winternl.h>

#include <cstdio>
#include <cwchar>
#include <string>

namespace {

int Fail(const char* what) {
  std::printf("%s: error %lu\n", what, GetLastError());
  return 1;
}

int Hold(const wchar_t* name) {
  const HANDLE file = CreateFileW(name, GENERIC_READ | GENERIC_WRITE, 0, nullptr, OPEN_EXISTING, 0, nullptr);
  if (file == INVALID_HANDLE_VALUE) return Fail("opening");
  std::printf("held\n");
  std::fflush(stdout);
  while (std::getchar() != EOF) {
  }
  return 0;
}

int Link(const wchar_t* name, const wchar_t* to) {
  HKEY key = nullptr;
  DWORD disposition = 0;
  LSTATUS status = RegCreateKeyExW(HKEY_CURRENT_USER, name, 0, nullptr, REG_OPTION_CREATE_LINK,
                                   KEY_ALL_ACCESS | KEY_CREATE_LINK, nullptr, &key, &disposition);
  if (status == ERROR_SUCCESS) {
    status = RegSetValueExW(key, L"SymbolicLinkValue", 0, REG_LINK, reinterpret_cast<const BYTE*>(to),
                            static_cast<DWORD>(std::wcslen(to) * sizeof(wchar_t)));
  }
  SetLastError(static_cast<DWORD>(status));
  return status == ERROR_SUCCESS ? 0 : Fail("linking");
}

int Stamp(const wchar_t* name) {
  WIN32_FILE_ATTRIBUTE_DATA data;
  if (!GetFileAttributesExW(name, GetFileExInfoStandard, &data)) return Fail("asking");
  std::printf("%lu %08lx%08lx\n", data.nFileSizeLow, data.ftLastWriteTime.dwHighDateTime,
              data.ftLastWriteTime.dwLowDateTime);
  return 0;
}

}  // namespace

int wmain(int argc, wchar_t** argv) {
  const std::wstring verb = argc > 1 ? argv[1] : L"";
  if (verb == L"hold" && argc == 3) return Hold(argv[2]);
  if (verb == L"link" && argc == 4) return Link(argv[2], argv[3]);
  if (verb == L"stamp" && argc == 3) return Stamp(argv[2]);
  std::printf("life_guest hold FILE | link KEY TO | stamp FILE\n");
  return 2;
}
