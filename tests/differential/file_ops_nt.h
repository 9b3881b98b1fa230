// The NT calls the test makes itself, resolved by name: the same program runs wherever ntdll has them.
#pragma once
#include <windows.h>
#include <winternl.h>

#include <string>

namespace plume::differential {

#define PLUME_TEST_CALLS(X)                                                                                  \
  X(NtCreateFile, (PHANDLE, ACCESS_MASK, POBJECT_ATTRIBUTES, PIO_STATUS_BLOCK, PLARGE_INTEGER, ULONG, ULONG, \
                   ULONG, ULONG, PVOID, ULONG))                                                              \
  X(NtOpenFile, (PHANDLE, ACCESS_MASK, POBJECT_ATTRIBUTES, PIO_STATUS_BLOCK, ULONG, ULONG))                  \
  X(NtClose, (HANDLE))                                                                                       \
  X(NtReadFile, (HANDLE, HANDLE, PVOID, PVOID, PIO_STATUS_BLOCK, PVOID, ULONG, PLARGE_INTEGER, PULONG))      \
  X(NtWriteFile,                                                                                             \
    (HANDLE, HANDLE, PVOID, PVOID, PIO_STATUS_BLOCK, const void*, ULONG, PLARGE_INTEGER, PULONG))            \
  X(NtQueryInformationFile, (HANDLE, PIO_STATUS_BLOCK, PVOID, ULONG, ULONG))                                 \
  X(NtSetInformationFile, (HANDLE, PIO_STATUS_BLOCK, PVOID, ULONG, ULONG))                                   \
  X(NtQueryDirectoryFile, (HANDLE, HANDLE, PVOID, PVOID, PIO_STATUS_BLOCK, PVOID, ULONG, ULONG, BOOLEAN,     \
                           PUNICODE_STRING, BOOLEAN))                                                        \
  X(NtNotifyChangeDirectoryFile,                                                                             \
    (HANDLE, HANDLE, PVOID, PVOID, PIO_STATUS_BLOCK, PVOID, ULONG, ULONG, BOOLEAN))                          \
  X(NtQueryAttributesFile, (POBJECT_ATTRIBUTES, PVOID))                                                      \
  X(NtQueryFullAttributesFile, (POBJECT_ATTRIBUTES, PVOID))                                                  \
  X(NtDeleteFile, (POBJECT_ATTRIBUTES))                                                                      \
  X(NtQueryObject, (HANDLE, ULONG, PVOID, ULONG, PULONG))

#define PLUME_TEST_DECLARE(name, arguments)      \
  using name##Type = NTSTATUS(NTAPI*) arguments; \
  extern name##Type p##name;
PLUME_TEST_CALLS(PLUME_TEST_DECLARE)
#undef PLUME_TEST_DECLARE

bool LoadNtCalls();

// An OBJECT_ATTRIBUTES with its name. Not copyable: it points into itself.
class Attributes {
 public:
  Attributes(std::wstring name, HANDLE root = nullptr) : text_(std::move(name)) {
    name_.Buffer = text_.data();
    name_.Length = static_cast<USHORT>(text_.size() * 2);
    name_.MaximumLength = static_cast<USHORT>(name_.Length + 2);
    attributes_.Length = sizeof attributes_;
    attributes_.RootDirectory = root;
    attributes_.ObjectName = &name_;
    attributes_.Attributes = OBJ_CASE_INSENSITIVE;
    attributes_.SecurityDescriptor = nullptr;
    attributes_.SecurityQualityOfService = nullptr;
  }
  Attributes(const Attributes&) = delete;
  Attributes& operator=(const Attributes&) = delete;
  POBJECT_ATTRIBUTES get() { return &attributes_; }

 private:
  std::wstring text_;
  UNICODE_STRING name_;
  OBJECT_ATTRIBUTES attributes_;
};

struct BasicInformation {
  int64_t created, accessed, written, changed;
  ULONG attributes;
};
struct StandardInformation {
  int64_t allocation, end;
  ULONG links;
  BOOLEAN deleting, directory;
};
struct NetworkOpenInformation {
  int64_t created, accessed, written, changed, allocation, end;
  ULONG attributes;
};
struct RenameInformation {
  ULONG replace;
  HANDLE root;
  ULONG length;
  wchar_t name[600];
};

}  // namespace plume::differential
