#include "key_population.h"

namespace plume::difftest {

const std::vector<std::u16string>& KeyNames() {
  // Neighbours in every sort order: case, a sign between the cases ('_'), a blank, a letter outside ASCII,
  // prefixes.
  static const std::vector<std::u16string> names = {u"a",       u"Aa",         u"B",   u"_x",
                                                    u"Key one", u"\u00c4rger", u"z[1]"};
  return names;
}

const std::vector<std::u16string>& ValueNames() {
  static const std::vector<std::u16string> names = {u"", u"v", u"V2", u"_n", u"Path", u"\u00e9t\u00e9"};
  return names;
}

PopulatedValue RandomValue(Random& random) {
  static constexpr uint32_t kTypes[] = {0, 1, 2, 3, 4, 5, 7, 11, 0x1234};
  static constexpr uint32_t kSizes[] = {0, 1, 2, 4, 4, 4, 8, 8, 22, 40, 100, 300};
  PopulatedValue value;
  value.name = ValueNames()[random.Below(static_cast<uint32_t>(ValueNames().size()))];
  value.type = kTypes[random.Below(9)];
  uint32_t size = kSizes[random.Below(12)];
  if (random.Chance(3)) size = 3000;
  if (random.Chance(1)) size = 70000;
  value.data.resize(size);
  for (auto& byte : value.data) byte = static_cast<uint8_t>(random.Next());
  return value;
}

namespace {

void PutValue(std::vector<PopulatedValue>& values, PopulatedValue value) {
  for (auto& v : values) {
    if (v.name == value.name) {
      v = std::move(value);
      return;
    }
  }
  values.push_back(std::move(value));
}

void Fill(PopulatedKey& key, Random& random, Source source, int depth) {
  uint32_t values = random.Below(4);
  for (uint32_t i = 0; i < values; ++i) PutValue(key.host_values, RandomValue(random));
  values = random.Below(4);
  for (uint32_t i = 0; i < values; ++i) PutValue(key.image_values, RandomValue(random));
  if (source == Source::kHost) key.image_values.clear();
  if (source == Source::kImage) key.host_values.clear();
  if (random.Chance(15) && !key.in_image) key.class_name = u"Class" + std::u16string(random.Below(5), u'c');
  if (depth == 0) return;
  for (const auto& name : KeyNames()) {
    if (!random.Chance(depth == 3 ? 55 : 30)) continue;
    PopulatedKey child;
    child.name = name;
    // A key of a layer needs its parent in that layer.
    uint32_t where = random.Below(3);
    if (source == Source::kHost) where = 0;
    if (source == Source::kImage) where = 1;
    child.on_host = key.on_host && where != 1;
    child.in_image = key.in_image && where != 0;
    if (!child.on_host && !child.in_image) (key.on_host ? child.on_host : child.in_image) = true;
    Fill(child, random, source, depth - 1);
    key.children.push_back(std::move(child));
  }
}

}  // namespace

PopulatedKey MakePopulation(uint64_t seed, Source source) {
  Random random(seed * 3 + static_cast<uint64_t>(source));
  PopulatedKey root;
  std::string digits = std::to_string(seed);
  root.name = u"s" + std::u16string(digits.begin(), digits.end());
  root.on_host = source != Source::kImage;
  root.in_image = source != Source::kHost;
  Fill(root, random, source, 3);
  return root;
}

}  // namespace plume::difftest
