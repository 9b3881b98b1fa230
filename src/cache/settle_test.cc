#include "cache/settle.h"

#include <gtest/gtest.h>

#include "cache/cache_testing.h"

namespace plume::cache {
namespace {

// The system's clock, with a start of the system that can be moved.
class MovedClock final : public os::Clock {
 public:
  int64_t NowFiletime() override { return os::SystemClock().NowFiletime(); }
  int64_t MonotonicMicros() override {
    return os::SystemClock().MonotonicMicros() - moved_seconds * 1'000'000;
  }
  void SleepMillis(uint32_t milliseconds) override { os::SystemClock().SleepMillis(milliseconds); }
  int64_t moved_seconds = 0;
};

constexpr char kDigest[] = "sha256:00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";

class SettleTest : public ::testing::Test {
 protected:
  // Recovers in a new process, as it were; returns the entries that were checked.
  std::vector<uint32_t> Recover() {
    std::vector<uint32_t> checked;
    Settler settler(os::SystemFiles(), clock_, folder_);
    EXPECT_TRUE(settler
                    .Recover([&](const Settler::Marker& marker) { checked.push_back(marker.entry); },
                             [&](const Settler::Marker&) { return scratch_.path() / "file"; })
                    .ok());
    return checked;
  }
  size_t Markers() { return testing::FilesBelow(folder_); }

  testing::Scratch scratch_;
  const os::Path folder_ = scratch_.path() / "unsettled";
  MovedClock clock_;
};

TEST_F(SettleTest, MarkersGoWhenTheBytesAreWrittenOut) {
  Recover();
  const os::Path file = scratch_.path() / "file";
  std::ofstream(file) << "bytes";
  Settler settler(os::SystemFiles(), clock_, folder_);
  ASSERT_TRUE(settler.Mark({kDigest, 7}).ok());
  EXPECT_EQ(Markers(), 1u);
  settler.Settle({kDigest, 7}, file);
  for (int i = 0; i < 500 && Markers() > 0; ++i) std::this_thread::sleep_for(std::chrono::milliseconds(10));
  EXPECT_EQ(Markers(), 0u);
}

TEST_F(SettleTest, OnlyAfterTheSystemWentDownFilesAreChecked) {
  Recover();
  {
    Settler settler(os::SystemFiles(), clock_, folder_);
    ASSERT_TRUE(settler.Mark({kDigest, 7}).ok());
    ASSERT_TRUE(settler.Mark({kDigest, 4'000'000'000}).ok());
  }
  EXPECT_TRUE(Recover().empty()) << "the process was killed, the system was not";
  std::filesystem::remove_all(folder_);
  Recover();
  {
    Settler settler(os::SystemFiles(), clock_, folder_);
    ASSERT_TRUE(settler.Mark({kDigest, 8}).ok());
  }
  clock_.moved_seconds = 100;
  EXPECT_EQ(Recover(), std::vector<uint32_t>{8});
  EXPECT_EQ(Markers(), 0u);
  std::ofstream(folder_ / (std::string(kDigest).substr(7) + "-9"));  // a marker whose own bytes were lost
  std::ofstream(folder_ / "rubbish") << "x";
  EXPECT_EQ(Recover(), std::vector<uint32_t>{9});
  EXPECT_EQ(Markers(), 0u);
}

}  // namespace
}  // namespace plume::cache
