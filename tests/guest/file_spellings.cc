// Verbs about the ways to write a name that no drive letter begins: all of them lead to what the drive path
// shows, or nowhere; none to the host's file under a virtual name.
//   unix FOLDER    Wine's Unix names of C:\fg, and names translated there and back (compared with a bare run)
//   spellings FOLDER   each way to C:\fg\changed.txt is written through; for a VM, whose answers file.sh
//   knows
#include <cstdio>
#include <cstring>

#include "file_guest.h"

namespace plume::differential {
namespace {

using NtToUnix = NTSTATUS(NTAPI*)(POBJECT_ATTRIBUTES, char*, ULONG*, ULONG);
using UnixToNt = NTSTATUS(NTAPI*)(const char*, wchar_t*, ULONG*);
using OpenDirectory = NTSTATUS(NTAPI*)(PHANDLE, ACCESS_MASK, POBJECT_ATTRIBUTES);
using SetVolume = NTSTATUS(NTAPI*)(HANDLE, PIO_STATUS_BLOCK, PVOID, ULONG, ULONG);
using FsControl = NTSTATUS(NTAPI*)(HANDLE, HANDLE, PVOID, PVOID, PIO_STATUS_BLOCK, ULONG, PVOID, ULONG, PVOID,
                                   ULONG);

template <typename T>
T Export(const char* name) {
  return reinterpret_cast<T>(reinterpret_cast<void*>(GetProcAddress(GetModuleHandleW(L"ntdll.dll"), name)));
}

std::wstring Slashes(std::wstring text, wchar_t from, wchar_t to) {
  for (wchar_t& c : text) c = c == from ? to : c;
  return text;
}

// To Unix and back: "\??\C:\fg\x" again, whatever layer the file is in.
void RoundTrip(const wchar_t* name) {
  char unix_name[2048] = "";
  ULONG size = sizeof unix_name;
  Attributes attributes(name);
  const NTSTATUS there =
      Export<NtToUnix>("wine_nt_to_unix_file_name")(attributes.get(), unix_name, &size, FILE_OPEN_IF);
  std::printf("%s: %lx", Narrow(name).c_str(), static_cast<long>(there));
  if (there == 0 || there == static_cast<NTSTATUS>(0xc000000f)) {
    wchar_t back[2048] = L"";
    ULONG units = 2048;
    const NTSTATUS s = Export<UnixToNt>("wine_unix_to_nt_file_name")(unix_name, back, &units);
    std::printf(" back %lx %s, %lu units", static_cast<long>(s), Narrow(back).c_str(), units);
    units = 3;
    std::printf(", short buffer %lx",
                static_cast<long>(Export<UnixToNt>("wine_unix_to_nt_file_name")(unix_name, back, &units)));
  }
  std::printf("\n");
}

// Appends `mark` to the file that `name` leads to, and shows what the drive path then has.
void Through(const char* what, const std::wstring& name, HANDLE root, char mark, ULONG options = 0x60) {
  Attributes attributes(name, root);
  IO_STATUS_BLOCK io{};
  HANDLE file = nullptr;
  const NTSTATUS s = pNtCreateFile(&file, FILE_APPEND_DATA | SYNCHRONIZE, attributes.get(), &io, nullptr, 0,
                                   7, FILE_OPEN, options, nullptr, 0);
  if (s == 0) {
    pNtWriteFile(file, nullptr, nullptr, nullptr, &io, &mark, 1, nullptr, nullptr);
    pNtClose(file);
  }
  std::printf("%s: %lx %s\n", what, static_cast<long>(s), ReadText(L"C:\\fg\\changed.txt").c_str());
}

}  // namespace

int Unix(const std::wstring& folder) {
  const std::wstring unix_folder = L"\\??\\unix" + folder;
  for (const std::wstring& name :
       {unix_folder + L"/Lower File.txt", Slashes(unix_folder, L'/', L'\\') + L"\\Lower File.txt",
        L"\\DosDevices\\UNIX" + Slashes(folder, L'/', L'\\') + L"\\Folder with a long name\\Deep\\x.txt",
        unix_folder + L"/none", std::wstring(L"\\??\\unix\\")}) {
    HANDLE file;
    const NTSTATUS s = Open(&file, name.c_str(), nullptr, FILE_READ_ATTRIBUTES, FILE_OPEN, 0);
    BasicInformation basic{};
    Attributes attributes(name);
    std::printf("open %lx, attributes %lx", static_cast<long>(s),
                static_cast<long>(pNtQueryAttributesFile(attributes.get(), &basic)));
    if (s == 0) {
      wchar_t final[1024] = L"";
      GetFinalPathNameByHandleW(file, final, 1024, 0);
      std::printf(" %s", Narrow(final).c_str());
      pNtClose(file);
    }
    std::printf("\n");
  }
  CreateDirectoryW(L"C:\\fg\\made here", nullptr);
  WriteText(L"C:\\fg\\made here\\new.txt", "new");
  WriteText(L"C:\\fg\\changed.txt", "changed");
  DeleteFileW(L"C:\\fg\\moved.txt");
  for (const wchar_t* name :
       {L"\\??\\C:\\fg\\Lower File.txt", L"\\??\\C:\\fg\\changed.txt", L"\\??\\C:\\fg\\made here\\new.txt",
        L"\\??\\C:\\fg\\made here\\not yet.txt", L"\\??\\C:\\fg\\moved.txt", L"\\??\\C:\\fg\\none\\x.txt",
        L"\\??\\C:\\fg", L"\\??\\C:\\fg\\bad?name"}) {
    RoundTrip(name);
  }
  wchar_t full[1024] = L"";
  GetFullPathNameW((folder + L"/made here/new.txt").c_str(), 1024, full, nullptr);
  std::printf("full path %s\n", Narrow(full).c_str());
  return 0;
}

int Spellings(const std::wstring& folder) {
  WriteText(L"C:\\fg\\changed.txt", "");
  Through("drive", L"\\??\\C:\\fg\\changed.txt", nullptr, '1');
  Through("unix", L"\\??\\unix" + Slashes(folder, L'/', L'\\') + L"\\changed.txt", nullptr, '2');
  Through("unix with slashes", L"\\??\\unix" + folder + L"/changed.txt", nullptr, '3');
  Through("unix, no such folder", L"\\??\\unix\\no such folder\\x", nullptr, '-');
  Through("above the drives", L"\\??\\..\\drive_c\\fg\\changed.txt", nullptr, '4');
  Through("among the drives", L"\\??\\.\\c:\\fg\\changed.txt", nullptr, '5');
  Through("a device's folder", L"\\??\\com1\\fg\\changed.txt", nullptr, '6');
  Through("this machine's share", L"\\??\\UNC\\localhost\\C$\\fg\\changed.txt", nullptr, '7');
  HANDLE devices = nullptr;
  Attributes directory(L"\\??");
  Put("directory of devices", Export<OpenDirectory>("NtOpenDirectoryObject")(&devices, 1, directory.get()));
  Through("relative to it", L"C:\\fg\\changed.txt", devices, '8');
  // Ids: of a file in a lower layer, of its copy, of a file that is deleted here.
  HANDLE root = nullptr, file = nullptr;
  Open(&root, L"\\??\\C:\\fg", nullptr, GENERIC_READ, FILE_OPEN, 1);
  const wchar_t* const names[] = {L"Lower File.txt", L"changed.txt", L"moved.txt"};
  std::wstring ids[3];
  for (int i = 0; i < 3; ++i) {
    IO_STATUS_BLOCK io;
    uint64_t id = 0;
    Open(&file, names[i], root, FILE_READ_ATTRIBUTES, FILE_OPEN, 0x40);
    pNtQueryInformationFile(file, &io, &id, 8, 6);
    pNtClose(file);
    ids[i].resize(4);
    std::memcpy(ids[i].data(), &id, 8);
  }
  DeleteFileW(L"C:\\fg\\moved.txt");
  Through("copy by id", ids[1], root, '9', 0x2060);
  Through("lower file by id", ids[0], root, '!', 0x2060);
  Put("its contents",
      std::wstring(ReadText(L"C:\\fg\\Lower File.txt") == "C:\\fg\\Lower File.txt!" ? L"written here"
                                                                                    : L"?"));
  Through("deleted file by id", ids[2], root, '-', 0x2060);
  // What is the volume's is the host's.
  IO_STATUS_BLOCK io;
  alignas(4) uint8_t label[16] = {2, 0, 0, 0, 'x', 0};
  Put("label", Export<SetVolume>("NtSetVolumeInformationFile")(root, &io, label, 6, 2));
  alignas(4) uint32_t junction[8] = {0xa0000003, 16};
  HANDLE made = nullptr;
  Open(&made, L"\\??\\C:\\fg\\junction", nullptr, GENERIC_WRITE, FILE_CREATE, 1);
  Put("junction", Export<FsControl>("NtFsControlFile")(made, nullptr, nullptr, nullptr, &io, 0x900a4,
                                                       junction, sizeof junction, nullptr, 0));
  return 0;
}

}  // namespace plume::differential
