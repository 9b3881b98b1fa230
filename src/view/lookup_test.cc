#include "view/lookup.h"

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "base/utf16.h"
#include "catalog/testing.h"

namespace plume::view {
namespace {

using catalog::testing::Buffer;
using catalog::testing::Build;

struct Path : VPath {
  explicit Path(std::u16string canonical) : room(canonical.size()) {
    EXPECT_NE(ParseCanonical(canonical, room, this), NameKind::kInvalid) << ToUtf8(canonical);
  }
  Path(const Path&) = delete;
  std::vector<char16_t> room;
};

// Two layers: 0 (top) has C and Profile and M; 1 has C and M. Profile hangs at C:\users\ann.
class LookupTest : public ::testing::Test {
 protected:
  LookupTest()
      : top_(Build({{"C", u"Program Files\\A\\a.exe", false, 5},
                    {"C", u"Program Files\\Both\\top.txt", false, 5},
                    {"C", u"cover", false, 5},
                    {"C", u"users\\ann\\low.txt", false, 1},
                    {"Profile", u"Docs\\p.txt", false, 5},
                    {"Profile", u"clash.txt", false, 2}},
                   {{"M", u"Software\\A\\Sub"}})),
        low_(Build({{"C", u"Program Files\\Both\\low.txt", false, 6},
                    {"C", u"cover\\inside.txt", false, 7},
                    {"C", u"Both2", true}},
                   {{"M", u"Software\\A\\Low"}})),
        readers_{top_.reader(), low_.reader()},
        mounts_{{u"C:", readers_[0].RootIndex("C"), false, 0},
                {u"C:\\users\\ann", readers_[0].RootIndex("Profile"), false, 0},
                {u"M", readers_[0].RootIndex("M"), true, 0},
                {u"C:", readers_[1].RootIndex("C"), false, 1},
                {u"M", readers_[1].RootIndex("M"), true, 1}},
        memory_(static_cast<uint8_t*>(std::calloc(1, VmIndex::kFileBytes)), &std::free) {
    VmIndex::Format(memory_.get());
    index_.Attach(memory_.get(), VmIndex::kFileBytes);
    space_ = {file_rules_, key_rules_, mounts_, readers_, &index_};
  }
  Lookup File(const std::u16string& canonical) { return LookUp(space_, Path(canonical), false); }
  Lookup Key(const std::u16string& canonical) { return LookUp(space_, Path(canonical), true); }
  std::u16string NameOf(const Lookup& l) {
    const catalog::Reader& r = readers_[mounts_[l.mount].layer];
    return std::u16string(r.name(r.entry(l.entry)));
  }
  void Set(const std::u16string& canonical, uint32_t flags) {
    const Path p(canonical);
    ASSERT_TRUE(index_.Set(p, p.depth, flags));
  }

  Buffer top_, low_;
  std::vector<catalog::Reader> readers_;
  std::vector<MountPoint> mounts_;
  std::vector<Rule> file_rules_ = {{u"", Mode::kMerge},
                                   {u"C:\\host", Mode::kHost},
                                   {u"C:\\host\\own", Mode::kMerge},
                                   {u"C:\\secret", Mode::kDeny},
                                   {u"C:\\own", Mode::kPrivate}};
  std::vector<Rule> key_rules_ = {{u"M", Mode::kMerge}};
  std::unique_ptr<uint8_t, void (*)(void*)> memory_;
  VmIndex index_;
  Space space_;
};

TEST_F(LookupTest, LongestRuleDecides) {
  EXPECT_EQ(File(u"C:\\x").mode, Mode::kMerge);
  EXPECT_EQ(File(u"C:\\x").rule, 0);
  EXPECT_EQ(File(u"C:\\HOST\\x").mode, Mode::kHost);
  EXPECT_EQ(File(u"C:\\hostile").mode, Mode::kMerge);
  EXPECT_EQ(File(u"C:\\host\\own\\y").mode, Mode::kMerge);
  EXPECT_EQ(File(u"C:\\secret").mode, Mode::kDeny);
  EXPECT_EQ(File(u"C:\\own\\x").mode, Mode::kPrivate);
  EXPECT_EQ(Key(u"U\\S-1").mode, Mode::kHost) << "no rule at all: the built-in default";
  EXPECT_EQ(Key(u"U\\S-1").rule, -1);
}

TEST_F(LookupTest, ModesSayWhoIsVisible) {
  EXPECT_TRUE(File(u"C:\\x").host_visible);
  EXPECT_TRUE(File(u"C:\\host\\x").host_visible);
  EXPECT_FALSE(File(u"C:\\host\\x").merge_listing);
  EXPECT_FALSE(File(u"C:\\secret\\x").host_visible);
  EXPECT_FALSE(File(u"C:\\own\\x").host_visible);
}

TEST_F(LookupTest, TopLayerWins) {
  const Lookup exe = File(u"C:\\PROGRAM FILES\\a\\A.EXE");
  EXPECT_EQ(exe.mount, 0);
  EXPECT_EQ(NameOf(exe), u"a.exe");
  EXPECT_FALSE(exe.host_visible) << "an image's file covers the host's";
  EXPECT_EQ(File(u"C:\\Program Files\\Both\\low.txt").mount, 3);
  const Lookup both = File(u"C:\\Program Files\\Both");
  EXPECT_EQ(both.mount, 0);
  EXPECT_TRUE(both.merge_listing);
  EXPECT_TRUE(both.host_visible) << "the host's directory of that name merges";
  EXPECT_EQ(File(u"C:\\none").mount, -1);
  EXPECT_FALSE(File(u"C:\\none").merge_listing);
}

TEST_F(LookupTest, AKeyTheVmMadeHidesWhatTheHostGetsThere) {
  Set(u"M\\Software\\A", VmIndex::kUpper);
  Set(u"M\\Software\\A\\Made", VmIndex::kUpper | VmIndex::kMade);
  for (const char16_t* path : {u"M\\Software\\A\\Made", u"M\\Software\\A\\Made\\Below"}) {
    EXPECT_FALSE(Key(path).host_visible) << ToUtf8(path);
    EXPECT_FALSE(Key(path).lower_hidden)
        << "an image's next version may bring keys below it: " << ToUtf8(path);
  }
  EXPECT_TRUE(Key(u"M\\Software\\A").host_visible);
  EXPECT_TRUE(Key(u"M\\Software\\A\\Other").host_visible);
  const Path made(u"M\\Software\\A\\Made");
  const ChildFilter filter(space_, made, true, LookUp(space_, made, true));
  EXPECT_FALSE(filter.ShowsHost(u"x"));
  EXPECT_FALSE(filter.NeedsHost());
  EXPECT_TRUE(filter.ShowsUpper(u"x"));
}

TEST_F(LookupTest, FileOfAnUpperLayerBlocksWhatIsBelow) {
  const Lookup inside = File(u"C:\\cover\\inside.txt");
  EXPECT_TRUE(inside.blocked);
  EXPECT_EQ(inside.mount, -1);
  EXPECT_FALSE(inside.host_visible);
}

TEST_F(LookupTest, LongerMountOfALayerFirst) {
  EXPECT_EQ(File(u"C:\\users\\ann\\clash.txt").mount, 1);
  EXPECT_EQ(File(u"C:\\users\\ann\\low.txt").mount, 0) << "then the shorter one";
  EXPECT_EQ(File(u"C:\\users\\ann").mount, 1);
  EXPECT_EQ(File(u"C:\\users\\ann\\Docs\\p.txt").mount, 1);
  EXPECT_EQ(File(u"C:\\users\\anna\\Docs").mount, -1);
}

TEST_F(LookupTest, AboveAMountThereAreDirectories) {
  mounts_ = {{u"D:\\a\\b", readers_[0].RootIndex("Profile"), false, 0}};
  space_.mounts = mounts_;
  const Lookup a = File(u"D:\\A");
  EXPECT_TRUE(a.virtual_directory);
  EXPECT_TRUE(a.merge_listing);
  EXPECT_EQ(a.mount, -1);
  EXPECT_TRUE(File(u"D:").virtual_directory);
  EXPECT_FALSE(File(u"D:\\a\\b").virtual_directory);
  EXPECT_EQ(File(u"D:\\a\\b").mount, 0);
  size_t at = 0;
  WView name;
  const Path d(u"D:"), b(u"D:\\a\\b");
  ASSERT_TRUE(NextMountChild(space_, d, false, &at, &name));
  EXPECT_EQ(name, u"a");
  EXPECT_FALSE(NextMountChild(space_, d, false, &at, &name));
  at = 0;
  EXPECT_FALSE(NextMountChild(space_, b, false, &at, &name));
  Set(u"D:\\a", VmIndex::kWhiteout);
  EXPECT_FALSE(File(u"D:\\a").virtual_directory);
}

TEST_F(LookupTest, WhiteoutHidesEverythingBelow) {
  Set(u"C:\\Program Files\\A", VmIndex::kWhiteout);
  const Lookup exe = File(u"C:\\Program Files\\A\\a.exe");
  EXPECT_TRUE(exe.lower_hidden);
  EXPECT_EQ(exe.mount, -1);
  EXPECT_FALSE(exe.host_visible);
  EXPECT_FALSE(exe.upper_possible);
  EXPECT_TRUE(File(u"C:\\Program Files\\A").lower_hidden);
  EXPECT_FALSE(File(u"C:\\Program Files\\Both").lower_hidden);
  EXPECT_TRUE(File(u"C:\\Program Files").merge_listing);
}

TEST_F(LookupTest, ChildWhiteoutMergesAHostDirectory) {
  EXPECT_FALSE(File(u"C:\\plain").merge_listing);
  Set(u"C:\\plain\\gone", VmIndex::kWhiteout);
  EXPECT_TRUE(File(u"C:\\plain").merge_listing);
  const Path plain(u"C:\\plain");
  const ChildFilter filter(space_, plain, false, LookUp(space_, plain, false));
  EXPECT_FALSE(filter.ShowsHost(u"GONE"));
  EXPECT_TRUE(filter.ShowsHost(u"stays"));
  EXPECT_TRUE(filter.ShowsUpper(u"gone"));
}

TEST_F(LookupTest, UpperIsPossibleOnlyWithFlags) {
  Set(u"C:\\u\\f", VmIndex::kUpper);
  EXPECT_TRUE(File(u"C:\\u\\f").upper_possible);
  EXPECT_FALSE(File(u"C:\\u").upper_possible);
  EXPECT_FALSE(File(u"C:\\u\\f\\below").upper_possible);
  Set(u"C:\\moved", VmIndex::kSubtreeUpper);
  EXPECT_TRUE(File(u"C:\\moved\\x\\y").upper_possible);
  EXPECT_TRUE(File(u"C:\\moved\\x").merge_listing);
  Set(u"C:\\opaque", VmIndex::kUpper | VmIndex::kWhiteout);
  EXPECT_FALSE(File(u"C:\\opaque").merge_listing) << "the upper layer alone";
  Set(u"C:\\host\\x", VmIndex::kUpper);
  EXPECT_FALSE(File(u"C:\\host\\x").upper_possible) << "mode host has no upper layer";
}

TEST_F(LookupTest, RulesOfChildrenFilterListings) {
  EXPECT_TRUE(File(u"C:").merge_listing);
  const Path c(u"C:"), host(u"C:\\host"), own(u"C:\\own");
  const ChildFilter filter(space_, c, false, LookUp(space_, c, false));
  EXPECT_FALSE(filter.ShowsHost(u"Secret"));
  EXPECT_FALSE(filter.ShowsUpper(u"secret"));
  EXPECT_FALSE(filter.ShowsImage(u"secret"));
  EXPECT_FALSE(filter.ShowsHost(u"own"));
  EXPECT_TRUE(filter.ShowsImage(u"own"));
  EXPECT_TRUE(filter.ShowsHost(u"host"));
  EXPECT_FALSE(filter.ShowsUpper(u"host"));
  EXPECT_TRUE(LookUp(space_, host, false).merge_listing) << "C:\\host\\own has a rule of its own";
  EXPECT_FALSE(ChildFilter(space_, own, false, LookUp(space_, own, false)).NeedsHost());
  file_rules_.push_back({u"C:\\own\\shared", Mode::kHost});
  space_.file_rules = file_rules_;
  const ChildFilter shared(space_, own, false, LookUp(space_, own, false));
  EXPECT_TRUE(shared.NeedsHost());
  EXPECT_TRUE(shared.ShowsHost(u"shared"));
  EXPECT_FALSE(shared.ShowsHost(u"other"));
}

TEST_F(LookupTest, KeysMergeOverLayers) {
  EXPECT_EQ(Key(u"M\\Software\\A\\Sub").mount, 2);
  EXPECT_EQ(Key(u"M\\SOFTWARE\\a\\low").mount, 4);
  EXPECT_TRUE(Key(u"M\\Software\\A").host_visible);
  EXPECT_EQ(Key(u"M\\Software\\B").mount, -1);
  const Path a(u"M\\Software\\A");
  const Lookup found = LookUp(space_, a, true);
  Contributor at;
  ASSERT_TRUE(NextContributor(space_, a, true, found, &at));
  EXPECT_EQ(at.mount, 2);
  ASSERT_TRUE(NextContributor(space_, a, true, found, &at));
  EXPECT_EQ(at.mount, 4);
  EXPECT_FALSE(NextContributor(space_, a, true, found, &at));
}

TEST_F(LookupTest, FilesDoNotContributeToDirectories) {
  // The lower layer has a directory "cover", the top one a file.
  const Path cover(u"C:\\cover");
  const Lookup found = LookUp(space_, cover, false);
  Contributor at;
  ASSERT_TRUE(NextContributor(space_, cover, false, found, &at));
  EXPECT_EQ(at.mount, 0);
  EXPECT_FALSE(NextContributor(space_, cover, false, found, &at));
}

}  // namespace
}  // namespace plume::view
