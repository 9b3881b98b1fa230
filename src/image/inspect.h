// What the command line shows and checks about an image of a store.
#pragma once
#include <cstdint>
#include <functional>
#include <string>

#include "base/result.h"
#include "image/store.h"
#include "nlohmann/json.hpp"

namespace plume::image {

// [{name, version, digest, files, bytes, keys, stored_bytes, display_name, publisher}]; of a damaged image
// name, version, digest and "damaged": why.
Result<nlohmann::json> ListImages(const Store& store);
// Manifest and config of one image: name, version, digest, sizes, entry points, environment, packs, chunk
// counts.
Result<nlohmann::json> InspectImage(const Store& store, const std::string& ref);
// [{path, kind: "file"|"directory", size, modified, attributes, chunks, sha256}] in catalog order; path as a
// user reads it
// ("C:\Program Files\A\x.txt", "%PROFILE%\x").
Result<nlohmann::json> ListFiles(const Store& store, const std::string& ref);
// [{key, values: [{name, type, data}]}]; type "REG_SZ" etc., data as text, number, list of text or hex.
Result<nlohmann::json> ListRegistry(const Store& store, const std::string& ref);

// The catalog of an image: read, its digest checked, unpacked, structurally verified.
Result<os::Bytes> LoadCatalog(const Store& store, const Manifest& manifest);

struct VerifyReport {
  uint64_t files = 0, chunks = 0, packs = 0, bytes = 0;
};
// Proves an image: every blob present with its digest, catalog sound, every chunk decodes to its digest,
// every file's chunks give its content digest. kCorrupt names the first thing found wrong.
Result<VerifyReport> VerifyImage(
    const Store& store, const std::string& ref,
    const std::function<void(uint64_t done, uint64_t total)>& progress = nullptr);

}  // namespace plume::image
