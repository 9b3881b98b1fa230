// System calls on named objects, for the checks that go below Win32.
#pragma once
// clang-format off
#include <windows.h>
#include <winternl.h>
// clang-format on
#include <string>

namespace plume::conformance {

// OBJECT_ATTRIBUTES of one name.
class NtName {
 public:
  explicit NtName(std::wstring name, HANDLE root = nullptr, ULONG attributes = 0x40)
      : text_(std::move(name)) {
    string_ = {static_cast<USHORT>(text_.size() * 2), static_cast<USHORT>(text_.size() * 2), text_.data()};
    InitializeObjectAttributes(&attributes_, &string_, attributes, root, nullptr);
  }
  NtName(const NtName&) = delete;
  NtName& operator=(const NtName&) = delete;
  OBJECT_ATTRIBUTES* get() { return &attributes_; }
  UNICODE_STRING* string() { return &string_; }

 private:
  std::wstring text_;
  UNICODE_STRING string_;
  OBJECT_ATTRIBUTES attributes_;
};

// \Sessions\1\BaseNamedObjects
inline std::wstring SessionDirectory() {
  DWORD session = 0;
  ProcessIdToSessionId(GetCurrentProcessId(), &session);
  return L"\\Sessions\\" + std::to_wstring(session) + L"\\BaseNamedObjects";
}

}  // namespace plume::conformance

extern "C" {
NTSYSAPI NTSTATUS NTAPI NtOpenEvent(HANDLE*, ACCESS_MASK, OBJECT_ATTRIBUTES*);
NTSYSAPI NTSTATUS NTAPI NtCreateEvent(HANDLE*, ACCESS_MASK, OBJECT_ATTRIBUTES*, ULONG, BOOLEAN);
NTSYSAPI NTSTATUS NTAPI NtOpenMutant(HANDLE*, ACCESS_MASK, OBJECT_ATTRIBUTES*);
NTSYSAPI NTSTATUS NTAPI NtOpenSemaphore(HANDLE*, ACCESS_MASK, OBJECT_ATTRIBUTES*);
NTSYSAPI NTSTATUS NTAPI NtOpenTimer(HANDLE*, ACCESS_MASK, OBJECT_ATTRIBUTES*);
NTSYSAPI NTSTATUS NTAPI NtOpenSection(HANDLE*, ACCESS_MASK, OBJECT_ATTRIBUTES*);
NTSYSAPI NTSTATUS NTAPI NtOpenJobObject(HANDLE*, ACCESS_MASK, OBJECT_ATTRIBUTES*);
NTSYSAPI NTSTATUS NTAPI NtCreateKeyedEvent(HANDLE*, ACCESS_MASK, OBJECT_ATTRIBUTES*, ULONG);
NTSYSAPI NTSTATUS NTAPI NtOpenKeyedEvent(HANDLE*, ACCESS_MASK, OBJECT_ATTRIBUTES*);
NTSYSAPI NTSTATUS NTAPI NtWaitForKeyedEvent(HANDLE, void*, BOOLEAN, LARGE_INTEGER*);
NTSYSAPI NTSTATUS NTAPI NtReleaseKeyedEvent(HANDLE, void*, BOOLEAN, LARGE_INTEGER*);
NTSYSAPI NTSTATUS NTAPI NtCreateIoCompletion(HANDLE*, ACCESS_MASK, OBJECT_ATTRIBUTES*, ULONG);
NTSYSAPI NTSTATUS NTAPI NtOpenIoCompletion(HANDLE*, ACCESS_MASK, OBJECT_ATTRIBUTES*);
NTSYSAPI NTSTATUS NTAPI NtSetIoCompletion(HANDLE, ULONG_PTR, ULONG_PTR, NTSTATUS, SIZE_T);
NTSYSAPI NTSTATUS NTAPI NtCreateDirectoryObject(HANDLE*, ACCESS_MASK, OBJECT_ATTRIBUTES*);
NTSYSAPI NTSTATUS NTAPI NtOpenDirectoryObject(HANDLE*, ACCESS_MASK, OBJECT_ATTRIBUTES*);
NTSYSAPI NTSTATUS NTAPI NtQueryDirectoryObject(HANDLE, void*, ULONG, BOOLEAN, BOOLEAN, ULONG*, ULONG*);
NTSYSAPI NTSTATUS NTAPI NtCreateSymbolicLinkObject(HANDLE*, ACCESS_MASK, OBJECT_ATTRIBUTES*, UNICODE_STRING*);
NTSYSAPI NTSTATUS NTAPI NtOpenSymbolicLinkObject(HANDLE*, ACCESS_MASK, OBJECT_ATTRIBUTES*);
NTSYSAPI NTSTATUS NTAPI NtQuerySymbolicLinkObject(HANDLE, UNICODE_STRING*, ULONG*);
NTSYSAPI NTSTATUS NTAPI NtCreateNamedPipeFile(HANDLE*, ULONG, OBJECT_ATTRIBUTES*, IO_STATUS_BLOCK*, ULONG,
                                              ULONG, ULONG, ULONG, ULONG, ULONG, ULONG, ULONG, ULONG,
                                              LARGE_INTEGER*);
NTSYSAPI NTSTATUS NTAPI NtFsControlFile(HANDLE, HANDLE, PIO_APC_ROUTINE, void*, IO_STATUS_BLOCK*, ULONG,
                                        void*, ULONG, void*, ULONG);
}
