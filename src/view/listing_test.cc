#include "view/listing.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "base/utf16.h"

namespace plume::view {
namespace {

// An arena with an optional limit.
class Arena {
 public:
  explicit Arena(size_t limit = SIZE_MAX) : limit_(limit) {}
  Allocator allocator() { return {&Alloc, this}; }
  size_t used() const { return used_; }

 private:
  static void* Alloc(void* context, size_t bytes) {
    auto* self = static_cast<Arena*>(context);
    if (bytes > self->limit_ - self->used_) return nullptr;
    self->used_ += bytes;
    self->blocks_.push_back(std::make_unique<std::max_align_t[]>(bytes / sizeof(std::max_align_t) + 1));
    return self->blocks_.back().get();
  }
  size_t limit_, used_ = 0;
  std::vector<std::unique_ptr<std::max_align_t[]>> blocks_;
};

DirEntry Named(WView name, uint64_t id = 0, WView short_name = WView()) {
  DirEntry e;
  e.name = name;
  e.short_name = short_name;
  e.id = id;
  return e;
}

std::string Names(const Listing& listing) {
  std::string out;
  for (size_t i = 0; i < listing.size(); ++i) out += (i ? "|" : "") + ToUtf8(listing.at(i).name);
  return out;
}

TEST(Listing, SortsByUpcasedNameDotsFirst) {
  Arena arena;
  Listing listing(arena.allocator(), nullptr);
  for (WView name : {WView(u"zeta"), WView(u"_x"), WView(u".."), WView(u"Alpha"), WView(u"alph"),
                     WView(u"!a"), WView(u"."), WView(u"\u00e4"), WView(u"alpha1")}) {
    ASSERT_TRUE(listing.Add(Source::kHost, Named(name)));
  }
  ASSERT_TRUE(listing.Sort());
  EXPECT_EQ(Names(listing), ".|..|!a|alph|Alpha|alpha1|zeta|_x|\u00e4");
}

TEST(Listing, HigherSourceWins) {
  Arena arena;
  Listing listing(arena.allocator(), nullptr);
  ASSERT_TRUE(listing.Add(Source::kUpper, Named(u"File", 1)));
  ASSERT_TRUE(listing.Add(Source::kImage, Named(u"FILE", 2)));
  ASSERT_TRUE(listing.Add(Source::kImage, Named(u"image", 3)));
  ASSERT_TRUE(listing.Add(Source::kHost, Named(u"Image", 4)));
  ASSERT_TRUE(listing.Add(Source::kHost, Named(u"host", 5)));
  ASSERT_TRUE(listing.Sort());
  EXPECT_EQ(Names(listing), "File|host|image");
  EXPECT_EQ(listing.at(0).id, 1u);
  EXPECT_EQ(listing.at(2).id, 3u);
}

// A look-up finds a long name before any short one, so a listing must show it.
TEST(Listing, ALongNameThatIsAShortNameAboveShows) {
  Arena arena;
  Listing listing(arena.allocator(), nullptr);
  ASSERT_TRUE(listing.Add(Source::kUpper, Named(u"Long file name.text", 1, u"LONG~UHB.TEX")));
  ASSERT_TRUE(listing.Add(Source::kUpper, Named(u"LONG~UHB.TEX", 2)));
  ASSERT_TRUE(listing.Add(Source::kHost, Named(u"long~uhb.tex", 3)));
  ASSERT_TRUE(listing.Add(Source::kHost, Named(u"Other.text", 4, u"LONG~UHB.TEX")));
  ASSERT_TRUE(listing.Sort());
  EXPECT_EQ(Names(listing), "Long file name.text|LONG~UHB.TEX|Other.text");
  EXPECT_EQ(listing.at(0).short_name, u"") << "a look-up of it finds the other file";
  EXPECT_EQ(listing.at(1).id, 2u);
  EXPECT_EQ(listing.at(2).short_name, u"");
}

TEST(Listing, ShortNamesAsGivenHideNothingAndAreNotLeftOff) {
  Arena arena;
  Listing listing(arena.allocator(), nullptr, ShortNames::kAsGiven);
  ASSERT_TRUE(listing.Add(Source::kUpper, Named(u"LONG~UHB.TEX", 1)));
  ASSERT_TRUE(listing.Add(Source::kHost, Named(u"Long file name.text", 2, u"LONG~UHB.TEX")));
  ASSERT_TRUE(listing.Add(Source::kHost, Named(u"Other.text", 3, u"LONG~UHB.TEX")));
  ASSERT_TRUE(listing.Sort());
  EXPECT_EQ(Names(listing), "Long file name.text|LONG~UHB.TEX|Other.text");
  EXPECT_EQ(listing.at(0).short_name, u"LONG~UHB.TEX");
  EXPECT_EQ(listing.at(2).short_name, u"LONG~UHB.TEX");
}

TEST(Listing, TakenShortNamesAreLeftOff) {
  Arena arena;
  Listing listing(arena.allocator(), nullptr);
  ASSERT_TRUE(listing.Add(Source::kUpper, Named(u"long name one", 1, u"LONGNA~1")));
  ASSERT_TRUE(listing.Add(Source::kHost, Named(u"long name two", 2, u"LONGNA~1")));
  ASSERT_TRUE(listing.Add(Source::kHost, Named(u"other long name", 3, u"OTHERL~1")));
  ASSERT_TRUE(listing.Sort());
  EXPECT_EQ(listing.at(0).short_name, u"LONGNA~1");
  EXPECT_EQ(listing.at(1).short_name, u"");
  EXPECT_EQ(listing.at(2).short_name, u"OTHERL~1");
}

TEST(Listing, FilterHidesByPolicyAndWhiteout) {
  const std::unique_ptr<void, void (*)(void*)> memory(std::calloc(1, VmIndex::kFileBytes), &std::free);
  VmIndex::Format(memory.get());
  VmIndex index;
  ASSERT_TRUE(index.Attach(memory.get(), VmIndex::kFileBytes));
  const Rule rules[] = {{u"", Mode::kMerge}, {u"C:\\d\\secret", Mode::kDeny}};
  Space space;
  space.file_rules = rules;
  space.index = &index;
  std::vector<char16_t> room(64), room2(64);
  VPath dir, gone;
  ASSERT_EQ(ParseCanonical(u"C:\\d", room, &dir), NameKind::kDrivePath);
  ASSERT_EQ(ParseRelative(dir, u"gone", room2, &gone), NameKind::kDrivePath);
  ASSERT_TRUE(index.Set(gone, gone.depth, VmIndex::kWhiteout));
  const ChildFilter filter(space, dir, false, LookUp(space, dir, false));
  Arena arena;
  Listing listing(arena.allocator(), &filter);
  for (WView name : {WView(u"."), WView(u"gone"), WView(u"Secret"), WView(u"kept")}) {
    ASSERT_TRUE(listing.Add(Source::kHost, Named(name)));
  }
  ASSERT_TRUE(listing.Sort());
  EXPECT_EQ(Names(listing), ".|kept");
}

// Upper, image and host with random names: the result is what a map of maps gives.
TEST(Listing, MergesLikeAMap) {
  std::mt19937 random(31);
  for (int round = 0; round < 60; ++round) {
    Arena arena;
    Listing listing(arena.allocator(), nullptr);
    struct Less {
      bool operator()(const std::u16string& a, const std::u16string& b) const {
        return CompareFolded(a, b) < 0;
      }
    };
    std::map<std::u16string, uint64_t, Less> model;
    const unsigned count = random() % (round % 10 == 0 ? 5000 : 60);
    for (unsigned i = 0; i < 3 * count; ++i) {
      std::u16string name;
      for (unsigned n = 1 + random() % 6; n > 0; --n) name += u"aAbBz_.1\u00e4\u00c4"[random() % 10];
      if (name == u"." || name == u"..") continue;
      const auto source = static_cast<Source>(i / (count ? count : 1));
      ASSERT_TRUE(listing.Add(source, Named(name, i)));
      model.emplace(name, i);
    }
    ASSERT_TRUE(listing.Sort());
    ASSERT_EQ(listing.size(), model.size());
    size_t i = 0;
    for (const auto& [name, id] : model) {
      ASSERT_EQ(ToUtf8(listing.at(i).name), ToUtf8(name));
      ASSERT_EQ(listing.at(i++).id, id);
    }
  }
}

TEST(Listing, FindsThePlaceBehindAName) {
  Arena arena;
  Listing listing(arena.allocator(), nullptr);
  EXPECT_TRUE(listing.Sort());
  EXPECT_EQ(listing.After(u"x"), 0u);
  Listing full(arena.allocator(), nullptr);
  ASSERT_TRUE(full.Add(Source::kUpper, Named(u".")));
  ASSERT_TRUE(full.Add(Source::kUpper, Named(u"..")));
  for (WView name : {WView(u"b"), WView(u"Abcde1"), WView(u"abcde2")})
    ASSERT_TRUE(full.Add(Source::kHost, Named(name)));
  ASSERT_TRUE(full.Sort());
  EXPECT_EQ(full.After(u"."), 1u);
  EXPECT_EQ(full.After(u".."), 2u);
  EXPECT_EQ(full.After(u"!"), 2u) << "a name that is not there";
  EXPECT_EQ(full.After(u"ABCDE1"), 3u);
  EXPECT_EQ(full.After(u"abcde11"), 3u);
  EXPECT_EQ(full.After(u"B"), 5u);
  EXPECT_EQ(full.After(u"z"), 5u);
  EXPECT_EQ(full.upper_count(), 2u);
  EXPECT_EQ(full.at(2).source, Source::kHost);
}

TEST(Listing, SaysWhenOutOfMemory) {
  Arena whole;
  Listing reference(whole.allocator(), nullptr);
  const auto fill = [](Listing* listing) {
    for (int i = 0; i < 300; ++i) {
      const std::u16string name = u"name" + FromUtf8Lossy(std::to_string(i));
      if (!listing->Add(Source::kHost, Named(name, 0, name.substr(0, 2) + FromUtf8Lossy(std::to_string(i)))))
        return false;
    }
    return listing->Sort();
  };
  ASSERT_TRUE(fill(&reference));
  for (size_t limit = 0; limit < whole.used(); limit += 997) {
    Arena arena(limit);
    Listing listing(arena.allocator(), nullptr);
    EXPECT_FALSE(fill(&listing)) << limit;
  }
}

class Query : public ::testing::Test {
 protected:
  Query() : listing_(arena_.allocator(), nullptr) {}
  void Fill(std::vector<DirEntry> entries) {
    for (const DirEntry& e : entries) ASSERT_TRUE(listing_.Add(Source::kHost, e));
    ASSERT_TRUE(listing_.Sort());
  }
  uint32_t Ask(uint32_t info_class, uint32_t length, bool single = false, bool restart = false) {
    buffer_.assign(length / 8 + 2, 0xEEEEEEEEEEEEEEEEu);
    const uint32_t status =
        QueryListing(listing_, &cursor_, {info_class, single, restart}, buffer_.data(), length, &written_);
    // Nothing behind the buffer is touched.
    for (size_t i = length; i < buffer_.size() * 8; ++i) EXPECT_EQ(Bytes()[i], 0xEE) << "byte " << i;
    EXPECT_LE(written_, length);
    return status;
  }
  const uint8_t* Bytes() const { return reinterpret_cast<const uint8_t*>(buffer_.data()); }
  template <typename T>
  T At(size_t offset) const {
    T value;
    std::memcpy(&value, Bytes() + offset, sizeof(value));
    return value;
  }
  std::u16string Text(size_t offset, size_t bytes) const {
    std::u16string s(bytes / 2, u'\0');
    std::memcpy(s.data(), Bytes() + offset, bytes);
    return s;
  }
  // Names of all records, given where a class has name length and name.
  std::string AllNames(size_t length_at, size_t name_at) {
    std::string out;
    size_t at = 0;
    while (true) {
      EXPECT_EQ(at % 8, 0u);
      const auto bytes = At<uint32_t>(at + length_at);
      out += ToUtf8(Text(at + name_at, bytes)) + "|";
      const auto next = At<uint32_t>(at);
      if (next == 0) {
        EXPECT_EQ(at + name_at + bytes, written_);
        return out;
      }
      at += next;
    }
  }

  Arena arena_;
  Listing listing_;
  Cursor cursor_;
  std::vector<uint64_t> buffer_;
  uint32_t written_ = 0;
};

struct Layout {
  uint32_t info_class;
  size_t name_length, name, minimum;
};
constexpr Layout kLayouts[] = {{1, 60, 64, 72},  {2, 60, 68, 72},    {3, 60, 94, 96},
                               {12, 8, 12, 16},  {37, 60, 104, 112}, {38, 60, 80, 88},
                               {50, 60, 92, 96}, {60, 60, 88, 96},   {63, 60, 114, 120}};

TEST_F(Query, EveryClassListsAllNames) {
  Fill({Named(u"."), Named(u".."), Named(u"b"), Named(u"a long name"), Named(u"abc.txt")});
  for (const Layout& l : kLayouts) {
    ASSERT_TRUE(IsListingClass(l.info_class));
    cursor_ = Cursor();
    ASSERT_EQ(Ask(l.info_class, 4096), kSuccess) << l.info_class;
    EXPECT_EQ(AllNames(l.name_length, l.name), ".|..|a long name|abc.txt|b|") << l.info_class;
    EXPECT_EQ(Ask(l.info_class, 4096), kNoMoreFiles);
    EXPECT_EQ(written_, 0u);
    cursor_ = Cursor();
    EXPECT_EQ(Ask(l.info_class, static_cast<uint32_t>(l.minimum - 1)), kInfoLengthMismatch) << l.info_class;
    EXPECT_EQ(Ask(l.info_class, static_cast<uint32_t>(l.minimum)), kSuccess) << l.info_class;
  }
  for (uint32_t other : {0u, 4u, 13u, 64u, 78u}) {
    EXPECT_FALSE(IsListingClass(other));
    EXPECT_EQ(Ask(other, 4096), kInvalidInfoClass);
  }
}

TEST_F(Query, FieldsAreWhereTheClassHasThem) {
  DirEntry e = Named(u"LongName.text", 0x1122334455667788, u"LONGNA~1.TEX");
  e.attributes = 0x20;
  e.ea_size = 9;
  e.created = 11;
  e.accessed = 12;
  e.written = 13;
  e.changed = 14;
  e.size = 15;
  e.allocation = 4096;
  Fill({e});
  for (const Layout& l : kLayouts) {
    cursor_ = Cursor();
    ASSERT_EQ(Ask(l.info_class, 512), kSuccess);
    EXPECT_EQ(At<uint32_t>(0), 0u);
    EXPECT_EQ(At<uint32_t>(4), 0u);
    if (l.info_class == 12) continue;
    EXPECT_EQ(At<int64_t>(8), 11);
    EXPECT_EQ(At<int64_t>(16), 12);
    EXPECT_EQ(At<int64_t>(24), 13);
    EXPECT_EQ(At<int64_t>(32), 14);
    EXPECT_EQ(At<uint64_t>(40), 15u);
    EXPECT_EQ(At<uint64_t>(48), 4096u);
    EXPECT_EQ(At<uint32_t>(56), 0x20u);
    const uint32_t c = l.info_class;
    if (c == 2 || c == 3 || c == 37 || c == 38 || c == 60 || c == 63) {
      EXPECT_EQ(At<uint32_t>(64), 9u) << c;
    }
    if (c == 3 || c == 37 || c == 63) {
      const size_t at = c == 63 ? 88 : 68;
      EXPECT_EQ(At<uint8_t>(at), 24) << c;
      EXPECT_EQ(Text(at + 2, 24), u"LONGNA~1.TEX") << c;
    }
    const size_t id = c == 37 ? 96 : c == 38 ? 72 : c == 50 ? 64 : c == 60 || c == 63 ? 72 : 0;
    if (id != 0) {
      EXPECT_EQ(At<uint64_t>(id), 0x1122334455667788u) << c;
    }
    if (c == 60 || c == 63) {
      EXPECT_EQ(At<uint64_t>(80), 0u);
    }
  }
}

TEST_F(Query, ReparseTagsGoWhereTheyBelong) {
  DirEntry e = Named(u"link");
  e.attributes = 0x410;
  e.ea_size = 0xA0000003;
  Fill({e});
  ASSERT_EQ(Ask(2, 512), kSuccess);
  EXPECT_EQ(At<uint32_t>(64), 0xA0000003u);
  cursor_ = Cursor();
  ASSERT_EQ(Ask(60, 512), kSuccess);
  EXPECT_EQ(At<uint32_t>(64), 0u);
  EXPECT_EQ(At<uint32_t>(68), 0xA0000003u);
}

TEST_F(Query, SmallBuffersGiveAllInSeveralCalls) {
  std::vector<std::u16string> names;
  for (int i = 0; i < 200; ++i)
    names.push_back(u"file" + FromUtf8Lossy(std::to_string(1000 + i)) + std::u16string(i % 13, u'x'));
  std::vector<DirEntry> entries;
  for (const std::u16string& n : names) entries.push_back(Named(n));
  Fill(entries);
  for (uint32_t length : {160u, 200u, 333u, 1000u}) {
    cursor_ = Cursor();
    std::string all;
    uint32_t status;
    while ((status = Ask(3, length)) == kSuccess) all += AllNames(60, 94);
    EXPECT_EQ(status, kNoMoreFiles);
    EXPECT_EQ(std::count(all.begin(), all.end(), '|'), 200) << length;
  }
}

TEST_F(Query, FirstNameTooLongIsCut) {
  Fill({Named(u"a-rather-long-file-name"), Named(u"b")});
  ASSERT_EQ(Ask(12, 20), kBufferOverflow);
  EXPECT_EQ(written_, 20u);
  EXPECT_EQ(At<uint32_t>(8), 46u) << "the whole length is said";
  EXPECT_EQ(Text(12, 8), u"a-ra");
  ASSERT_EQ(Ask(12, 20), kSuccess);
  EXPECT_EQ(AllNames(8, 12), "b|");
  EXPECT_EQ(Ask(12, 20), kNoMoreFiles);
}

TEST_F(Query, SingleAndRestart) {
  Fill({Named(u"a"), Named(u"b"), Named(u"c")});
  ASSERT_EQ(Ask(1, 4096, true), kSuccess);
  EXPECT_EQ(AllNames(60, 64), "a|");
  ASSERT_EQ(Ask(1, 4096, true), kSuccess);
  EXPECT_EQ(AllNames(60, 64), "b|");
  ASSERT_EQ(Ask(1, 4096, false, true), kSuccess);
  EXPECT_EQ(AllNames(60, 64), "a|b|c|");
  EXPECT_EQ(Ask(1, 4096), kNoMoreFiles);
  EXPECT_EQ(Ask(1, 4096, true, true), kSuccess);
}

TEST_F(Query, PatternsAndTheirStatuses) {
  Fill({Named(u"a.txt"), Named(u"b.doc"), Named(u"long name.text", 0, u"LONGNA~1.TXT")});
  cursor_.pattern = u"*.TXT";
  ASSERT_EQ(Ask(1, 4096), kSuccess);
  EXPECT_EQ(AllNames(60, 64), "a.txt|long name.text|") << "short names match too";
  EXPECT_EQ(Ask(1, 4096), kNoMoreFiles);
  cursor_ = Cursor();
  cursor_.pattern = u"none";
  EXPECT_EQ(Ask(1, 4096), kNoSuchFile);
  EXPECT_EQ(Ask(1, 4096), kNoMoreFiles);
  EXPECT_EQ(Ask(1, 4096, false, true), kNoMoreFiles);
}

TEST_F(Query, RefreshedEntriesAreLeftOutOrHaveNewFacts) {
  Fill({Named(u"a"), Named(u"gone"), Named(u"z")});
  ListingRequest request{1};
  int asked = 0;
  request.context = &asked;
  request.refresh = [](void* context, DirEntry* entry) {
    ++*static_cast<int*>(context);
    entry->size = 77;
    return entry->name != u"gone";
  };
  buffer_.assign(512, 0);
  ASSERT_EQ(QueryListing(listing_, &cursor_, request, buffer_.data(), 4096, &written_), kSuccess);
  EXPECT_EQ(AllNames(60, 64), "a|z|");
  EXPECT_EQ(At<uint64_t>(40), 77u);
  EXPECT_EQ(asked, 3);
  EXPECT_EQ(QueryListing(listing_, &cursor_, request, buffer_.data(), 4096, &written_), kNoMoreFiles);
  EXPECT_EQ(listing_.at(0).size, 0u) << "the listing itself stays";
}

TEST(NamePlace, KnowsEveryClass) {
  for (const Layout& l : kLayouts) {
    uint32_t length = 0, name = 0;
    ASSERT_TRUE(NamePlace(l.info_class, &length, &name));
    EXPECT_EQ(length, l.name_length);
    EXPECT_EQ(name, l.name);
  }
  uint32_t length, name;
  EXPECT_FALSE(NamePlace(4, &length, &name));
}

TEST_F(Query, EmptyDirectory) {
  Fill({});
  EXPECT_EQ(Ask(1, 4096), kNoSuchFile);
  EXPECT_EQ(Ask(1, 4096), kNoMoreFiles);
}

}  // namespace
}  // namespace plume::view
