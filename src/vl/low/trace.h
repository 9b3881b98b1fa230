// Developers' trace: one line per replaced call in the VM's guest.log, switched on by an injection parameter.
// Off, it costs one predictable branch.
//   VL_TRACE(vl, "NtCreateFile", status, path);
#pragma once
#include "vl/low/state.h"

namespace plume::vl {

// Writes "<pid>.<tid> call name -> status".
void Trace(const char* call, nt::NtStatus status, view::WView name);

}  // namespace plume::vl

#define VL_TRACE(state, call, status, name)                                         \
  do {                                                                              \
    if (__builtin_expect((state).trace, 0)) ::plume::vl::Trace(call, status, name); \
  } while (false)
