#include "view/base_stamp.h"

#include <gtest/gtest.h>

#include <set>

namespace plume::view {
namespace {

const uint8_t kA[] = {'a'}, kB[] = {'b'}, kAb[] = {'a', 'b'};

TEST(BaseStamp, FilesDifferBySizeAndTime) {
  std::set<uint64_t> seen;
  for (uint64_t size = 0; size < 40; ++size)
    for (int64_t time : {int64_t{0}, int64_t{1}, int64_t{132000000000000000}, int64_t{132000000000000001}})
      EXPECT_TRUE(seen.insert(FileStamp(size, time)).second);
  for (uint64_t stamp : seen) EXPECT_GT(stamp, kBaseFromImage);
}

TEST(BaseStamp, KeysDifferByAnyValueButNotByOrder) {
  KeyStamp one, other, empty;
  one.Add(u"x", 1, kA, 1);
  one.Add(u"y", 1, kB, 1);
  other.Add(u"Y", 1, kB, 1);
  other.Add(u"X", 1, kA, 1);
  EXPECT_EQ(one.Finish(), other.Finish());
  std::set<uint64_t> seen = {one.Finish(), empty.Finish()};
  const auto differs = [&seen](auto&& fill) {
    KeyStamp stamp;
    fill(stamp);
    EXPECT_TRUE(seen.insert(stamp.Finish()).second);
  };
  differs([](KeyStamp& s) { s.Add(u"x", 1, kA, 1); });
  differs([](KeyStamp& s) { s.Add(u"x", 2, kA, 1); });
  differs([](KeyStamp& s) { s.Add(u"xa", 1, kB, 1); });
  differs([](KeyStamp& s) { s.Add(u"x", 1, kAb, 2); });
  differs([](KeyStamp& s) { s.Add(u"x", 1, kB, 1), s.Add(u"y", 1, kA, 1); });  // values exchanged
  differs([](KeyStamp& s) { s.Add(u"x", 1, kA, 0); });
}

}  // namespace
}  // namespace plume::view
