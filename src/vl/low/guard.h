// Guarded access to the caller's memory. A bad pointer gives false (the handler returns
// STATUS_ACCESS_VIOLATION), exactly as the kernel does, instead of a crash inside the layer. The caller's
// memory is read ONCE, into memory of the layer, and never looked at again: another thread may change it
// meanwhile.
//
// Before the process heap exists only ntdll itself calls, with good pointers, and no exception can be
// dispatched yet: then these are plain copies.
#pragma once
#include <cstddef>
#include <type_traits>

#include "view/path.h"
#include "vl/low/memory.h"
#include "vl/nt/nt.h"

namespace plume::vl {

bool CopyIn(void* to, const void* user, size_t bytes);
bool CopyOut(void* user, const void* from, size_t bytes);

// Makes the page of `at` writable for good by a write that changes nothing, even if others write there
// meanwhile. False if it faults: of a mapped file that is sparse, the disk is full.
bool TouchPage(void* at);

// Typed forms.
template <typename T>
bool ReadUser(T* to, const T* user) {
  static_assert(std::is_trivially_copyable_v<T>);
  return CopyIn(to, user, sizeof(T));
}
template <typename T>
bool WriteUser(T* user, const T& value) {
  static_assert(std::is_trivially_copyable_v<T>);
  return CopyOut(user, &value, sizeof(T));
}

// A caller's string, copied into `scratch` and zero-terminated (the zero is not counted). A null `user` gives
// an empty view with data() == nullptr. kAccessViolation, kObjectNameInvalid (odd length: as the kernel) or
// kNoMemory.
nt::NtStatus CaptureString(CallScratch& scratch, const nt::UnicodeString* user, view::WView* out);

// OBJECT_ATTRIBUTES, read once. `own` is a copy whose name points at `name`: pass it (changed as needed) to
// originals.
struct Captured {
  nt::ObjectAttributes own;
  nt::UnicodeString own_name;
  view::WView name;  // empty and data() == nullptr if there was no name
  nt::Handle root = nullptr;
  bool has_name = false;

  // Makes `own` mean `absolute` (NT form, up to 32767 units, must outlive the use) with no root directory.
  void SetName(view::WView absolute);
};
// kAccessViolation for bad pointers, kInvalidParameter for a null or wrong-sized structure, as the kernel
// answers.
nt::NtStatus CaptureAttributes(CallScratch& scratch, const nt::ObjectAttributes* user, Captured* out);

}  // namespace plume::vl
