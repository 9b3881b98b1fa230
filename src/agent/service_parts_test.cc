#include "agent/service_parts.h"

#include "gtest/gtest.h"

namespace plume::agent {
namespace {

const std::u16string kManager = u"C:\\windows\\System32\\services.exe";
const std::vector<SystemService> kSystem = {{u"RpcSs", u"C:\\windows\\system32\\rpcss.exe"},
                                            {u"BITS", u"C:\\windows\\system32\\svchost.exe -k netsvcs"},
                                            {u"Tcpip", u""}};
const GuestProcess kServices{10, 1, u"C:\\Windows\\system32\\SERVICES.EXE", u"services.exe"};
const GuestProcess kRpcSs{20, 10, u"C:\\windows\\system32\\rpcss.exe", u"c:\\windows\\System32\\RPCSS.exe"};

TEST(ServiceParts, WhatMayRunTwice) {
  EXPECT_TRUE(MayRunTwice(0, 0));      // settings
  EXPECT_TRUE(MayRunTwice(0x20, 3));   // RpcSs
  EXPECT_TRUE(MayRunTwice(0x110, 3));  // interactive, on demand
  EXPECT_TRUE(MayRunTwice(0x20, 4));   // disabled: seen, and not started
  EXPECT_FALSE(MayRunTwice(0x20, 2));  // starts by itself
  EXPECT_FALSE(MayRunTwice(1, 3));     // a driver
  EXPECT_FALSE(MayRunTwice(2, 0));     // a file system
}

TEST(ServiceParts, ManagerWithItsSystemServicesIsIdle) {
  EXPECT_TRUE(OnlyManager({kServices}, kManager, kSystem));
  EXPECT_TRUE(OnlyManager({kRpcSs, kServices}, kManager, kSystem));
  const GuestProcess helper{30, 20, u"C:\\windows\\system32\\conhost.exe", u"conhost.exe"};
  EXPECT_TRUE(OnlyManager({helper, kRpcSs, kServices}, kManager, kSystem));
}

TEST(ServiceParts, TheProcessesOfAService) {
  const GuestProcess namesake{40, 2, kRpcSs.image, kRpcSs.command};
  EXPECT_EQ(ProcessesOf({namesake, kRpcSs, kServices}, kManager, kSystem, u"rpcss"),
            std::vector<uint32_t>{20});
  EXPECT_TRUE(ProcessesOf({kRpcSs}, kManager, kSystem, u"RpcSs").empty());
  EXPECT_TRUE(ProcessesOf({kRpcSs, kServices}, kManager, kSystem, u"Tcpip").empty());
  EXPECT_TRUE(ProcessesOf({kRpcSs, kServices}, kManager, kSystem, u"None").empty());
}

TEST(ServiceParts, AnythingElseKeepsIt) {
  EXPECT_FALSE(OnlyManager({}, kManager, kSystem));
  EXPECT_FALSE(OnlyManager({kRpcSs}, kManager, kSystem));  // not its child any more: nobody's business
  const GuestProcess program{40, 2, u"C:\\a\\a.exe", u"a.exe"};
  EXPECT_FALSE(OnlyManager({kServices, program}, kManager, kSystem));
  const GuestProcess own{41, 10, u"C:\\windows\\system32\\svchost.exe",
                         u"C:\\windows\\system32\\svchost.exe -k mine"};
  EXPECT_FALSE(OnlyManager({kServices, own}, kManager, kSystem));
  const GuestProcess unknown{42, 10, u"C:\\windows\\system32\\svchost.exe", u""};
  EXPECT_FALSE(OnlyManager({kServices, unknown}, kManager, kSystem));
  // The same program, but not started by the manager.
  const GuestProcess other{43, 2, kRpcSs.image, kRpcSs.command};
  EXPECT_FALSE(OnlyManager({kServices, other}, kManager, kSystem));
  const GuestProcess child{44, 40, kRpcSs.image, kRpcSs.command};
  EXPECT_FALSE(OnlyManager({kServices, program, child}, kManager, kSystem));
}

TEST(ServiceParts, OnlyServicesAreLeft) {
  const GuestProcess own{41, 10, u"C:\\Program Files\\A\\a.exe", u"a.exe"};
  const GuestProcess worker{42, 41, u"C:\\Program Files\\A\\b.exe", u"b.exe"};
  EXPECT_TRUE(OnlyServices({worker, own, kRpcSs, kServices}, kManager));
  const GuestProcess setup{43, 2, u"C:\\setup.exe", u"setup.exe"};
  EXPECT_FALSE(OnlyServices({own, kServices, setup}, kManager));
  EXPECT_FALSE(OnlyServices({own}, kManager));
  EXPECT_FALSE(OnlyServices({}, kManager));
}

TEST(ServiceParts, ParentsThatGoInCirclesAreNoParts) {
  const GuestProcess a{50, 51, u"C:\\a.exe", u"a"}, b{51, 50, u"C:\\b.exe", u"b"};
  EXPECT_FALSE(OnlyManager({kServices, a, b}, kManager, kSystem));
}

}  // namespace
}  // namespace plume::agent
