// What a program meets on a full disk. Each verb prints one line: what was done and the error that ended it
// (0 = none).
//   append FILE     adds a line to an existing file
//   create FILE N   makes the empty files FILE1 ... FILEN; says how many there are then
//   mkdir FOLDER    makes a folder
//   delete FILE
//   rename FILE TO
//   read FILE       prints the size
#include <windows.h>

#include <cstdio>
#include <string>

namespace {

DWORD Append(const wchar_t* name) {
  HANDLE file = CreateFileW(name, FILE_APPEND_DATA, FILE_SHARE_READ, nullptr, OPEN_EXISTING, 0, nullptr);
  if (file == INVALID_HANDLE_VALUE) return GetLastError();
  DWORD written = 0;
  const DWORD error = WriteFile(file, "more\r\n", 6, &written, nullptr) ? 0 : GetLastError();
  CloseHandle(file);
  return error;
}

DWORD Create(const std::wstring& stem, int wanted, int* made) {
  DWORD first = 0;
  for (int i = 1; i <= wanted; ++i) {
    const std::wstring name = stem + std::to_wstring(i);
    HANDLE file = CreateFileW(name.c_str(), GENERIC_WRITE, 0, nullptr, CREATE_NEW, 0, nullptr);
    if (file == INVALID_HANDLE_VALUE) {
      if (first == 0) first = GetLastError();
    } else {
      CloseHandle(file);
    }
    // What could not be made must not be seen, what was made must.
    const bool there = GetFileAttributesW(name.c_str()) != INVALID_FILE_ATTRIBUTES;
    if (there != (file != INVALID_HANDLE_VALUE)) first = ERROR_INTERNAL_ERROR;
    *made += there;
  }
  return first;
}

}  // namespace

int wmain(int argc, wchar_t** argv) {
  const std::wstring verb = argc > 2 ? argv[1] : L"";
  const wchar_t* name = argc > 2 ? argv[2] : L"";
  DWORD error = 0;
  if (verb == L"append") {
    error = Append(name);
  } else if (verb == L"create" && argc > 3) {
    int made = 0;
    error = Create(name, _wtoi(argv[3]), &made);
    std::printf("made %d, ", made);
  } else if (verb == L"mkdir") {
    error = CreateDirectoryW(name, nullptr) ? 0 : GetLastError();
  } else if (verb == L"delete") {
    error = DeleteFileW(name) ? 0 : GetLastError();
  } else if (verb == L"rename" && argc > 3) {
    error = MoveFileExW(name, argv[3], 0) ? 0 : GetLastError();
  } else if (verb == L"read") {
    WIN32_FILE_ATTRIBUTE_DATA data = {};
    error = GetFileAttributesExW(name, GetFileExInfoStandard, &data) ? 0 : GetLastError();
    std::printf("%lu bytes, ", data.nFileSizeLow);
  } else {
    return 2;
  }
  std::printf("%ls error %lu\n", verb.c_str(), error);
  return 0;
}
