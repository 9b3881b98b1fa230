// Catalogs from untrusted places: what Verify accepts, every reader function must survive.
#include <cstring>
#include <vector>

#include "catalog/reader.h"
#include "input.h"

using namespace plume;
using catalog::kNone;

namespace {

uint64_t Sum(view::WView text) {
  uint64_t sum = 0;
  for (char16_t c : text) sum += c;
  return sum;
}

volatile uint64_t sink;  // keeps the reads

void WalkEntries(const catalog::Reader& r) {
  for (uint32_t i = 0; i < r.entry_count(); ++i) {
    const catalog::Entry& e = r.entry(i);
    sink = sink + Sum(r.name(e)) + Sum(r.short_name(e));
    fuzz::Require(e.parent() <= i, "parents come first");
    if (e.parent() != i) fuzz::Require(r.Child(e.parent(), r.name(e)) == i, "child is found by name");
    if (e.short_length() != 0) sink = sink + r.ChildByShortName(e.parent(), r.short_name(e));
    uint64_t bytes = 0;
    for (uint32_t c = e.first_chunk(); c < e.first_chunk() + e.chunk_count(); ++c) {
      const catalog::Chunk* chunk = r.raw().chunks()->Get(r.raw().chunk_refs()->Get(c));
      bytes += chunk->size();
      sink = sink + r.raw().packs()->Get(chunk->pack())->size();
    }
    fuzz::Require(bytes == e.size(), "chunks make up the file");
    if (e.content() != kNone) sink = sink + r.raw().contents()->Get(e.content())->bytes()->Get(0);
  }
}

void WalkKeys(const catalog::Reader& r) {
  for (uint32_t i = 0; i < r.key_count(); ++i) {
    const catalog::Key& k = r.key(i);
    if (k.parent() != i) fuzz::Require(r.Subkey(k.parent(), r.name(k)) == i, "key is found by name");
    for (uint32_t v = k.first_value(); v < k.first_value() + k.value_count(); ++v) {
      const catalog::Value& value = r.value(v);
      fuzz::Require(r.FindValue(i, r.name(value)) <= v, "value is found by name");
      for (uint32_t b = 0; b < value.data_size(); ++b) sink = sink + r.data(value)[b];
    }
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::vector<uint64_t> aligned((size + 7) / 8);
  if (size > 0) std::memcpy(aligned.data(), data, size);
  if (!catalog::Reader::Verify(aligned.data(), size)) return 0;
  catalog::Reader r;
  fuzz::Require(r.Attach(aligned.data(), size), "a verified catalog attaches");
  WalkEntries(r);
  WalkKeys(r);
  for (const char* root : {"C", "Profile", "M", "CU"}) sink = sink + r.RootIndex(root);
  return 0;
}
