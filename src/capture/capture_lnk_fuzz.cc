// Shortcuts come from installers: any bytes must be parsed or refused, never believed.
#include <cstddef>
#include <cstdint>

#include "capture/lnk.h"
#include "capture/pe.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::span<const uint8_t> bytes(data, size);
  // What is written for the image must be read again, and be the same when it is done once more.
  const auto portable = plume::capture::PortableLnk(bytes, u"C:\\users\\ann");
  if (portable.ok()) {
    const auto again = plume::capture::PortableLnk(*portable, u"C:\\users\\ann");
    if (!again.ok() || *again != *portable) __builtin_trap();
  }
  (void)plume::capture::ReadPe(bytes);
  return 0;
}
