// Initial trees and their dump.
#include <algorithm>

#include "file_ops.h"
#include "file_ops_nt.h"

namespace plume::differential {

#define PLUME_TEST_DEFINE(name, arguments) name##Type p##name;
PLUME_TEST_CALLS(PLUME_TEST_DEFINE)
#undef PLUME_TEST_DEFINE

bool LoadNtCalls() {
  HMODULE ntdll = GetModuleHandleW(L"ntdll.dll");
  bool all = true;
#define PLUME_TEST_LOAD(name, arguments)                                                         \
  p##name = reinterpret_cast<name##Type>(reinterpret_cast<void*>(GetProcAddress(ntdll, #name))); \
  all &= p##name != nullptr;
  PLUME_TEST_CALLS(PLUME_TEST_LOAD)
#undef PLUME_TEST_LOAD
  return all;
}

uint64_t HashBytes(const void* data, size_t size) {
  uint64_t hash = 0xcbf29ce484222325ull;
  for (size_t i = 0; i < size; ++i) hash = (hash ^ static_cast<const uint8_t*>(data)[i]) * 0x100000001b3ull;
  return hash;
}

std::vector<uint8_t> MakeData(uint64_t key, size_t size) {
  Rng rng(key, 0xda7a);
  std::vector<uint8_t> data(size);
  for (auto& byte : data) byte = static_cast<uint8_t>(rng.Next());
  return data;
}

constexpr int64_t kFirstTime = 126'227'808'000'000'000;  // 2001-01-01
constexpr int64_t kTimeStep = 600'000'000;               // one minute
constexpr uint32_t kTimes = 1'000'000;

int64_t TestTime(uint32_t k) { return kFirstTime + kTimeStep * (k % kTimes); }

std::string TimeText(int64_t time) {
  int64_t k = (time - kFirstTime) / kTimeStep;
  if (time < kFirstTime || k >= kTimes || TestTime(static_cast<uint32_t>(k)) != time) return "*";
  return "t" + std::to_string(k);
}

std::string Narrow(const std::wstring& text) {
  std::string out;
  for (wchar_t c : text) {
    if (c >= 32 && c < 127) {
      out += static_cast<char>(c);
    } else {
      char buffer[16];
      std::snprintf(buffer, sizeof buffer, "<%x>", static_cast<unsigned>(c));
      out += buffer;
    }
  }
  return out;
}

namespace {

// Names with and without 8.3 forms of their own, with letters whose upper case is not ASCII, and near-equal
// ones.
const wchar_t* const kFileNames[] = {
    L"a.txt",           L"Readme.TXT", L"Long file name.text", L"Another Long Name.data",
    L"noext",           L"x.dll",      L"\u00e4rger.txt",      L".hidden",
    L"two.dots.tar.gz", L"b.txt",      L"longfi~1.tex",        L"Config.ini",
    L"data.bin",        L"a.tx",       L"_low line.ini",       L"[b].txt"};
const wchar_t* const kDirectoryNames[] = {L"Docs",  L"Sub Folder With Long Name", L"bin", L"Empty", L"Deep",
                                          L"d.ext", L"Another Long Folder",       L"data"};
constexpr uint32_t kMostFolders = 8;

}  // namespace

Pool::Pool(uint64_t seed) {
  Rng rng(seed, 0xf11e);
  directories.push_back(L"");
  const uint32_t folders = 3 + rng.Below(kMostFolders - 2);
  for (uint32_t i = 0; i < folders; ++i) {
    const std::wstring& parent = directories[rng.Below(static_cast<uint32_t>(directories.size()))];
    std::wstring path = (parent.empty() ? L"" : parent + L"\\") + kDirectoryNames[i];
    directories.push_back(path);
    const uint32_t attributes = rng.OneIn(6)   ? FILE_ATTRIBUTE_READONLY
                                : rng.OneIn(8) ? FILE_ATTRIBUTE_HIDDEN
                                               : 0u;
    initial.push_back({path, true, 0, attributes, rng.Below(1000)});
  }
  for (const wchar_t* name : kFileNames) names.push_back(name);
  const uint32_t files = 6 + rng.Below(12);
  std::set<std::wstring> used;
  for (uint32_t i = 0; i < files; ++i) {
    const std::wstring& parent = directories[rng.Below(static_cast<uint32_t>(directories.size()))];
    std::wstring path = (parent.empty() ? L"" : parent + L"\\") + rng.Pick(kFileNames);
    if (!used.insert(path).second) continue;
    uint32_t size = rng.OneIn(4) ? 0 : rng.OneIn(6) ? 70'000 + rng.Below(100'000) : rng.Below(5000);
    uint32_t attributes = rng.OneIn(6)   ? FILE_ATTRIBUTE_READONLY
                          : rng.OneIn(5) ? FILE_ATTRIBUTE_HIDDEN
                          : rng.OneIn(8) ? FILE_ATTRIBUTE_SYSTEM
                                         : 0u;
    initial.push_back({path, false, size, attributes, rng.Below(1000)});
  }
}

std::wstring Pool::AnyDirectory(Rng& rng) const {
  return directories[rng.Below(static_cast<uint32_t>(directories.size()))];
}

bool Pool::IsInitial(const std::wstring& path) const {
  return IsFolder(path) ||
         std::any_of(initial.begin(), initial.end(), [&](const Item& i) { return i.path == path; });
}

bool Pool::IsFolder(const std::wstring& path) const {
  return std::find(directories.begin(), directories.end(), path) != directories.end();
}

std::wstring Pool::AnyFile(Rng& rng) const {
  const std::wstring directory = AnyDirectory(rng);
  const std::wstring& name = names[rng.Below(static_cast<uint32_t>(names.size()))];
  uint32_t i = rng.Below(static_cast<uint32_t>(initial.size()));
  while (initial[i].directory) i = (i + 1) % static_cast<uint32_t>(initial.size());  // there are files
  if (!rng.OneIn(5)) return initial[i].path;
  return directory.empty() ? name : directory + L"\\" + name;
}

std::wstring Pool::AnyPath(Rng& rng) const {
  const uint32_t kind = rng.Below(100);
  const Item& item = initial[rng.Below(static_cast<uint32_t>(initial.size()))];
  std::wstring directory = AnyDirectory(rng);
  const std::wstring& name = names[rng.Below(static_cast<uint32_t>(names.size()))];
  if (kind < 60) return item.path;
  if (kind < 90) return directory.empty() ? name : directory + L"\\" + name;
  if (kind < 93) return item.path + L"\\" + name;  // below a file, or a new name in a folder
  if (kind < 95) return L"missing\\" + name;       // in a folder that is not there
  if (kind < 98) return (directory.empty() ? L"" : directory + L"\\") + L"New Folder";
  return directory;  // "" = the sequence's folder itself
}

bool Populate(uint64_t seed, const std::wstring& folder) {
  Pool pool(seed);
  if (!CreateDirectoryW(folder.c_str(), nullptr)) return false;
  for (const auto& item : pool.initial) {
    std::wstring path = folder + L"\\" + item.path;
    if (item.directory) {
      if (!CreateDirectoryW(path.c_str(), nullptr)) return false;
      continue;
    }
    HANDLE file =
        CreateFileW(path.c_str(), GENERIC_WRITE, 0, nullptr, CREATE_NEW, FILE_ATTRIBUTE_NORMAL, nullptr);
    if (file == INVALID_HANDLE_VALUE) return false;
    std::vector<uint8_t> data = MakeData(seed ^ HashBytes(item.path.data(), item.path.size() * 2), item.size);
    DWORD done = 0;
    bool ok = data.empty() || (WriteFile(file, data.data(), item.size, &done, nullptr) && done == item.size);
    CloseHandle(file);
    if (!ok) return false;
  }
  // Attributes and times last, children before their parents, so that making the tree does not disturb them.
  auto set = [&](const std::wstring& path, uint32_t attributes, uint32_t time) {
    HANDLE file = CreateFileW(path.c_str(), FILE_WRITE_ATTRIBUTES, 7, nullptr, OPEN_EXISTING,
                              FILE_FLAG_BACKUP_SEMANTICS, nullptr);
    if (file == INVALID_HANDLE_VALUE) return false;
    int64_t t = TestTime(time);
    BasicInformation basic{t, t, t, 0, attributes};
    IO_STATUS_BLOCK io;
    NTSTATUS status = pNtSetInformationFile(file, &io, &basic, sizeof basic, 4);
    CloseHandle(file);
    return status == 0;
  };
  for (auto item = pool.initial.rbegin(); item != pool.initial.rend(); ++item) {
    if (!set(folder + L"\\" + item->path, item->attributes, item->time)) return false;
  }
  return set(folder, 0, static_cast<uint32_t>(seed % 1000));
}

namespace {

void DumpEntry(const std::wstring& path, const std::wstring& shown, FILE* out) {
  HANDLE file =
      CreateFileW(path.c_str(), GENERIC_READ, 7, nullptr, OPEN_EXISTING, FILE_FLAG_BACKUP_SEMANTICS, nullptr);
  if (file == INVALID_HANDLE_VALUE) {
    std::fprintf(out, "  %s error=%lu\n", Narrow(shown).c_str(), GetLastError());
    return;
  }
  IO_STATUS_BLOCK io;
  BasicInformation basic{};
  StandardInformation standard{};
  NTSTATUS s1 = pNtQueryInformationFile(file, &io, &basic, sizeof basic, 4);
  NTSTATUS s2 = pNtQueryInformationFile(file, &io, &standard, sizeof standard, 5);
  std::vector<uint8_t> data;
  if (!standard.directory) {
    data.resize(static_cast<size_t>(standard.end));
    DWORD done = 0;
    if (!data.empty() && (!ReadFile(file, data.data(), static_cast<DWORD>(data.size()), &done, nullptr) ||
                          done != data.size())) {
      std::fprintf(out, "  %s read error=%lu\n", Narrow(shown).c_str(), GetLastError());
    }
  }
  std::fprintf(out, "  %s %lx %lx attr=%lx written=%s created=%s links=%lu size=%lld hash=%016llx\n",
               Narrow(shown).c_str(), static_cast<long>(s1), static_cast<long>(s2), basic.attributes,
               TimeText(basic.written).c_str(), TimeText(basic.created).c_str(),
               standard.directory ? 1 : standard.links,
               standard.directory ? 0ll : static_cast<long long>(standard.end),
               static_cast<unsigned long long>(HashBytes(data.data(), data.size())));
  CloseHandle(file);
}

void DumpFolder(const std::wstring& path, const std::wstring& shown, FILE* out) {
  WIN32_FIND_DATAW found;
  HANDLE find = FindFirstFileW((path + L"\\*").c_str(), &found);
  if (find == INVALID_HANDLE_VALUE) {
    std::fprintf(out, "  %s\\* error=%lu\n", Narrow(shown).c_str(), GetLastError());
    return;
  }
  do {
    std::wstring name = found.cFileName;
    if (name == L"." || name == L"..") continue;
    std::fprintf(out, "  - %s short=%s attr=%lx size=%lu written=%s\n", Narrow(name).c_str(),
                 Narrow(found.cAlternateFileName).c_str(), found.dwFileAttributes,
                 found.dwFileAttributes & FILE_ATTRIBUTE_DIRECTORY ? 0 : found.nFileSizeLow,
                 TimeText(static_cast<int64_t>(found.ftLastWriteTime.dwHighDateTime) << 32 |
                          found.ftLastWriteTime.dwLowDateTime)
                     .c_str());
    DumpEntry(path + L"\\" + name, shown + L"\\" + name, out);
    if (found.dwFileAttributes & FILE_ATTRIBUTE_DIRECTORY)
      DumpFolder(path + L"\\" + name, shown + L"\\" + name, out);
  } while (FindNextFileW(find, &found));
  FindClose(find);
}

}  // namespace

void Dump(const std::wstring& folder, FILE* out) {
  DumpEntry(folder, L"~", out);
  DumpFolder(folder, L"~", out);
}

}  // namespace plume::differential
