// Every rule of docs/formats/catalog.md has a test that breaks just that rule.
#include <gtest/gtest.h>

#include <functional>
#include <random>

#include "catalog/reader.h"
#include "catalog/testing.h"

namespace plume::catalog {
namespace {

using testing::Buffer;
using testing::Parts;

// Entries: 0 root C, 1 "a" (directory), 2 "b.txt" (file, 5 bytes), 3 "a\x" (file, 7 bytes). Keys: 0 M, 1 "K",
// 2 "L".
Parts Good() {
  return testing::Collect({{"C", u"a\\x", false, 7, u""}, {"C", u"b.txt", false, 5, u"B~1.TXT"}},
                          {{"M", u"K", {{u"v", 1, "abc"}}}, {"M", u"L", {}}});
}

bool Verifies(const Parts& parts) {
  const Buffer b = testing::Write(parts);
  return Reader::Verify(b.data(), b.size());
}

// Raw access to fields of the flat structs, by their documented offsets.
void Put32(void* row, size_t offset, uint32_t value) {
  std::memcpy(static_cast<char*>(row) + offset, &value, 4);
}
void Put16(void* row, size_t offset, uint16_t value) {
  std::memcpy(static_cast<char*>(row) + offset, &value, 2);
}
void Put64(void* row, size_t offset, uint64_t value) {
  std::memcpy(static_cast<char*>(row) + offset, &value, 8);
}

// Offsets in Entry, Key, Value, Chunk as the schema lays them out.
enum EntryField : size_t {
  kName = 0,
  kNameLength = 4,
  kFlags = 6,
  kParent = 12,
  kFirstChild = 16,
  kChildCount = 20,
  kFirstChunk = 24,
  kChunkCount = 28,
  kContent = 32,
  kSize = 40,
  kShortName = 64,
  kShortLength = 68
};
enum KeyField : size_t { kKeyParent = 8, kKeyFirstChild = 12, kKeyChildCount = 16, kKeyFirstValue = 20 };
enum ValueField : size_t { kValueData = 12, kValueSize = 16 };
enum ChunkField : size_t { kChunkSize = 32, kChunkStored = 36, kChunkOffset = 40, kChunkPack = 48 };

struct Break {
  const char* what;
  std::function<void(Parts*)> apply;
};

TEST(Verify, AcceptsTheUnbroken) {
  EXPECT_TRUE(Verifies(Good()));
  EXPECT_TRUE(Verifies(testing::Collect({}, {})));
  EXPECT_TRUE(Verifies(testing::Collect({{"C", u""}}, {{"M", u""}})));
}

TEST(Verify, RefusesEachBrokenRule) {
  const Break breaks[] = {
      {"version", [](Parts* p) { p->version = 0; }},
      {"name offset out of range", [](Parts* p) { Put32(&p->entries[1], kName, 1000); }},
      {"name length out of range", [](Parts* p) { Put16(&p->entries[1], kNameLength, 5000); }},
      {"name offset wraps", [](Parts* p) { Put32(&p->entries[1], kName, 0xffffffff); }},
      {"empty name", [](Parts* p) { Put16(&p->entries[1], kNameLength, 0); }},
      {"illegal name", [](Parts* p) { p->names[p->entries[3].name()] = u'\\'; }},
      {"dot name", [](Parts* p) { p->names[p->entries[3].name()] = u'.'; }},
      {"unknown flag", [](Parts* p) { Put16(&p->entries[2], kFlags, 4); }},
      {"PE directory", [](Parts* p) { Put16(&p->entries[1], kFlags, 3); }},
      {"file as parent", [](Parts* p) { Put32(&p->entries[3], kParent, 2); }},
      {"parent out of range", [](Parts* p) { Put32(&p->entries[3], kParent, 99); }},
      {"not in its parent's children", [](Parts* p) { Put32(&p->entries[1], kChildCount, 0); }},
      {"children out of range", [](Parts* p) { Put32(&p->entries[1], kChildCount, 2); }},
      {"child range wraps", [](Parts* p) { Put32(&p->entries[1], kChildCount, 0xffffffff); }},
      {"own child", [](Parts* p) { Put32(&p->entries[1], kFirstChild, 1); }},
      {"cycle",
       [](Parts* p) {
         Put32(&p->entries[1], kParent, 3);
         Put16(&p->entries[3], kFlags, kDirectory);
         Put32(&p->entries[3], kFirstChild, 1);
         Put32(&p->entries[3], kChildCount, 1);
       }},
      {"file with children", [](Parts* p) { Put16(&p->entries[1], kFlags, 0); }},
      {"root is a file", [](Parts* p) { Put16(&p->entries[0], kFlags, 0); }},
      {"children not sorted", [](Parts* p) { p->names[p->entries[1].name()] = u'c'; }},
      {"children equal when folded",
       [](Parts* p) {
         Put32(&p->entries[2], kName, static_cast<uint32_t>(p->names.size()));
         Put16(&p->entries[2], kNameLength, 1);
         p->names += u'A';
       }},
      {"short name out of range", [](Parts* p) { Put32(&p->entries[2], kShortName, 1 << 20); }},
      {"short name too long",
       [](Parts* p) {
         p->names += u"ABCDEFGHIJKLM";
         Put32(&p->entries[2], kShortName, static_cast<uint32_t>(p->names.size() - 13));
         Put16(&p->entries[2], kShortLength, 13);
       }},
      {"directory with content", [](Parts* p) { Put32(&p->entries[1], kContent, 0); }},
      {"directory with size", [](Parts* p) { Put64(&p->entries[1], kSize, 1); }},
      {"content out of range", [](Parts* p) { Put32(&p->entries[2], kContent, 2); }},
      {"size is not the chunks' sum", [](Parts* p) { Put64(&p->entries[2], kSize, 6); }},
      {"size beyond 2^63", [](Parts* p) { Put64(&p->entries[2], kSize, 1ull << 63); }},
      {"chunk references out of range", [](Parts* p) { Put32(&p->entries[2], kFirstChunk, 2); }},
      {"chunk count out of range", [](Parts* p) { Put32(&p->entries[2], kChunkCount, 0xffffffff); }},
      {"chunk reference out of range", [](Parts* p) { p->chunk_refs[0] = 2; }},
      {"empty chunk", [](Parts* p) { Put32(&p->chunks[0], kChunkSize, 0); }},
      {"unstored chunk", [](Parts* p) { Put32(&p->chunks[0], kChunkStored, 0); }},
      {"chunk beyond its pack", [](Parts* p) { Put64(&p->chunks[0], kChunkOffset, 8); }},
      {"chunk offset wraps", [](Parts* p) { Put64(&p->chunks[0], kChunkOffset, ~0ull); }},
      {"pack out of range", [](Parts* p) { Put32(&p->chunks[0], kChunkPack, 1); }},
      {"key name with separator", [](Parts* p) { p->names[p->keys[2].name()] = u'\\'; }},
      {"key parent out of range", [](Parts* p) { Put32(&p->keys[2], kKeyParent, 3); }},
      {"keys not sorted", [](Parts* p) { p->names[p->keys[2].name()] = u'J'; }},
      {"key values out of range", [](Parts* p) { Put32(&p->keys[1], kKeyFirstValue, 1); }},
      {"value data out of range", [](Parts* p) { Put32(&p->values[0], kValueData, 1); }},
      {"value size out of range", [](Parts* p) { Put32(&p->values[0], kValueSize, 4); }},
      {"value name out of range", [](Parts* p) { Put32(&p->values[0], 0, 1 << 20); }},
      {"root index out of range", [](Parts* p) { p->roots[0].index = 4; }},
      {"root is not a root", [](Parts* p) { p->roots[0].index = 1; }},
      {"root named twice",
       [](Parts* p) {
         p->roots.push_back({"D", 0, false});
       }},
      {"same root name", [](Parts* p) { p->roots[1].name = "c"; }},
      {"tree without root", [](Parts* p) { p->roots.erase(p->roots.begin()); }},
      {"root name climbs", [](Parts* p) { p->roots[0].name = ".."; }},
      {"root name empty", [](Parts* p) { p->roots[0].name = ""; }},
  };
  for (const Break& b : breaks) {
    Parts parts = Good();
    b.apply(&parts);
    EXPECT_FALSE(Verifies(parts)) << b.what;
  }
}

TEST(Verify, RefusesTruncationAndMisalignment) {
  Buffer b = testing::Write(Good());
  // The last few bytes may be padding.
  for (size_t n = 0; n + 8 < b.size(); ++n) ASSERT_FALSE(Reader::Verify(b.data(), n)) << n;
  EXPECT_FALSE(Reader::Verify(nullptr, 100));
  std::vector<uint64_t> room(b.size() / 8 + 2);
  char* odd = reinterpret_cast<char*>(room.data()) + 4;
  std::memcpy(odd, b.data(), b.size());
  EXPECT_FALSE(Reader::Verify(odd, b.size()));
}

// Flipped bits must never make Verify or a reader of what it accepted leave the buffer (run under ASan).
TEST(Verify, SurvivesFlippedBits) {
  const Buffer good = testing::Write(Good());
  std::mt19937 random(3);
  int accepted = 0;
  for (int round = 0; round < 20000; ++round) {
    Buffer b = good;
    auto* bytes = static_cast<uint8_t*>(b.data());
    for (unsigned n = 1 + random() % 3; n > 0; --n) bytes[random() % b.size()] ^= 1 << (random() % 8);
    if (!Reader::Verify(b.data(), b.size())) continue;
    ++accepted;
    const Reader r = b.reader();
    for (uint32_t i = 0; i < r.entry_count(); ++i) {
      ASSERT_EQ(i == r.entry(i).parent() ? i : r.Child(r.entry(i).parent(), r.name(r.entry(i))), i);
    }
  }
  EXPECT_GT(accepted, 0);
}

}  // namespace
}  // namespace plume::catalog
