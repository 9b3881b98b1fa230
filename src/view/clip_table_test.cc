#include "view/clip_table.h"

#include <gtest/gtest.h>

#include <memory>
#include <vector>

namespace plume::view {
namespace {

using Result = ClipTable::Result;

struct ClipTableTest : testing::Test {
  std::unique_ptr<ClipTable> t = std::make_unique<ClipTable>();
  ClipTable::Told told;
  ClipTable::Files files;
  uint32_t seq = 0;
  uint64_t old = 0;

  Result Put(uint32_t format, bool data = true, uint64_t file = 7) {
    return t->Set(format, data, file, 3, 0x409, &seq, &old);
  }
  std::vector<uint32_t> Formats() const {
    std::vector<uint32_t> out;
    for (uint32_t f = t->Next(0); f; f = t->Next(f)) out.push_back(f);
    return out;
  }
};

TEST_F(ClipTableTest, NothingWithoutOpening) {
  EXPECT_EQ(Put(kCfText), Result::kNotOpen);
  EXPECT_EQ(t->Close(1, &told), Result::kNotOpen);
  EXPECT_EQ(t->Empty(1, 1, &files), Result::kNotOpen);
  EXPECT_EQ(t->Open(1, 10), Result::kDone);
  EXPECT_EQ(t->Empty(2, 2, &files), Result::kNotOpen);
  EXPECT_EQ(t->Close(2, &told), Result::kNotOpen);
  EXPECT_EQ(t->Open(2, 20), Result::kBusy);
  EXPECT_EQ(t->Open(1, 10), Result::kDone);
  EXPECT_EQ(t->Close(1, &told), Result::kDone);
  EXPECT_FALSE(told.changed);
  EXPECT_EQ(t->Open(2, 20), Result::kDone);
}

TEST_F(ClipTableTest, TextsAreMadeOfEachOther) {
  ASSERT_EQ(t->Open(1, 10), Result::kDone);
  ASSERT_EQ(t->Empty(1, 1, &files), Result::kDone);
  EXPECT_EQ(Put(kCfUnicodeText), Result::kDone);
  const uint32_t before = t->seq;
  ASSERT_EQ(t->Close(1, &told), Result::kDone);
  EXPECT_TRUE(told.changed);
  EXPECT_EQ(told.owner, 10u);
  EXPECT_EQ(t->seq, before + 2);
  EXPECT_EQ(Formats(), (std::vector<uint32_t>{kCfUnicodeText, kCfLocale, kCfText, kCfOemText}));
  EXPECT_EQ(t->Find(kCfLocale)->file, 0x409u);
  EXPECT_EQ(t->Find(kCfLocale)->size, 4u);
  EXPECT_EQ(t->Find(kCfText)->from, kCfUnicodeText);
  EXPECT_EQ(t->Find(kCfOemText)->from, kCfUnicodeText);
  EXPECT_EQ(t->Find(kCfUnicodeText)->from, 0u);
}

TEST_F(ClipTableTest, PicturesToo) {
  ASSERT_EQ(t->Open(1, 10), Result::kDone);
  ASSERT_EQ(t->Empty(1, 1, &files), Result::kDone);
  Put(kCfDibV5);
  Put(kCfEnhMetafile);
  t->Close(1, &told);
  EXPECT_EQ(t->Find(kCfBitmap)->from, kCfDibV5);
  EXPECT_EQ(t->Find(kCfDib)->from, kCfDibV5);
  EXPECT_EQ(t->Find(kCfMetafilePict)->from, kCfEnhMetafile);
}

TEST_F(ClipTableTest, ReplacedBytesAreGivenBack) {
  ASSERT_EQ(t->Open(1, 10), Result::kDone);
  ASSERT_EQ(t->Empty(1, 1, &files), Result::kDone);
  Put(0xc123, true, 5);
  EXPECT_EQ(old, 0u);
  Put(0xc123, true, 6);
  EXPECT_EQ(old, 5u);
  ASSERT_EQ(t->Empty(1, 1, &files), Result::kDone);
  ASSERT_EQ(files.count, 1u);
  EXPECT_EQ(files.numbers[0], 6u);
  EXPECT_EQ(t->format_count, 0u);
}

TEST_F(ClipTableTest, RenderingIsNoChange) {
  t->Open(1, 10);
  t->Empty(1, 1, &files);
  Put(kCfUnicodeText, false);
  t->Close(1, &told);
  const uint32_t before = t->seq;
  t->Open(2, 20);
  ++t->rendering;
  EXPECT_EQ(Put(kCfUnicodeText), Result::kDone);
  --t->rendering;
  EXPECT_EQ(t->seq, before);
  t->Close(2, &told);
  EXPECT_FALSE(told.changed);
  EXPECT_EQ(t->owner_window, 10u);
}

TEST_F(ClipTableTest, WhatTheOwnerHasNotRenderedGoesWithIt) {
  t->Open(1, 10);
  t->Empty(1, 1, &files);
  Put(kCfUnicodeText, false);
  Put(0xc001, true);
  Put(kCfDib, true);
  t->Close(1, &told);
  t->Release(&told);
  EXPECT_TRUE(told.changed);
  EXPECT_EQ(Formats(), (std::vector<uint32_t>{0xc001, kCfDib, kCfLocale, kCfBitmap, kCfDibV5}));
  t->Release(&told);
  EXPECT_FALSE(told.changed);
  EXPECT_EQ(t->owner_window, 0u);
}

TEST_F(ClipTableTest, ListenersOnce) {
  EXPECT_EQ(t->AddListener(5), Result::kDone);
  EXPECT_EQ(t->AddListener(5), Result::kTwice);
  EXPECT_EQ(t->RemoveListener(6), Result::kNone);
  EXPECT_EQ(t->RemoveListener(5), Result::kDone);
  for (uint32_t i = 0; i < ClipTable::kMaxListeners; ++i) EXPECT_EQ(t->AddListener(100 + i), Result::kDone);
  EXPECT_EQ(t->AddListener(9999), Result::kFull);
}

TEST_F(ClipTableTest, ALocaleHasNoFile) {
  t->Open(1, 10);
  t->Empty(1, 1, &files);
  Put(kCfText, true, 9);
  t->Close(1, &told);
  t->Open(1, 10);
  EXPECT_EQ(Put(kCfLocale, true, 11), Result::kDone);
  EXPECT_EQ(old, 0u);
  EXPECT_EQ(t->Empty(1, 1, &files), Result::kDone);
  ASSERT_EQ(files.count, 2u);
  EXPECT_EQ(files.numbers[0], 9u);
  EXPECT_EQ(files.numbers[1], 11u);
}

TEST_F(ClipTableTest, FullIsSaid) {
  t->Open(1, 10);
  t->Empty(1, 1, &files);
  for (uint32_t i = 0; i < ClipTable::kMaxFormats; ++i) ASSERT_EQ(Put(0xc000 + i), Result::kDone);
  EXPECT_EQ(Put(0xd000), Result::kFull);
  EXPECT_EQ(Put(0xc000), Result::kDone);
  EXPECT_EQ(t->Close(1, &told), Result::kDone);
}

TEST_F(ClipTableTest, TakingOver) {
  t->Open(1, 10);
  t->Empty(1, 1, &files);
  Put(kCfUnicodeText, true, 9);
  t->Close(1, &told);
  const uint32_t ids[] = {kCfUnicodeText, kCfText, kCfText, 0xc005};
  t->TakeOver(ids, 4, 77, &files, &told);
  EXPECT_EQ(files.count, 1u);
  EXPECT_EQ(t->machine_seq, 77u);
  EXPECT_EQ(Formats(), (std::vector<uint32_t>{kCfUnicodeText, kCfText, 0xc005}));
  EXPECT_EQ(t->owner_window, 0u);
  t->Release(&told);  // nobody owns it, nothing is lost
  EXPECT_FALSE(told.changed);
}

TEST(ClipKindTest, Kinds) {
  EXPECT_EQ(ClipKind(kCfUnicodeText, u""), kClipKindText);
  EXPECT_EQ(ClipKind(0xc0aa, u"html format"), kClipKindText);
  EXPECT_EQ(ClipKind(kCfDibV5, u""), kClipKindImage);
  EXPECT_EQ(ClipKind(0xc0aa, u"image/png"), kClipKindImage);
  EXPECT_EQ(ClipKind(kCfHdrop, u""), kClipKindFiles);
  EXPECT_EQ(ClipKind(0xc0aa, u"FileNameW"), kClipKindFiles);
  EXPECT_EQ(ClipKind(0xc0aa, u"Own Format"), kClipKindPrivate);
  EXPECT_EQ(ClipKind(0x200, u""), kClipKindPrivate);
}

}  // namespace
}  // namespace plume::view
