#include "trace/writer.h"

#include <cstring>
#include <new>

namespace plume::trace {
namespace {

constexpr uint32_t kSpins = 2000;

void Publish(uint8_t* at, Kind kind, uint32_t bytes, uint32_t claim) {
  auto* record = reinterpret_cast<RecordHead*>(at);
  const uint32_t head = bytes / 8 | static_cast<uint32_t>(kind) << 16 | kHeadMark;
  record->check = Check(reinterpret_cast<const uint64_t*>(at) + 1, bytes / 8 - 1, head, claim);
  record->head.store(head, std::memory_order_release);
}

uint64_t Hash(const void* data, size_t bytes) {
  auto* at = static_cast<const uint8_t*>(data);
  uint64_t h = bytes * 0x9E3779B97F4A7C15u;
  for (; bytes >= 8; bytes -= 8, at += 8) {
    uint64_t word;
    std::memcpy(&word, at, 8);
    h = (h ^ word) * 0xD6E8FEB86659FD93u;
    h ^= h >> 32;
  }
  uint64_t rest = 0;
  for (size_t i = 0; i < bytes; ++i) rest |= uint64_t{at[i]} << (8 * i);
  h = (h ^ rest) * 0xD6E8FEB86659FD93u;
  return h ^ h >> 29;
}

NameForm FormOf(const void* data, uint32_t length, bool wide) {
  if (!wide) return NameForm::kUtf8;
  auto* units = static_cast<const char16_t*>(data);
  char16_t any = 0;
  for (uint32_t i = 0; i < length; ++i) any |= units[i];
  return any < 256 ? NameForm::kNarrow : NameForm::kUtf16;
}

uint32_t TextBytes(NameForm form, uint32_t length) { return form == NameForm::kUtf16 ? length * 2 : length; }

bool SameText(const NameRecord* record, NameForm form, const void* data, uint32_t length) {
  auto* text = reinterpret_cast<const uint8_t*>(record + 1);
  if (form != NameForm::kNarrow) return std::memcmp(text, data, TextBytes(form, length)) == 0;
  auto* units = static_cast<const char16_t*>(data);
  for (uint32_t i = 0; i < length; ++i) {
    if (text[i] != units[i]) return false;
  }
  return true;
}

}  // namespace

bool Writer::Attach(void* file, uint64_t bytes, const Process& process,
                    bool (*clear)(const void* context, uint64_t offset), const void* context) {
  auto* h = static_cast<FileHeader*>(file);
  if (file == nullptr || bytes < kHeaderBytes || h->magic != kMagic || h->version != kVersion ||
      h->segment_bytes != kSegmentBytes || h->segments < kMinSegments || h->segments > kMaxSegments ||
      bytes < FileBytes(h->segments)) {
    return false;
  }
  file_ = static_cast<uint8_t*>(file);
  segments_ = h->segments;  // read once: another guest may write it
  keep_first_ = h->flags & kKeepFirst;
  process_ = process;
  clear_ = clear;
  context_ = context;
  return true;
}

SegmentHeader* Writer::SegmentOf(uint32_t claim) const {
  const uint64_t index = (claim - 1) % segments_;
  return reinterpret_cast<SegmentHeader*>(file_ + kHeaderBytes + index * kSegmentBytes);
}

uint8_t* Writer::Reserve(SegmentHeader* segment, uint32_t claim, uint32_t bytes) {
  // Looked at first, so that failing writers do not push the counter without end.
  if (segment->used.load(std::memory_order_relaxed) >= kSegmentBytes) return nullptr;
  const uint32_t at = segment->used.fetch_add(bytes, std::memory_order_relaxed);
  if (at < sizeof(SegmentHeader) || at >= kSegmentBytes || at % 8 != 0) return nullptr;
  uint8_t* record = reinterpret_cast<uint8_t*>(segment) + at;
  if (at <= kSegmentBytes - bytes) return record;
  Publish(record, Kind::kEnd, sizeof(RecordHead), claim);  // only one reservation crosses the end
  return nullptr;
}

// The place of `text` in the segment, written there if need be; 0 for an empty text. *full: there was no
// room.
uint16_t Writer::Name(SegmentHeader* segment, uint32_t claim, const Text& text, bool* full) {
  if (text.length == 0) return 0;
  const uint32_t length = text.length > kMaxName ? kMaxName : text.length;
  const uint64_t hash = Hash(text.data, length * (text.wide ? 2u : 1u));
  std::atomic<uint64_t>& hint = cache_[hash % kCache];
  const uint64_t key = (hash >> 40) << 40 | uint64_t{claim & 0xffffff} << 16;
  const NameForm form = FormOf(text.data, length, text.wide);
  const uint32_t bytes = (static_cast<uint32_t>(sizeof(NameRecord)) + TextBytes(form, length) + 7) & ~7u;
  const uint64_t known = hint.load(std::memory_order_acquire);
  if ((known & ~uint64_t{0xffff}) == key) {
    const uint32_t at = (known & 0xffff) * 8;
    auto* record = reinterpret_cast<const NameRecord*>(reinterpret_cast<const uint8_t*>(segment) + at);
    if (at <= kSegmentBytes - bytes && record->length == length &&
        record->form == static_cast<uint8_t>(form) && SameText(record, form, text.data, length)) {
      return static_cast<uint16_t>(at / 8);
    }
  }
  uint8_t* at = Reserve(segment, claim, bytes);
  if (!at) {
    *full = true;
    return 0;
  }
  auto* record = reinterpret_cast<NameRecord*>(at);
  record->length = length;
  record->form = static_cast<uint8_t>(form);
  record->cut = length < text.length;
  record->reserved = 0;
  uint8_t* to = at + sizeof(NameRecord);
  if (form == NameForm::kNarrow) {
    auto* units = static_cast<const char16_t*>(text.data);
    for (uint32_t i = 0; i < length; ++i) to[i] = static_cast<uint8_t>(units[i]);
  } else {
    std::memcpy(to, text.data, TextBytes(form, length));
  }
  for (uint32_t i = static_cast<uint32_t>(sizeof(NameRecord)) + TextBytes(form, length); i < bytes; ++i)
    at[i] = 0;
  Publish(at, Kind::kName, bytes, claim);
  const auto place = static_cast<uint16_t>((at - reinterpret_cast<uint8_t*>(segment)) / 8);
  hint.store(key | place, std::memory_order_release);
  return place;
}

// Takes the next segment; its claim, or 0: full.
uint32_t Writer::Claim(uint64_t ticks) {
  std::atomic<uint32_t>& claims = counters()->claims;
  if (keep_first_ && claims.load(std::memory_order_relaxed) >= segments_) return 0;
  const uint32_t number = claims.fetch_add(1, std::memory_order_relaxed);
  if (keep_first_ && number >= segments_) return 0;
  const uint32_t claim = number + 1;
  if (claim == 0) return 0;
  SegmentHeader* segment = SegmentOf(claim);
  const auto offset = static_cast<uint64_t>(reinterpret_cast<uint8_t*>(segment) - file_);
  if (clear_ && !clear_(context_, offset)) return 0;
  // From here on its last owner finds no room. A record of that owner which is still being written does not
  // check for the new claim, and if it overwrites one of the new records, that one will not check either.
  segment->used.store(UINT32_MAX / 2, std::memory_order_relaxed);
  segment->claim.store(0, std::memory_order_release);
  segment->pid = process_.pid;
  segment->parent = process_.parent;
  uint32_t first = 0;
  if (first_.compare_exchange_strong(first, claim, std::memory_order_relaxed)) first = claim;
  segment->process = first;
  segment->bits = process_.bits;
  segment->reserved = 0;
  segment->exe = 0;
  segment->ticks = ticks;
  segment->used.store(sizeof(SegmentHeader), std::memory_order_relaxed);
  bool full = false;
  segment->exe =
      Name(segment, claim, {process_.exe.data(), static_cast<uint32_t>(process_.exe.size()), true}, &full);
  segment->claim.store(claim, std::memory_order_release);
  return claim;
}

// Moves on from the segment `from`, for all threads. False: there is no other.
bool Writer::Advance(uint32_t from, uint64_t ticks) {
  if (full_.load(std::memory_order_relaxed)) return false;
  // One thread does it. The others wait a moment, not for ever: that thread may be suspended or gone; then
  // they take a segment, too, of which one will not be used.
  for (uint32_t i = 0; moving_.exchange(1, std::memory_order_acquire) && i < kSpins; ++i) {
    if (current_.load(std::memory_order_acquire) != from) return true;
    __builtin_ia32_pause();
  }
  bool moved = true;
  if (current_.load(std::memory_order_acquire) == from) {
    const uint32_t claim = Claim(ticks);
    uint32_t expected = from;
    if (claim == 0) {
      full_.store(true, std::memory_order_relaxed);
      moved = false;
    } else {
      current_.compare_exchange_strong(expected, claim, std::memory_order_release);
    }
  }
  moving_.store(0, std::memory_order_release);
  return moved;
}

bool Writer::WriteTo(uint32_t claim, const Event& e) {
  SegmentHeader* segment = SegmentOf(claim);
  if (segment->claim.load(std::memory_order_relaxed) != claim) return false;  // overwritten meanwhile
  bool full = false;
  auto narrow = [&](std::string_view s) {
    return Name(segment, claim, {s.data(), static_cast<uint32_t>(s.size()), false}, &full);
  };
  auto wide = [&](view::WView s) {
    return Name(segment, claim, {s.data(), static_cast<uint32_t>(s.size()), true}, &full);
  };
  const uint16_t call = narrow(e.call), name = wide(e.name), real = wide(e.real), rule = narrow(e.rule),
                 image = narrow(e.image);
  if (full) return false;
  constexpr uint32_t bytes = sizeof(CallRecord);
  uint8_t* at = Reserve(segment, claim, bytes);
  if (!at) return false;
  auto* record = reinterpret_cast<CallRecord*>(at);
  record->ticks = e.ticks;
  const uint64_t duration = e.begin && e.ticks > e.begin ? (e.ticks - e.begin) / kDurationUnit : 0;
  record->duration = duration > UINT32_MAX ? UINT32_MAX : static_cast<uint32_t>(duration);
  record->thread = e.thread;
  record->status = e.status;
  record->detail = e.detail;
  record->space = e.space;
  record->layer = e.layer;
  record->mode = e.mode;
  record->unused = 0;
  record->call = call;
  record->name = name;
  record->real = real;
  record->rule = rule;
  record->image = image;
  record->reserved = 0;
  Publish(at, Kind::kCall, bytes, claim);
  return true;
}

void Writer::Write(const Event& event) {
  if (!(header()->spaces >> static_cast<uint32_t>(event.space) & 1)) return;
  for (int attempt = 0; attempt < 4; ++attempt) {
    const uint32_t claim = current_.load(std::memory_order_acquire);
    if (claim != 0 && WriteTo(claim, event)) return;
    if (!Advance(claim, event.ticks)) break;
  }
  Lose();
}

}  // namespace plume::trace
