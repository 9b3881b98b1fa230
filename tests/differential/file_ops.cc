// file_ops.exe --root DIR --seed S --count N [--from 0] [--to 50] [--only i,j,k]
//              (--populate | --run)
// One folder DIR\s<seed> per sequence, so one process runs many. Transcripts go to standard output.
#include "file_ops.h"

#include <cstdlib>
#include <cstring>

#include "file_ops_nt.h"

using namespace plume::differential;

int wmain(int argc, wchar_t** argv) {
  std::wstring root;
  uint64_t seed = 1, count = 1;
  int from = 0, to = 50;
  std::set<int> only;
  bool populate = false, run = false;
  for (int i = 1; i < argc; ++i) {
    std::wstring option = argv[i];
    const wchar_t* value = i + 1 < argc ? argv[i + 1] : L"";
    if (option == L"--populate")
      populate = true;
    else if (option == L"--run")
      run = true;
    else if (option == L"--root")
      root = value, ++i;
    else if (option == L"--seed")
      seed = std::wcstoull(value, nullptr, 10), ++i;
    else if (option == L"--count")
      count = std::wcstoull(value, nullptr, 10), ++i;
    else if (option == L"--from")
      from = static_cast<int>(std::wcstol(value, nullptr, 10)), ++i;
    else if (option == L"--to")
      to = static_cast<int>(std::wcstol(value, nullptr, 10)), ++i;
    else if (option == L"--only") {
      for (const wchar_t* p = value; *p;) {
        wchar_t* end;
        only.insert(static_cast<int>(std::wcstol(p, &end, 10)));
        p = *end ? end + 1 : end;
      }
      ++i;
    } else {
      std::fprintf(stderr, "unknown option\n");
      return 2;
    }
  }
  if (root.empty() || !LoadNtCalls()) {
    std::fprintf(stderr, "file_ops: no --root, or ntdll lacks a call\n");
    return 2;
  }
  static char buffer[1 << 16];
  std::setvbuf(stdout, buffer, _IOFBF, sizeof buffer);
  for (uint64_t s = seed; s < seed + count; ++s) {
    const std::wstring folder = root + L"\\s" + std::to_wstring(s);
    if (populate && !Populate(s, folder)) {
      std::fprintf(stderr, "file_ops: populating %llu failed: %lu\n", static_cast<unsigned long long>(s),
                   GetLastError());
      return 1;
    }
    if (!run) continue;
    std::printf("== %llu\n", static_cast<unsigned long long>(s));
    RunSequence(s, folder, from, to, only, stdout);
    std::printf("-- tree\n");
    Dump(folder, stdout);
  }
  return 0;
}
