// Small contents for tests of this and other folders: files with reproducible bytes in a temporary folder.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "image/content.h"
#include "os/file.h"
#include "os/test_folder.h"

namespace plume::image::testing {

// `size` bytes that do not compress, from a seed (a 64-bit LCG: the same on every platform).
inline std::string Noise(uint64_t seed, size_t size) {
  std::string out(size, '\0');
  uint64_t state = seed * 2862933555777941757u + 3037000493u;
  for (char& c : out) {
    state = state * 6364136223846793005u + 1442695040888963407u;
    c = static_cast<char>(state >> 56);
  }
  return out;
}

class TestContent {
 public:
  explicit TestContent(const std::string& name = "notes", const std::string& version = "1.0") {
    content.config.name = name;
    content.config.version = version;
    content.config.entry_points = {{"main", "Main", "C:\\Program Files\\Notes\\notes.exe", "", ""}};
  }
  // `path` below drive C, with backslashes.
  void Add(const std::u16string& path, const std::string& bytes) {
    const os::Path source = folder_ / ("f" + std::to_string(content.files.size()));
    (void)os::WriteAtomic(os::SystemFiles(), source, bytes);
    FileItem item;
    item.root = "C";
    item.path = path;
    item.attributes = 0x20;
    item.created = item.modified = 132000000000000000;
    item.source = source;
    content.files.push_back(std::move(item));
  }
  // A program with its parts: a PE, text, an empty file, a duplicate, 600 KB of noise, a key.
  void AddSample() {
    std::string pe =
        "MZ" + std::string(0x3a, '\0') + std::string("\x40\0\0\0PE\0\0", 8) + std::string(500, 'p');
    Add(u"Program Files\\Notes\\notes.exe", pe);
    Add(u"Program Files\\Notes\\readme.txt", "read me\r\n");
    Add(u"Program Files\\Notes\\empty.dat", "");
    Add(u"Program Files\\Notes\\copy of readme.txt", "read me\r\n");
    Add(u"Program Files\\Notes\\data\\big.bin", Noise(1, 600'000));
    content.keys.push_back({"M",
                            u"Software\\Notes",
                            132000000000000000,
                            {{u"", 1, {'N', 0, 0, 0}},
                             {u"Level", 4, {3, 0, 0, 0}},
                             {u"List", 7, {'a', 0, 0, 0, 'b', 0, 0, 0, 0, 0}}}});
    content.keys.push_back({"CU", u"Software\\Notes\\Recent", 0, {}});
  }
  // The content of tests/golden/image_v1.
  void AddGolden() {
    AddSample();
    content.files.pop_back();  // keeps the golden files small
    Add(u"Program Files\\Notes\\data\\big.bin", std::string(40'000, 'z') + Noise(2, 100));
  }

  Content content;

 private:
  os::testing::TestFolder folder_;
};

}  // namespace plume::image::testing
