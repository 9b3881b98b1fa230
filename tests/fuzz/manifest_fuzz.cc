// What comes from a repository before anything is verified: manifests, configs, zstd frames, addresses,
// challenges. The first byte chooses the parser. What is accepted must survive being written and read again.
#include <string_view>

#include "image/codec.h"
#include "image/config.h"
#include "image/manifest.h"
#include "input.h"
#include "os/http.h"

using namespace plume;

namespace {

void Manifest(std::string_view text) {
  const Result<image::Manifest> manifest = image::ParseManifest(text);
  if (!manifest.ok()) return;
  const std::string written = image::ToJson(*manifest);
  const Result<image::Manifest> again = image::ParseManifest(written);
  fuzz::Require(again.ok() && image::ToJson(*again) == written, "a manifest survives writing");
  fuzz::Require(manifest->Blobs().size() == manifest->packs.size() + 2, "every blob is listed");
}

void Config(std::string_view text) {
  const Result<image::Config> config = image::ParseConfig(text);
  if (!config.ok()) return;
  const std::string written = image::ToJson(*config);
  const Result<image::Config> again = image::ParseConfig(written);
  fuzz::Require(again.ok() && image::ToJson(*again) == written, "a config survives writing");
}

void Frame(std::span<const uint8_t> bytes) {
  constexpr uint64_t kLimit = 1u << 20;
  const auto plain = image::Decompress(bytes, kLimit);
  if (plain.ok()) fuzz::Require(plain->size() <= kLimit, "the limit holds");
  const auto chunk = image::DecodeChunk(bytes, 1000, os::Digest{});
  fuzz::Require(!chunk.ok(), "no chunk has the digest 0");
}

void Address(std::string_view text) {
  const auto url = os::ParseHttpUrl(text);
  if (!url.ok()) return;
  fuzz::Require(!url->host.empty() && url->port != 0 && url->target.front() == '/', "an address is whole");
  for (const char c : url->target)
    fuzz::Require(static_cast<unsigned char>(c) > ' ', "a target splits no header");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const std::span<const uint8_t> rest(data + 1, size - 1);
  const std::string_view text(reinterpret_cast<const char*>(rest.data()), rest.size());
  switch (data[0] % 4) {
    case 0:
      Manifest(text);
      break;
    case 1:
      Config(text);
      break;
    case 2:
      Frame(rest);
      break;
    default:
      Address(text);
      break;
  }
  return 0;
}
