// What comes from a repository before anything is verified: manifests, configs, profiles, zstd frames,
// addresses, challenges. The first byte chooses the parser. What is accepted must survive being written and
// read again.
#include <string_view>

#include "image/codec.h"
#include "image/config.h"
#include "image/delta.h"
#include "image/manifest.h"
#include "image/profile.h"
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

void Profile(std::string_view text) {
  const Result<image::Profile> profile = image::ParseProfile(text);
  if (!profile.ok()) return;
  const std::string written = image::ToJson(*profile);
  const Result<image::Profile> again = image::ParseProfile(written);
  fuzz::Require(again.ok() && image::ToJson(*again) == written, "a profile survives writing");
  image::Profile merged = *profile;
  image::Merge(*profile, &merged);
  fuzz::Require(image::ParseProfile(image::ToJson(merged)).ok(), "a merged profile is one");
  fuzz::Require(image::StartUpSet(merged).size() <= merged.files.size(), "a start-up set is a part");
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

// A delta: its head, then each patch applied to some bytes.
void Delta(std::span<const uint8_t> blob) {
  const auto bytes = image::DeltaHeadBytes(blob, blob.size());
  if (!bytes.ok()) {
    const auto made = image::ApplyPatch(blob.first(blob.size() / 2), blob, 1000);
    if (made.ok()) fuzz::Require(made->size() == 1000, "a patch gives what was asked for");
    return;
  }
  const auto delta = image::ParseDeltaHead(blob.first(static_cast<size_t>(*bytes)), blob.size());
  if (!delta.ok()) return;
  for (const image::DeltaPatch& patch : delta->patches) {
    fuzz::Require(patch.offset <= blob.size() && patch.length <= blob.size() - patch.offset,
                  "a patch lies in it");
    const auto part = blob.subspan(static_cast<size_t>(patch.offset), static_cast<size_t>(patch.length));
    const auto size = image::PatchedSize(part);
    if (!size || *size > (1u << 20)) continue;
    const auto made = image::ApplyPatch(blob, part, *size);
    if (made.ok()) fuzz::Require(made->size() == *size, "a patch gives what was asked for");
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const std::span<const uint8_t> rest(data + 1, size - 1);
  const std::string_view text(reinterpret_cast<const char*>(rest.data()), rest.size());
  switch (data[0] % 6) {
    case 0:
      Manifest(text);
      break;
    case 1:
      Config(text);
      break;
    case 2:
      Frame(rest);
      break;
    case 4:
      Delta(rest);
      break;
    case 5:
      Profile(text);
      break;
    default:
      Address(text);
      break;
  }
  return 0;
}
