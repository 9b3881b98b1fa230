#include "vl/low/handles.h"

#include <gtest/gtest.h>

#include <atomic>
#include <random>
#include <thread>
#include <vector>

namespace plume::vl {
namespace {

view::VPath Path(const char16_t* text, std::vector<char16_t>* storage) {
  storage->resize(1024);
  view::VPath path{};
  EXPECT_EQ(view::ParseCanonical(text, *storage, &path), view::NameKind::kDrivePath);
  return path;
}

nt::Handle H(uintptr_t v) { return reinterpret_cast<nt::Handle>(v); }

TEST(HandleTable, RemembersPathAndFacts) {
  static HandleTable table;
  std::vector<char16_t> storage;
  const view::VPath path = Path(u"C:\\Program Files\\A", &storage);
  HandleInfo* info = NewHandleInfo(HandleKind::kDirectory, path);
  info->source = Source::kUpper;
  table.Insert(H(0x44), info);
  HandleRef found = table.Find(H(0x44));
  ASSERT_TRUE(found);
  EXPECT_EQ(found->Path(), view::WView(u"C:\\Program Files\\A"));
  EXPECT_EQ(found->depth, 2);
  EXPECT_EQ(found->hash, path.hash[2]);
  EXPECT_EQ(found->source, Source::kUpper);
  EXPECT_TRUE(table.Find(H(0x45))) << "tag bits of a handle do not count";
  EXPECT_FALSE(table.Find(H(0x48)));
  table.Remove(H(0x44));
  EXPECT_FALSE(table.Find(H(0x44)));
  EXPECT_EQ(found->Path().size(), 18u) << "a reference outlives the close";
}

TEST(HandleTable, ReusedValueReplacesTheOldEntry) {
  static HandleTable table;
  std::vector<char16_t> storage;
  table.Insert(H(8), NewHandleInfo(HandleKind::kFile, Path(u"C:\\old", &storage)));
  table.Insert(H(8), NewHandleInfo(HandleKind::kFile, Path(u"C:\\new", &storage)));
  EXPECT_EQ(table.Find(H(8))->Path(), view::WView(u"C:\\new"));
  table.Remove(H(8));
  EXPECT_FALSE(table.Find(H(8)));
  table.Remove(H(8));
}

std::atomic<int> g_destroyed{0};

TEST(HandleTable, ExtensionIsSetOnceAndDestroyedLast) {
  static HandleTable table;
  static int one, two;
  g_destroyed = 0;
  auto destroy = [](void*) { ++g_destroyed; };
  std::vector<char16_t> storage;
  table.Insert(H(12), NewHandleInfo(HandleKind::kDirectory, Path(u"C:\\d", &storage)));
  HandleRef ref = table.Find(H(12));
  EXPECT_EQ(ref->SetExtension(&one, destroy), &one);
  EXPECT_EQ(ref->SetExtension(&two, destroy), &one) << "the first one wins";
  EXPECT_EQ(g_destroyed, 1) << "the loser's is destroyed";
  table.Insert(H(16), ref.Share());
  table.Remove(H(12));
  ref.Reset();
  EXPECT_EQ(g_destroyed, 1) << "the duplicate still uses it";
  table.Remove(H(16));
  EXPECT_EQ(g_destroyed, 2);
}

TEST(HandleTable, CopyLeavesTheExtension) {
  static int one;
  std::vector<char16_t> storage;
  HandleRef a(NewHandleInfo(HandleKind::kKey, Path(u"C:\\x\\y", &storage)));
  a->SetExtension(&one, [](void*) {});
  a->access = 7;
  HandleRef b(CopyHandleInfo(*a.get()));
  EXPECT_EQ(b->Path(), a->Path());
  EXPECT_EQ(b->access, 7u);
  EXPECT_EQ(b->extension.load(), nullptr);
}

TEST(HandleTable, RacingClosesAndUses) {
  static HandleTable table;
  std::atomic<bool> stop{false};
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([t, &stop] {
      std::mt19937 random(t);
      std::vector<char16_t> storage;
      const view::VPath path = Path(u"C:\\some\\where\\else", &storage);
      while (!stop) {
        const nt::Handle h = H(4 + 4 * (random() % 200));
        switch (random() % 3) {
          case 0:
            table.Insert(h, NewHandleInfo(HandleKind::kFile, path));
            break;
          case 1:
            table.Remove(h);
            break;
          default:
            if (HandleRef ref = table.Find(h)) {
              ASSERT_EQ(ref->Path(), path.text);
            }
        }
      }
    });
  }
  std::this_thread::sleep_for(std::chrono::milliseconds(300));
  stop = true;
  for (auto& t : threads) t.join();
}

}  // namespace
}  // namespace plume::vl
