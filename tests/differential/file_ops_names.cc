// Operations on names, and directory listings.
#include <algorithm>
#include <cstring>
#include <cwchar>

#include "file_ops_run.h"

namespace plume::differential {
namespace {

const wchar_t* const
    kPatterns[] = {L"*",    L"*",   L"*.txt",  L"*.*",      L"a*",      L"?.txt",  L"lo*",
                   L"*~*",  L"*.t", L"x.dll",  L"READ?E.*", L"nothing", L"*name*", L".*",
                   L"docs", L"*.",  L"??*.t*", L"*\u00c4*", L"**.*t"};  // no DOS wildcards: Wine 8 has none

}  // namespace

void Runner::QueryAttributes(Rng& rng) {
  const std::wstring path = pool_.AnyPath(rng);
  const bool full = rng.OneIn(2);
  std::wstring name = Nt(Spell(rng, path));
  std::fprintf(out_, "attributes %s%s -> ", full ? "full " : "", Shown(name).c_str());
  Attributes object(name);
  if (full) {
    NetworkOpenInformation info{};
    NTSTATUS status = pNtQueryFullAttributesFile(object.get(), &info);
    std::fprintf(out_, "%08lx", static_cast<long>(status));
    if (status < 0) return;
    std::fprintf(out_, " attr=%lx written=%s end=%lld", info.attributes, TimeText(info.written).c_str(),
                 info.attributes & FILE_ATTRIBUTE_DIRECTORY ? 0ll : static_cast<long long>(info.end));
  } else {
    BasicInformation info{};
    NTSTATUS status = pNtQueryAttributesFile(object.get(), &info);
    std::fprintf(out_, "%08lx", static_cast<long>(status));
    if (status < 0) return;
    std::fprintf(out_, " attr=%lx written=%s", info.attributes, TimeText(info.written).c_str());
  }
}

void Runner::DeleteByName(Rng& rng) {
  const std::wstring path = pool_.AnyPath(rng);
  std::wstring name = Nt(Spell(rng, path));
  std::fprintf(out_, "ntdelete %s -> ", Shown(name).c_str());
  if (!MayMove(path)) {
    std::fprintf(out_, "left out");
    return;
  }
  Attributes object(name);
  NTSTATUS status = pNtDeleteFile(object.get());
  std::fprintf(out_, "%08lx", static_cast<long>(status));
  if (status >= 0) Changed(path);
}

void Runner::Win32(Rng& rng) {
  const uint32_t kind = rng.Below(12);
  // ReplaceFile exchanges files that are there.
  const std::wstring path = kind == 10               ? pool_.AnyFile(rng)
                            : kind == 2 || kind == 3 ? pool_.AnyDirectory(rng)
                                                     : pool_.AnyPath(rng);
  const std::wstring other = kind == 10 ? pool_.AnyFile(rng) : pool_.AnyPath(rng);
  const std::wstring from = Full(Spell(rng, path)), to = Full(Spell(rng, other));
  const bool flag = rng.OneIn(2);
  static const char* const kNames[] = {"DeleteFile",        "DeleteFile",      "RemoveDirectory",
                                       "RemoveDirectory",   "MoveFile",        "MoveFile",
                                       "CopyFile",          "CreateDirectory", "SetFileAttributes",
                                       "GetFileAttributes", "ReplaceFile",     "GetLongPathName"};
  std::fprintf(out_, "%s %s", kNames[kind], Shown(from).c_str());
  const bool two = (kind >= 4 && kind <= 6) || kind == 10;
  if (two) std::fprintf(out_, " %s flag=%d", Shown(to).c_str(), flag);
  std::fprintf(out_, " -> ");
  // CopyFile only reads its source.
  // ReplaceFile moves the replaced file to a random name first: only sequences in which it can succeed are
  // repeatable.
  auto plain = [](const std::wstring& name) {
    DWORD a = GetFileAttributesW(name.c_str());
    return a != INVALID_FILE_ATTRIBUTES && !(a & (FILE_ATTRIBUTE_DIRECTORY | FILE_ATTRIBUTE_READONLY));
  };
  bool open = Key(path) == Key(other);
  for (const Slot& slot : slots_)
    open |= slot.handle && (Key(slot.path) == Key(path) || Key(slot.path) == Key(other));
  if (kind == 10 && (open || !(plain(from) && plain(to)))) {
    std::fprintf(out_, "left out");
    return;
  }
  bool allowed = kind == 6 || kind == 7 || kind == 9 || kind == 11 || MayMove(path);
  if (two) allowed = allowed && MayMove(other);
  if (kind == 11) allowed = MayLookThrough(path);
  // Wine removes the target before it finds that a folder cannot move into itself.
  if (kind == 4 || kind == 5) allowed = allowed && !Below(Key(other), Key(path));
  if (!allowed) {
    std::fprintf(out_, "left out");
    return;
  }
  SetLastError(0);
  BOOL ok = FALSE;
  DWORD value = 0;
  const bool was_directory = two && (value = GetFileAttributesW(from.c_str())) != INVALID_FILE_ATTRIBUTES &&
                             (value & FILE_ATTRIBUTE_DIRECTORY);
  value = 0;
  switch (kind) {
    case 0:
    case 1:
      ok = DeleteFileW(from.c_str());
      break;
    case 2:
    case 3:
      ok = RemoveDirectoryW(from.c_str());
      break;
    case 4:
    case 5:
      ok = MoveFileExW(from.c_str(), to.c_str(), flag ? MOVEFILE_REPLACE_EXISTING : 0);
      break;
    case 6:
      ok = CopyFileW(from.c_str(), to.c_str(), flag);
      break;
    case 7:
      ok = CreateDirectoryW(from.c_str(), nullptr);
      break;
    case 8:
      ok = SetFileAttributesW(from.c_str(), flag ? FILE_ATTRIBUTE_READONLY : FILE_ATTRIBUTE_NORMAL);
      break;
    case 9:
      ok = (value = GetFileAttributesW(from.c_str())) != INVALID_FILE_ATTRIBUTES;
      break;
    case 10:
      ok = ReplaceFileW(from.c_str(), to.c_str(), nullptr, 0, nullptr, nullptr);
      break;
    default: {
      wchar_t buffer[700];
      DWORD length = GetLongPathNameW(from.c_str(), buffer, 700);
      if (length > 0 && length < 700) {
        std::fprintf(out_, "%s", Shown(buffer).c_str());
        return;
      }
    }
  }
  std::fprintf(out_, "%d error=%lu", ok, ok ? 0 : GetLastError());
  if (kind == 9 && ok) std::fprintf(out_, " attr=%lx", value);
  if (!ok && kind != 10) return;
  if (kind != 6 && kind != 9) Changed(path);
  if (two) Changed(other);
  if (kind == 4 || kind == 5) Moved(path);
  if (two && was_directory && Key(other) != Key(path)) own_trees_.insert({Key(other), Key(path)});
}

void Runner::Enumerate(Rng& rng) {
  const std::wstring path = rng.OneIn(5) ? pool_.AnyPath(rng) : pool_.AnyDirectory(rng);
  const std::wstring pattern = rng.OneIn(3) ? L"*" : rng.Pick(kPatterns);
  std::wstring name = Full(Spell(rng, path));
  if (name.back() == L'\\') name.pop_back();
  std::fprintf(out_, "find %s\\%s ->", Shown(name).c_str(), Narrow(pattern).c_str());
  if (!MayLookThrough(path + L"\\*")) {
    std::fprintf(out_, " left out");
    return;
  }
  WIN32_FIND_DATAW found;
  HANDLE find = FindFirstFileW((name + L"\\" + pattern).c_str(), &found);
  if (find == INVALID_HANDLE_VALUE) {
    std::fprintf(out_, " error=%lu", GetLastError());
    return;
  }
  do {
    std::fprintf(out_, " %s(%s,%lx,%lu,%s)", Narrow(found.cFileName).c_str(),
                 Narrow(found.cAlternateFileName).c_str(), found.dwFileAttributes,
                 found.dwFileAttributes & FILE_ATTRIBUTE_DIRECTORY ? 0 : found.nFileSizeLow,
                 TimeText(static_cast<int64_t>(found.ftLastWriteTime.dwHighDateTime) << 32 |
                          found.ftLastWriteTime.dwLowDateTime)
                     .c_str());
  } while (FindNextFileW(find, &found));
  FindClose(find);
}

void Runner::QueryDirectory(Rng& rng) {
  const int slot = SlotFor(Want::kFolder);
  const ULONG kClasses[] = {1, 2, 3, 12, 37, 38, 3, 37, 60};
  const ULONG kSizes[] = {4096, 4096, 4096, 700, 300, 110, 64, 8};
  const ULONG kind = rng.Pick(kClasses), size = rng.Pick(kSizes);
  const bool single = rng.OneIn(3), restart = rng.OneIn(4), with_pattern = rng.OneIn(2);
  std::wstring pattern = rng.Pick(kPatterns);
  const uint32_t calls = 1 + rng.Below(4);
  std::fprintf(out_, "list slot=%d class=%lu size=%lu%s%s pattern=%s ->", slot, kind, size,
               single ? " single" : "", restart ? " restart" : "",
               with_pattern ? Narrow(pattern).c_str() : "none");
  if (!slots_[slot].handle) return;
  UNICODE_STRING text{static_cast<USHORT>(pattern.size() * 2), static_cast<USHORT>(pattern.size() * 2),
                      pattern.data()};
  // A folder that nobody else may list is read through its own handle, whose names Wine remembers over a
  // restart.
  if (!(slots_[slot].share & FILE_SHARE_READ)) {
    std::fprintf(out_, " left out");
    return;
  }
  for (uint32_t call = 0; call < calls; ++call) {
    alignas(8) uint8_t buffer[4096] = {};
    IO_STATUS_BLOCK io{};
    NTSTATUS status =
        pNtQueryDirectoryFile(slots_[slot].handle, nullptr, nullptr, nullptr, &io, buffer, size, kind, single,
                              with_pattern ? &text : nullptr, restart && call == 0);
    std::fprintf(out_, " %08lx", static_cast<long>(status));
    if (status != 0) break;
    std::fprintf(out_, " info=%llu", static_cast<unsigned long long>(io.Information));
    for (ULONG at = 0;;) {
      const uint8_t* entry = buffer + at;
      auto u32 = [entry](size_t offset) { return *reinterpret_cast<const ULONG*>(entry + offset); };
      // Where each class keeps the name and its length; the classes with times share their beginning.
      const size_t length_at = kind == 12 ? 8 : 60;
      const size_t name_at = kind == 12   ? 12
                             : kind == 1  ? 64
                             : kind == 2  ? 68
                             : kind == 3  ? 94
                             : kind == 37 ? 104
                                          : 80;
      std::fprintf(out_, " %s",
                   Narrow(std::wstring(reinterpret_cast<const wchar_t*>(entry + name_at), u32(length_at) / 2))
                       .c_str());
      if (kind != 12) {
        const ULONG attributes = u32(56);
        int64_t written = *reinterpret_cast<const int64_t*>(entry + 24),
                end = *reinterpret_cast<const int64_t*>(entry + 40);
        std::fprintf(out_, "(%lx,%lld,%s", attributes,
                     attributes & FILE_ATTRIBUTE_DIRECTORY ? 0ll : static_cast<long long>(end),
                     TimeText(written).c_str());
        if (kind == 3 || kind == 37) {
          std::fprintf(
              out_, ",%s",
              Narrow(std::wstring(reinterpret_cast<const wchar_t*>(entry + 70), entry[68] / 2)).c_str());
        }
        std::fputc(')', out_);
      }
      if (u32(0) == 0) break;
      at += u32(0);
    }
  }
}

}  // namespace plume::differential
