#include "view/system_lists.h"

#include <gtest/gtest.h>

#include <cstring>
#include <string>
#include <vector>

namespace plume::view {
namespace {

// A list as the system makes it: entries one behind the other, the name at each one's end.
struct Entry {
  uintptr_t id;
  std::u16string name;
  uint32_t threads = 1;
};

std::vector<uint8_t> MakeList(const std::vector<Entry>& entries, size_t odd = 0) {
  constexpr size_t kHead = 0x100, kThread = 0x50;
  size_t total = 0;
  for (const Entry& e : entries) total += kHead + e.threads * kThread + e.name.size() * 2 + 2 + odd;
  std::vector<uint8_t> list(total, 0xee);
  size_t at = 0;
  for (size_t i = 0; i < entries.size(); ++i) {
    const Entry& e = entries[i];
    const size_t name_at = kHead + e.threads * kThread, size = name_at + e.name.size() * 2 + 2 + odd;
    const uint32_t next = i + 1 < entries.size() ? static_cast<uint32_t>(size) : 0;
    const auto bytes = static_cast<uint16_t>(e.name.size() * 2), most = static_cast<uint16_t>(bytes + 2);
    const uintptr_t pointer = reinterpret_cast<uintptr_t>(list.data()) + at + name_at;
    std::memcpy(&list[at], &next, 4);
    std::memcpy(&list[at + 4], &e.threads, 4);
    std::memcpy(&list[at + 0x38], &bytes, 2);
    std::memcpy(&list[at + 0x3a], &most, 2);
    std::memcpy(&list[at + 0x40], &pointer, 8);
    std::memcpy(&list[at + 0x50], &e.id, 8);
    std::memcpy(&list[at + name_at], e.name.data(), bytes);
    at += size;
  }
  return list;
}

// Reads a filtered list that was copied to `home`.
std::vector<Entry> ReadList(const std::vector<uint8_t>& copy, uintptr_t home) {
  std::vector<Entry> out;
  for (size_t at = 0;;) {
    Entry e;
    uint32_t next;
    uint16_t bytes;
    uintptr_t pointer;
    std::memcpy(&next, &copy[at], 4);
    std::memcpy(&e.threads, &copy[at + 4], 4);
    std::memcpy(&bytes, &copy[at + 0x38], 2);
    std::memcpy(&pointer, &copy[at + 0x40], 8);
    std::memcpy(&e.id, &copy[at + 0x50], 8);
    if (pointer) {
      EXPECT_GE(pointer, home);
      EXPECT_LE(pointer - home + bytes, copy.size());
      e.name.resize(bytes / 2);
      std::memcpy(e.name.data(), &copy[pointer - home], bytes);
    }
    out.push_back(e);
    if (!next) return out;
    at += next;
  }
}

TEST(ProcessList, KeepsMembers) {
  for (const size_t odd : {size_t{0}, size_t{2}}) {  // Wine does not align its entries
    const uintptr_t ids[] = {36, 8, 999};
    auto list = MakeList({{8, u"a.exe"}, {12, u"secret.exe", 7}, {36, u"", 0}, {40, u"last.exe"}}, odd);
    const uintptr_t home = 0x7000;
    const size_t bytes = FilterProcessList(list, {ids}, home);
    ASSERT_GT(bytes, 0u);
    list.resize(bytes);
    const auto left = ReadList(list, home);
    ASSERT_EQ(left.size(), 2u);
    EXPECT_EQ(left[0].id, 8u);
    EXPECT_EQ(left[0].name, u"a.exe");
    EXPECT_EQ(left[1].id, 36u);
    EXPECT_EQ(left[1].threads, 0u);
    const std::string text(list.begin(), list.end());
    EXPECT_EQ(text.find(std::string("s\0e\0c\0", 6)), text.npos);
  }
}

TEST(ProcessList, LastAndAll) {
  const uintptr_t ids[] = {1, 2, 3};
  auto list = MakeList({{1, u"a"}, {2, u"b"}, {3, u"c"}});
  const size_t size = list.size();
  EXPECT_EQ(FilterProcessList(list, {ids}, 0x9000), size);
  EXPECT_EQ(ReadList(list, 0x9000).size(), 3u);
  auto last = MakeList({{7, u"a"}, {8, u"b"}, {3, u"c"}});
  last.resize(FilterProcessList(last, {ids}, 0x9000));
  const auto left = ReadList(last, 0x9000);
  ASSERT_EQ(left.size(), 1u);
  EXPECT_EQ(left[0].name, u"c");
}

TEST(ProcessList, NobodyOrMalformed) {
  const uintptr_t ids[] = {5};
  auto list = MakeList({{1, u"a"}, {2, u"b"}});
  EXPECT_EQ(FilterProcessList(list, {ids}, 0), 0u);
  const uintptr_t first[] = {1};
  auto beyond = MakeList({{1, u"a"}, {2, u"b"}});
  const uint32_t far = 1u << 30, near = 8;
  std::memcpy(beyond.data(), &far, 4);
  EXPECT_EQ(FilterProcessList(beyond, {first}, 0), 0u);
  std::memcpy(beyond.data(), &near, 4);
  EXPECT_EQ(FilterProcessList(beyond, {first}, 0), 0u);
  EXPECT_EQ(FilterProcessList({beyond.data(), 10}, {first}, 0), 0u);
  EXPECT_EQ(FilterProcessList({}, {first}, 0), 0u);
}

TEST(ProcessList, ForeignNameIsDropped) {
  const uintptr_t ids[] = {1};
  auto list = MakeList({{1, u"a"}});
  const uintptr_t elsewhere = 0x1234;
  std::memcpy(&list[0x40], &elsewhere, 8);
  ASSERT_GT(FilterProcessList(list, {ids}, 0x9000), 0u);
  uintptr_t pointer;
  uint16_t length;
  std::memcpy(&pointer, &list[0x40], 8);
  std::memcpy(&length, &list[0x38], 2);
  EXPECT_EQ(pointer, 0u);
  EXPECT_EQ(length, 0u);
}

TEST(HandleList, Plain) {
  std::vector<uint8_t> list(8 + 3 * 24, 0);
  const uint32_t count = 3;
  std::memcpy(list.data(), &count, 4);
  const uint32_t owners[] = {0x12345, 7, 0x2345};
  for (int i = 0; i < 3; ++i) std::memcpy(&list[8 + i * 24], &owners[i], 4);
  const uintptr_t ids[] = {0x2345};
  auto wide = list;
  EXPECT_EQ(FilterHandleList(wide, false, false, {ids}), 8u + 24);
  uint32_t left;
  std::memcpy(&left, &wide[8], 4);
  EXPECT_EQ(left, 0x2345u);
  const uintptr_t large[] = {0x70007};  // 16 bits of it are what the list has
  EXPECT_EQ(FilterHandleList(list, false, true, {large}), 8u + 24);
  std::memcpy(&left, &list[0], 4);
  EXPECT_EQ(left, 1u);
}

TEST(HandleList, Extended) {
  std::vector<uint8_t> list(16 + 2 * 40, 0);
  const uintptr_t count = 2, owner = 44;
  std::memcpy(list.data(), &count, 8);
  std::memcpy(&list[16 + 40 + 8], &owner, 8);
  const uintptr_t ids[] = {44};
  EXPECT_EQ(FilterHandleList(list, true, false, {ids}), 16u + 40);
  uintptr_t first;
  std::memcpy(&first, &list[16 + 8], 8);
  EXPECT_EQ(first, 44u);
  const uintptr_t many = 3;
  std::memcpy(list.data(), &many, 8);
  EXPECT_EQ(FilterHandleList({list.data(), 16 + 40}, true, false, {ids}), 0u);
  EXPECT_EQ(FilterHandleList({list.data(), 4}, true, false, {ids}), 0u);
}

}  // namespace
}  // namespace plume::view
