// Files: what a VM writes, changes, renames or deletes stays its own; what the machine has is read through
// (merge).
#include "conformance.h"

namespace plume::conformance {
namespace {

constexpr char kOld[] = "the holder's", kNew[] = "the prober's";

bool WriteText(const std::wstring& path, const char* text, DWORD disposition = CREATE_ALWAYS) {
  HANDLE file =
      CreateFileW(path.c_str(), GENERIC_WRITE, FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE,
                  nullptr, disposition, FILE_ATTRIBUTE_NORMAL, nullptr);
  if (file == INVALID_HANDLE_VALUE) return false;
  DWORD written;
  const bool ok = WriteFile(file, text, static_cast<DWORD>(strlen(text)), &written, nullptr);
  CloseHandle(file);
  return ok;
}

std::string ReadText(const std::wstring& path) {
  HANDLE file =
      CreateFileW(path.c_str(), GENERIC_READ, FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE, nullptr,
                  OPEN_EXISTING, 0, nullptr);
  if (file == INVALID_HANDLE_VALUE) return "(" + LastError() + ")";
  char buffer[200];
  DWORD count = 0;
  ReadFile(file, buffer, sizeof(buffer), &count, nullptr);
  CloseHandle(file);
  return std::string(buffer, count);
}

bool Exists(const std::wstring& path) { return GetFileAttributesW(path.c_str()) != INVALID_FILE_ATTRIBUTES; }

std::wstring File(const Context& c) { return c.Folder() + L"file.txt"; }

std::string HoldFile(Context& c) { return WriteText(File(c), kOld) ? "" : LastError(); }
std::string HoldFolder(Context& c) {
  return CreateDirectoryW((c.Folder() + L"sub").c_str(), nullptr) && WriteText(c.Folder() + L"sub\\x", kOld)
             ? ""
             : LastError();
}

// What the prober may see of the holder's file. A VM sees the machine's files.
constexpr char kWhy[] = "a VM reads the machine's files";
Finding ProbeOpen(Context& c) { return VisibleIf(ReadText(File(c)) == kOld, ReadText(File(c))); }
CHECK_WITH(file, open, kMachineSeen, kWhy, HoldFile, ProbeOpen);
Finding ProbeAttributes(Context& c) { return VisibleIf(Exists(File(c)), LastError()); }
CHECK_WITH(file, attributes, kMachineSeen, kWhy, HoldFile, ProbeAttributes);
Finding ProbeFind(Context& c) {
  WIN32_FIND_DATAW data;
  HANDLE find = FindFirstFileW((c.Folder() + L"*.txt").c_str(), &data);
  if (find == INVALID_HANDLE_VALUE) return Isolated(LastError());
  FindClose(find);
  return Visible();
}
CHECK_WITH(file, find, kMachineSeen, kWhy, HoldFile, ProbeFind);
Finding ProbeShort(Context& c) {
  wchar_t path[MAX_PATH];
  return VisibleIf(GetShortPathNameW(File(c).c_str(), path, MAX_PATH) && Exists(path), LastError());
}
CHECK_WITH(file, short_name, kMachineSeen, kWhy, HoldFile, ProbeShort);
Finding ProbeMapped(Context& c) {
  HANDLE file = CreateFileW(File(c).c_str(), GENERIC_READ, 7, nullptr, OPEN_EXISTING, 0, nullptr);
  if (file == INVALID_HANDLE_VALUE) return Isolated(LastError());
  HANDLE section = CreateFileMappingW(file, nullptr, PAGE_READONLY, 0, 0, nullptr);
  const void* view = section ? MapViewOfFile(section, FILE_MAP_READ, 0, 0, 0) : nullptr;
  const bool same = view && memcmp(view, kOld, sizeof(kOld) - 1) == 0;
  if (view) UnmapViewOfFile(view);
  if (section) CloseHandle(section);
  CloseHandle(file);
  return VisibleIf(same);
}
CHECK_WITH(file, map, kMachineSeen, kWhy, HoldFile, ProbeMapped);
Finding ProbeFolder(Context& c) { return VisibleIf(Exists(c.Folder() + L"sub\\x"), LastError()); }
CHECK_WITH(file, folder, kMachineSeen, kWhy, HoldFolder, ProbeFolder);

// What the prober does to the holder's file: the holder looks afterwards.
Finding Act(bool ok) { return ok ? Visible() : Isolated(LastError()); }
Finding ObserveChanged(Context& c) {
  const std::string now = ReadText(File(c));
  return VisibleIf(now != kOld, now);
}
CHECK_OBSERVED(
    file, overwrite, HoldFile, [](Context& c) { return Act(WriteText(File(c), kNew)); }, ObserveChanged);
CHECK_OBSERVED(
    file, write_in_place, HoldFile, [](Context& c) { return Act(WriteText(File(c), "THE", OPEN_EXISTING)); },
    ObserveChanged);
Finding ProbeAppend(Context& c) {
  HANDLE file = CreateFileW(File(c).c_str(), FILE_APPEND_DATA, 7, nullptr, OPEN_EXISTING, 0, nullptr);
  if (file == INVALID_HANDLE_VALUE) return Isolated(LastError());
  DWORD written;
  const bool ok = WriteFile(file, kNew, sizeof(kNew) - 1, &written, nullptr);
  CloseHandle(file);
  return Act(ok);
}
CHECK_OBSERVED(file, append, HoldFile, ProbeAppend, ObserveChanged);
Finding ProbeTruncate(Context& c) {
  HANDLE file = CreateFileW(File(c).c_str(), GENERIC_WRITE, 7, nullptr, TRUNCATE_EXISTING, 0, nullptr);
  if (file == INVALID_HANDLE_VALUE) return Isolated(LastError());
  CloseHandle(file);
  return Visible();
}
CHECK_OBSERVED(file, truncate, HoldFile, ProbeTruncate, ObserveChanged);
Finding ProbeMapWrite(Context& c) {
  HANDLE file =
      CreateFileW(File(c).c_str(), GENERIC_READ | GENERIC_WRITE, 7, nullptr, OPEN_EXISTING, 0, nullptr);
  if (file == INVALID_HANDLE_VALUE) return Isolated(LastError());
  HANDLE section = CreateFileMappingW(file, nullptr, PAGE_READWRITE, 0, 0, nullptr);
  auto* view = section ? static_cast<char*>(MapViewOfFile(section, FILE_MAP_WRITE, 0, 0, 0)) : nullptr;
  if (view) view[0] = '#', UnmapViewOfFile(view);
  if (section) CloseHandle(section);
  CloseHandle(file);
  return Act(view != nullptr);
}
CHECK_OBSERVED(file, write_mapped, HoldFile, ProbeMapWrite, ObserveChanged);
CHECK_OBSERVED(
    file, copy_over, HoldFile,
    [](Context& c) {
      const std::wstring from = c.Folder() + L"other.txt";
      return Act(WriteText(from, kNew) && CopyFileW(from.c_str(), File(c).c_str(), FALSE));
    },
    ObserveChanged);
CHECK_OBSERVED(
    file, rename_over, HoldFile,
    [](Context& c) {
      const std::wstring from = c.Folder() + L"other.txt";
      return Act(WriteText(from, kNew) &&
                 MoveFileExW(from.c_str(), File(c).c_str(), MOVEFILE_REPLACE_EXISTING));
    },
    ObserveChanged);

Finding ObserveGone(Context& c) { return VisibleIf(!Exists(File(c)), "exists"); }
CHECK_OBSERVED(
    file, delete_, HoldFile, [](Context& c) { return Act(DeleteFileW(File(c).c_str())); }, ObserveGone);
CHECK_OBSERVED(
    file, rename_away, HoldFile,
    [](Context& c) { return Act(MoveFileW(File(c).c_str(), (c.Folder() + L"away.txt").c_str())); },
    ObserveGone);
Finding ProbeDeleteOnClose(Context& c) {
  HANDLE file =
      CreateFileW(File(c).c_str(), DELETE, 7, nullptr, OPEN_EXISTING, FILE_FLAG_DELETE_ON_CLOSE, nullptr);
  if (file == INVALID_HANDLE_VALUE) return Isolated(LastError());
  CloseHandle(file);
  return Visible();
}
CHECK_OBSERVED(file, delete_on_close, HoldFile, ProbeDeleteOnClose, ObserveGone);

CHECK_OBSERVED(
    file, attributes_set, HoldFile,
    [](Context& c) { return Act(SetFileAttributesW(File(c).c_str(), FILE_ATTRIBUTE_READONLY)); },
    [](Context& c) { return VisibleIf(GetFileAttributesW(File(c).c_str()) & FILE_ATTRIBUTE_READONLY); });
Finding ProbeTimes(Context& c) {
  HANDLE file = CreateFileW(File(c).c_str(), FILE_WRITE_ATTRIBUTES, 7, nullptr, OPEN_EXISTING, 0, nullptr);
  if (file == INVALID_HANDLE_VALUE) return Isolated(LastError());
  const FILETIME time = {0, 0x01a00000};
  const bool ok = SetFileTime(file, nullptr, nullptr, &time);
  CloseHandle(file);
  return Act(ok);
}
CHECK_OBSERVED(file, times_set, HoldFile, ProbeTimes, [](Context& c) {
  WIN32_FILE_ATTRIBUTE_DATA data = {};
  GetFileAttributesExW(File(c).c_str(), GetFileExInfoStandard, &data);
  return VisibleIf(data.ftLastWriteTime.dwHighDateTime == 0x01a00000);
});

// What the prober makes beside the holder's.
std::string HoldNothing(Context& c) { return Exists(c.Folder()) ? "" : LastError(); }
CHECK_OBSERVED(
    file, create, HoldNothing, [](Context& c) { return Act(WriteText(c.Folder() + L"new.txt", kNew)); },
    [](Context& c) { return VisibleIf(Exists(c.Folder() + L"new.txt")); });
CHECK_OBSERVED(
    file, create_folder, HoldNothing,
    [](Context& c) { return Act(CreateDirectoryW((c.Folder() + L"made").c_str(), nullptr)); },
    [](Context& c) { return VisibleIf(Exists(c.Folder() + L"made")); });
CHECK_OBSERVED(
    file, link, HoldFile,
    [](Context& c) {
      const std::wstring link = c.Folder() + L"link.txt";
      if (!CreateHardLinkW(link.c_str(), File(c).c_str(), nullptr)) return Isolated(LastError());
      return Act(WriteText(link, kNew, OPEN_EXISTING));
    },
    [](Context& c) { return VisibleIf(ReadText(File(c)) != kOld || Exists(c.Folder() + L"link.txt")); });
CHECK_OBSERVED(
    file, remove_folder, HoldFolder,
    [](Context& c) {
      DeleteFileW((c.Folder() + L"sub\\x").c_str());
      return Act(RemoveDirectoryW((c.Folder() + L"sub").c_str()));
    },
    [](Context& c) { return VisibleIf(!Exists(c.Folder() + L"sub")); });
CHECK_OBSERVED(
    file, rename_folder, HoldFolder,
    [](Context& c) { return Act(MoveFileW((c.Folder() + L"sub").c_str(), (c.Folder() + L"moved").c_str())); },
    [](Context& c) { return VisibleIf(!Exists(c.Folder() + L"sub\\x")); });

// A handle that watches the folder is told of the other's new file.
std::string HoldWatch(Context& c) {
  c.data = FindFirstChangeNotificationW(c.Folder().c_str(), FALSE, FILE_NOTIFY_CHANGE_FILE_NAME);
  return c.data != INVALID_HANDLE_VALUE ? "" : LastError();
}
CHECK_OBSERVED(
    file, notification, HoldWatch, [](Context& c) { return Act(WriteText(c.Folder() + L"new.txt", kNew)); },
    [](Context& c) { return VisibleIf(WaitForSingleObject(c.data, 300) == WAIT_OBJECT_0); });
// A lock on a range, and a refused share mode: of one file, so two VMs do not meet.
std::string HoldLock(Context& c) {
  if (!WriteText(File(c), kOld)) return LastError();
  HANDLE file =
      CreateFileW(File(c).c_str(), GENERIC_READ | GENERIC_WRITE, 7, nullptr, OPEN_EXISTING, 0, nullptr);
  c.Keep(file);
  return file != INVALID_HANDLE_VALUE && LockFile(file, 0, 0, 4, 0) ? "" : LastError();
}
Finding ProbeLock(Context& c) {
  HANDLE file =
      CreateFileW(File(c).c_str(), GENERIC_READ | GENERIC_WRITE, 7, nullptr, OPEN_ALWAYS, 0, nullptr);
  if (file == INVALID_HANDLE_VALUE) return Isolated(LastError());
  const bool locked = !LockFile(file, 0, 0, 4, 0);
  CloseHandle(file);
  return VisibleIf(locked);
}
CHECK(file, lock, HoldLock, ProbeLock);
std::string HoldExclusive(Context& c) {
  HANDLE file = CreateFileW(File(c).c_str(), GENERIC_WRITE, 0, nullptr, CREATE_ALWAYS, 0, nullptr);
  c.Keep(file);
  return file != INVALID_HANDLE_VALUE ? "" : LastError();
}
Finding ProbeShare(Context& c) {
  HANDLE file = CreateFileW(File(c).c_str(), GENERIC_READ, 7, nullptr, OPEN_EXISTING, 0, nullptr);
  const DWORD error = GetLastError();
  if (file != INVALID_HANDLE_VALUE) CloseHandle(file);
  return VisibleIf(error == ERROR_SHARING_VIOLATION, "error " + std::to_string(error));
}
CHECK_WITH(file, share_mode, kMachineSeen, kWhy, HoldExclusive, ProbeShare);

}  // namespace
}  // namespace plume::conformance
