#include "cache/image_data.h"

#include <algorithm>

#include "base/utf16.h"
#include "catalog/expand.h"
#include "image/codec.h"
#include "image/config.h"
#include "os/sha256.h"

namespace plume::cache {
namespace {

// What a chunk may claim to be: far more than any writer makes, little enough to allocate without asking.
constexpr uint32_t kMaxChunkBytes = 16u << 20;

std::string HexOf(const std::string& digest) { return digest.substr(7); }

Error Malformed(const std::string& digest, const std::string& why) {
  return Error{Errc::kInvalid, "image " + digest + " cannot be used: " + why};
}

// What Reader::Verify leaves open: the catalog and the manifest must speak of the same packs.
Status CheckAgainstManifest(const catalog::Reader& catalog, const image::Manifest& manifest,
                            const std::string& digest) {
  const auto& packs = *catalog.raw().packs();
  if (packs.size() != manifest.packs.size())
    return Malformed(digest, "catalog and manifest name different packs");
  for (uint32_t i = 0; i < packs.size(); ++i) {
    const auto* bytes = packs.Get(i)->digest().bytes();
    const std::string text = "sha256:" + os::Hex({bytes->data(), 32});
    if (text != manifest.packs[i].digest || packs.Get(i)->size() != manifest.packs[i].size) {
      return Malformed(digest, "catalog and manifest name different packs");
    }
  }
  for (const catalog::Chunk* chunk : *catalog.raw().chunks()) {
    if (chunk->size() > kMaxChunkBytes || chunk->stored() > chunk->size()) {
      return Malformed(digest, "a chunk has an impossible size");
    }
  }
  return Ok();
}

Result<catalog::Replacements> ReplacementsFor(
    const image::Config& config, const std::vector<std::pair<std::string, std::u16string>>& known,
    const std::string& digest) {
  catalog::Replacements out;
  for (const image::Variable& variable : config.variables) {
    const auto found =
        std::find_if(known.begin(), known.end(), [&](const auto& k) { return k.first == variable.means; });
    if (found == known.end()) {
      return Malformed(digest, "it wants to know '" + variable.means +
                                   "' of this machine, which this version cannot tell (update Plume)");
    }
    out.emplace_back(FromUtf8Lossy(variable.token), found->second);
  }
  return out;
}

}  // namespace

Result<os::Bytes> FetchBlob(Source& source, const std::string& digest, uint64_t size, uint64_t limit,
                            const std::string& what) {
  if (size > limit) return Error{Errc::kInvalid, what + " is larger than any image may have"};
  const Error wrong{Errc::kCorrupt, "fetching " + what + " failed: the repository " + source.Name() +
                                        " sent wrong bytes (refused)"};
  os::Bytes bytes;
  bytes.reserve(size);
  TRY(source.ReadBlob(digest, 0, 0, [&](os::ByteView piece) -> Status {
    if (piece.size() > size - bytes.size()) return wrong;
    bytes.insert(bytes.end(), piece.begin(), piece.end());
    return Ok();
  }));
  if (bytes.size() != size || os::DigestText(os::Sha256::Of(os::ByteView(bytes))) != digest) return wrong;
  return bytes;
}

Status ImageData::Fetch(os::FileSystem& files, const Places& places, Source& source,
                        const std::string& digest,
                        const std::vector<std::pair<std::string, std::u16string>>& variables,
                        const MakeLayer& make_layer) {
  ASSIGN(const repository::ManifestBlob blob, source.GetManifest(digest));
  if (os::DigestText(os::Sha256::Of(blob.bytes)) != digest) {
    return Error{Errc::kCorrupt, "fetching the manifest of image " + digest + " failed: the repository " +
                                     source.Name() + " sent wrong bytes (refused)"};
  }
  auto parsed = image::ParseManifest(blob.bytes);
  if (!parsed.ok()) return Malformed(digest, parsed.error().message);
  ASSIGN(const os::Bytes config, FetchBlob(source, parsed->config.digest, parsed->config.size,
                                           image::kMaxConfigBytes, "the config of image " + digest));
  const std::string config_text(config.begin(), config.end());
  const auto parsed_config = image::ParseConfig(config_text);
  if (!parsed_config.ok()) return Malformed(digest, parsed_config.error().message);
  os::Bytes layer;
  if (auto made = make_layer ? make_layer(*parsed) : std::nullopt) {
    layer = std::move(*made);
  } else {
    ASSIGN(layer, FetchBlob(source, parsed->catalog.digest, parsed->catalog.size, image::kMaxCatalogBytes,
                            "the catalog of image " + digest));
  }
  ASSIGN(os::Bytes catalog, image::UnpackCatalog(layer));
  if (!catalog::Reader::Verify(catalog.data(), catalog.size()))
    return Malformed(digest, "its catalog is malformed");
  catalog::Reader reader;
  if (!reader.Attach(catalog.data(), catalog.size()))
    return Malformed(digest, "its catalog has an unknown version");
  TRY(CheckAgainstManifest(reader, *parsed, digest));
  if (!parsed_config->variables.empty()) {
    ASSIGN(const catalog::Replacements replacements, ReplacementsFor(*parsed_config, variables, digest));
    auto expanded = catalog::Expand(reader, replacements);
    if (!expanded.ok()) return Malformed(digest, expanded.error().message);
    catalog = std::move(*expanded);
  }

  const std::string hex = HexOf(digest);
  if (!parsed_config->variables.empty())
    TRY(os::WriteAtomic(files, places.CatalogLayer(hex), os::ByteView(layer)));
  TRY(os::WriteAtomic(files, places.Manifest(hex), std::string_view(blob.bytes)));
  TRY(os::WriteAtomic(files, places.Config(hex), std::string_view(config_text)));
  TRY(os::WriteAtomic(files, places.CatalogHash(hex),
                      std::string_view(os::DigestText(os::Sha256::Of(os::ByteView(catalog))))));
  return os::WriteAtomic(files, places.Catalog(hex), os::ByteView(catalog));
}

Result<std::shared_ptr<ImageData>> ImageData::Load(os::FileSystem& files, const Places& places,
                                                   const std::string& digest) {
  const std::string hex = HexOf(digest);
  if (!os::Exists(files, places.Catalog(hex)))
    return Error{Errc::kNotFound, "image " + digest + " is not here"};
  const Error damaged{Errc::kCorrupt, "the stored catalog of image " + digest + " is damaged"};
  auto data = std::make_shared<ImageData>();
  ASSIGN(const std::string manifest, os::ReadText(files, places.Manifest(hex), image::kMaxManifestBytes));
  if (os::DigestText(os::Sha256::Of(manifest)) != digest) return damaged;
  auto parsed = image::ParseManifest(manifest);
  if (!parsed.ok()) return damaged;
  data->manifest_ = std::move(*parsed);
  ASSIGN(data->image_.config_json, os::ReadText(files, places.Config(hex), image::kMaxConfigBytes));
  if (os::DigestText(os::Sha256::Of(data->image_.config_json)) != data->manifest_.config.digest)
    return damaged;
  ASSIGN(data->mapping_, os::MappedFile::OpenRead(places.Catalog(hex)));
  const os::MappedFile& mapping = data->mapping_;
  if (!catalog::Reader::Verify(mapping.data(), mapping.size()) ||
      !data->image_.catalog.Attach(mapping.data(), mapping.size()) ||
      !CheckAgainstManifest(data->image_.catalog, data->manifest_, digest).ok()) {
    return damaged;
  }
  data->image_.digest = digest;
  data->image_.catalog_path = places.Catalog(hex);
  data->image_.files = places.Files(hex);
  return data;
}

std::u16string ImageData::RelativeName(uint32_t entry) const {
  std::vector<uint32_t> chain;
  while (catalog().entry(entry).parent() != entry) {
    chain.push_back(entry);
    entry = catalog().entry(entry).parent();
  }
  std::u16string name;
  for (const catalog::Root* root : *catalog().raw().roots()) {
    if (root->registry() || root->index() != entry) continue;
    for (char c : root->name()->str()) name.push_back(static_cast<char16_t>(c));
  }
  for (auto it = chain.rbegin(); it != chain.rend(); ++it) {
    name += u'\\';
    name += catalog().name(catalog().entry(*it));
  }
  return name;
}

os::Path ImageData::PathOf(uint32_t entry) const { return image_.files / os::FromUtf16(RelativeName(entry)); }

std::string ImageData::NameOf(uint32_t entry) const { return ToUtf8(RelativeName(entry)); }

std::string ImageData::PackDigest(uint32_t pack) const { return manifest_.packs[pack].digest; }

uint32_t ImageData::EntryOf(const os::Path& relative) const {
  uint32_t entry = catalog::kNone;
  for (const os::Path& component : relative) {
    const std::string name = os::Utf8(component);
    if (entry == catalog::kNone) {
      for (const catalog::Root* root : *catalog().raw().roots()) {
        if (!root->registry() && root->name()->str() == name) entry = root->index();
      }
    } else {
      entry = catalog().Child(entry, FromUtf8Lossy(name));
    }
    if (entry == catalog::kNone) return catalog::kNone;
  }
  return entry;
}

}  // namespace plume::cache
