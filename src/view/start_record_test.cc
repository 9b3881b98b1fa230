#include "view/start_record.h"

#include <gtest/gtest.h>

#include <cstring>
#include <set>
#include <thread>
#include <vector>

namespace plume::view {
namespace {

class StartRecordTest : public ::testing::Test {
 protected:
  static constexpr uint32_t kFirst[] = {0, 1000};
  static constexpr uint32_t kSlots = 1500;
  StartRecordTest() : memory_(StartRecord::BytesFor(kSlots) / 8) {
    StartRecord::Format(memory_.data(), kSlots, kFirst, 2);
  }
  uint64_t Bytes() const { return memory_.size() * 8; }
  std::vector<uint64_t> memory_;
};

TEST_F(StartRecordTest, KeepsTheOrderOfFirstTouches) {
  StartRecord record;
  ASSERT_TRUE(record.Attach(memory_.data(), Bytes()));
  record.Touch(0, 7);
  record.Touch(1, 7);
  record.Touch(0, 7);
  record.Touch(0, 0);
  EXPECT_EQ(record.touched(), 3u);
  EXPECT_EQ(record.Order(0, 7), 1u);
  EXPECT_EQ(record.Order(1, 7), 2u);
  EXPECT_EQ(record.Order(0, 0), 3u);
  EXPECT_EQ(record.Order(0, 1), 0u);
}

TEST_F(StartRecordTest, WhatIsOutOfRangeIsIgnored) {
  StartRecord record;
  ASSERT_TRUE(record.Attach(memory_.data(), Bytes()));
  record.Touch(0, 1000);  // would be the next layer's
  record.Touch(1, 500);
  record.Touch(2, 0);
  record.Touch(0, UINT32_MAX);
  record.Touch(UINT32_MAX, 0);
  EXPECT_EQ(record.touched(), 0u);
  EXPECT_EQ(record.Order(1, 0), 0u);
}

TEST_F(StartRecordTest, NothingIsNotedBehindTheEndAndAStartBeginsAnew) {
  StartRecord record;
  ASSERT_TRUE(record.Attach(memory_.data(), Bytes()));
  record.Touch(0, 1);
  record.Stop();
  record.Touch(0, 2);
  EXPECT_EQ(record.touched(), 1u);
  StartRecord::Format(memory_.data(), kSlots, kFirst, 2);
  EXPECT_TRUE(record.Recording());
  EXPECT_EQ(record.Order(0, 1), 0u);
  record.Touch(0, 2);
  EXPECT_EQ(record.Order(0, 2), 1u);
}

TEST_F(StartRecordTest, DamagedOnesAreRefused) {
  StartRecord record;
  EXPECT_FALSE(record.Attach(nullptr, Bytes()));
  EXPECT_FALSE(record.Attach(memory_.data(), Bytes() - 4096));
  for (size_t word = 0; word < 4; ++word) {
    auto copy = memory_;
    const uint32_t bad = 0x7fffffff;
    std::memcpy(reinterpret_cast<uint8_t*>(copy.data()) + word * 4, &bad, sizeof bad);
    EXPECT_FALSE(record.Attach(copy.data(), Bytes())) << word;
  }
}

TEST_F(StartRecordTest, ManyGuestsAtOnceGiveEachFileOneNumber) {
  std::vector<std::thread> guests;
  for (uint32_t g = 0; g < 4; ++g) {
    guests.emplace_back([&, g] {
      StartRecord record;
      ASSERT_TRUE(record.Attach(memory_.data(), Bytes()));
      for (uint32_t i = 0; i < 1000; ++i) record.Touch(0, (i * (2 * g + 1)) % 1000);
    });
  }
  for (std::thread& guest : guests) guest.join();
  StartRecord record;
  ASSERT_TRUE(record.Attach(memory_.data(), Bytes()));
  std::set<uint32_t> numbers;
  for (uint32_t i = 0; i < 1000; ++i) numbers.insert(record.Order(0, i));
  EXPECT_EQ(numbers.size(), 1000u);
  EXPECT_EQ(numbers.count(0), 0u);
  EXPECT_LE(*numbers.rbegin(), record.touched());
}

}  // namespace
}  // namespace plume::view
