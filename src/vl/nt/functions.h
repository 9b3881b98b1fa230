// The table of system functions. In the virtualization layer one instance, `plume::vl::orig`, holds the way
// to the real system calls: for a replaced stub its verbatim copy (a trampoline), for any other the stub
// itself. Hosted programs fill one from their own ntdll (inject/hosted.h).
#pragma once
#include "vl/nt/nt.h"
#include "vl/nt/process.h"

namespace plume::nt {

#define PLUME_NT(name, required, ...) using name##Fn = __VA_ARGS__;
#include "vl/nt/functions.inc"
#undef PLUME_NT

struct Functions {
#define PLUME_NT(name, required, ...) name##Fn* name;
#include "vl/nt/functions.inc"
#undef PLUME_NT
};

// Index of each function in Functions seen as an array of pointers.
enum FunctionSlot : uint32_t {
#define PLUME_NT(name, required, ...) kSlot##name,
#include "vl/nt/functions.inc"
#undef PLUME_NT
  kFunctionCount
};
static_assert(sizeof(Functions) == kFunctionCount * sizeof(void*));

}  // namespace plume::nt
