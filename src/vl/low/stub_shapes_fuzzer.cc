// Any bytes: at most one shape, always within the given bytes; a recognised stub is recognised again after
// its copy.
#include <cstdlib>
#include <vector>

#include "vl/low/stub_shapes.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace plume::vl;
  for (Arch arch : {Arch::kX64, Arch::kX86}) {
    const StubShape* shape = RecogniseStub(arch, {data, size});
    if (!shape) continue;
    if (shape->length > size || shape->arch != arch) std::abort();
    const std::vector<uint8_t> copy(data, data + shape->length);
    const StubShape* again = RecogniseStub(arch, copy);
    if (again != shape || StubNumber(*shape, copy.data()) != StubNumber(*shape, data)) std::abort();
  }
  return 0;
}
