// The NT registry calls as the tests use them, taken from ntdll by name.
#pragma once
#include <windows.h>
#include <winternl.h>

#include <cstdint>
#include <string>

namespace plume::difftest {

struct NtKeyCalls {
#define PLUME_NT_CALL(name, ...) NTSTATUS(NTAPI* name)(__VA_ARGS__) = nullptr
  PLUME_NT_CALL(NtClose, HANDLE);
  PLUME_NT_CALL(NtOpenKey, PHANDLE, ACCESS_MASK, POBJECT_ATTRIBUTES);
  PLUME_NT_CALL(NtOpenKeyEx, PHANDLE, ACCESS_MASK, POBJECT_ATTRIBUTES, ULONG);
  PLUME_NT_CALL(NtCreateKey, PHANDLE, ACCESS_MASK, POBJECT_ATTRIBUTES, ULONG, PUNICODE_STRING, ULONG, PULONG);
  PLUME_NT_CALL(NtDeleteKey, HANDLE);
  PLUME_NT_CALL(NtRenameKey, HANDLE, PUNICODE_STRING);
  PLUME_NT_CALL(NtEnumerateKey, HANDLE, ULONG, ULONG, PVOID, ULONG, PULONG);
  PLUME_NT_CALL(NtEnumerateValueKey, HANDLE, ULONG, ULONG, PVOID, ULONG, PULONG);
  PLUME_NT_CALL(NtQueryKey, HANDLE, ULONG, PVOID, ULONG, PULONG);
  PLUME_NT_CALL(NtQueryValueKey, HANDLE, PUNICODE_STRING, ULONG, PVOID, ULONG, PULONG);
  PLUME_NT_CALL(NtSetValueKey, HANDLE, PUNICODE_STRING, ULONG, ULONG, const void*, ULONG);
  PLUME_NT_CALL(NtDeleteValueKey, HANDLE, PUNICODE_STRING);
  PLUME_NT_CALL(NtFlushKey, HANDLE);
  PLUME_NT_CALL(NtSetInformationKey, HANDLE, ULONG, PVOID, ULONG);
  PLUME_NT_CALL(NtNotifyChangeKey, HANDLE, HANDLE, PVOID, PVOID, PIO_STATUS_BLOCK, ULONG, BOOLEAN, PVOID,
                ULONG, BOOLEAN);
  PLUME_NT_CALL(NtDuplicateObject, HANDLE, HANDLE, HANDLE, PHANDLE, ACCESS_MASK, ULONG, ULONG);
  PLUME_NT_CALL(NtQueryObject, HANDLE, ULONG, PVOID, ULONG, PULONG);
#undef PLUME_NT_CALL

  // False if a call is missing from this system's ntdll.
  bool Load();
};

extern NtKeyCalls nt;

// A counted string over caller-owned text.
struct NtName {
  UNICODE_STRING string;
  explicit NtName(const std::u16string& text) {
    string.Buffer = reinterpret_cast<PWSTR>(const_cast<char16_t*>(text.data()));
    string.Length = static_cast<USHORT>(text.size() * 2);
    string.MaximumLength = string.Length;
  }
};

struct NtAttributes {
  OBJECT_ATTRIBUTES value = {};
  NtName name;
  NtAttributes(const std::u16string& text, HANDLE root, ULONG attributes) : name(text) {
    value.Length = sizeof(value);
    value.RootDirectory = root;
    value.ObjectName = &name.string;
    value.Attributes = attributes;
  }
};

// Printable ASCII stays; everything else becomes \uXXXX.
std::string Escaped(const char16_t* text, size_t units);
inline std::string Escaped(const std::u16string& text) { return Escaped(text.data(), text.size()); }
std::string Format(const char* format, ...) __attribute__((format(gnu_printf, 1, 2)));

}  // namespace plume::difftest
