// What the parts of object_guest.exe share: saying what happened, and system calls by absolute and relative
// names.
#pragma once
// clang-format off
#include <windows.h>
#include <winternl.h>
// clang-format on
#include <string>

namespace guest {

// Names of this test begin so; listings show nothing else.
inline const std::wstring kBase = L"PlumeObj";

std::string Narrow(const std::wstring& w);
// "what: error 5" or "what: ok"; prints and gives `ok` back.
bool Say(const std::string& what, bool ok);
void SayStatus(const std::string& what, NTSTATUS status);
// What the system calls the object.
std::string NameOf(HANDLE handle);

// OBJECT_ATTRIBUTES of one name.
struct Name {
  explicit Name(std::wstring name, HANDLE root = nullptr, ULONG attributes = 0x40);
  Name(const Name&) = delete;
  Name& operator=(const Name&) = delete;
  OBJECT_ATTRIBUTES* operator&() { return &attributes_; }

 private:
  std::wstring text_;
  UNICODE_STRING string_;
  OBJECT_ATTRIBUTES attributes_;
};

std::wstring SessionDirectory();  // \Sessions\1\BaseNamedObjects
// The test's entries of an object directory, sorted, with their types.
void ListDirectory(const std::string& what, HANDLE directory);

int Pipes();
int PipeNames();
int Mailslots();
int Pointers();
int Threads();
int Processes(const wchar_t* self);
int Child();
int Speed();

}  // namespace guest

extern "C" {
NTSYSAPI NTSTATUS NTAPI NtCreateEvent(HANDLE*, ACCESS_MASK, const OBJECT_ATTRIBUTES*, ULONG, BOOLEAN);
NTSYSAPI NTSTATUS NTAPI NtOpenEvent(HANDLE*, ACCESS_MASK, const OBJECT_ATTRIBUTES*);
NTSYSAPI NTSTATUS NTAPI NtCreateMutant(HANDLE*, ACCESS_MASK, const OBJECT_ATTRIBUTES*, BOOLEAN);
NTSYSAPI NTSTATUS NTAPI NtOpenMutant(HANDLE*, ACCESS_MASK, const OBJECT_ATTRIBUTES*);
NTSYSAPI NTSTATUS NTAPI NtCreateKeyedEvent(HANDLE*, ACCESS_MASK, const OBJECT_ATTRIBUTES*, ULONG);
NTSYSAPI NTSTATUS NTAPI NtOpenKeyedEvent(HANDLE*, ACCESS_MASK, const OBJECT_ATTRIBUTES*);
NTSYSAPI NTSTATUS NTAPI NtCreateIoCompletion(HANDLE*, ACCESS_MASK, const OBJECT_ATTRIBUTES*, ULONG);
NTSYSAPI NTSTATUS NTAPI NtOpenIoCompletion(HANDLE*, ACCESS_MASK, const OBJECT_ATTRIBUTES*);
NTSYSAPI NTSTATUS NTAPI NtCreateDirectoryObject(HANDLE*, ACCESS_MASK, const OBJECT_ATTRIBUTES*);
NTSYSAPI NTSTATUS NTAPI NtOpenDirectoryObject(HANDLE*, ACCESS_MASK, const OBJECT_ATTRIBUTES*);
NTSYSAPI NTSTATUS NTAPI NtQueryDirectoryObject(HANDLE, void*, ULONG, BOOLEAN, BOOLEAN, ULONG*, ULONG*);
NTSYSAPI NTSTATUS NTAPI NtCreateSymbolicLinkObject(HANDLE*, ACCESS_MASK, const OBJECT_ATTRIBUTES*,
                                                   UNICODE_STRING*);
NTSYSAPI NTSTATUS NTAPI NtOpenSymbolicLinkObject(HANDLE*, ACCESS_MASK, const OBJECT_ATTRIBUTES*);
NTSYSAPI NTSTATUS NTAPI NtQuerySymbolicLinkObject(HANDLE, UNICODE_STRING*, ULONG*);
NTSYSAPI NTSTATUS NTAPI NtMakeTemporaryObject(HANDLE);
NTSYSAPI NTSTATUS NTAPI NtOpenSection(HANDLE*, ACCESS_MASK, const OBJECT_ATTRIBUTES*);
NTSYSAPI NTSTATUS NTAPI NtCreateNamedPipeFile(HANDLE*, ULONG, OBJECT_ATTRIBUTES*, IO_STATUS_BLOCK*, ULONG,
                                              ULONG, ULONG, ULONG, ULONG, ULONG, ULONG, ULONG, ULONG,
                                              LARGE_INTEGER*);
NTSYSAPI NTSTATUS NTAPI NtCreateMailslotFile(HANDLE*, ULONG, OBJECT_ATTRIBUTES*, IO_STATUS_BLOCK*, ULONG,
                                             ULONG, ULONG, LARGE_INTEGER*);
NTSYSAPI NTSTATUS NTAPI NtFsControlFile(HANDLE, HANDLE, PIO_APC_ROUTINE, void*, IO_STATUS_BLOCK*, ULONG,
                                        void*, ULONG, void*, ULONG);
}
