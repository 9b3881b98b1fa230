// The layout of the guest messages is part of the protocol: a guest and an agent of different builds must
// agree.
#include "wire/messages.h"

#include <gtest/gtest.h>

#include <cstddef>
#include <cstring>
#include <vector>

namespace plume::wire {
namespace {

TEST(Messages, RequestBytesAreGolden) {
  Request request = {};
  request.magic = kMagic;
  request.op = Op::kHydrate;
  request.layer = 2;
  request.entry = 0x01020304;
  request.pid = 77;
  const char16_t id[] = u"vm1";
  std::memcpy(request.vm_id, id, sizeof(id));
  std::vector<uint8_t> bytes(sizeof(request));
  std::memcpy(bytes.data(), &request, sizeof(request));

  std::vector<uint8_t> golden = {'P', 'L', 'W', '1', 1, 0, 0, 0, 2, 0,   0, 0,   4, 3,   2,
                                 1,   77,  0,   0,   0, 0, 0, 0, 0, 'v', 0, 'm', 0, '1', 0};
  golden.resize(152);
  EXPECT_EQ(bytes, golden);
}

TEST(Messages, OperationsAreNumbered) {
  EXPECT_EQ(static_cast<uint32_t>(Op::kHydrate), 1u);
  EXPECT_EQ(static_cast<uint32_t>(Op::kPing), 2u);
  EXPECT_EQ(static_cast<uint32_t>(Op::kServices), 3u);
}

TEST(Messages, ReplyBytesAreGolden) {
  const Reply reply = {kMagic, kStatusFileIsOffline};
  const uint8_t golden[] = {'P', 'L', 'W', '1', 0x67, 0x02, 0x00, 0xC0};
  static_assert(sizeof(golden) == sizeof(Reply));
  EXPECT_EQ(std::memcmp(&reply, golden, sizeof(golden)), 0);
}

TEST(Messages, OffsetsAreFixed) {
  EXPECT_EQ(offsetof(Request, op), 4u);
  EXPECT_EQ(offsetof(Request, layer), 8u);
  EXPECT_EQ(offsetof(Request, entry), 12u);
  EXPECT_EQ(offsetof(Request, pid), 16u);
  EXPECT_EQ(offsetof(Request, vm_id), 24u);
  EXPECT_EQ(offsetof(Reply, status), 4u);
}

}  // namespace
}  // namespace plume::wire
