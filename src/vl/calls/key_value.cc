// Values, and calls that only need the right real key.
#include "vl/calls/key_internal.h"

namespace plume::vl {
namespace {

// An unknown class is what the system objects to first.
bool IsKnown(const VlState& vl, nt::KeyValueInformationClass information_class) {
  return information_class <=
         (vl.is_wine ? nt::kKeyValuePartialInformation : nt::kKeyValuePartialInformationAlign64);
}

}  // namespace

// Values are those of the topmost layer's key: the system answers, into the caller's own buffer.

nt::NtStatus PLUME_NTAPI HookNtQueryValueKey(nt::Handle handle, nt::UnicodeString* name,
                                             nt::KeyValueInformationClass information_class, void* buffer,
                                             nt::Ulong length, nt::Ulong* result_length) {
  const VlState& vl = Enter();
  CallScratch scratch;
  key::Use use;
  const nt::NtStatus status = key::Begin(vl, scratch, handle, nt::kKeyQueryValue, &use);
  if (!nt::Ok(status) && !key::NotAKey(status) && IsKnown(vl, information_class)) return status;
  if (Tracing()) key::TellValue(scratch, name);
  return orig.NtQueryValueKey(use.real, name, information_class, buffer, length, result_length);
}

nt::NtStatus PLUME_NTAPI HookNtQueryMultipleValueKey(nt::Handle handle, nt::KeyValueEntry* entries,
                                                     nt::Ulong count, void* buffer, nt::Ulong* length,
                                                     nt::Ulong* needed) {
  const VlState& vl = Enter();
  CallScratch scratch;
  key::Use use;
  const nt::NtStatus status = key::Begin(vl, scratch, handle, nt::kKeyQueryValue, &use);
  if (!nt::Ok(status) && !key::NotAKey(status)) return status;
  return orig.NtQueryMultipleValueKey(use.real, entries, count, buffer, length, needed);
}

nt::NtStatus PLUME_NTAPI HookNtEnumerateValueKey(nt::Handle handle, nt::Ulong index,
                                                 nt::KeyValueInformationClass information_class, void* buffer,
                                                 nt::Ulong length, nt::Ulong* result_length) {
  const VlState& vl = Enter();
  CallScratch scratch;
  key::Use use;
  const nt::NtStatus status = key::Begin(vl, scratch, handle, nt::kKeyQueryValue, &use);
  if (!nt::Ok(status) && !key::NotAKey(status) && IsKnown(vl, information_class)) return status;
  if (TraceNote* note = TraceNow()) note->Detail(index);
  return orig.NtEnumerateValueKey(use.real, index, information_class, buffer, length, result_length);
}

nt::NtStatus PLUME_NTAPI HookNtSetValueKey(nt::Handle handle, nt::UnicodeString* name, nt::Ulong title_index,
                                           nt::Ulong type, const void* data, nt::Ulong size) {
  const VlState& vl = Enter();
  CallScratch scratch;
  key::Use use;
  const nt::NtStatus status = key::Begin(vl, scratch, handle, nt::kKeySetValue, &use);
  if (!nt::Ok(status) && !key::NotAKey(status)) return status;
  if (Tracing()) key::TellValue(scratch, name);
  return orig.NtSetValueKey(use.real, name, title_index, type, data, size);
}

nt::NtStatus PLUME_NTAPI HookNtDeleteValueKey(nt::Handle handle, nt::UnicodeString* name) {
  const VlState& vl = Enter();
  CallScratch scratch;
  key::Use use;
  const nt::NtStatus status = key::Begin(vl, scratch, handle, nt::kKeySetValue, &use);
  if (!nt::Ok(status) && !key::NotAKey(status)) return status;
  if (Tracing()) key::TellValue(scratch, name);
  return orig.NtDeleteValueKey(use.real, name);
}

nt::NtStatus PLUME_NTAPI HookNtFlushKey(nt::Handle handle) {
  const VlState& vl = Enter();
  CallScratch scratch;
  key::Use use;
  const nt::NtStatus status = key::Begin(vl, scratch, handle, 0, &use);
  return nt::Ok(status) || key::NotAKey(status) ? orig.NtFlushKey(use.real) : status;
}

nt::NtStatus PLUME_NTAPI HookNtSetInformationKey(nt::Handle handle, nt::Ulong information_class, void* buffer,
                                                 nt::Ulong length) {
  const VlState& vl = Enter();
  CallScratch scratch;
  key::Use use;
  // Only the last-write time (class 0) belongs to the key; flags and tags belong to the handle itself.
  constexpr nt::Ulong kWriteTime = 0;
  const nt::AccessMask right = information_class == kWriteTime ? nt::kKeySetValue : 0;
  const nt::NtStatus status = key::Begin(vl, scratch, handle, right, &use);
  if (!nt::Ok(status) && !key::NotAKey(status)) return status;
  return orig.NtSetInformationKey(information_class == kWriteTime ? use.real : handle, information_class,
                                  buffer, length);
}

// Security descriptors of any object come through here; only keys are looked at.

nt::NtStatus PLUME_NTAPI HookNtQuerySecurityObject(nt::Handle handle, nt::Ulong information, void* descriptor,
                                                   nt::Ulong length, nt::Ulong* needed) {
  const VlState& vl = Enter();
  HandleRef known = Handles().Find(handle);
  if (!known || known->kind != HandleKind::kKey) {
    return orig.NtQuerySecurityObject(handle, information, descriptor, length, needed);
  }
  CallScratch scratch;
  key::Use use;
  const nt::NtStatus status = key::Begin(vl, scratch, handle, nt::kReadControl, &use);
  if (!nt::Ok(status)) return status;
  return orig.NtQuerySecurityObject(use.real, information, descriptor, length, needed);
}

nt::NtStatus PLUME_NTAPI HookNtSetSecurityObject(nt::Handle handle, nt::Ulong information, void* descriptor) {
  const VlState& vl = Enter();
  HandleRef known = Handles().Find(handle);
  if (!known || known->kind != HandleKind::kKey)
    return orig.NtSetSecurityObject(handle, information, descriptor);
  constexpr nt::Ulong kOwner = 1, kGroup = 2, kDacl = 4, kSacl = 8;
  nt::AccessMask right = 0;
  if (information & (kOwner | kGroup)) right |= nt::kWriteOwner;
  if (information & kDacl) right |= nt::kWriteDac;
  if (information & kSacl) right |= nt::kAccessSystemSecurity;
  CallScratch scratch;
  key::Use use;
  const nt::NtStatus status = key::Begin(vl, scratch, handle, right, &use);
  if (!nt::Ok(status)) return status;
  return orig.NtSetSecurityObject(use.real, information, descriptor);
}

}  // namespace plume::vl
