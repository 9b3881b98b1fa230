// Mapping a whole file for the life of the process.
#pragma once
#include "view/path.h"
#include "vl/nt/nt.h"

namespace plume::vl {

// Maps the file with NT path `name` shared; `size` is the file's own length. The file and section handles are
// closed.
nt::NtStatus MapFile(view::WView name, bool writable, void** base, size_t* size);

}  // namespace plume::vl
