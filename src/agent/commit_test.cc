#include "agent/commit.h"

#include <gtest/gtest.h>

#include <fstream>
#include <map>

#include "agent/fake_keys.h"
#include "agent/text.h"
#include "os/faulty.h"
#include "os/test_folder.h"
#include "view/base_stamp.h"
#include "view/vm_index.h"

namespace plume::agent {
namespace {

using testing::FakeKeys;
using view::VmIndex;

// A KeyStore as the differ reads it.
class Source : public capture::KeySource {
 public:
  explicit Source(KeyStore& keys) : keys_(keys) {}
  bool Read(std::u16string_view path, capture::KeyContent* out) const override {
    KeyNode node;
    *out = {};
    if (!keys_.Read(path, &node, &out->subkeys).ok()) return false;
    out->values = node.values;
    return true;
  }

 private:
  KeyStore& keys_;
};

// Hundreds of commits, each of which waits for the disk several times: they are not what is tested.
struct InMemory {
  InMemory() {
    if (std::filesystem::exists("/dev/shm")) setenv("TMPDIR", "/dev/shm", 1);
  }
};

// A host of folders, a VM above it, and what the layer in a guest would do to both.
class CommitTest : public InMemory, public ::testing::Test, public LowerFiles {
 protected:
  CommitTest() {
    for (const char* part : {"host/C/dir", "upper/C", "vm"})
      EXPECT_TRUE(os::SystemFiles().MakeDirectories(folder_ / part).ok());
    host_keys_.Add(u"M\\Software\\App", {{u"a", 1, {1}}, {u"b", 1, {2}}});
    host_keys_.Add(u"M\\Software\\Gone\\Sub", {{u"x", 1, {1}}});
    host_keys_.Add(u"U\\S\\Software");
  }

  // LowerFiles: the host.
  LowerFile Find(std::u16string_view path) override {
    const auto info = os::SystemFiles().Stat(Real(path));
    if (!info.ok()) return {};
    return {true, info->directory, info->size, info->attributes};
  }
  std::vector<std::u16string> List(std::u16string_view directory) override {
    std::vector<std::u16string> out;
    if (const auto all = os::SystemFiles().List(Real(directory)); all.ok())
      for (const auto& e : *all) out.push_back(e.name.u16string());
    return out;
  }
  Result<bool> SameContent(std::u16string_view path, const os::Path& upper) override {
    return *os::ReadText(os::SystemFiles(), Real(path)) == *os::ReadText(os::SystemFiles(), upper);
  }

  os::Path Real(std::u16string_view path) const { return Below("host", path); }
  os::Path Upper(std::u16string_view path) const { return Below("upper", path); }
  os::Path Below(const char* top, std::u16string_view path) const {
    const os::Path drive = folder_ / top / os::FromUtf16(path.substr(0, 1));
    return path.size() > 3 ? drive / os::FromUtf16(path.substr(3)) : drive;
  }
  static void Put(const os::Path& path, const std::string& text) {
    std::filesystem::create_directories(path.parent_path());
    std::ofstream(path) << text;
  }
  void Host(const std::u16string& path, const std::string& text) {
    Put(Real(path), text);
    // Every write is a later one, however fast the test is.
    EXPECT_TRUE(
        os::SystemFiles().SetTimes(Real(path), {0, 132000000000000000 + 10000000 * ++clock_, 0}).ok());
  }

  // --- what guests do
  uint64_t Stamp(const std::u16string& path) {
    const auto info = os::SystemFiles().Stat(Real(path));
    return info.ok() && !info->directory ? view::FileStamp(info->size, info->times.modified) : 0;
  }
  void Mark(const std::u16string& path, uint32_t flags, uint64_t base) {
    for (IndexRecord& r : records_) {
      if (r.path != path) continue;
      r.flags |= flags;
      if (r.base == 0) r.base = base;
      return;
    }
    records_.push_back({path, flags, base});
  }
  void GuestWrites(const std::u16string& path, const std::string& text) {
    Mark(path, VmIndex::kUpper, Stamp(path));
    Put(Upper(path), text);
  }
  void GuestDeletes(const std::u16string& path) {
    Mark(path, VmIndex::kUpper | VmIndex::kWhiteout, Stamp(path));
    std::filesystem::remove_all(Upper(path));
  }
  uint64_t KeyStampOf(const std::u16string& path) {
    KeyNode node;
    if (!host_keys_.Read(path, &node, nullptr).ok()) return 0;
    view::KeyStamp stamp;
    for (const auto& v : node.values) stamp.Add(v.name, v.type, v.data.data(), v.data.size());
    return stamp.Finish();
  }
  void GuestCopiesKeyUp(const std::u16string& path) {
    Mark(path, VmIndex::kUpper, KeyStampOf(path));
    KeyNode node;
    (void)host_keys_.Read(path, &node, nullptr);
    (void)upper_keys_.Create(path, node);
  }
  void GuestSets(const std::u16string& path, const std::u16string& name, uint8_t data) {
    GuestCopiesKeyUp(path);
    ASSERT_TRUE(upper_keys_.SetValue(path, {name, 1, {data}}).ok());
  }
  void GuestDeletesKey(const std::u16string& path) {
    Mark(path, VmIndex::kUpper | VmIndex::kWhiteout, KeyStampOf(path));
    (void)upper_keys_.RemoveTree(path);
  }

  CommitHost MakeHost(os::FileSystem& files) {
    return {&files, [this](std::u16string_view path) { return Real(path); }, &host_keys_};
  }
  CommitPlan Plan(bool overwrite = false) {
    const Source upper(upper_keys_), lower(host_keys_);
    DiffInput diff;
    diff.records = records_;
    diff.files = &os::SystemFiles();
    diff.upper = folder_ / "upper";
    diff.lower_files = this;
    diff.upper_keys = &upper;
    diff.lower_keys = &lower;
    CommitInput input;
    input.changes = *Diff(diff);
    input.records = records_;
    input.upper = folder_ / "upper";
    input.upper_keys = &upper_keys_;
    input.host = MakeHost(os::SystemFiles());
    auto plan = PlanCommit(input, overwrite);
    EXPECT_TRUE(plan.ok()) << plan.error().message;
    return plan.ok() ? *plan : CommitPlan();
  }
  std::string Conflicts(bool overwrite = false) {
    std::string out;
    for (const CommitConflict& c : Plan(overwrite).conflicts)
      out += ToUtf8(c.path) + (c.is_value ? "\\\\" + ToUtf8(c.value) : "") + ": " + c.why + "\n";
    return out;
  }
  os::Path JournalFilePath() const { return folder_ / "vm/commit.json"; }

  // Everything the host has, as text.
  std::string Picture() {
    std::map<std::string, std::string> all;
    for (const auto& e : std::filesystem::recursive_directory_iterator(folder_ / "host"))
      all[std::filesystem::relative(e.path(), folder_ / "host").string()] =
          e.is_directory() ? "/" : *os::ReadText(os::SystemFiles(), e.path());
    for (const auto& [path, node] : host_keys_.all) {
      std::map<std::u16string, std::string> values;
      for (const auto& v : node.values) values[v.name] = std::string(v.data.begin(), v.data.end());
      std::string text;
      for (const auto& [name, data] : values) text += ToUtf8(name) + "=" + data + ",";
      all["key " + ToUtf8(path)] = text;
    }
    std::string out;
    for (const auto& [name, text] : all) out += name + ": " + text + "\n";
    return out;
  }

  os::testing::TestFolder folder_;
  FakeKeys host_keys_, upper_keys_;
  std::vector<IndexRecord> records_;
  int64_t clock_ = 0;
};

// A bit of everything.
class BusyCommit : public CommitTest {
 protected:
  BusyCommit() {
    Host(u"C:\\dir\\changed.txt", "before");
    Host(u"C:\\dir\\deleted.txt", "old");
    Host(u"C:\\dir\\kept.txt", "kept");
    Host(u"C:\\tree\\a\\1.txt", "1");
    Host(u"C:\\tree\\b\\2.txt", "2");
    Host(u"C:\\file", "a file");
    Host(u"C:\\folder\\x", "x");
    GuestWrites(u"C:\\dir\\changed.txt", "after");
    GuestDeletes(u"C:\\dir\\deleted.txt");
    GuestWrites(u"C:\\dir\\new.txt", "new");
    GuestWrites(u"C:\\fresh\\deep\\er\\file.txt", "deep");
    GuestWrites(u"C:\\fresh\\top.txt", "top");
    GuestDeletes(u"C:\\tree\\a\\1.txt");
    GuestDeletes(u"C:\\tree\\b\\2.txt");
    GuestDeletes(u"C:\\tree\\a");
    GuestDeletes(u"C:\\tree\\b");
    GuestDeletes(u"C:\\tree");
    GuestDeletes(u"C:\\file");
    GuestWrites(u"C:\\file\\now\\a.txt", "a directory now");
    GuestDeletes(u"C:\\folder\\x");
    GuestDeletes(u"C:\\folder");
    GuestWrites(u"C:\\folder", "a file now");
    GuestSets(u"M\\Software\\App", u"a", 9);
    GuestSets(u"M\\Software\\App", u"c", 3);
    ASSERT_TRUE_(upper_keys_.DeleteValue(u"M\\Software\\App", u"b").ok());
    GuestDeletesKey(u"M\\Software\\Gone\\Sub");
    GuestDeletesKey(u"M\\Software\\Gone");
    upper_keys_.Add(u"U\\S\\Software\\New\\Deeper", {{u"v", 1, {7}}});
    GuestCopiesKeyUp(u"U\\S\\Software");
  }
  static void ASSERT_TRUE_(bool ok) { ASSERT_TRUE(ok); }
};

TEST_F(BusyCommit, DoesAllOfIt) {
  EXPECT_EQ(Conflicts(), "");
  Commit commit(MakeHost(os::SystemFiles()), JournalFilePath());
  const Status done = commit.StageAndApply(Plan(), folder_ / "upper", 4, "tx", nullptr);
  ASSERT_TRUE(done.ok()) << done.error().message;
  const auto left = Commit::Left(os::SystemFiles(), JournalFilePath());
  ASSERT_TRUE(left.ok());
  EXPECT_EQ(left->workspace, 4u);
  ASSERT_TRUE(commit.CleanUp(*left).ok());
  EXPECT_EQ(Picture(),
            "C: /\n"
            "C/dir: /\n"
            "C/dir/changed.txt: after\n"
            "C/dir/kept.txt: kept\n"
            "C/dir/new.txt: new\n"
            "C/file: /\n"
            "C/file/now: /\n"
            "C/file/now/a.txt: a directory now\n"
            "C/folder: a file now\n"
            "C/fresh: /\n"
            "C/fresh/deep: /\n"
            "C/fresh/deep/er: /\n"
            "C/fresh/deep/er/file.txt: deep\n"
            "C/fresh/top.txt: top\n"
            "key M: \n"
            "key M\\Software: \n"
            "key M\\Software\\App: a=\x09,c=\x03,\n"
            "key U: \n"
            "key U\\S: \n"
            "key U\\S\\Software: \n"
            "key U\\S\\Software\\New: \n"
            "key U\\S\\Software\\New\\Deeper: v=\x07,\n");
  EXPECT_FALSE(os::Exists(os::SystemFiles(), JournalFilePath()));
}

// A file of another time is another file to a commit.
void CopyWithTimes(const os::Path& from, const os::Path& to) {
  std::filesystem::copy(from, to, std::filesystem::copy_options::recursive);
  for (const auto& e : std::filesystem::recursive_directory_iterator(from))
    if (e.is_regular_file())
      std::filesystem::last_write_time(to / std::filesystem::relative(e.path(), from),
                                       std::filesystem::last_write_time(e.path()));
}

// Whoever carries it out dies at step n, for every n: afterwards it was done, or it was not.
TEST_F(BusyCommit, DyingAnywhereLeavesItDoneOrUndone) {
  const CommitPlan plan = Plan();
  const std::string before = Picture();
  const FakeKeys keys_before = host_keys_;
  CopyWithTimes(folder_ / "host", folder_ / "saved");
  std::string after;
  int undone = 0, done_count = 0;
  for (uint64_t n = 0;; ++n) {
    os::FaultPlan faults(n, Errc::kInternal, /*sticky=*/true);
    const auto faulty = os::MakeFaultyFiles(os::SystemFiles(), faults);
    host_keys_.before = [&](const char* step, std::u16string_view path) {
      return faults.Step(step, ToUtf8(path));
    };
    Commit commit(MakeHost(*faulty), JournalFilePath());
    Status done = commit.StageAndApply(plan, folder_ / "upper", 4, "tx", nullptr);
    // The decision is one atomic write.
    if (done.ok()) done = os::WriteAtomic(*faulty, folder_ / "vm/decided", std::string_view("yes"));
    if (done.ok()) done = commit.CleanUp(commit.journal());
    host_keys_.before = nullptr;

    const bool decided = os::Exists(os::SystemFiles(), folder_ / "vm/decided");
    if (const auto left = Commit::Left(os::SystemFiles(), JournalFilePath()); left.ok()) {
      Commit again(MakeHost(os::SystemFiles()), JournalFilePath());
      const Status recovered = decided ? again.CleanUp(*left) : again.Undo(*left);
      ASSERT_TRUE(recovered.ok()) << n << ": " << recovered.error().message;
    } else {
      ASSERT_EQ(left.error().code, Errc::kNotFound) << left.error().message;
    }
    if (!decided) {
      ASSERT_EQ(Picture(), before) << "died at step " << n;
      ++undone;
    } else {
      if (after.empty()) after = Picture();
      ASSERT_EQ(Picture(), after) << "died at step " << n;
      ASSERT_EQ(after.find("plume-"), std::string::npos) << after;
      ++done_count;
    }
    ASSERT_FALSE(os::Exists(os::SystemFiles(), JournalFilePath()));
    if (done.ok()) break;
    ASSERT_LT(n, 10000u) << done.error().message;  // it must come to its end once
    if (!decided) continue;                        // it is all as it was
    host_keys_ = keys_before;
    std::filesystem::remove_all(folder_ / "host");
    CopyWithTimes(folder_ / "saved", folder_ / "host");
    (void)os::SystemFiles().Remove(folder_ / "vm/decided");
  }
  EXPECT_GT(undone, 40);
  EXPECT_GT(done_count, 5);
}

// One call fails, and nobody dies: the commit takes itself back.
TEST_F(BusyCommit, AFailureUndoesIt) {
  const CommitPlan plan = Plan();
  const std::string before = Picture();
  int failed = 0;
  for (uint64_t n = 0; n < 1000; ++n) {
    os::FaultPlan faults(n, Errc::kNoSpace, /*sticky=*/false);
    const auto faulty = os::MakeFaultyFiles(os::SystemFiles(), faults);
    host_keys_.before = [&](const char* step, std::u16string_view path) {
      return faults.Step(step, ToUtf8(path));
    };
    Commit commit(MakeHost(*faulty), JournalFilePath());
    const Status done = commit.StageAndApply(plan, folder_ / "upper", 4, "tx", nullptr);
    host_keys_.before = nullptr;
    if (done.ok()) {
      EXPECT_GT(failed, 30);
      return;
    }
    ++failed;
    ASSERT_EQ(Picture(), before) << "failed at step " << n;
    ASSERT_FALSE(os::Exists(os::SystemFiles(), JournalFilePath())) << n;
  }
  FAIL() << "never came to an end";
}

TEST_F(CommitTest, FilesThatChangedOnTheHost) {
  Host(u"C:\\dir\\a", "a");
  Host(u"C:\\dir\\b", "b");
  Host(u"C:\\dir\\c", "c");
  Host(u"C:\\dir\\d", "d");
  GuestWrites(u"C:\\dir\\a", "vm");
  GuestWrites(u"C:\\dir\\b", "vm");
  GuestDeletes(u"C:\\dir\\c");
  GuestDeletes(u"C:\\dir\\d");
  GuestWrites(u"C:\\dir\\e", "vm");
  GuestWrites(u"C:\\dir\\f", "the same");
  EXPECT_EQ(Conflicts(), "");
  Host(u"C:\\dir\\a", "A");
  std::filesystem::remove(Real(u"C:\\dir\\b"));
  Host(u"C:\\dir\\c", "C");
  std::filesystem::remove(Real(u"C:\\dir\\d"));
  Host(u"C:\\dir\\e", "host");
  Host(u"C:\\dir\\f", "the same");
  EXPECT_EQ(Conflicts(),
            "C:\\dir\\a: it changed on the host since the VM copied it\n"
            "C:\\dir\\b: it was deleted on the host since\n"
            "C:\\dir\\c: it changed on the host since the VM copied it\n"
            "C:\\dir\\e: it appeared on the host since, and differs\n");
  EXPECT_EQ(Conflicts(true), "");
  Commit commit(MakeHost(os::SystemFiles()), JournalFilePath());
  ASSERT_TRUE(commit.StageAndApply(Plan(true), folder_ / "upper", 1, "tx", nullptr).ok());
  ASSERT_TRUE(commit.CleanUp(commit.journal()).ok());
  EXPECT_EQ(*os::ReadText(os::SystemFiles(), Real(u"C:\\dir\\a")), "vm");
  EXPECT_EQ(*os::ReadText(os::SystemFiles(), Real(u"C:\\dir\\b")), "vm");
  EXPECT_FALSE(os::Exists(os::SystemFiles(), Real(u"C:\\dir\\c")));
  EXPECT_EQ(*os::ReadText(os::SystemFiles(), Real(u"C:\\dir\\e")), "vm");
}

TEST_F(CommitTest, WhatTheVmNeverKnewItDidNotDelete) {
  // The VM made the directory, so its own is opaque; then the host made one of the same name.
  Mark(u"C:\\made", VmIndex::kUpper | VmIndex::kWhiteout, 0);
  Put(Upper(u"C:\\made\\vm.txt"), "vm");
  Host(u"C:\\made\\host.txt", "host");
  EXPECT_EQ(Conflicts(), "");
  Commit commit(MakeHost(os::SystemFiles()), JournalFilePath());
  ASSERT_TRUE(commit.StageAndApply(Plan(), folder_ / "upper", 1, "tx", nullptr).ok());
  EXPECT_TRUE(os::Exists(os::SystemFiles(), Real(u"C:\\made\\host.txt")));
  EXPECT_TRUE(os::Exists(os::SystemFiles(), Real(u"C:\\made\\vm.txt")));
}

TEST_F(CommitTest, ADeletedDirectoryWithNewFiles) {
  Host(u"C:\\tree\\known", "1");
  GuestDeletes(u"C:\\tree\\known");
  GuestDeletes(u"C:\\tree");
  EXPECT_EQ(Conflicts(), "");
  Host(u"C:\\tree\\sub\\new", "2");
  EXPECT_EQ(Conflicts(), "C:\\tree\\sub\\new: it appeared on the host in what the VM deleted\n");
}

TEST_F(CommitTest, ImagesCoverTheHost) {
  // Of an image: the VM changed one file and deleted another; the host has namesakes that the VM never saw.
  GuestWrites(u"C:\\dir\\app.ini", "vm");
  records_.back().base = view::kBaseFromImage;
  Mark(u"C:\\dir\\app.txt", VmIndex::kUpper | VmIndex::kWhiteout, view::kBaseFromImage);
  Host(u"C:\\dir\\app.ini", "host");
  Host(u"C:\\dir\\app.txt", "host");
  EXPECT_EQ(Conflicts(), "C:\\dir\\app.ini: the host has it too, below the VM's image\n");
  const CommitPlan plan = Plan(true);
  ASSERT_EQ(plan.files.size(), 1u);
  EXPECT_EQ(plan.files[0].path, u"C:\\dir\\app.ini");
}

TEST_F(CommitTest, KeysThatChangedOnTheHost) {
  GuestSets(u"M\\Software\\App", u"a", 9);
  GuestSets(u"M\\Software\\App", u"c", 3);
  GuestDeletesKey(u"M\\Software\\Gone\\Sub");
  GuestDeletesKey(u"M\\Software\\Gone");
  EXPECT_EQ(Conflicts(), "");
  // Of the values that the VM changed, only those which the host has otherwise now.
  ASSERT_TRUE(host_keys_.SetValue(u"M\\Software\\App", {u"a", 1, {5}}).ok());
  host_keys_.Add(u"M\\Software\\Gone\\Later");
  EXPECT_EQ(Conflicts(),
            "M\\Software\\App\\\\a: it changed on the host since the VM copied it\n"
            "M\\Software\\Gone\\Later: it appeared on the host in what the VM deleted\n");
  EXPECT_EQ(Conflicts(true), "");
  // The key itself is gone.
  ASSERT_TRUE(host_keys_.RemoveTree(u"M\\Software\\App").ok());
  EXPECT_NE(Conflicts().find("M\\Software\\App: it was deleted on the host since"), std::string::npos)
      << Conflicts();
}

TEST_F(CommitTest, AnotherValueOfTheKeyIsNoConflict) {
  GuestSets(u"M\\Software\\App", u"a", 9);
  ASSERT_TRUE(host_keys_.SetValue(u"M\\Software\\App", {u"d", 1, {5}}).ok());
  EXPECT_EQ(Conflicts(), "");
  Commit commit(MakeHost(os::SystemFiles()), JournalFilePath());
  ASSERT_TRUE(commit.StageAndApply(Plan(), folder_ / "upper", 1, "tx", nullptr).ok());
  EXPECT_NE(Picture().find("M\\Software\\App: a=\x09,b=\x02,d=\x05,"), std::string::npos) << Picture();
}

TEST_F(CommitTest, AFileThatChangesInTheLastMoment) {
  Host(u"C:\\dir\\a", "a");
  GuestWrites(u"C:\\dir\\a", "vm");
  const CommitPlan plan = Plan();
  Host(u"C:\\dir\\a", "somebody was here");
  Commit commit(MakeHost(os::SystemFiles()), JournalFilePath());
  const Status done = commit.StageAndApply(plan, folder_ / "upper", 1, "tx", nullptr);
  ASSERT_FALSE(done.ok());
  EXPECT_EQ(done.error().code, Errc::kBusy);
  EXPECT_EQ(*os::ReadText(os::SystemFiles(), Real(u"C:\\dir\\a")), "somebody was here");
  EXPECT_FALSE(os::Exists(os::SystemFiles(), JournalFilePath()));
}

TEST_F(CommitTest, UndoLeavesOthersAlone) {
  Host(u"C:\\dir\\a", "a");
  GuestWrites(u"C:\\dir\\a", "vm");
  GuestSets(u"M\\Software\\App", u"a", 9);
  Commit commit(MakeHost(os::SystemFiles()), JournalFilePath());
  ASSERT_TRUE(commit.StageAndApply(Plan(), folder_ / "upper", 1, "tx", nullptr).ok());
  ASSERT_TRUE(host_keys_.SetValue(u"M\\Software\\App", {u"a", 1, {77}}).ok());
  ASSERT_TRUE(commit.Undo(commit.journal()).ok());
  EXPECT_EQ(*os::ReadText(os::SystemFiles(), Real(u"C:\\dir\\a")), "a");
  KeyNode node;
  ASSERT_TRUE(host_keys_.Read(u"M\\Software\\App", &node, nullptr).ok());
  for (const auto& v : node.values)
    if (v.name == u"a") {
      EXPECT_EQ(v.data, std::vector<uint8_t>{77});
    }
}

TEST(CommitJournalTest, SurvivesWriting) {
  CommitJournal a;
  a.phase = CommitPhase::kApplying;
  a.workspace = 12;
  a.files.push_back({FileOpKind::kReplace, u"C:\\\xd800odd", u"C:\\s", u"C:\\o"});
  a.keys.push_back({KeyOpKind::kSetValue,
                    u"M\\X",
                    u"M\\s",
                    u"M\\o",
                    {std::u16string(u"n\0m", 3), 3, {1, 2, 255}},
                    {u"n", 1, {}},
                    true});
  const auto b = CommitJournal::FromText(a.ToText());
  ASSERT_TRUE(b.ok());
  EXPECT_EQ(b->ToText(), a.ToText());
  EXPECT_EQ(b->files[0].path, a.files[0].path);
  EXPECT_TRUE(SameValue(b->keys[0].value, a.keys[0].value));
  EXPECT_TRUE(b->keys[0].had_value);
  EXPECT_EQ(b->workspace, 12u);
  const std::string text = a.ToText();
  for (size_t n = 0; n < text.size(); n += 3) EXPECT_FALSE(CommitJournal::FromText(text.substr(0, n)).ok());
}

// Of this version: must stay readable.
TEST(CommitJournalTest, Golden) {
  const auto text = os::ReadText(os::SystemFiles(), os::Path(PLUME_GOLDEN) / "commit_journal_v1.json");
  ASSERT_TRUE(text.ok()) << text.error().message;
  const auto journal = CommitJournal::FromText(*text);
  ASSERT_TRUE(journal.ok());
  EXPECT_EQ(journal->phase, CommitPhase::kStaging);
  EXPECT_EQ(journal->workspace, 3u);
  ASSERT_EQ(journal->files.size(), 1u);
  EXPECT_EQ(journal->files[0].kind, FileOpKind::kReplace);
  EXPECT_EQ(journal->files[0].path, u"C:\\a");
  EXPECT_EQ(journal->files[0].staged, u"C:\\n");
  EXPECT_EQ(journal->files[0].old, u"C:\\o");
  ASSERT_EQ(journal->keys.size(), 1u);
  EXPECT_EQ(journal->keys[0].kind, KeyOpKind::kSetValue);
  EXPECT_EQ(journal->keys[0].path, u"M\\k");
  EXPECT_EQ(journal->keys[0].value.name, u"v");
  EXPECT_EQ(journal->keys[0].value.data, (std::vector<uint8_t>{1, 255}));
  EXPECT_TRUE(journal->keys[0].had_value);
}

}  // namespace
}  // namespace plume::agent
