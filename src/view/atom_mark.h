// How the global atoms of a VM are told from all others: their names begin with the mark, the VM's id and the
// mark again. The name that is nothing more says that there are some.
#pragma once

namespace plume::view {

inline constexpr char16_t kAtomMark = 0x1f;  // no name that people or programs make has it

}  // namespace plume::view
