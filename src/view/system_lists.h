// The system's lists of all processes and all handles, cut down to what a VM may see of them. Pure and
// freestanding; layouts are those of the program's own pointer size.
#pragma once
#include <cstddef>
#include <cstdint>
#include <span>

namespace plume::view {

// The processes that stay: their ids, in any order.
struct ProcessSet {
  std::span<const uintptr_t> ids;
  bool Has(uintptr_t id) const {
    for (uintptr_t i : ids)
      if (i == id) return true;
    return false;
  }
};

// A list of SYSTEM_PROCESS_INFORMATION entries in `list`, as the system made it there. Entries of other
// processes are taken out, the rest moves up. The names' pointers, which lead into the list, are made to lead
// into a copy of it at `home`. Returns the bytes of what is left: 0 if nothing is, or if the list is
// malformed.
size_t FilterProcessList(std::span<uint8_t> list, const ProcessSet& keep, uintptr_t home);

// SYSTEM_HANDLE_INFORMATION (`extended` false; `short_ids`: owners are 16-bit numbers, as on Windows) or
// SYSTEM_HANDLE_INFORMATION_EX. Returns the bytes of what is left, 0 if the list is malformed.
size_t FilterHandleList(std::span<uint8_t> list, bool extended, bool short_ids, const ProcessSet& keep);

}  // namespace plume::view
