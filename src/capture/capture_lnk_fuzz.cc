// Shortcuts come from installers: any bytes must be parsed or refused, never believed.
#include <cstddef>
#include <cstdint>

#include "capture/lnk.h"
#include "capture/pe.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::span<const uint8_t> bytes(data, size);
  (void)plume::capture::ParseLnk(bytes).ok();
  (void)plume::capture::ReadPe(bytes);
  return 0;
}
