// Builds the image catalog of a registry differential run: the image part of the populated trees.
//   key_catalog --root KEY --seed S --count N --source image|mixed --out FILE
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>

#include "catalog/writer.h"
#include "key_population.h"

namespace {

using plume::difftest::PopulatedKey;

void Add(const PopulatedKey& key, const std::u16string& above, plume::catalog::Input* input) {
  if (!key.in_image) return;
  plume::catalog::KeyNode node;
  node.root = "M";
  node.path = above + u"\\" + key.name;
  for (const auto& value : key.image_values) node.values.push_back({value.name, value.type, value.data});
  input->keys.push_back(node);
  for (const auto& child : key.children) Add(child, node.path, input);
}

}  // namespace

int main(int argc, char** argv) {
  std::string root, out, source = "image";
  uint64_t seed = 1;
  int count = 1;
  for (int i = 1; i + 1 < argc; i += 2) {
    if (!std::strcmp(argv[i], "--root")) root = argv[i + 1];
    if (!std::strcmp(argv[i], "--seed")) seed = std::strtoull(argv[i + 1], nullptr, 10);
    if (!std::strcmp(argv[i], "--count")) count = std::atoi(argv[i + 1]);
    if (!std::strcmp(argv[i], "--source")) source = argv[i + 1];
    if (!std::strcmp(argv[i], "--out")) out = argv[i + 1];
  }
  const std::string machine = "\\Registry\\Machine\\";
  if (root.rfind(machine, 0) != 0 || out.empty()) {
    std::fprintf(stderr,
                 "usage: key_catalog --root \\Registry\\Machine\\... --seed S --count N --source image|mixed "
                 "--out FILE\n");
    return 2;
  }
  plume::catalog::Input input;
  const std::u16string above(root.begin() + static_cast<long>(machine.size()), root.end());
  for (int i = 0; i < count; ++i) {
    Add(plume::difftest::MakePopulation(
            seed + static_cast<uint64_t>(i),
            source == "mixed" ? plume::difftest::Source::kMixed : plume::difftest::Source::kImage),
        above, &input);
  }
  const auto bytes = plume::catalog::Write(input);
  if (!bytes.ok()) {
    std::fprintf(stderr, "key_catalog: %s\n", bytes.error().message.c_str());
    return 1;
  }
  std::ofstream file(out, std::ios::binary);
  file.write(reinterpret_cast<const char*>(bytes->data()), static_cast<std::streamsize>(bytes->size()));
  return file.good() ? 0 : 1;
}
