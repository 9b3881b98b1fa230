// Events, mutexes, semaphores, timers, sections, jobs and their kin: calls that do nothing with a name but
// hand it on.
#include "vl/calls/object_space.h"

namespace plume::vl {

// Handle*, AccessMask, ObjectAttributes* and nothing else.
#define PLUME_OBJECT_CALL(name)                                                  \
  nt::NtStatus PLUME_NTAPI Hook##name(nt::Handle* handle, nt::AccessMask access, \
                                      nt::ObjectAttributes* attributes) {        \
    ObjectCall call(attributes);                                                 \
    if (!nt::Ok(call.status())) return call.status();                            \
    return orig.name(handle, access, call.attributes());                         \
  }
PLUME_OBJECT_CALL(NtOpenEvent)
PLUME_OBJECT_CALL(NtOpenMutant)
PLUME_OBJECT_CALL(NtOpenSemaphore)
PLUME_OBJECT_CALL(NtOpenTimer)
PLUME_OBJECT_CALL(NtOpenSection)
PLUME_OBJECT_CALL(NtCreateJobObject)
PLUME_OBJECT_CALL(NtOpenJobObject)
PLUME_OBJECT_CALL(NtOpenKeyedEvent)
PLUME_OBJECT_CALL(NtOpenIoCompletion)
PLUME_OBJECT_CALL(NtCreateEventPair)
PLUME_OBJECT_CALL(NtOpenEventPair)
#undef PLUME_OBJECT_CALL

nt::NtStatus PLUME_NTAPI HookNtCreateEvent(nt::Handle* handle, nt::AccessMask access,
                                           nt::ObjectAttributes* attributes, nt::Ulong type,
                                           uint8_t initial) {
  ObjectCall call(attributes);
  if (!nt::Ok(call.status())) return call.status();
  return orig.NtCreateEvent(handle, access, call.attributes(), type, initial);
}

nt::NtStatus PLUME_NTAPI HookNtCreateMutant(nt::Handle* handle, nt::AccessMask access,
                                            nt::ObjectAttributes* attributes, uint8_t owned) {
  ObjectCall call(attributes);
  if (!nt::Ok(call.status())) return call.status();
  return orig.NtCreateMutant(handle, access, call.attributes(), owned);
}

nt::NtStatus PLUME_NTAPI HookNtCreateSemaphore(nt::Handle* handle, nt::AccessMask access,
                                               nt::ObjectAttributes* attributes, int32_t initial,
                                               int32_t maximum) {
  ObjectCall call(attributes);
  if (!nt::Ok(call.status())) return call.status();
  return orig.NtCreateSemaphore(handle, access, call.attributes(), initial, maximum);
}

nt::NtStatus PLUME_NTAPI HookNtCreateTimer(nt::Handle* handle, nt::AccessMask access,
                                           nt::ObjectAttributes* attributes, nt::Ulong type) {
  ObjectCall call(attributes);
  if (!nt::Ok(call.status())) return call.status();
  return orig.NtCreateTimer(handle, access, call.attributes(), type);
}

nt::NtStatus PLUME_NTAPI HookNtCreateTimer2(nt::Handle* handle, void* reserved,
                                            nt::ObjectAttributes* attributes, nt::Ulong type,
                                            nt::AccessMask access) {
  ObjectCall call(attributes);
  if (!nt::Ok(call.status())) return call.status();
  return orig.NtCreateTimer2(handle, reserved, call.attributes(), type, access);
}

nt::NtStatus PLUME_NTAPI HookNtCreateSection(nt::Handle* handle, nt::AccessMask access,
                                             nt::ObjectAttributes* attributes, nt::LargeInteger* size,
                                             nt::Ulong protect, nt::Ulong section_attributes,
                                             nt::Handle file) {
  ObjectCall call(attributes);
  if (!nt::Ok(call.status())) return call.status();
  return orig.NtCreateSection(handle, access, call.attributes(), size, protect, section_attributes, file);
}

nt::NtStatus PLUME_NTAPI HookNtCreateSectionEx(nt::Handle* handle, nt::AccessMask access,
                                               nt::ObjectAttributes* attributes, nt::LargeInteger* size,
                                               nt::Ulong protect, nt::Ulong section_attributes,
                                               nt::Handle file, void* parameters, nt::Ulong count) {
  ObjectCall call(attributes);
  if (!nt::Ok(call.status())) return call.status();
  return orig.NtCreateSectionEx(handle, access, call.attributes(), size, protect, section_attributes, file,
                                parameters, count);
}

nt::NtStatus PLUME_NTAPI HookNtCreateKeyedEvent(nt::Handle* handle, nt::AccessMask access,
                                                nt::ObjectAttributes* attributes, nt::Ulong flags) {
  ObjectCall call(attributes);
  if (!nt::Ok(call.status())) return call.status();
  return orig.NtCreateKeyedEvent(handle, access, call.attributes(), flags);
}

nt::NtStatus PLUME_NTAPI HookNtCreateIoCompletion(nt::Handle* handle, nt::AccessMask access,
                                                  nt::ObjectAttributes* attributes, nt::Ulong threads) {
  ObjectCall call(attributes);
  if (!nt::Ok(call.status())) return call.status();
  return orig.NtCreateIoCompletion(handle, access, call.attributes(), threads);
}

}  // namespace plume::vl
