// Hostile request targets, ranges and manifests. The first byte chooses what the rest is.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "server/manifest.h"
#include "server/protocol.h"

namespace {

void Require(bool condition) {
  if (!condition) std::abort();
}

void FuzzTarget(std::string_view text) {
  const auto parsed = plume::server::ParseTarget(text);
  const auto* route = std::get_if<plume::server::Route>(&parsed);
  if (route == nullptr || route->name.empty()) return;
  // The name becomes a path below the root: nothing may lead out of it.
  Require(route->name.front() != '/' && route->name.back() != '/');
  Require(route->name.find("..") == std::string::npos && route->name.find("//") == std::string::npos);
  Require(route->name.find('\\') == std::string::npos && route->name.find('\0') == std::string::npos);
  Require(route->reference.find('/') == std::string::npos && route->reference.find("..") != 0);
}

void FuzzRange(std::string_view text, uint64_t size) {
  plume::server::ByteRange range;
  if (plume::server::ApplyRange(text, size, &range) != plume::server::RangeVerdict::kUnsatisfiable) {
    Require(range.offset <= size && range.length <= size - range.offset);
  }
  (void)plume::server::ParseContentRange(text);
  (void)plume::server::MatchesETag(text, "\"x\"");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 2) return 0;
  const std::string_view text(reinterpret_cast<const char*>(data) + 2, size - 2);
  switch (data[0] % 3) {
    case 0:
      FuzzTarget(text);
      break;
    case 1:
      FuzzRange(text, data[1]);
      break;
    default:
      (void)plume::server::ParseManifest(text, "");
  }
  return 0;
}
