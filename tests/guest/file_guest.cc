// What a program sees of files, beyond what the differential test covers. Each verb prints lines that must be
// the same bare and in a VM (file.sh compares). `setup` makes C:\fg, the ground that the other verbs work on.
//   names      names asked back through handles, mappings and modules
//   notify     change notification in all its forms
//   short      short names
//   relative   names relative to a handle, empty names, opens by id
//   prefixes   the ways to write the same name
//   pointers   bad pointers and handles
//   big        a listing of some thousand entries
//   unix FOLDER, spellings FOLDER   file_spellings.cc
//   claim FOLDER COUNT SECOND       file_claim.cc
//   race       eight threads and a child process write, delete and list the same files at once
#include "file_guest.h"

#include <psapi.h>

#include <cstdio>
#include <cstring>
#include <set>
#include <thread>
#include <vector>

namespace plume::differential {
#define PLUME_TEST_DEFINE(name, arguments) name##Type p##name;
PLUME_TEST_CALLS(PLUME_TEST_DEFINE)
#undef PLUME_TEST_DEFINE

std::string Narrow(const std::wstring& w) {
  std::string out;
  for (wchar_t c : w) out += c < 128 ? static_cast<char>(c) : '?';
  return out;
}

void Put(const char* what, long value) { std::printf("%s: %lx\n", what, value); }
void Put(const char* what, const std::wstring& value) {
  std::printf("%s: %s\n", what, Narrow(value).c_str());
}

bool WriteText(const wchar_t* path, const char* text) {
  HANDLE file = CreateFileW(path, GENERIC_WRITE, 7, nullptr, CREATE_ALWAYS, 0, nullptr);
  DWORD done;
  const bool ok = WriteFile(file, text, static_cast<DWORD>(std::strlen(text)), &done, nullptr);
  CloseHandle(file);
  return ok;
}

std::string ReadText(const wchar_t* path) {
  HANDLE file = CreateFileW(path, GENERIC_READ, 7, nullptr, OPEN_EXISTING, 0, nullptr);
  if (file == INVALID_HANDLE_VALUE) return "error " + std::to_string(GetLastError());
  char buffer[256];
  DWORD done = 0;
  ReadFile(file, buffer, sizeof buffer, &done, nullptr);
  CloseHandle(file);
  return std::string(buffer, done);
}

NTSTATUS Open(HANDLE* file, const wchar_t* name, HANDLE root, ACCESS_MASK access, ULONG disposition,
              ULONG options) {
  Attributes attributes(name, root);
  IO_STATUS_BLOCK io;
  *file = nullptr;
  return pNtCreateFile(file, access | SYNCHRONIZE, attributes.get(), &io, nullptr, 0, 7, disposition,
                       options | 0x20, nullptr, 0);
}

}  // namespace plume::differential

namespace {

using namespace plume::differential;

int Setup() {
  const wchar_t* const folders[] = {L"C:\\fg",
                                    L"C:\\fg\\Folder with a long name",
                                    L"C:\\fg\\Folder with a long name\\Deep",
                                    L"C:\\fg\\watched",
                                    L"C:\\fg\\watched\\sub",
                                    L"C:\\fg\\big"};
  for (const wchar_t* folder : folders) CreateDirectoryW(folder, nullptr);
  const wchar_t* const files[] = {L"C:\\fg\\Lower File.txt",
                                  L"C:\\fg\\changed.txt",
                                  L"C:\\fg\\moved.txt",
                                  L"C:\\fg\\Folder with a long name\\A file with a long name.text",
                                  L"C:\\fg\\Folder with a long name\\Deep\\x.txt",
                                  L"C:\\fg\\watched\\change me.txt",
                                  L"C:\\fg\\watched\\delete me.txt",
                                  L"C:\\fg\\watched\\rename me.txt"};
  for (const wchar_t* file : files) WriteText(file, Narrow(file).c_str());
  for (int i = 0; i < 2000; ++i) {
    wchar_t name[64];
    std::swprintf(name, 64, L"C:\\fg\\big\\file number %d.txt", i * 7919 % 2000);
    WriteText(name, "x");
  }
  return 0;
}

void PutNames(const char* what, HANDLE file) {
  std::printf("--- %s\n", what);
  alignas(8) uint8_t buffer[2048];
  ULONG length = 0;
  for (ULONG size : {2048ul, 40ul, 8ul}) {
    const NTSTATUS s = pNtQueryObject(file, 1, buffer, size, &length);
    std::printf("object name in %lu: %lx needs %lu\n", size, static_cast<long>(s), length);
    if (s == 0) {
      auto* name = reinterpret_cast<UNICODE_STRING*>(buffer);
      Put("object name", std::wstring(name->Buffer, name->Length / 2));
    }
  }
  for (ULONG kind : {9ul, 18ul, 48ul}) {
    for (ULONG size : {2048ul, 130ul, 110ul, 104ul, 20ul, 8ul, 4ul, 0ul}) {
      IO_STATUS_BLOCK io{};
      std::memset(buffer, 0xcc, sizeof buffer);
      const NTSTATUS s = pNtQueryInformationFile(file, &io, buffer, size, kind);
      std::printf("class %lu in %lu: %lx", kind, size, static_cast<long>(s));
      if (s == 0 || s == static_cast<NTSTATUS>(0x80000005)) {
        const size_t at = kind == 18 ? 96 : 0;
        const ULONG units = *reinterpret_cast<ULONG*>(buffer + at) / 2;
        std::printf(" info %lu of %lu", static_cast<unsigned long>(io.Information), units);
        if (s == 0)
          std::printf(" %s",
                      Narrow(std::wstring(reinterpret_cast<wchar_t*>(buffer + at + 4), units)).c_str());
      }
      std::printf("\n");
    }
  }
  for (DWORD flags : {0u, 4u}) {
    wchar_t name[512];
    const DWORD n = GetFinalPathNameByHandleW(file, name, 512, flags);
    Put("final path", std::wstring(name, n < 512 ? n : 0));
  }
}

int Names() {
  auto open = [](const wchar_t* path, DWORD access, DWORD disposition) {
    return CreateFileW(path, access, 7, nullptr, disposition, FILE_FLAG_BACKUP_SEMANTICS, nullptr);
  };
  PutNames("a file as it is", open(L"C:\\fg\\lower file.TXT", GENERIC_READ, OPEN_EXISTING));
  PutNames("a changed file", open(L"C:\\fg\\changed.txt", GENERIC_READ | GENERIC_WRITE, OPEN_EXISTING));
  PutNames("a new file", open(L"C:\\fg\\new file.txt", GENERIC_WRITE, CREATE_NEW));
  PutNames("a folder", open(L"C:\\fg\\Folder with a long name", GENERIC_READ, OPEN_EXISTING));
  PutNames("a drive", open(L"C:\\", GENERIC_READ, OPEN_EXISTING));
  CreateDirectoryW(L"C:\\fg\\new folder", nullptr);
  PutNames("a new folder", open(L"C:\\fg\\new folder", GENERIC_READ, OPEN_EXISTING));
  MoveFileW(L"C:\\fg\\moved.txt", L"C:\\fg\\new folder\\Moved To.txt");
  HANDLE moved = open(L"C:\\fg\\new folder\\Moved To.txt", GENERIC_READ, OPEN_EXISTING);
  PutNames("a moved file", moved);
  HANDLE section = CreateFileMappingW(moved, nullptr, PAGE_READONLY, 0, 0, nullptr);
  void* view = MapViewOfFile(section, FILE_MAP_READ, 0, 0, 0);
  wchar_t name[512] = L"";
  Put("mapped", view ? 1 : 0);
  GetMappedFileNameW(GetCurrentProcess(), view, name, 512);
  Put("mapped name", name);
  wchar_t self[512];
  GetModuleFileNameW(nullptr, self, 512);
  Put("copied program", CopyFileW(self, L"C:\\fg\\new folder\\Library.dll", FALSE));
  HMODULE module = LoadLibraryExW(L"C:\\fg\\new folder\\library.dll", nullptr, DONT_RESOLVE_DLL_REFERENCES);
  Put("loaded", module != nullptr);
  name[0] = 0;
  GetModuleFileNameW(module, name, 512);
  Put("module", name);
  SetCurrentDirectoryW(L"C:\\fg\\new folder");
  GetCurrentDirectoryW(512, name);
  Put("current directory", name);
  std::printf("relative read: %s\n", ReadText(L"Moved To.txt").c_str());
  return 0;
}

// The changes that everybody who watches must hear of.
void Change() {
  WriteText(L"C:\\fg\\watched\\new.txt", "new");
  HANDLE file =
      CreateFileW(L"C:\\fg\\watched\\change me.txt", GENERIC_WRITE, 7, nullptr, OPEN_EXISTING, 0, nullptr);
  DWORD done;
  WriteFile(file, "changed", 7, &done, nullptr);
  CloseHandle(file);
  DeleteFileW(L"C:\\fg\\watched\\delete me.txt");
  MoveFileW(L"C:\\fg\\watched\\rename me.txt", L"C:\\fg\\watched\\renamed.txt");
}

using Events = std::set<std::pair<DWORD, std::wstring>>;

void Collect(const uint8_t* buffer, DWORD bytes, Events* events) {
  for (DWORD at = 0; at < bytes;) {
    auto* e = reinterpret_cast<const FILE_NOTIFY_INFORMATION*>(buffer + at);
    events->insert({e->Action, std::wstring(e->FileName, e->FileNameLength / 2)});
    if (!e->NextEntryOffset) break;
    at += e->NextEntryOffset;
  }
}

constexpr DWORD kFilter = FILE_NOTIFY_CHANGE_FILE_NAME | FILE_NOTIFY_CHANGE_DIR_NAME |
                          FILE_NOTIFY_CHANGE_LAST_WRITE | FILE_NOTIFY_CHANGE_SIZE |
                          FILE_NOTIFY_CHANGE_ATTRIBUTES;

void PutEvents(const char* how, const Events& events) {
  const std::pair<DWORD, const wchar_t*> expected[] = {{FILE_ACTION_ADDED, L"new.txt"},
                                                       {FILE_ACTION_MODIFIED, L"change me.txt"},
                                                       {FILE_ACTION_REMOVED, L"delete me.txt"},
                                                       {FILE_ACTION_RENAMED_OLD_NAME, L"rename me.txt"},
                                                       {FILE_ACTION_RENAMED_NEW_NAME, L"renamed.txt"}};
  for (const auto& [action, name] : expected) {
    std::printf("%s: %lu %s %s\n", how, action, Narrow(name).c_str(),
                events.count({action, name}) ? "heard" : "missed");
  }
}

bool Complete(const Events& events) {
  return events.count({FILE_ACTION_RENAMED_NEW_NAME, L"renamed.txt"}) &&
         events.count({FILE_ACTION_REMOVED, L"delete me.txt"});
}

int NotifyWith(const std::wstring& how) {
  const bool asynchronous = how != L"synchronous";
  HANDLE folder =
      CreateFileW(L"C:\\fg\\watched", FILE_LIST_DIRECTORY, 7, nullptr, OPEN_EXISTING,
                  FILE_FLAG_BACKUP_SEMANTICS | (asynchronous ? FILE_FLAG_OVERLAPPED : 0), nullptr);
  alignas(8) static uint8_t buffer[8192];
  Events events;
  OVERLAPPED overlapped{};
  HANDLE port = nullptr;
  if (how == L"port") port = CreateIoCompletionPort(folder, nullptr, 17, 1);
  if (how == L"event") overlapped.hEvent = CreateEventW(nullptr, TRUE, FALSE, nullptr);
  std::thread later;
  if (!asynchronous) later = std::thread([] { Sleep(300), Change(); });
  for (int round = 0; round < 20 && !Complete(events); ++round) {
    DWORD bytes = 0;
    if (!ReadDirectoryChangesW(folder, buffer, sizeof buffer, TRUE, kFilter, &bytes,
                               asynchronous ? &overlapped : nullptr, nullptr)) {
      std::printf("%s: error %lu\n", Narrow(how).c_str(), GetLastError());
      return 1;
    }
    if (asynchronous && round == 0) Change();
    if (how == L"port") {
      ULONG_PTR key = 0;
      OVERLAPPED* which = nullptr;
      if (!GetQueuedCompletionStatus(port, &bytes, &key, &which, 3000)) break;
      if (key != 17 || which != &overlapped) std::printf("wrong completion\n");
    } else if (asynchronous) {
      if (WaitForSingleObject(overlapped.hEvent ? overlapped.hEvent : folder, 3000) != WAIT_OBJECT_0) break;
      if (!GetOverlappedResult(folder, &overlapped, &bytes, FALSE)) break;
    }
    Collect(buffer, bytes, &events);
  }
  if (later.joinable()) later.join();
  PutEvents(Narrow(how).c_str(), events);
  return 0;
}

int Notify(const std::wstring& how) {
  if (how != L"find") return NotifyWith(how);
  HANDLE find = FindFirstChangeNotificationW(L"C:\\fg\\watched", FALSE, FILE_NOTIFY_CHANGE_FILE_NAME);
  Put("quiet", static_cast<long>(WaitForSingleObject(find, 100)));
  DeleteFileW(L"C:\\fg\\watched\\delete me.txt");
  Put("heard a deletion", static_cast<long>(WaitForSingleObject(find, 3000)));
  return 0;
}

int Short() {
  const wchar_t* const paths[] = {L"C:\\fg\\Lower File.txt", L"C:\\fg\\Folder with a long name",
                                  L"C:\\fg\\Folder with a long name\\A file with a long name.text",
                                  L"C:\\fg\\Folder with a long name\\Deep\\x.txt"};
  auto show = [&](const wchar_t* path) {
    wchar_t short_path[512] = L"", long_path[512] = L"";
    const DWORD n = GetShortPathNameW(path, short_path, 512);
    std::printf("%s\n  short %lu %s\n", Narrow(path).c_str(), n, Narrow(short_path).c_str());
    GetLongPathNameW(short_path, long_path, 512);
    Put("  long", long_path);
    Put("  attributes", static_cast<long>(GetFileAttributesW(short_path)));
    HANDLE file =
        CreateFileW(short_path, GENERIC_READ, 7, nullptr, OPEN_EXISTING, FILE_FLAG_BACKUP_SEMANTICS, nullptr);
    wchar_t name[512] = L"";
    GetFinalPathNameByHandleW(file, name, 512, 0);
    Put("  opened", name);
    CloseHandle(file);
  };
  for (const wchar_t* path : paths) show(path);
  CreateDirectoryW(L"C:\\fg\\Folder with a long name\\Another new folder", nullptr);
  WriteText(L"C:\\fg\\Folder with a long name\\Another new folder\\brand new file.data", "new");
  show(L"C:\\fg\\Folder with a long name\\Another new folder\\brand new file.data");
  wchar_t short_path[512];
  GetShortPathNameW(L"C:\\fg\\Folder with a long name", short_path, 512);
  WriteText((std::wstring(short_path) + L"\\by short name.txt").c_str(), "made below a short name");
  std::printf("%s\n", ReadText(L"C:\\fg\\Folder with a long name\\by short name.txt").c_str());
  MoveFileW((std::wstring(short_path) + L"\\Deep").c_str(), L"C:\\fg\\Moved by a short name");
  std::printf("%s\n", ReadText(L"C:\\fg\\Moved by a short name\\x.txt").c_str());
  DeleteFileW((std::wstring(short_path) + L"\\by short name.txt").c_str());
  Put("deleted",
      static_cast<long>(GetFileAttributesW(L"C:\\fg\\Folder with a long name\\by short name.txt")));
  return 0;
}

void PutOpen(const char* what, NTSTATUS s, HANDLE file) {
  std::printf("%s: %lx", what, static_cast<long>(s));
  if (s == 0) {
    wchar_t name[512] = L"";
    GetFinalPathNameByHandleW(file, name, 512, 0);
    std::printf(" %s", Narrow(name).c_str());
  }
  std::printf("\n");
}

int Relative() {
  HANDLE root = nullptr, file = nullptr, again = nullptr;
  PutOpen("folder", Open(&root, L"\\??\\C:\\fg", nullptr, GENERIC_READ, 1, 1), root);
  PutOpen("file", Open(&file, L"lower file.txt", root, GENERIC_READ, 1, 0x40), file);
  PutOpen("reopened by empty name", Open(&again, L"", file, GENERIC_READ | GENERIC_WRITE, 1, 0), again);
  PutOpen("below a file", Open(&again, L"x", file, GENERIC_READ, 1, 0), again);
  PutOpen("nested", Open(&again, L"Folder with a long name\\Deep", root, GENERIC_READ, 1, 1), again);
  PutOpen("new in nested", Open(&file, L"made.txt", again, GENERIC_WRITE, 2, 0x40), file);
  PutOpen("new folder", Open(&file, L"made folder", again, GENERIC_READ, 2, 1), file);
  PutOpen("below new folder", Open(&again, L"y.txt", file, GENERIC_WRITE, 2, 0x40), again);
  PutOpen("empty name of folder", Open(&again, L"", root, GENERIC_READ, 1, 1), again);
  PutOpen("leading backslash", Open(&again, L"\\x", root, GENERIC_READ, 1, 0), again);
  PutOpen("missing", Open(&again, L"no\\such", root, GENERIC_READ, 1, 0), again);
  PutOpen("invalid root", Open(&again, L"x", reinterpret_cast<HANDLE>(0x12344), GENERIC_READ, 1, 0), again);
  HANDLE event = CreateEventW(nullptr, 0, 0, nullptr);
  PutOpen("root is an event", Open(&again, L"x", event, GENERIC_READ, 1, 0), again);
  // A handle that the layer has not seen being opened.
  HANDLE copy;
  DuplicateHandle(GetCurrentProcess(), root, GetCurrentProcess(), &copy, 0, FALSE, DUPLICATE_SAME_ACCESS);
  CloseHandle(root);
  PutOpen("duplicate", Open(&file, L"changed.txt", copy, GENERIC_READ, 1, 0x40), file);
  uint64_t id = 0;
  IO_STATUS_BLOCK io;
  Put("id", pNtQueryInformationFile(file, &io, &id, 8, 6));
  Attributes by_id(L"1234", copy);
  std::memcpy(by_id.get()->ObjectName->Buffer, &id, 8);
  const NTSTATUS s = pNtCreateFile(&again, GENERIC_READ | SYNCHRONIZE, by_id.get(), &io, nullptr, 0, 7, 1,
                                   0x2020, nullptr, 0);
  PutOpen("by id", s, again);
  // Renaming relative to a folder.
  RenameInformation rename{};
  rename.root = copy;
  std::wcscpy(rename.name, L"watched\\renamed relative.txt");
  rename.length = static_cast<ULONG>(std::wcslen(rename.name) * 2);
  Put("open to rename", Open(&file, L"moved.txt", copy, DELETE, 1, 0x40));
  Put("rename", pNtSetInformationFile(file, &io, &rename, sizeof rename, 10));
  PutOpen("renamed", 0, file);
  std::printf("%s\n", ReadText(L"C:\\fg\\watched\\renamed relative.txt").c_str());
  return 0;
}

int Prefixes() {
  const wchar_t* const names[] = {L"\\??\\C:\\fg\\Lower File.txt",
                                  L"\\DosDevices\\C:\\fg\\Lower File.txt",
                                  L"\\dosdevices\\c:\\FG\\lower file.txt",
                                  L"\\??\\c:\\fg",
                                  L"\\??\\C:\\fg\\",
                                  L"\\??\\C:\\",
                                  L"\\??\\C:\\fg\\*",
                                  L"\\??\\C:\\fg\\a?b",
                                  L"C:\\fg",
                                  L"\\??\\C:\\fg\\none",
                                  L"\\??\\Q:\\x",
                                  L"",
                                  L"\\??\\nul",
                                  L"\\??\\C:fg"};
  for (const wchar_t* name : names) {
    HANDLE file;
    const NTSTATUS s = Open(&file, name, nullptr, FILE_READ_ATTRIBUTES, 1, 0);
    BasicInformation basic{};
    Attributes attributes(name);
    const NTSTATUS asked = pNtQueryAttributesFile(attributes.get(), &basic);
    std::printf("%s -> %lx, %lx %lx\n", Narrow(name).c_str(), static_cast<long>(s), static_cast<long>(asked),
                basic.attributes);
    if (s == 0) CloseHandle(file);
  }
  return 0;
}

int Pointers() {
  HANDLE file = nullptr;
  IO_STATUS_BLOCK io{};
  auto* bad = reinterpret_cast<void*>(8);
  Attributes good(L"\\??\\C:\\fg\\Lower File.txt");
  auto create = [&](PHANDLE h, POBJECT_ATTRIBUTES a, PIO_STATUS_BLOCK i) {
    return static_cast<long>(
        pNtCreateFile(h, GENERIC_READ | SYNCHRONIZE, a, i, nullptr, 0, 7, 1, 0x20, nullptr, 0));
  };
  Put("handle", create(static_cast<PHANDLE>(bad), good.get(), &io));
  Put("status block", create(&file, good.get(), static_cast<PIO_STATUS_BLOCK>(bad)));
  Put("attributes", create(&file, static_cast<POBJECT_ATTRIBUTES>(bad), &io));
  Put("no attributes", create(&file, nullptr, &io));
  Attributes name(L"\\??\\C:\\fg\\Lower File.txt");
  name.get()->ObjectName->Buffer = static_cast<wchar_t*>(bad);
  Put("name buffer", create(&file, name.get(), &io));
  name.get()->ObjectName = static_cast<PUNICODE_STRING>(bad);
  Put("name", create(&file, name.get(), &io));
  name.get()->ObjectName = nullptr;
  Put("no name", create(&file, name.get(), &io));
  Put("query attributes", pNtQueryAttributesFile(good.get(), bad));
  Put("query full attributes", pNtQueryFullAttributesFile(good.get(), bad));
  Put("delete", pNtDeleteFile(static_cast<POBJECT_ATTRIBUTES>(bad)));
  Put("open", create(&file, good.get(), &io));
  Put("query bad handle", pNtQueryInformationFile(reinterpret_cast<HANDLE>(0x12344), &io, &io, 8, 9));
  Put("disposition of bad handle", pNtSetInformationFile(reinterpret_cast<HANDLE>(0x12344), &io, &io, 8, 13));
  HANDLE folder;
  Put("folder", Open(&folder, L"\\??\\C:\\fg", nullptr, GENERIC_READ, 1, 1));
  WriteText(L"C:\\fg\\so that the folder is merged.txt", "x");
  Put("list into bad memory",
      pNtQueryDirectoryFile(folder, nullptr, nullptr, nullptr, &io, bad, 4096, 3, FALSE, nullptr, TRUE));
  Put("list a bad handle", pNtQueryDirectoryFile(reinterpret_cast<HANDLE>(0x12344), nullptr, nullptr, nullptr,
                                                 &io, &io, 4096, 3, FALSE, nullptr, TRUE));
  alignas(8) uint8_t buffer[512];
  Put("list a file",
      pNtQueryDirectoryFile(file, nullptr, nullptr, nullptr, &io, buffer, 512, 3, FALSE, nullptr, TRUE));
  Put("files", GetFileAttributesW(L"C:\\fg\\Lower File.txt"));
  return 0;
}

int Big() {
  // Half of it changed, deleted, renamed, new.
  for (int i = 0; i < 2000; i += 5) {
    wchar_t name[64], other[64];
    std::swprintf(name, 64, L"C:\\fg\\big\\file number %d.txt", i);
    std::swprintf(other, 64, L"C:\\fg\\big\\new name %d.txt", i);
    switch (i % 4) {
      case 0:
        DeleteFileW(name);
        break;
      case 1:
        WriteText(name, "longer");
        break;
      case 2:
        MoveFileW(name, other);
        break;
      default:
        WriteText(other, "new");
        break;
    }
  }
  for (const wchar_t* pattern : {L"*", L"*1?.txt", L"new*", L"*~*"}) {
    WIN32_FIND_DATAW found;
    HANDLE find = FindFirstFileW((std::wstring(L"C:\\fg\\big\\") + pattern).c_str(), &found);
    unsigned count = 0, hash = 0;
    if (find != INVALID_HANDLE_VALUE) {
      do {
        ++count;
        for (const wchar_t* p = found.cFileName; *p; ++p) hash = hash * 31 + *p;
        if (wcscmp(found.cFileName, L"..") != 0 && wcscmp(found.cFileName, L".") != 0)
          hash = hash * 31 + found.nFileSizeLow;
      } while (FindNextFileW(find, &found));
      FindClose(find);
    }
    std::printf("%s: %u names, %08x\n", Narrow(pattern).c_str(), count, hash);
  }
  return 0;
}

// How many of the 16-byte records that WriteRecords writes a file has.
std::string CountRecords(const wchar_t* path) {
  HANDLE file = CreateFileW(path, GENERIC_READ, 7, nullptr, OPEN_EXISTING, 0, nullptr);
  if (file == INVALID_HANDLE_VALUE) return "error " + std::to_string(GetLastError());
  std::vector<char> data(1 << 16);
  DWORD done = 0;
  ReadFile(file, data.data(), static_cast<DWORD>(data.size()), &done, nullptr);
  CloseHandle(file);
  int records = 0;
  for (DWORD at = 64; at + 16 <= done; at += 16) records += data[at] == '#';
  return std::to_string(done) + " bytes, " + std::to_string(records) + " records";
}

constexpr int kRounds = 40;

// Writes records into files that all share, opening them anew each time.
void WriteRecords(int who) {
  for (int i = 0; i < kRounds; ++i) {
    const wchar_t* path = i % 2 ? L"C:\\fg\\changed.txt" : L"C:\\fg\\Lower File.txt";
    HANDLE file = CreateFileW(path, GENERIC_WRITE, 7, nullptr, OPEN_ALWAYS, 0, nullptr);
    char record[17];
    std::snprintf(record, sizeof record, "#%07d%7d\n", who, i);
    OVERLAPPED place{};
    place.Offset = 64 + 16 * static_cast<DWORD>(who * kRounds + i);
    DWORD done;
    WriteFile(file, record, 16, &done, &place);
    CloseHandle(file);
    const std::wstring own = L"C:\\fg\\big\\file number " + std::to_wstring(who * kRounds + i) + L".txt";
    if (i % 4 == 0) DeleteFileW(own.c_str());
    if (i % 4 == 1) MoveFileW(own.c_str(), (own + L".moved").c_str());
    if (i % 8 == 2) {
      // Everybody makes, uses and removes the same folder's children.
      CreateDirectoryW(L"C:\\fg\\shared", nullptr);
      const std::wstring child = L"C:\\fg\\shared\\" + std::to_wstring(who);
      WriteText(child.c_str(), "x");
      DeleteFileW(child.c_str());
    }
  }
}

int Race(const wchar_t* program) {
  std::wstring command = std::wstring(L"\"") + program + L"\" race-child";
  STARTUPINFOW startup{};
  startup.cb = sizeof startup;
  PROCESS_INFORMATION child{};
  Put("child", CreateProcessW(nullptr, command.data(), nullptr, nullptr, FALSE, 0, nullptr, nullptr, &startup,
                              &child));
  std::vector<std::thread> threads;
  for (int who = 0; who < 8; ++who) threads.emplace_back(WriteRecords, who);
  for (auto& thread : threads) thread.join();
  WaitForSingleObject(child.hProcess, 60000);
  std::printf("changed: %s\n", CountRecords(L"C:\\fg\\changed.txt").c_str());
  std::printf("lower: %s\n", CountRecords(L"C:\\fg\\Lower File.txt").c_str());
  unsigned names = 0, moved = 0;
  WIN32_FIND_DATAW found;
  HANDLE find = FindFirstFileW(L"C:\\fg\\big\\*", &found);
  do {
    ++names;
    moved += std::wcsstr(found.cFileName, L".moved") != nullptr;
  } while (FindNextFileW(find, &found));
  FindClose(find);
  std::printf("%u names, %u moved\n", names, moved);
  Put("shared folder removed", RemoveDirectoryW(L"C:\\fg\\shared"));
  return 0;
}

}  // namespace

int wmain(int argc, wchar_t** argv) {
  HMODULE ntdll = GetModuleHandleW(L"ntdll.dll");
#define PLUME_TEST_LOAD(name, arguments) \
  p##name = reinterpret_cast<name##Type>(reinterpret_cast<void*>(GetProcAddress(ntdll, #name)));
  PLUME_TEST_CALLS(PLUME_TEST_LOAD)
#undef PLUME_TEST_LOAD
  const std::wstring verb = argc > 1 ? argv[1] : L"";
  if (verb == L"setup") return Setup();
  if (verb == L"names") return Names();
  if (verb == L"notify" && argc > 2) return Notify(argv[2]);
  if (verb == L"short") return Short();
  if (verb == L"relative") return Relative();
  if (verb == L"prefixes") return Prefixes();
  if (verb == L"pointers") return Pointers();
  if (verb == L"big") return Big();
  if (verb == L"unix" && argc > 2) return Unix(argv[2]);
  if (verb == L"spellings" && argc > 2) return Spellings(argv[2]);
  if (verb == L"keep") return Keep();
  if (verb == L"claim" && argc > 4) return Claim(argv[2], _wtoi(argv[3]), _wcstoui64(argv[4], nullptr, 10));
  wchar_t self[512];
  GetModuleFileNameW(nullptr, self, 512);
  if (verb == L"race") return Race(self);
  if (verb == L"race-child") {
    for (int who = 8; who < 12; ++who) WriteRecords(who);
    return 0;
  }
  std::fprintf(stderr, "file_guest: unknown verb\n");
  return 2;
}
