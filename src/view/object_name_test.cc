#include "view/object_name.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace plume::view {
namespace {

constexpr uint32_t kSessionId = 1;

std::u16string Canonical(WView full, uint32_t session = kSessionId) {
  const ObjectName name = ParseObjectName(full, session);
  std::vector<char16_t> room(full.size() + kObjectPrefixUnits);
  const size_t n = WriteObjectName(full, name, full.size(), room);
  if (name.container) return std::u16string(room.data(), n) + u"(container)";
  return std::u16string(room.data(), n);
}

const ObjectMark kMine = MakeObjectMark(u"\\REGISTRY\\USER\\S-1\\Software\\Plume\\a\\VMs\\1");
const ObjectMark kOthers = MakeObjectMark(u"\\REGISTRY\\USER\\S-1\\Software\\Plume\\a\\VMs\\2");

std::u16string Marked(WView full, const ObjectMark& mark = kMine) {
  const ObjectName name = ParseObjectName(full, kSessionId);
  std::u16string out(full);
  return out.insert(name.mark, mark.View());
}

TEST(ObjectName, BaseNamedObjects) {
  EXPECT_EQ(Canonical(u"\\Sessions\\1\\BaseNamedObjects\\x"), u"Local\\x");
  EXPECT_EQ(Canonical(u"\\sessions\\1\\basenamedobjects\\Local\\Local\\x"), u"Local\\x");
  EXPECT_EQ(Canonical(u"\\Sessions\\1\\BaseNamedObjects\\Global\\x\\y"), u"Global\\x\\y");
  EXPECT_EQ(Canonical(u"\\BaseNamedObjects\\x"), u"Global\\x");
  EXPECT_EQ(Canonical(u"\\BaseNamedObjects\\Local\\x"), u"Global\\x");
  EXPECT_EQ(Canonical(u"\\BaseNamedObjects\\x", 0), u"Global\\x");
  EXPECT_EQ(Canonical(u"\\Sessions\\0\\BaseNamedObjects\\x", 0), u"Global\\x");
  EXPECT_EQ(Canonical(u"\\Sessions\\2\\BaseNamedObjects\\x"), u"Session\\2\\x");
  EXPECT_EQ(Canonical(u"\\Sessions\\2\\BaseNamedObjects\\x", 2), u"Local\\x");
  EXPECT_EQ(Canonical(u"\\BaseNamedObjects\\Session\\1\\x"), u"Local\\x");
  EXPECT_EQ(Canonical(u"\\BaseNamedObjects\\Session\\120\\x"), u"Session\\120\\x");
  EXPECT_EQ(Canonical(u"\\Sessions\\BNOLINKS\\1\\x"), u"Local\\x");
  EXPECT_EQ(Canonical(u"\\Sessions\\1\\BaseNamedObjects\\Session"), u"Global\\(container)");
  EXPECT_EQ(Canonical(u"\\Sessions\\1\\BaseNamedObjects\\Session\\x"), u"Local\\Session\\x");
  EXPECT_EQ(Canonical(u"\\Sessions\\1\\BaseNamedObjects"), u"Local\\(container)");
  EXPECT_EQ(Canonical(u"\\Sessions\\1\\BaseNamedObjects\\"), u"Local\\(container)");
  EXPECT_EQ(Canonical(u"\\Sessions\\1\\BaseNamedObjects\\Global"), u"Global\\(container)");
  EXPECT_EQ(Canonical(u"\\Sessions\\1\\BaseNamedObjects\\Restricted\\x"), u"Local\\x");
  EXPECT_EQ(Canonical(u"\\Sessions\\1\\AppContainerNamedObjects\\S-1-15-2\\x"), u"Local\\x");
  EXPECT_EQ(Canonical(u"\\Sessions\\1\\BaseNamedObjects\\Globally"), u"Local\\Globally");
  EXPECT_EQ(Canonical(u"\\??\\GLOBALROOT\\BaseNamedObjects\\x"), u"Global\\x");
}

TEST(ObjectName, PipesAndMailslots) {
  EXPECT_EQ(Canonical(u"\\??\\pipe\\a"), u"Pipe\\a");
  EXPECT_EQ(Canonical(u"\\??\\PIPE\\a\\b\\"), u"Pipe\\a\\b\\");
  EXPECT_EQ(Canonical(u"\\Device\\NamedPipe\\a"), u"Pipe\\a");
  EXPECT_EQ(Canonical(u"\\??\\pipe"), u"Pipe\\(container)");
  EXPECT_EQ(Canonical(u"\\Device\\NamedPipe\\"), u"Pipe\\(container)");
  EXPECT_EQ(Canonical(u"\\DosDevices\\Global\\Pipe\\a"), u"Pipe\\a");
  EXPECT_EQ(Canonical(u"\\GLOBAL??\\pipe\\a"), u"Pipe\\a");
  EXPECT_EQ(Canonical(u"\\??\\GLOBALROOT\\Device\\NamedPipe\\a"), u"Pipe\\a");
  EXPECT_EQ(Canonical(u"\\Sessions\\0\\DosDevices\\00000000-0001\\PIPE\\a"), u"Pipe\\a");
  EXPECT_EQ(Canonical(u"\\??\\MAILSLOT\\a\\b"), u"Mailslot\\a\\b");
  EXPECT_EQ(Canonical(u"\\Device\\MailSlot\\a"), u"Mailslot\\a");
  EXPECT_EQ(Canonical(u"\\Device\\NamedPiper\\a"), u"");
}

TEST(ObjectName, Redirector) {
  EXPECT_EQ(Canonical(u"\\??\\UNC\\localhost\\pipe\\a"), u"Remote\\localhost\\pipe\\a");
  EXPECT_EQ(Canonical(u"\\Device\\Mup\\;LanmanRedirector\\127.0.0.1\\IPC$\\a"),
            u"Remote\\127.0.0.1\\IPC$\\a");
  EXPECT_EQ(Canonical(u"\\??\\UNC\\*\\mailslot\\a"), u"Remote\\*\\mailslot\\a");
  EXPECT_EQ(Canonical(u"\\??\\UNC\\server\\share\\pipe\\a"), u"");
  EXPECT_EQ(Canonical(u"\\??\\UNC\\server"), u"");
  EXPECT_EQ(Canonical(u"\\??\\UNC"), u"");
}

TEST(ObjectName, OtherPlaces) {
  EXPECT_EQ(Canonical(u"\\RPC Control\\svc"), u"Port\\svc");
  EXPECT_EQ(Canonical(u"\\RPC Control"), u"Port\\(container)");
  EXPECT_EQ(Canonical(u"\\MyEvent"), u"Root\\MyEvent");
  EXPECT_EQ(Canonical(u"\\KernelObjects\\LowMemoryCondition"), u"Root\\KernelObjects\\LowMemoryCondition");
  EXPECT_EQ(Canonical(u"\\Sessions\\1\\Windows\\x"), u"Root\\Sessions\\1\\Windows\\x");
  EXPECT_EQ(Canonical(u"\\"), u"Root\\(container)");
  for (WView other : {u"", u"x", u"\\??\\C:\\x", u"\\??\\C:", u"\\Device\\HarddiskVolume1\\pipe\\x",
                      u"\\REGISTRY\\Machine", u"\\SystemRoot\\x", u"\\??\\nul", u"\\??", u"\\Device"}) {
    EXPECT_EQ(ParseObjectName(other, kSessionId).space, ObjectSpace::kOther)
        << std::string(other.begin(), other.end());
  }
}

TEST(ObjectName, EmptyComponentsAreNamesToo) {
  const ObjectName name = ParseObjectName(u"\\BaseNamedObjects\\\\x", kSessionId);
  EXPECT_FALSE(name.container);
  EXPECT_EQ(name.begin, name.mark);
  EXPECT_EQ(Canonical(u"\\??\\pipe\\\\x"), u"Pipe\\\\x");
}

TEST(ObjectMark, IsPutBehindTheNameThatDecides) {
  const std::u16string mark(kMine.View());
  EXPECT_EQ(mark.size(), kObjectMarkUnits);
  EXPECT_NE(mark, kOthers.View());
  EXPECT_EQ(Marked(u"\\Sessions\\1\\BaseNamedObjects\\d\\x"),
            u"\\Sessions\\1\\BaseNamedObjects\\d" + mark + u"\\x");
  EXPECT_EQ(Marked(u"\\??\\pipe\\d\\x"), u"\\??\\pipe\\d\\x" + mark);
}

TEST(ObjectMark, IsFoundAgain) {
  for (WView full : {u"\\Sessions\\1\\BaseNamedObjects\\d\\x", u"\\BaseNamedObjects\\x", u"\\??\\pipe\\d\\x",
                     u"\\Device\\MailSlot\\m", u"\\RPC Control\\p", u"\\x", u"\\x\\y"}) {
    size_t begin = 0;
    std::u16string real = Marked(full);
    ASSERT_TRUE(FindOwnMark(real, kSessionId, kMine, &begin));
    EXPECT_EQ(real.erase(begin, kObjectMarkUnits), full);
    EXPECT_FALSE(FindOwnMark(Marked(full, kOthers), kSessionId, kMine, &begin));
    EXPECT_FALSE(FindOwnMark(full, kSessionId, kMine, &begin));
  }
}

TEST(ObjectMark, GuessedNamesAreMarkedAgain) {
  const NameRule all[] = {{u"*", Mode::kHost}};
  const auto decide = [&](WView full) {
    const ObjectName name = ParseObjectName(full, kSessionId);
    std::vector<char16_t> room(full.size() + kObjectPrefixUnits);
    const size_t n = WriteObjectName(full, name, name.mark, room);
    return DecideObject(name, WView(room.data(), n), all);
  };
  EXPECT_EQ(decide(u"\\BaseNamedObjects\\x"), ObjectAction::kPass);
  EXPECT_EQ(decide(Marked(u"\\BaseNamedObjects\\x", kOthers)), ObjectAction::kMark);
  EXPECT_EQ(decide(Marked(u"\\BaseNamedObjects\\x", kMine)), ObjectAction::kMark);
  EXPECT_EQ(decide(u"\\??\\pipe\\X~PLUME~0123456789ABCDEF"), ObjectAction::kMark);
  EXPECT_EQ(decide(u"\\??\\pipe\\X~PLUME~0123456789ABCDEG"), ObjectAction::kPass);
  EXPECT_EQ(decide(u"\\??\\UNC\\localhost\\pipe\\x~plume~0123456789abcdef"), ObjectAction::kRefuse);
}

TEST(ObjectRules, Decide) {
  const NameRule rules[] = {
      {u"Local\\Shared*", Mode::kHost}, {u"Pipe\\no", Mode::kDeny}, {u"Remote\\db\\*", Mode::kHost}};
  const auto decide = [&](WView full) {
    const ObjectName name = ParseObjectName(full, kSessionId);
    std::vector<char16_t> room(full.size() + kObjectPrefixUnits);
    const size_t n = WriteObjectName(full, name, name.mark, room);
    return DecideObject(name, WView(room.data(), n), rules);
  };
  EXPECT_EQ(decide(u"\\Sessions\\1\\BaseNamedObjects\\shared dir\\x"), ObjectAction::kPass);
  EXPECT_EQ(decide(u"\\Sessions\\1\\BaseNamedObjects\\other"), ObjectAction::kMark);
  EXPECT_EQ(decide(u"\\Sessions\\2\\BaseNamedObjects\\shared"), ObjectAction::kMark);
  EXPECT_EQ(decide(u"\\??\\pipe\\NO"), ObjectAction::kRefuse);
  EXPECT_EQ(decide(u"\\??\\UNC\\db\\pipe\\sql"), ObjectAction::kPass);
  EXPECT_EQ(decide(u"\\??\\UNC\\localhost\\pipe\\sql"), ObjectAction::kRefuse);
  EXPECT_EQ(decide(u"\\??\\C:\\x"), ObjectAction::kPass);
  EXPECT_EQ(decide(u"\\BaseNamedObjects"), ObjectAction::kPass);
}

TEST(ObjectRules, EntriesOfDirectories) {
  const NameRule rules[] = {{u"Local\\Shared", Mode::kHost}, {u"Root\\KernelObjects", Mode::kHost}};
  std::vector<char16_t> room(1000);
  const auto look = [&](WView directory, WView entry) {
    return LookOfEntry(directory, entry, kSessionId, kMine, rules, room);
  };
  const WView bno = u"\\Sessions\\1\\BaseNamedObjects";
  const auto with = [](const char16_t* name, const ObjectMark& mark) {
    return name + std::u16string(mark.View());
  };
  EXPECT_EQ(look(bno, u"Shared"), EntryLook::kAsIs);
  EXPECT_EQ(look(bno, u"Global"), EntryLook::kAsIs);
  EXPECT_EQ(look(bno, u"Session"), EntryLook::kAsIs);
  EXPECT_EQ(look(bno, u"HostsOwn"), EntryLook::kHidden);
  EXPECT_EQ(look(bno, with(u"x", kMine)), EntryLook::kWithoutMark);
  EXPECT_EQ(look(bno, with(u"x", kOthers)), EntryLook::kHidden);
  EXPECT_EQ(look(bno, with(u"Shared", kOthers)), EntryLook::kHidden);
  EXPECT_EQ(look(u"\\", u"KernelObjects"), EntryLook::kAsIs);
  EXPECT_EQ(look(u"\\", u"Device"), EntryLook::kAsIs);
  EXPECT_EQ(look(u"\\", u"HostsOwn"), EntryLook::kHidden);
  EXPECT_EQ(look(u"\\KernelObjects", u"anything"), EntryLook::kAsIs);
  EXPECT_EQ(look(u"\\Device\\NamedPipe", with(u"a\\b", kMine)), EntryLook::kWithoutMark);
  EXPECT_EQ(look(u"\\Device\\NamedPipe\\", u"a"), EntryLook::kHidden);
  EXPECT_EQ(look(std::u16string(bno) + u"\\" + with(u"dir", kMine), u"inside"), EntryLook::kAsIs);
  room.resize(20);
  EXPECT_EQ(look(bno, u"Shared"), EntryLook::kHidden);  // no room: never shown by accident
}

TEST(ObjectRules, LinkTargets) {
  const auto may = [](WView target, ObjectAction action) {
    return MayBeLinkTarget(ParseObjectName(target, kSessionId), action);
  };
  EXPECT_TRUE(may(u"\\BaseNamedObjects\\x", ObjectAction::kMark));
  EXPECT_TRUE(may(u"\\BaseNamedObjects\\x", ObjectAction::kPass));
  EXPECT_TRUE(may(u"\\MyDirectory", ObjectAction::kMark));
  EXPECT_FALSE(may(u"\\BaseNamedObjects\\x", ObjectAction::kRefuse));
  EXPECT_FALSE(may(u"\\BaseNamedObjects", ObjectAction::kPass));
  EXPECT_FALSE(may(u"\\Sessions\\1\\BaseNamedObjects\\Global", ObjectAction::kPass));
  EXPECT_FALSE(may(u"\\Sessions", ObjectAction::kPass));
  EXPECT_FALSE(may(u"\\", ObjectAction::kPass));
  EXPECT_FALSE(may(u"\\??\\C:\\x", ObjectAction::kPass));
  EXPECT_FALSE(may(u"\\Device\\NamedPipe\\x", ObjectAction::kMark));
  EXPECT_FALSE(may(u"x", ObjectAction::kPass));
}

}  // namespace
}  // namespace plume::view
