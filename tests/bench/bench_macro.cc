// The parts of the macro benchmarks for which there is no real program: run as a guest and bare by macro.py.
//
//   bench_macro.exe tree FOLDER FOLDERS FILES       makes FOLDER\dN\... with FILES files each of 1 KB
//   bench_macro.exe files FOLDER FIRST COUNT        makes COUNT empty files FOLDER\entryN from number FIRST
//   bench_macro.exe opens FOLDER FOLDERS FILES COUNT   COUNT opens of a random mix of names of such a tree
//   bench_macro.exe list FOLDER ENTRIES TIMES       lists FOLDER, which must have ENTRIES entries, TIMES
//   times bench_macro.exe compile SOURCE OUTPUT FOLDERS... what a compiler does to files: see Compile()
//   bench_macro.exe remove FOLDER                   removes FOLDER and everything in it, not measured
//
// Measuring commands print one line: NAME<TAB>milliseconds of each batch.
#include <windows.h>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "measure.h"

namespace {

using plume::bench::NowMillis;

constexpr int kBatches = 20;

[[noreturn]] void Fail(const char* what, const std::wstring& name) {
  std::fprintf(stderr, "bench_macro: %s %ls failed with %lu\n", what, name.c_str(), GetLastError());
  std::exit(1);
}

void WriteWhole(const std::wstring& name, const void* data, size_t size) {
  HANDLE file = CreateFileW(name.c_str(), GENERIC_WRITE, 0, nullptr, CREATE_ALWAYS, 0, nullptr);
  DWORD done = 0;
  if (file == INVALID_HANDLE_VALUE || !WriteFile(file, data, static_cast<DWORD>(size), &done, nullptr))
    Fail("writing", name);
  CloseHandle(file);
}

std::wstring FolderOf(const std::wstring& root, int folder) {
  return root + L"\\d" + std::to_wstring(folder);
}
std::wstring FileOf(const std::wstring& root, int folder, int file) {
  return FolderOf(root, folder) + L"\\module_" + std::to_wstring(file) + L".dat";
}

void MakeTree(const std::wstring& root, int folders, int files) {
  const std::string text(1024, 'x');
  CreateDirectoryW(root.c_str(), nullptr);
  for (int d = 0; d < folders; ++d) {
    CreateDirectoryW(FolderOf(root, d).c_str(), nullptr);
    for (int f = 0; f < files; ++f) WriteWhole(FileOf(root, d, f), text.data(), text.size());
  }
}

void MakeFiles(const std::wstring& root, int first, int count) {
  CreateDirectoryW(root.c_str(), nullptr);
  for (int i = first; i < first + count; ++i) WriteWhole(root + L"\\entry" + std::to_wstring(i), nullptr, 0);
}

// The same sequence everywhere.
struct Random {
  uint64_t state = 0x9E3779B97F4A7C15;
  uint32_t Below(uint32_t limit) {
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return static_cast<uint32_t>((state >> 32) % limit);
  }
};

// Of a hundred opens 65 meet their file, 5 of them spelled in other letters, and 35 do not: as a program that
// looks for its modules in several places.
void Opens(const std::wstring& root, int folders, int files, int count) {
  Random random;
  std::vector<std::wstring> names;
  std::vector<bool> there;
  for (int i = 0; i < count; ++i) {
    std::wstring name =
        FileOf(root, static_cast<int>(random.Below(folders)), static_cast<int>(random.Below(files)));
    const uint32_t kind = random.Below(100);
    if (kind < 35) name.insert(name.rfind(L'_'), L"_not");
    if (kind >= 95) CharUpperBuffW(&name[root.size()], static_cast<DWORD>(name.size() - root.size()));
    names.push_back(std::move(name));
    there.push_back(kind >= 35);
  }
  std::printf("opens\t");
  const int batch = std::max(1, count / kBatches);
  for (int at = 0; at + batch <= count; at += batch) {
    const double start = NowMillis();
    for (int i = at; i < at + batch; ++i) {
      HANDLE file =
          CreateFileW(names[i].c_str(), GENERIC_READ, FILE_SHARE_READ, nullptr, OPEN_EXISTING, 0, nullptr);
      if ((file != INVALID_HANDLE_VALUE) != there[i]) Fail("opening", names[i]);
      if (file != INVALID_HANDLE_VALUE) CloseHandle(file);
    }
    std::printf("%.3f ", NowMillis() - start);
  }
  std::printf("\n");
}

int CountEntries(const std::wstring& root) {
  WIN32_FIND_DATAW data;
  HANDLE find = FindFirstFileW((root + L"\\*").c_str(), &data);
  if (find == INVALID_HANDLE_VALUE) Fail("listing", root);
  int count = 0;
  do {
    count += data.cFileName[0] != L'.';
  } while (FindNextFileW(find, &data));
  FindClose(find);
  return count;
}

void List(const std::wstring& root, int entries, int times) {
  std::printf("list\t");
  for (int i = 0; i < times; ++i) {
    const double start = NowMillis();
    const int found = CountEntries(root);
    std::printf("%.3f ", NowMillis() - start);
    if (found != entries) {
      std::fprintf(stderr, "bench_macro: %ls has %d entries, not %d\n", root.c_str(), found, entries);
      std::exit(1);
    }
  }
  std::printf("\n");
}

std::string ReadWhole(const std::wstring& name, bool* there) {
  HANDLE file = CreateFileW(name.c_str(), GENERIC_READ, FILE_SHARE_READ, nullptr, OPEN_EXISTING, 0, nullptr);
  *there = file != INVALID_HANDLE_VALUE;
  if (!*there) return {};
  std::string text(static_cast<size_t>(GetFileSize(file, nullptr)), 0);
  DWORD got = 0;
  ReadFile(file, text.data(), static_cast<DWORD>(text.size()), &got, nullptr);
  CloseHandle(file);
  return text;
}

void Run(int argc, wchar_t** argv) {
  const std::wstring command = plume::bench::CommandLine(argc, argv, 2);
  DWORD code = 1;
  const double start = NowMillis();
  if (!plume::bench::RunToItsEnd(command, &code)) Fail("starting", argv[2]);
  std::printf("run\t%.3f\n", NowMillis() - start);
  if (code == 0) return;
  std::fprintf(stderr, "bench_macro: %ls ended with code %lu\n", argv[2], code);
  std::exit(1);
}

// Reads SOURCE, each line of which is the name of a header; looks for each in every one of FOLDERS in turn;
// reads it where it is; writes OUTPUT by way of a temporary file beside it.
int Compile(int argc, wchar_t** argv) {
  const std::wstring output = argv[3];
  bool there = false;
  const std::string source = ReadWhole(argv[2], &there);
  if (!there) Fail("reading", argv[2]);
  uint64_t sum = 0;
  for (size_t at = 0; at < source.size();) {
    size_t end = source.find('\n', at);
    if (end == std::string::npos) end = source.size();
    const std::wstring header(source.begin() + static_cast<ptrdiff_t>(at),
                              source.begin() + static_cast<ptrdiff_t>(end));
    at = end + 1;
    there = false;
    for (int i = 4; i < argc && !there; ++i) {
      for (unsigned char c : ReadWhole(std::wstring(argv[i]) + L"\\" + header, &there)) sum = sum * 31 + c;
    }
    if (!there) Fail("finding", header);
  }
  const std::string object(8192, static_cast<char>('a' + sum % 26));
  WriteWhole(output + L".tmp", object.data(), object.size());
  if (!MoveFileExW((output + L".tmp").c_str(), output.c_str(), MOVEFILE_REPLACE_EXISTING))
    Fail("renaming to", output);
  return 0;
}

void Remove(const std::wstring& root) {
  WIN32_FIND_DATAW data;
  HANDLE find = FindFirstFileW((root + L"\\*").c_str(), &data);
  if (find == INVALID_HANDLE_VALUE) Fail("listing", root);
  do {
    const std::wstring name = data.cFileName, path = root + L"\\" + name;
    if (name == L"." || name == L"..") continue;
    if (data.dwFileAttributes & FILE_ATTRIBUTE_DIRECTORY) {
      Remove(path);
    } else if (!DeleteFileW(path.c_str())) {
      Fail("deleting", path);
    }
  } while (FindNextFileW(find, &data));
  FindClose(find);
  if (!RemoveDirectoryW(root.c_str())) Fail("removing", root);
}

}  // namespace

int wmain(int argc, wchar_t** argv) {
  const std::wstring verb = argc > 2 ? argv[1] : L"";
  const auto number = [&](int i) { return _wtoi(argv[i]); };
  if (verb == L"compile" && argc > 4) return Compile(argc, argv);
  if (verb == L"remove") {
    Remove(argv[2]);
  } else if (verb == L"run") {
    Run(argc, argv);
  } else if (verb == L"tree" && argc == 5) {
    MakeTree(argv[2], number(3), number(4));
  } else if (verb == L"files" && argc == 5) {
    MakeFiles(argv[2], number(3), number(4));
  } else if (verb == L"opens" && argc == 6) {
    Opens(argv[2], number(3), number(4), number(5));
  } else if (verb == L"list" && argc == 5) {
    List(argv[2], number(3), number(4));
  } else {
    std::fprintf(stderr, "bench_macro: see the head of bench_macro.cc for its arguments\n");
    return 2;
  }
  return 0;
}
