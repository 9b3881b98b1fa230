#include "vl/low/memory.h"

#include <gtest/gtest.h>

#include <cstring>
#include <random>
#include <thread>
#include <vector>

namespace plume::vl {
namespace {

TEST(Heap, BlocksAreAlignedAndDisjoint) {
  std::mt19937 random(1);
  struct Block {
    uint8_t* at;
    size_t size;
    uint8_t mark;
  };
  std::vector<Block> live;
  for (int i = 0; i < 20000; ++i) {
    if (live.size() > 300 || (!live.empty() && random() % 3 == 0)) {
      const size_t pick = random() % live.size();
      for (size_t k = 0; k < live[pick].size; k += 61) ASSERT_EQ(live[pick].at[k], live[pick].mark);
      HeapFree(live[pick].at);
      live[pick] = live.back();
      live.pop_back();
      continue;
    }
    const size_t size = random() % (random() % 20 == 0 ? 100000 : 3000);
    auto* at = static_cast<uint8_t*>(HeapAlloc(size));
    ASSERT_NE(at, nullptr);
    ASSERT_EQ(reinterpret_cast<uintptr_t>(at) % 16, 0u);
    const auto mark = static_cast<uint8_t>(random());
    std::memset(at, mark, size);
    live.push_back({at, size, mark});
  }
  for (const Block& b : live) HeapFree(b.at);
}

TEST(Heap, FreedBlocksAreUsedAgain) {
  void* a = HeapAlloc(100);
  HeapFree(a);
  EXPECT_EQ(HeapAlloc(100), a);
  HeapFree(a);
  HeapFree(nullptr);
}

TEST(Heap, ImpossibleSizes) {
  EXPECT_EQ(HeapAlloc(SIZE_MAX), nullptr);
  EXPECT_EQ(HeapAlloc(SIZE_MAX - 8), nullptr);
}

TEST(Heap, ManyThreads) {
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([t] {
      std::mt19937 random(t);
      std::vector<std::pair<uint8_t*, size_t>> live;
      for (int i = 0; i < 5000; ++i) {
        const size_t size = 1 + random() % 500;
        auto* at = static_cast<uint8_t*>(HeapAlloc(size));
        std::memset(at, t, size);
        live.emplace_back(at, size);
        if (live.size() < 50) continue;
        const auto [old, old_size] = live[random() % live.size()];
        for (size_t k = 0; k < old_size; ++k) ASSERT_EQ(old[k], t);
        std::erase_if(live, [&](auto& b) { return b.first == old; });
        HeapFree(old);
      }
      for (auto& b : live) HeapFree(b.first);
    });
  }
  for (auto& t : threads) t.join();
}

TEST(CallScratch, GivesAlignedSeparateMemory) {
  CallScratch scratch;
  auto* a = static_cast<uint8_t*>(scratch.Alloc(3, 1));
  auto* b = static_cast<uint8_t*>(scratch.Alloc(100, 64));
  ASSERT_NE(a, nullptr);
  EXPECT_EQ(reinterpret_cast<uintptr_t>(b) % 64, 0u);
  EXPECT_GE(b, a + 3);
  struct Zeroed {
    int x[4];
  };
  auto* z = scratch.New<Zeroed>();
  EXPECT_EQ(z->x[3], 0);
  EXPECT_EQ(scratch.Units(SIZE_MAX / 2), nullptr);
}

TEST(CallScratch, GrowsBeyondOneContext) {
  CallScratch scratch;
  std::vector<uint8_t*> blocks;
  for (int i = 0; i < 64; ++i) {
    auto* at = static_cast<uint8_t*>(scratch.Alloc(60000));
    ASSERT_NE(at, nullptr);
    std::memset(at, i, 60000);
    blocks.push_back(at);
  }
  for (int i = 0; i < 64; ++i) {
    EXPECT_EQ(blocks[i][0], i);
    EXPECT_EQ(blocks[i][59999], i);
  }
}

TEST(CallScratch, ContextsAreReused) {
  void* first;
  {
    CallScratch scratch;
    first = scratch.Alloc(16);
  }
  CallScratch again;
  EXPECT_EQ(again.Alloc(16), first);
}

TEST(CallScratch, NestedAndConcurrent) {
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([t] {
      for (int i = 0; i < 3000; ++i) {
        CallScratch outer, inner;
        auto* a = outer.Array<int>(100);
        auto* b = inner.Array<int>(100);
        for (int k = 0; k < 100; ++k) a[k] = t * 1000 + k, b[k] = -k;
        for (int k = 0; k < 100; ++k) ASSERT_TRUE(a[k] == t * 1000 + k && b[k] == -k);
      }
    });
  }
  for (auto& t : threads) t.join();
}

}  // namespace
}  // namespace plume::vl
