#include "agent/win/nt_key.h"

#include "agent/text.h"
#include "agent/win/handle.h"
#include "agent/win/machine.h"

extern "C" {
NTSTATUS NTAPI NtOpenKeyEx(HANDLE*, ACCESS_MASK, OBJECT_ATTRIBUTES*, ULONG);
NTSTATUS NTAPI NtCreateKey(HANDLE*, ACCESS_MASK, OBJECT_ATTRIBUTES*, ULONG, UNICODE_STRING*, ULONG, ULONG*);
NTSTATUS NTAPI NtQueryKey(HANDLE, int, void*, ULONG, ULONG*);
NTSTATUS NTAPI NtEnumerateKey(HANDLE, ULONG, int, void*, ULONG, ULONG*);
NTSTATUS NTAPI NtEnumerateValueKey(HANDLE, ULONG, int, void*, ULONG, ULONG*);
NTSTATUS NTAPI NtSetValueKey(HANDLE, UNICODE_STRING*, ULONG, ULONG, const void*, ULONG);
NTSTATUS NTAPI NtDeleteValueKey(HANDLE, UNICODE_STRING*);
NTSTATUS NTAPI NtDeleteKey(HANDLE);
NTSTATUS NTAPI NtFlushKey(HANDLE);
NTSTATUS NTAPI NtQuerySecurityObject(HANDLE, SECURITY_INFORMATION, void*, ULONG, ULONG*);
NTSTATUS NTAPI NtSetSecurityObject(HANDLE, SECURITY_INFORMATION, void*);
BOOLEAN NTAPI RtlValidRelativeSecurityDescriptor(void*, ULONG, SECURITY_INFORMATION);
}

namespace plume::agent {
namespace {

constexpr NTSTATUS kNoMoreEntries = static_cast<NTSTATUS>(0x8000001A);
constexpr NTSTATUS kBufferOverflow = static_cast<NTSTATUS>(0x80000005);
constexpr NTSTATUS kBufferTooSmall = static_cast<NTSTATUS>(0xC0000023);
constexpr NTSTATUS kNotFound = static_cast<NTSTATUS>(0xC0000034);
constexpr NTSTATUS kPathNotFound = static_cast<NTSTATUS>(0xC000003A);
constexpr NTSTATUS kKeyDeleted = static_cast<NTSTATUS>(0xC000017C);
constexpr int kBasicInformation = 0, kNodeInformation = 1, kFlagsInformation = 5, kFullValueInformation = 1;

struct BasicInformation {
  LARGE_INTEGER written;
  ULONG title;
  ULONG name_bytes;
  char16_t name[1];
};
struct NodeInformation {
  LARGE_INTEGER written;
  ULONG title;
  ULONG class_offset, class_bytes;
  ULONG name_bytes;
  char16_t name[1];
};
struct ValueInformation {
  ULONG title;
  ULONG type;
  ULONG data_offset, data_bytes;
  ULONG name_bytes;
  char16_t name[1];
};

bool Missing(NTSTATUS s) { return s == kNotFound || s == kPathNotFound || s == kKeyDeleted; }

Error KeyError(const std::string& what, NTSTATUS status) {
  Error error = WindowsError(what, RtlNtStatusToDosError(status));
  if (Missing(status)) error.code = Errc::kNotFound;
  return error;
}

constexpr size_t kMaxUnits = 32767;

// Longer text than the system can be given is refused by it as a name that is too long.
UNICODE_STRING String(std::u16string_view text) {
  if (text.size() > kMaxUnits) text = text.substr(0, kMaxUnits);
  const auto bytes = static_cast<USHORT>(text.size() * 2);
  return {bytes, bytes, reinterpret_cast<wchar_t*>(const_cast<char16_t*>(text.data()))};
}

// `call(buffer, size, &needed)` until the buffer is large enough.
template <typename Call>
NTSTATUS QueryWhole(std::vector<uint8_t>* buffer, Call&& call) {
  if (buffer->size() < 1024) buffer->resize(1024);
  for (;;) {
    ULONG needed = 0;
    const NTSTATUS status = call(buffer->data(), static_cast<ULONG>(buffer->size()), &needed);
    if (status != kBufferOverflow && status != kBufferTooSmall) return status;
    buffer->resize(size_t{needed} + 1024);  // somebody may be enlarging it
  }
}

}  // namespace

NtKey::~NtKey() {
  if (handle_ != nullptr) NtClose(handle_);
}

Result<NtKey> NtKey::Open(std::u16string_view name, ACCESS_MASK access, const NtKey* root) {
  UNICODE_STRING text = String(name);
  OBJECT_ATTRIBUTES attributes;
  InitializeObjectAttributes(&attributes, &text, OBJ_CASE_INSENSITIVE | OBJ_OPENLINK,
                             root ? root->get() : nullptr, nullptr);
  HANDLE handle = nullptr;
  const NTSTATUS status = NtOpenKeyEx(&handle, access, &attributes, 0);
  if (status < 0) return KeyError("opening the key " + ToUtf8(name), status);
  return NtKey(handle);
}

Result<NtKey> NtKey::Create(std::u16string_view name, const Options& options) {
  UNICODE_STRING text = String(name), class_name = String(options.class_name);
  OBJECT_ATTRIBUTES attributes;
  InitializeObjectAttributes(&attributes, &text, OBJ_CASE_INSENSITIVE | OBJ_OPENLINK, nullptr, nullptr);
  HANDLE handle = nullptr;
  ULONG disposition = 0;
  const ULONG flags =
      (options.link ? REG_OPTION_CREATE_LINK : 0) | (options.volatile_key ? REG_OPTION_VOLATILE : 0);
  const NTSTATUS status =
      NtCreateKey(&handle, kChange | WRITE_DAC, &attributes, 0,
                  options.class_name.empty() ? nullptr : &class_name, flags, &disposition);
  if (status < 0) return KeyError("creating the key " + ToUtf8(name), status);
  NtKey key(handle);
  if (disposition != REG_CREATED_NEW_KEY)
    return Error{Errc::kExists, "creating the key " + ToUtf8(name) + " failed: it is there already"};
  return key;
}

Result<NtKey::Info> NtKey::Query() const {
  std::vector<uint8_t> buffer;
  const NTSTATUS status = QueryWhole(&buffer, [&](void* to, ULONG size, ULONG* needed) {
    return NtQueryKey(handle_, kNodeInformation, to, size, needed);
  });
  if (status < 0) return KeyError("reading a key", status);
  const auto* node = reinterpret_cast<const NodeInformation*>(buffer.data());
  Info out;
  if (node->class_bytes > 0)
    out.class_name.assign(reinterpret_cast<const char16_t*>(buffer.data() + node->class_offset),
                          node->class_bytes / 2);
  ULONG flags[3] = {}, needed = 0;
  if (!RunningOnWine() && NtQueryKey(handle_, kFlagsInformation, flags, sizeof(flags), &needed) >= 0)
    out.volatile_key = (flags[1] & 1) != 0;
  return out;
}

Result<std::vector<std::u16string>> NtKey::Subkeys() const {
  std::vector<std::u16string> out;
  std::vector<uint8_t> buffer;
  for (ULONG i = 0;; ++i) {
    const NTSTATUS status = QueryWhole(&buffer, [&](void* to, ULONG size, ULONG* needed) {
      return NtEnumerateKey(handle_, i, kBasicInformation, to, size, needed);
    });
    if (status == kNoMoreEntries) return out;
    if (status < 0) return KeyError("listing a key", status);
    const auto* basic = reinterpret_cast<const BasicInformation*>(buffer.data());
    out.emplace_back(basic->name, basic->name_bytes / 2);
  }
}

Result<std::vector<NtKey::Value>> NtKey::Values() const {
  std::vector<Value> out;
  std::vector<uint8_t> buffer;
  for (ULONG i = 0;; ++i) {
    const NTSTATUS status = QueryWhole(&buffer, [&](void* to, ULONG size, ULONG* needed) {
      return NtEnumerateValueKey(handle_, i, kFullValueInformation, to, size, needed);
    });
    if (status == kNoMoreEntries) return out;
    if (status < 0) return KeyError("reading the values of a key", status);
    const auto* value = reinterpret_cast<const ValueInformation*>(buffer.data());
    const uint8_t* data = buffer.data() + value->data_offset;
    out.push_back(
        {std::u16string(value->name, value->name_bytes / 2), value->type, {data, data + value->data_bytes}});
  }
}

Status NtKey::SetValue(std::u16string_view name, uint32_t type, const std::vector<uint8_t>& data) const {
  UNICODE_STRING text = String(name);
  const NTSTATUS status =
      NtSetValueKey(handle_, &text, 0, type, data.data(), static_cast<ULONG>(data.size()));
  return status < 0 ? Status(KeyError("writing the value '" + ToUtf8(name) + "'", status)) : Ok();
}

Status NtKey::DeleteValue(std::u16string_view name) const {
  UNICODE_STRING text = String(name);
  const NTSTATUS status = NtDeleteValueKey(handle_, &text);
  return status < 0 && !Missing(status)
             ? Status(KeyError("deleting the value '" + ToUtf8(name) + "'", status))
             : Ok();
}

Status NtKey::Rename(std::u16string_view new_name) const {
  UNICODE_STRING text = String(new_name);
  const NTSTATUS status = NtRenameKey(handle_, &text);
  return status < 0 ? Status(KeyError("renaming a key to " + ToUtf8(new_name), status)) : Ok();
}

Status NtKey::Delete() const {
  const NTSTATUS status = NtDeleteKey(handle_);
  return status < 0 && status != kKeyDeleted ? Status(KeyError("deleting a key", status)) : Ok();
}

Status NtKey::Flush() const {
  const NTSTATUS status = NtFlushKey(handle_);
  return status < 0 ? Status(KeyError("writing the registry out", status)) : Ok();
}

std::vector<uint8_t> NtKey::OwnAccess() const {
  std::vector<uint8_t> buffer;
  const NTSTATUS status = QueryWhole(&buffer, [&](void* to, ULONG size, ULONG* needed) {
    return NtQuerySecurityObject(handle_, DACL_SECURITY_INFORMATION, to, size, needed);
  });
  SECURITY_DESCRIPTOR_CONTROL control = 0;
  DWORD revision = 0;
  if (status < 0 || !GetSecurityDescriptorControl(buffer.data(), &control, &revision) ||
      !(control & SE_DACL_PROTECTED))
    return {};
  buffer.resize(GetSecurityDescriptorLength(buffer.data()));
  return buffer;
}

Status NtKey::SetAccess(const std::vector<uint8_t>& descriptor) const {
  std::vector<uint8_t> copy = descriptor;
  if (!RtlValidRelativeSecurityDescriptor(copy.data(), static_cast<ULONG>(copy.size()),
                                          DACL_SECURITY_INFORMATION))
    return Error{Errc::kCorrupt, "setting the access list of a key failed: it is damaged"};
  const NTSTATUS status = NtSetSecurityObject(
      handle_, DACL_SECURITY_INFORMATION | PROTECTED_DACL_SECURITY_INFORMATION, copy.data());
  return status < 0 ? Status(KeyError("setting the access list of a key", status)) : Ok();
}

Status RemoveNtKeyTree(std::u16string_view name) {
  auto key = NtKey::Open(name, NtKey::kChange);
  if (!key.ok()) return key.error().code == Errc::kNotFound ? Ok() : Status(key.error());
  ASSIGN(const std::vector<std::u16string> subkeys, key->Subkeys());
  for (const std::u16string& child : subkeys) TRY(RemoveNtKeyTree(std::u16string(name) + u"\\" + child));
  return key->Delete();
}

}  // namespace plume::agent
