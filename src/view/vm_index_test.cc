#include "view/vm_index.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <map>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "base/utf16.h"

namespace plume::view {
namespace {

// A shared mapping of an index file, as guests have it.
class Mapping {
 public:
  Mapping() {
    file_ = std::tmpfile();
    if (ftruncate(fileno(file_), VmIndex::kFileBytes) != 0) return;
    memory_ = mmap(nullptr, VmIndex::kFileBytes, PROT_READ | PROT_WRITE, MAP_SHARED, fileno(file_), 0);
  }
  ~Mapping() {
    munmap(memory_, VmIndex::kFileBytes);
    std::fclose(file_);
  }
  void* memory() const { return memory_; }
  // A second view of the same file.
  void* MapAgain() const {
    return mmap(nullptr, VmIndex::kFileBytes, PROT_READ | PROT_WRITE, MAP_SHARED, fileno(file_), 0);
  }

 private:
  FILE* file_;
  void* memory_ = nullptr;
};

struct Path : VPath {
  explicit Path(const std::u16string& canonical) : room(canonical.size()) {
    EXPECT_NE(ParseCanonical(canonical, room, this), NameKind::kInvalid) << ToUtf8(canonical);
  }
  Path(const Path&) = delete;
  std::vector<char16_t> room;
};

std::u16string Numbered(int i) {
  return u"C:\\dir" + FromUtf8Lossy(std::to_string(i % 97) + "\\file" + std::to_string(i));
}

class VmIndexTest : public ::testing::Test {
 protected:
  void SetUp() override {
    VmIndex::Format(map_.memory());
    ASSERT_TRUE(index_.Attach(map_.memory(), VmIndex::kFileBytes));
  }
  Mapping map_;
  VmIndex index_;
};

TEST_F(VmIndexTest, RefusesWhatItDidNotFormat) {
  Mapping empty;
  VmIndex other;
  EXPECT_FALSE(other.Attach(empty.memory(), VmIndex::kFileBytes));
  EXPECT_FALSE(other.Attach(nullptr, VmIndex::kFileBytes));
  EXPECT_FALSE(other.Attach(map_.memory(), VmIndex::kFileBytes - 1));
  EXPECT_TRUE(other.Attach(map_.memory(), VmIndex::kFileBytes));
  static_cast<uint32_t*>(map_.memory())[1] = 1;  // version
  EXPECT_FALSE(other.Attach(map_.memory(), VmIndex::kFileBytes));
}

TEST_F(VmIndexTest, FlagsGatherOnOneRecord) {
  const Path p(u"C:\\Dir\\File.txt");
  EXPECT_EQ(index_.Find(p, 2), nullptr);
  EXPECT_EQ(index_.Flags(p, 2), 0u);
  ASSERT_TRUE(index_.Set(p, 2, VmIndex::kUpper));
  const VmIndex::Record* record = index_.Find(p, 2);
  ASSERT_NE(record, nullptr);
  EXPECT_EQ(record->Text(), u"C:\\Dir\\File.txt");
  const Path same(u"c:\\DIR\\file.TXT");
  ASSERT_TRUE(index_.Set(same, 2, VmIndex::kSubtreeUpper));
  EXPECT_EQ(index_.Find(same, 2), record);
  EXPECT_EQ(index_.Flags(p, 2), VmIndex::kUpper | VmIndex::kSubtreeUpper);
  EXPECT_EQ(index_.Flags(p, 1), 0u);
  EXPECT_EQ(index_.Flags(p, 0), 0u);
}

TEST_F(VmIndexTest, WhiteoutMarksTheDirectory) {
  const Path p(u"C:\\Dir\\File.txt");
  ASSERT_TRUE(index_.Set(p, 2, VmIndex::kWhiteout));
  EXPECT_EQ(index_.Flags(p, 2), VmIndex::kWhiteout);
  EXPECT_EQ(index_.Flags(p, 1), VmIndex::kChildWhiteout);
  EXPECT_EQ(index_.Flags(p, 0), 0u);
  const Path root(u"M");
  ASSERT_TRUE(index_.Set(root, 0, VmIndex::kWhiteout));
  EXPECT_EQ(index_.Flags(root, 0), VmIndex::kWhiteout);
}

TEST_F(VmIndexTest, FindsChildrenByName) {
  const Path p(u"C:\\Dir\\File.txt");
  ASSERT_TRUE(index_.Set(p, 2, VmIndex::kUpper));
  const Path dir(u"C:\\dir");
  EXPECT_EQ(index_.FindChild(dir, u"FILE.TXT"), index_.Find(p, 2));
  EXPECT_EQ(index_.FindChild(dir, u"File.tx"), nullptr);
}

TEST_F(VmIndexTest, HoldsManyOverSeveralLevels) {
  constexpr int kPaths = 60000;  // levels 0 to 2 have 74752 slots
  for (int i = 0; i < kPaths; ++i) {
    const Path p(Numbered(i));
    ASSERT_TRUE(index_.Set(p, 2, 1u << (i % 2)));
  }
  for (int i = 0; i < kPaths; ++i) {
    const Path p(Numbered(i));
    ASSERT_EQ(index_.Flags(p, 2), 1u << (i % 2)) << i;
  }
  for (int i = kPaths; i < kPaths + 1000; ++i) ASSERT_EQ(index_.Find(Path(Numbered(i)), 2), nullptr);
  std::map<std::u16string, int> seen;
  index_.ForEach([&](const VmIndex::Record& r) { ++seen[std::u16string(r.Text())]; });
  EXPECT_EQ(seen.size(), size_t{kPaths} + 97) << "and the 97 directories, for kChildWhiteout";
  for (const auto& [text, count] : seen) ASSERT_EQ(count, 1) << ToUtf8(text);
}

// A disk that is full: only provided pages may be written (any other write is a fault, as in a guest), and no
// more than the budget are.
int g_budget = 0;
bool ProvideWithinBudget(void* at) {
  const auto page = reinterpret_cast<uintptr_t>(at) & ~uintptr_t{4095};
  return g_budget-- > 0 && mprotect(reinterpret_cast<void*>(page), 4096, PROT_READ | PROT_WRITE) == 0;
}

TEST_F(VmIndexTest, WritesOnlyProvidedPages) {
  auto* memory = static_cast<uint8_t*>(map_.memory());
  ASSERT_EQ(mprotect(memory + VmIndex::kHeaderBytes, VmIndex::kFileBytes - VmIndex::kHeaderBytes, PROT_READ),
            0);
  VmIndex index;
  ASSERT_TRUE(index.Attach(memory, VmIndex::kFileBytes, ProvideWithinBudget));
  int attempts = 0, refused = 0;
  for (int i = 0; i < 2000; ++i) {
    const Path p(Numbered(i));
    for (;; ++refused) {
      const int given = g_budget = attempts++ % 7;
      if (index.Set(p, 2, VmIndex::kWhiteout)) break;
      ASSERT_LT(given, 6) << "a path and its directory: two slots, two records of at most two pages";
      EXPECT_EQ(index.Flags(p, 2), 0u);
    }
    ASSERT_EQ(index.Flags(p, 2), VmIndex::kWhiteout);
    g_budget = 0;
    EXPECT_TRUE(index.Set(p, 2, VmIndex::kUpper)) << "flags of a record that is there take no room";
  }
  EXPECT_GT(refused, 500);
  ASSERT_EQ(mprotect(memory, VmIndex::kFileBytes, PROT_READ | PROT_WRITE), 0);
  int found = 0;
  index_.ForEach([&](const VmIndex::Record&) { ++found; });
  EXPECT_EQ(found, 2000 + 97);
}

TEST_F(VmIndexTest, RefusalsUseUpNothing) {
  VmIndex index;
  ASSERT_TRUE(index.Attach(map_.memory(), VmIndex::kFileBytes, [](void*) { return false; }));
  uint64_t before, after;  // the arena's counter
  std::memcpy(&before, static_cast<uint8_t*>(map_.memory()) + 16, 8);
  for (int i = 0; i < 100; ++i) EXPECT_FALSE(index.Set(Path(Numbered(i)), 2, VmIndex::kUpper));
  std::memcpy(&after, static_cast<uint8_t*>(map_.memory()) + 16, 8);
  EXPECT_EQ(before, after);
}

TEST_F(VmIndexTest, SaysWhenFull) {
  std::u16string text = u"C:";
  while (text.size() < 30000) text += u"\\" + std::u16string(250, u'x');
  int stored = 0;
  bool full = false;
  for (; stored < 4000 && !full; ++stored) {
    const Path p(text + u"\\" + FromUtf8Lossy(std::to_string(stored)));
    full = !index_.Set(p, p.depth, VmIndex::kUpper);
  }
  EXPECT_TRUE(full);
  EXPECT_GT(stored, 1000);
  const Path old(text + u"\\0");
  EXPECT_EQ(index_.Flags(old, old.depth), VmIndex::kUpper);
  const Path small(u"C:\\s");
  EXPECT_TRUE(index_.Set(small, 1, VmIndex::kUpper)) << "a short record still fits";
}

TEST_F(VmIndexTest, ThreadsOnTheSamePaths) {
  constexpr int kThreads = 4, kPaths = 3000;
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([this, t] {
      VmIndex mine;
      ASSERT_TRUE(mine.Attach(map_.memory(), VmIndex::kFileBytes));
      for (int i = 0; i < kPaths; ++i) {
        const Path p(Numbered(i));
        ASSERT_TRUE(mine.Set(p, 2, 1u << (4 + t)));
        ASSERT_NE(mine.Flags(p, 2) & (1u << (4 + t)), 0u);
      }
    });
  }
  for (std::thread& t : threads) t.join();
  int records = 0;
  index_.ForEach([&](const VmIndex::Record& r) {
    ++records;
    EXPECT_EQ(r.flags.load(), 0xf0u) << ToUtf8(r.Text());
  });
  EXPECT_EQ(records, kPaths);
}

// All threads insert the same path at the same time. Its length makes writing the record take long, so that
// each finds the slot empty before any has published: only the compare-and-swap decides.
TEST_F(VmIndexTest, ThreadsMeetAtOneSlot) {
  constexpr int kThreads = 2, kPaths = 600;
  std::u16string deep = u"C:";
  while (deep.size() < 20000) deep += u"\\" + std::u16string(200, u'x');
  std::atomic<int> arrived = 0;
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < kPaths; ++i) {
        const Path p(deep + u"\\" + FromUtf8Lossy(std::to_string(i)));
        ++arrived;
        for (int spins = 0; arrived.load() < (i + 1) * kThreads; ++spins) {
          if (spins > 20000) std::this_thread::yield();
        }
        ASSERT_TRUE(index_.Set(p, p.depth, 1u << (4 + t)));
      }
    });
  }
  for (std::thread& t : threads) t.join();
  for (int i = 0; i < kPaths; ++i) {
    const Path p(deep + u"\\" + FromUtf8Lossy(std::to_string(i)));
    ASSERT_EQ(index_.Flags(p, p.depth), 0x30u) << i;
  }
  int records = 0;
  index_.ForEach([&](const VmIndex::Record&) { ++records; });
  EXPECT_EQ(records, kPaths);
}

// Processes that insert the same paths through mappings at different addresses, each killed at a random
// instant; a survivor then finishes. Every path must have exactly one record.
TEST_F(VmIndexTest, ProcessesKilledInTheMiddle) {
  constexpr int kPaths = 4000, kRounds = 25;
  std::mt19937 random(11);
  std::vector<std::u16string> names;
  for (int i = 0; i < kPaths; ++i) names.push_back(Numbered(i));
  for (int round = 0; round < kRounds; ++round) {
    std::vector<pid_t> children;
    for (int c = 0; c < 3; ++c) {
      const pid_t pid = fork();
      ASSERT_GE(pid, 0);
      if (pid == 0) {
        VmIndex mine;
        if (!mine.Attach(map_.MapAgain(), VmIndex::kFileBytes)) _exit(1);
        for (int i = 0;; i = (i + 1) % kPaths) {
          const Path p(names[(i + c * 7 + round * 150) % kPaths]);
          if (!mine.Set(p, 2, VmIndex::kUpper)) _exit(1);
        }
      }
      children.push_back(pid);
    }
    std::this_thread::sleep_for(std::chrono::microseconds(random() % 3000));
    for (pid_t pid : children) kill(pid, SIGKILL);
    for (pid_t pid : children) {
      int status = 0;
      waitpid(pid, &status, 0);
      EXPECT_TRUE(WIFSIGNALED(status)) << "the child gave up: " << status;
    }
    std::map<std::u16string, int> seen;
    index_.ForEach([&](const VmIndex::Record& r) {
      ++seen[std::u16string(r.Text())];
      EXPECT_EQ(r.flags.load(), VmIndex::kUpper);
    });
    for (const auto& [text, count] : seen) ASSERT_EQ(count, 1) << ToUtf8(text);
  }
  for (const std::u16string& name : names) {
    const Path p(name);
    ASSERT_TRUE(index_.Set(p, 2, VmIndex::kUpper));
    ASSERT_EQ(index_.Flags(p, 2), VmIndex::kUpper);
  }
}

TEST_F(VmIndexTest, TheFirstBaseStays) {
  const Path p(u"C:\\a"), q(u"C:\\b");
  ASSERT_TRUE(index_.Set(p, 1, VmIndex::kUpper));
  EXPECT_EQ(index_.Find(p, 1)->base.load(), 0u);
  ASSERT_TRUE(index_.Set(p, 1, VmIndex::kUpper, 7));
  ASSERT_TRUE(index_.Set(p, 1, VmIndex::kWhiteout, 8));
  EXPECT_EQ(index_.Find(p, 1)->base.load(), 7u);
  EXPECT_EQ(index_.Flags(p, 1), VmIndex::kUpper | VmIndex::kWhiteout);
  ASSERT_TRUE(index_.Set(q, 1, VmIndex::kUpper, 9));
  EXPECT_EQ(index_.Find(q, 1)->base.load(), 9u);
  EXPECT_EQ(index_.Find(q, 0)->base.load(), 0u) << "of the path alone, not of what is above it";
}

TEST_F(VmIndexTest, SkipsSlotsWithoutRecords) {
  // After a power failure: the slots' page was written, the arena's was not.
  const Path p(u"C:\\lost");
  ASSERT_TRUE(index_.Set(p, 1, VmIndex::kUpper));
  auto* record = const_cast<VmIndex::Record*>(index_.Find(p, 1));
  record->hash = 0;
  record->length = 0;
  EXPECT_EQ(index_.Find(p, 1), nullptr);
  ASSERT_TRUE(index_.Set(p, 1, VmIndex::kWhiteout));
  EXPECT_EQ(index_.Flags(p, 1), VmIndex::kWhiteout);
}

TEST_F(VmIndexTest, RecoverMovesTheCounterPastTheRecords) {
  const Path a(u"C:\\a"), b(u"C:\\b");
  auto* next = reinterpret_cast<uint64_t*>(map_.memory()) + 2;
  const uint64_t before = *next;
  ASSERT_TRUE(index_.Set(a, 1, VmIndex::kUpper));
  const uint64_t after = *next;
  ASSERT_GT(after, before);
  *next = before;  // the header's page is older than the records
  ASSERT_TRUE(VmIndex::Recover(map_.memory(), VmIndex::kFileBytes));
  EXPECT_EQ(*next, after);
  ASSERT_TRUE(index_.Set(b, 1, VmIndex::kWhiteout));
  EXPECT_EQ(index_.Flags(a, 1), VmIndex::kUpper);
}

// The places of docs/formats/vm-index.md, computed here once more: files of this version must stay readable.
TEST_F(VmIndexTest, FormatIsAsDocumented) {
  const Path p(u"c:\\a");
  ASSERT_TRUE(index_.Set(p, 1, VmIndex::kUpper, 0x1122334455667788));
  const auto* bytes = static_cast<const uint8_t*>(map_.memory());
  const auto read64 = [bytes](uint64_t at) {
    uint64_t v;
    std::memcpy(&v, bytes + at, sizeof(v));
    return v;
  };
  EXPECT_EQ(std::memcmp(bytes, "PLX1\x03\0\0\0", 8), 0);
  EXPECT_EQ(read64(8), VmIndex::kFileBytes);
  uint64_t hash = 0xcbf29ce484222325;
  for (char16_t c : std::u16string(u"C:\\A")) hash = (hash ^ c) * 0x100000001b3;
  const uint64_t m = hash * 0x9E3779B97F4A7C15;
  const uint64_t slot = read64(4096 + 8 * ((m >> 58) * 16 + (m >> 24) % 16));
  ASSERT_EQ(slot >> 32, hash >> 32);
  const uint64_t record = (slot & 0xffffffff) * 8;
  EXPECT_EQ(record, 4096u + 8 * 2696192u) << "the first of the arena";
  EXPECT_EQ(read64(record), hash);
  EXPECT_EQ(read64(record + 8), (uint64_t{4} << 32) | VmIndex::kUpper);
  EXPECT_EQ(read64(record + 16), 0x1122334455667788u);
  EXPECT_EQ(std::memcmp(bytes + record + 24, u"C:\\a", 8), 0);
  EXPECT_EQ(read64(16), record + 32);
}

TEST_F(VmIndexTest, GenerationIsShared) {
  VmIndex other;
  void* again = map_.MapAgain();
  ASSERT_TRUE(other.Attach(again, VmIndex::kFileBytes));
  EXPECT_EQ(index_.Generation().load(), 0u);
  other.Generation().fetch_add(1);
  EXPECT_EQ(index_.Generation().load(), 1u);
  munmap(again, VmIndex::kFileBytes);
}

}  // namespace
}  // namespace plume::view
