// Any bytes as an image: mapping, binding and looking up exports stay inside the buffers.
#include <vector>

#include "vl/inject/image.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace plume::vl;
  ImageInfo info{};
  const std::span<const uint8_t> file(data, size);
  if (!ReadImageInfo(file, &info) || info.image_size > (1 << 20)) return 0;
  if (IsLaidOut(file, info) && file.size() < info.image_size) __builtin_trap();
  std::vector<uint8_t> image(info.image_size);
  if (!MapImage(file, info, 0x12340000, image)) return 0;
  const char* missing;
  BindImports(
      info, image, [](void*, const char*) { return uint64_t{1}; }, nullptr, &missing);
  FindExport(info, image, "plume_layer");
  for (uint32_t i = 0; i < info.section_count && i < 100; ++i) SectionAt(info, image, i);
  return 0;
}
