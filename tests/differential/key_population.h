// The key tree a differential sequence starts from, made from a seed alone: the bare program, the host
// population of the virtual machine and the image builder all derive the same tree. Portable.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

namespace plume::difftest {

// A small generator of our own: the same numbers on every compiler (std distributions differ).
class Random {
 public:
  explicit Random(uint64_t seed) : state_(seed * 0x9e3779b97f4a7c15ull + 0x632be59bd9b4e019ull) { Next(); }
  uint64_t Next() {
    uint64_t z = (state_ += 0x9e3779b97f4a7c15ull);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
    return z ^ (z >> 31);
  }
  uint32_t Below(uint32_t n) { return static_cast<uint32_t>(Next() % n); }
  bool Chance(uint32_t percent) { return Below(100) < percent; }

 private:
  uint64_t state_;
};

struct PopulatedValue {
  std::u16string name;
  uint32_t type = 0;
  std::vector<uint8_t> data;
};

struct PopulatedKey {
  std::u16string name;
  std::u16string class_name;  // host keys only: an image has no class names
  bool on_host = false, in_image = false;
  std::vector<PopulatedValue> host_values, image_values;
  std::vector<PopulatedKey> children;
};

// Where the tree of a run lives.
enum class Source { kHost, kImage, kMixed };

// The pools both the population and the operations draw from.
const std::vector<std::u16string>& KeyNames();
const std::vector<std::u16string>& ValueNames();
PopulatedValue RandomValue(Random& random);

// The tree of one sequence. Its root is named "s<seed>".
PopulatedKey MakePopulation(uint64_t seed, Source source);

}  // namespace plume::difftest
