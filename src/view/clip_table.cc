#include "view/clip_table.h"

#include "view/name_rules.h"

namespace plume::view {

uint8_t ClipKind(uint32_t format, WView name) {
  switch (format) {
    case kCfText:
    case kCfOemText:
    case kCfUnicodeText:
    case kCfLocale:
    case kCfDspText:
      return kClipKindText;
    case kCfBitmap:
    case kCfMetafilePict:
    case kCfTiff:
    case kCfDib:
    case kCfPalette:
    case kCfEnhMetafile:
    case kCfDibV5:
    case kCfDspBitmap:
    case kCfDspMetafilePict:
    case kCfDspEnhMetafile:
      return kClipKindImage;
    case kCfHdrop:
      return kClipKindFiles;
    default:
      break;
  }
  static constexpr struct {
    WView pattern;
    uint8_t kind;
  } kNames[] = {
      {u"HTML Format", kClipKindText},
      {u"Rich Text Format*", kClipKindText},
      {u"RTF As Text", kClipKindText},
      {u"Csv", kClipKindText},
      {u"XML Spreadsheet", kClipKindText},
      {u"UniformResourceLocator*", kClipKindText},
      {u"text/*", kClipKindText},
      {u"PNG", kClipKindImage},
      {u"GIF", kClipKindImage},
      {u"JFIF", kClipKindImage},
      {u"image/*", kClipKindImage},
      {u"FileName*", kClipKindFiles},
      {u"FileGroupDescriptor*", kClipKindFiles},
      {u"FileContents", kClipKindFiles},
      {u"Shell IDList Array", kClipKindFiles},
      {u"Shell Object Offsets", kClipKindFiles},
      {u"Preferred DropEffect", kClipKindFiles},
  };
  for (const auto& row : kNames)
    if (!name.empty() && MatchesNamePattern(name, row.pattern)) return row.kind;
  return kClipKindPrivate;
}

ClipFormat* ClipTable::Find(uint32_t format) {
  for (uint32_t i = 0; i < format_count && i < kMaxFormats; ++i)
    if (formats[i].id == format) return &formats[i];
  return nullptr;
}

ClipFormat* ClipTable::Add(uint32_t id) {
  if (format_count >= kMaxFormats) return nullptr;
  ClipFormat* f = &formats[format_count];
  *f = ClipFormat{id, 0, 0, 0, 0, 0};
  ++format_count;
  return f;
}

void ClipTable::Remove(uint32_t index) {
  for (uint32_t i = index; i + 1 < format_count; ++i) formats[i] = formats[i + 1];
  --format_count;
}

ClipTable::Result ClipTable::Open(uint32_t thread, uint32_t window) {
  if (open_thread && open_window != window) return Result::kBusy;
  // Without a window another thread's hold cannot be told from ours: the system lets both in, and so do we.
  if (!open_thread) open_seq = seq;
  if (open_thread != thread) rendering = 0;
  open_window = window;
  open_thread = thread;
  return Result::kDone;
}

uint32_t ClipTable::Synthesize() {
  static constexpr uint32_t kRows[][3] = {
      {kCfText, kCfOemText, kCfUnicodeText}, {kCfOemText, kCfUnicodeText, kCfText},
      {kCfUnicodeText, kCfText, kCfOemText}, {kCfMetafilePict, kCfEnhMetafile, 0},
      {kCfEnhMetafile, kCfMetafilePict, 0},  {kCfBitmap, kCfDib, kCfDibV5},
      {kCfDib, kCfBitmap, kCfDibV5},         {kCfDibV5, kCfBitmap, kCfDib},
  };
  // What was there before counts, not what the rows above have added.
  uint32_t have = 0, total = 0;
  for (uint32_t i = 0; i < format_count; ++i)
    if (formats[i].id < kCfMax) have |= 1u << formats[i].id;
  constexpr uint32_t kTexts = 1u << kCfText | 1u << kCfOemText | 1u << kCfUnicodeText;
  if ((have & kTexts) && !(have & (1u << kCfLocale))) {
    if (ClipFormat* f = Add(kCfLocale)) {
      f->seq = seq++;
      f->flags = kClipData | kClipInline;
      f->size = sizeof(locale);
      f->file = locale;
    }
  }
  for (const auto& row : kRows) {
    if (have & (1u << row[0])) continue;
    const uint32_t source = have & (1u << row[1]) ? row[1] : row[2] && (have & (1u << row[2])) ? row[2] : 0;
    if (!source) continue;
    ClipFormat* f = Add(row[0]);
    if (!f) break;
    f->from = source;
    f->seq = seq;
    ++total;
  }
  return total;
}

void ClipTable::CloseForDead(Told* told) {
  open_window = 0;
  open_thread = 0;
  *told = Told();
  if (seq == open_seq) return;
  if (Synthesize()) ++seq;
  *told = Told{true, viewer, owner_window};
}

ClipTable::Result ClipTable::Close(uint32_t thread, Told* told) {
  *told = Told();
  if (!open_thread || open_thread != thread) return Result::kNotOpen;
  CloseForDead(told);
  return Result::kDone;
}

ClipTable::Result ClipTable::Empty(uint32_t thread, uint32_t owner_thread_id, Files* files) {
  if (!open_thread || open_thread != thread) return Result::kNotOpen;
  for (uint32_t i = 0; i < format_count; ++i)
    if ((formats[i].flags & (kClipData | kClipInline)) == kClipData)
      files->numbers[files->count++] = formats[i].file;
  format_count = 0;
  owner_window = open_window;
  owner_thread = open_window ? owner_thread_id : 0;
  ++seq;
  return Result::kDone;
}

ClipTable::Result ClipTable::Set(uint32_t format, bool has_data, uint64_t file, uint64_t size, uint32_t lcid,
                                 uint32_t* set_seq, uint64_t* old) {
  *old = 0;
  if (!format || !open_thread) return Result::kNotOpen;
  ClipFormat* f = Find(format);
  if (!f) f = Add(format);
  if (!f) return Result::kFull;
  if ((f->flags & (kClipData | kClipInline)) == kClipData) *old = f->file;
  *f = ClipFormat{format, 0, seq, has_data ? kClipData : 0, has_data ? size : 0, has_data ? file : 0};
  *set_seq = seq;
  // What is rendered on request is no change.
  if (!rendering) ++seq;
  if (format == kCfText || format == kCfOemText || format == kCfUnicodeText) locale = lcid;
  return Result::kDone;
}

uint32_t ClipTable::Next(uint32_t previous) const {
  if (!previous) return format_count ? formats[0].id : 0;
  for (uint32_t i = 0; i + 1 < format_count; ++i)
    if (formats[i].id == previous) return formats[i + 1].id;
  return 0;
}

void ClipTable::Release(Told* told) {
  *told = Told();
  owner_window = 0;
  owner_thread = 0;
  bool changed = false;
  for (uint32_t i = 0; i < format_count;) {
    const ClipFormat& f = formats[i];
    // A synthesized format's source may itself have just gone.
    if ((f.flags & (kClipData | kClipMachine)) || (f.from && Has(f.from))) {
      ++i;
      continue;
    }
    Remove(i);
    changed = true;
    i = 0;
  }
  if (!changed) return;
  ++seq;
  *told = Told{true, viewer, 0};
}

ClipTable::Result ClipTable::AddListener(uint32_t window) {
  for (uint32_t i = 0; i < listener_count; ++i)
    if (listeners[i] == window) return Result::kTwice;
  if (listener_count >= kMaxListeners) return Result::kFull;
  listeners[listener_count++] = window;
  return Result::kDone;
}

void ClipTable::DropListener(uint32_t index) {
  for (uint32_t i = index; i + 1 < listener_count; ++i) listeners[i] = listeners[i + 1];
  --listener_count;
}

ClipTable::Result ClipTable::RemoveListener(uint32_t window) {
  for (uint32_t i = 0; i < listener_count; ++i) {
    if (listeners[i] != window) continue;
    DropListener(i);
    return Result::kDone;
  }
  return Result::kNone;
}

void ClipTable::TakeOver(const uint32_t* ids, uint32_t count, uint32_t new_machine_seq, Files* files,
                         Told* told) {
  for (uint32_t i = 0; i < format_count; ++i)
    if ((formats[i].flags & (kClipData | kClipInline)) == kClipData)
      files->numbers[files->count++] = formats[i].file;
  format_count = 0;
  owner_window = 0;
  owner_thread = 0;
  machine_seq = new_machine_seq;
  ++seq;
  for (uint32_t i = 0; i < count; ++i) {
    ClipFormat* f = Find(ids[i]) ? nullptr : Add(ids[i]);
    if (!f) continue;
    f->flags = kClipMachine;
    f->seq = seq;
  }
  *told = Told{true, viewer, 0};
}

}  // namespace plume::view
