// Mapping a whole file for the life of the process.
#pragma once
#include "view/path.h"
#include "vl/nt/nt.h"

namespace plume::vl {

// Maps the file with NT path `name` shared; `size` is the file's own length, which must be one of whole pages
// if `writable`. The file and section handles are closed; with `section` it is one that can also be mapped to
// run, and the caller's to close.
nt::NtStatus MapFile(view::WView name, bool writable, void** base, size_t* size,
                     nt::Handle* section = nullptr);
// The contents of a file that is replaced but never changed, for the life of the process: a small one is
// read, which is half the system calls. An empty one is an error.
nt::NtStatus ReadOrMapFile(view::WView name, void** base, size_t* size);

}  // namespace plume::vl
