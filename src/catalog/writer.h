// Writes a catalog (catalog.fbs): plain lists in, one verified-by-construction flat buffer out. Hosted.
//
// Deterministic: the output depends on the set of nodes, not on their order. Missing parent directories and
// keys are made (directory, modified 0). Children of a directory or key are contiguous and sorted by
// NT-upcased name.
#pragma once
#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"
#include "catalog/catalog_generated.h"

namespace plume::catalog {

using DigestBytes = std::array<uint8_t, 32>;

struct FileNode {
  std::string root;     // "C", "Profile"
  std::u16string path;  // below the root, with backslashes; "" = the root itself
  bool directory = false;
  bool pe = false;
  uint32_t attributes = 0;
  int64_t created = 0, modified = 0;
  std::u16string short_name{};
  uint64_t size = 0;
  DigestBytes content{};           // SHA-256 of the whole file; ignored if size is 0
  std::vector<uint32_t> chunks{};  // indices into Input::chunks, in order
};

struct ValueNode {
  std::u16string name;
  uint32_t type = 0;
  std::vector<uint8_t> data{};
};

struct KeyNode {
  std::string root;  // "M", "CU"
  std::u16string path;
  int64_t modified = 0;
  std::vector<ValueNode> values{};
};

struct ChunkNode {
  DigestBytes digest{};
  uint32_t size = 0, stored = 0;
  uint64_t offset = 0;
  uint32_t pack = 0;
};

struct PackNode {
  DigestBytes digest{};
  uint64_t size = 0;
};

struct Input {
  std::vector<FileNode> files;
  std::vector<KeyNode> keys;
  std::vector<ChunkNode> chunks;
  std::vector<PackNode> packs;
};

// kInvalid names the offending path: two names equal when folded, a file that has children, an illegal name
// (empty, ".", "..", a control character or one of \/:*?"<>| in a file name; a backslash in a key), chunk
// sizes that do not add up to the size.
Result<std::vector<uint8_t>> Write(const Input& input);

}  // namespace plume::catalog
