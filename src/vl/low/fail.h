// Failing closed: the process is ended with a status that names the place, after one line in the VM's
// guest.log.
#pragma once
#include "view/path.h"
#include "vl/nt/nt.h"

namespace plume::vl {

// Site codes become the exit status 0xE0504C00 | code (facility "PL"). Never renumber: users report them.
enum class Site : uint8_t {
  kParams = 1,       // injection parameters are damaged or of another version
  kViewOpen = 2,     // the compiled view cannot be opened
  kViewFormat = 3,   // ... is not a view this layer reads
  kCatalogOpen = 4,  // a layer's catalog cannot be opened
  kCatalogFormat = 5,
  kIndexOpen = 6,  // the VM index cannot be opened
  kIndexFormat = 7,
  kNoMemory = 8,
  kChild = 9,      // a child process could not be made a guest
  kCheck = 10,     // an invariant does not hold
  kInject32 = 11,  // a 32-bit child on a system that does not run it by WoW64
  kUserStub = 12,  // win32u.dll has a stub of unknown shape, or is of a version the layer does not know
};
constexpr uint32_t ExitStatus(Site site) { return 0xE0504C00u | static_cast<uint32_t>(site); }

// Does not return. `what` is ASCII; `status` and `name` (may be empty) are added to the message.
[[noreturn]] void Fail(Site site, const char* what, nt::NtStatus status = 0, view::WView name = {});

// Appends one line to guest.log without ending the process; any thread, never fails, cheap enough for errors
// only.
void Log(const char* what, nt::NtStatus status = 0, view::WView name = {});

}  // namespace plume::vl

// An invariant of the layer; always on.
#define VL_CHECK(condition)                                                                      \
  do {                                                                                           \
    if (!(condition)) ::plume::vl::Fail(::plume::vl::Site::kCheck, "check failed: " #condition); \
  } while (false)
