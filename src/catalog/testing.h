// Makes small catalogs for tests of the reader, the lookup and the listings. Test code only; the real writer
// is src/image's.
#pragma once
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "base/utf16_bytes.h"
#include "catalog/reader.h"

namespace plume::catalog::testing {

struct TestEntry {
  std::string root;     // "C", "Profile"
  std::u16string path;  // "a\b"; directories above are made as needed; "" = only the root
  bool directory = false;
  uint64_t size = 0;  // > 0: one chunk
  std::u16string short_name = {};
  uint32_t attributes = 0x20;
  int64_t modified = 0;
};

struct TestValue {
  std::u16string name;
  uint32_t type = 1;
  std::string data = {};
};

// `text` and its end, as a value's data.
inline std::vector<uint8_t> Utf16Bytes(std::u16string_view text) {
  return BytesOf(std::u16string(text) + u'\0');
}

inline TestValue TextValue(std::u16string name, std::u16string_view text, uint32_t type = 1) {
  const std::vector<uint8_t> data = Utf16Bytes(text);
  return {std::move(name), type, std::string(data.begin(), data.end())};
}

struct TestKey {
  std::string root;  // "M", "CU"
  std::u16string path;
  std::vector<TestValue> values = {};
};

// The parts of a catalog before they are written, for tests that break one.
struct Parts {
  uint32_t version = kVersion;
  std::u16string names;
  std::vector<Entry> entries;
  std::vector<Key> keys;
  std::vector<Value> values;
  std::vector<uint8_t> data;
  std::vector<Sha256> contents;
  std::vector<uint32_t> chunk_refs;
  std::vector<Chunk> chunks;
  std::vector<Pack> packs;
  struct RootRow {
    std::string name;
    uint32_t index;
    bool registry;
  };
  std::vector<RootRow> roots;
};

// A catalog in memory, aligned as Reader needs it.
class Buffer {
 public:
  explicit Buffer(const std::vector<uint8_t>& bytes);
  const void* data() const { return words_.data(); }
  void* data() { return words_.data(); }
  size_t size() const { return size_; }
  Reader reader() const {  // a default one if the buffer cannot be read
    Reader r;
    r.Attach(data(), size());
    return r;
  }

 private:
  std::vector<uint64_t> words_;
  size_t size_;
};

Parts Collect(const std::vector<TestEntry>& entries, const std::vector<TestKey>& keys);
Buffer Write(const Parts& parts);
inline Buffer Build(const std::vector<TestEntry>& entries, const std::vector<TestKey>& keys) {
  return Write(Collect(entries, keys));
}

}  // namespace plume::catalog::testing
