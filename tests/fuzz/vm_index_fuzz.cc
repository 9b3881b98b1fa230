// The VM index is writable by every guest of its VM: a damaged one must not take other guests down. Applies
// damage to a small index, then searches, inserts and walks.
#include <cstdlib>
#include <cstring>
#include <vector>

#include "input.h"
#include "view/vm_index.h"

using namespace plume;
using view::VmIndex;

namespace {

// One mapping for all runs, as 128 MiB of fresh pages would be slow: touched pages are cleared again.
uint8_t* Memory() {
  static auto* memory = static_cast<uint8_t*>(std::calloc(1, VmIndex::kFileBytes));
  return memory;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  uint8_t* memory = Memory();
  VmIndex::Format(memory);
  VmIndex index;
  fuzz::Require(index.Attach(memory, VmIndex::kFileBytes), "a fresh index attaches");
  fuzz::Input input(data, size);
  std::vector<char16_t> storage(64);
  view::VPath path;
  // The records begin where the header's counter of used bytes points before the first insert.
  uint64_t arena = 0;
  std::memcpy(&arena, memory + 16, sizeof(arena));
  for (int i = 0; i < 4; ++i) {
    const char16_t text[] = {u'C', u':', u'\\', static_cast<char16_t>(u'a' + input.Byte() % 4)};
    fuzz::Require(view::ParseCanonical(view::WView(text, 4), storage, &path) == view::NameKind::kDrivePath,
                  "path");
    fuzz::Require(index.Set(path, 1, 1u << (i % 4)), "room");
    fuzz::Require((index.Flags(path, 1) & (1u << (i % 4))) != 0, "what is set is found");
  }
  while (!input.empty()) memory[arena + input.Number() % 256] ^= input.Byte();
  for (char16_t c = u'a'; c < u'f'; ++c) {
    const char16_t text[] = {u'C', u':', u'\\', c};
    fuzz::Require(view::ParseCanonical(view::WView(text, 4), storage, &path) == view::NameKind::kDrivePath,
                  "path");
    (void)index.Flags(path, 1);
    fuzz::Require(index.Set(path, 1, VmIndex::kUpper), "room");
    fuzz::Require((index.Flags(path, 1) & VmIndex::kUpper) != 0, "what is set is found");
  }
  uint64_t units = 0;
  index.ForEach([&](const VmIndex::Record& r) { units += r.Text().size(); });
  fuzz::Require(VmIndex::Recover(memory, VmIndex::kFileBytes), "recovers");
  // Clear what was touched: level 0 of the slots and the beginning of the arena.
  std::memset(memory, 0, 4096 + 8 * 16384 * 3);
  std::memset(memory + arena, 0, 4096);
  return 0;
}
