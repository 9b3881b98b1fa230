#include "view/vm_index.h"

#include <new>

namespace plume::view {
namespace {

constexpr uint32_t kMagic = 0x31584c50;  // "PLX1"
constexpr uint32_t kVersion = 3;
// One odd multiplier per level, so that keys sharing a bucket of one level part in the next.
constexpr uint64_t kMix[] = {0x9E3779B97F4A7C15, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9, 0xD6E8FEB86659FD93,
                             0xA0761D6478BD642F};

static_assert(std::atomic<uint64_t>::is_always_lock_free && sizeof(std::atomic<uint64_t>) == 8);
static_assert(sizeof(VmIndex::Record) == 32 && offsetof(VmIndex::Record, text) == 24);

}  // namespace

void VmIndex::Format(void* memory) {
  auto* h = new (memory) Header;
  h->version = kVersion;
  h->bytes = kFileBytes;
  h->arena_next.store(kArenaStart, std::memory_order_relaxed);
  h->generation.store(0, std::memory_order_relaxed);
  h->copy_ups.store(0, std::memory_order_relaxed);
  h->renames.store(0, std::memory_order_relaxed);
  h->trace.store(0, std::memory_order_relaxed);
  // Last, so that a half-written header is not accepted.
  std::atomic_ref<uint32_t>(h->magic).store(kMagic, std::memory_order_release);
}

bool VmIndex::Attach(void* memory, uint64_t bytes, Provide provide) {
  static_assert(sizeof(kMix) / sizeof(kMix[0]) == kLevels);
  static_assert([] {
    uint64_t start = 0;
    for (int level = 0; level < kLevels; start += LevelSlots(level++))
      if (LevelStart(level) != start) return false;
    return start == kSlots;
  }());
  static_assert(offsetof(Header, trace) == 64);
  static_assert(sizeof(Header) <= kHeaderBytes && kFileBytes / 8 <= 0xffffffff);
  auto* h = static_cast<Header*>(memory);
  if (memory == nullptr || bytes < kFileBytes || h->bytes != kFileBytes || h->version != kVersion ||
      std::atomic_ref<uint32_t>(h->magic).load(std::memory_order_acquire) != kMagic) {
    return false;
  }
  base_ = static_cast<uint8_t*>(memory);
  provide_ = provide;
  return true;
}

bool VmIndex::CanWrite(uint64_t offset, uint64_t bytes) const {
  if (provide_ == nullptr) return true;
  for (uint64_t at = offset; at < offset + bytes; at = (at / kPageBytes + 1) * kPageBytes) {
    if (!provide_(base_ + at)) return false;
  }
  return true;
}

bool VmIndex::Recover(void* memory, uint64_t bytes) {
  VmIndex index;
  if (!index.Attach(memory, bytes)) return false;
  uint64_t end = kArenaStart;
  index.ForEach([&](const Record& r) {
    const uint64_t offset = static_cast<uint64_t>(reinterpret_cast<const uint8_t*>(&r) - index.base_);
    const uint64_t record_end = offset + RecordBytes(r.length);
    if (record_end > end) end = record_end;
  });
  // Only ever raised: a guest that runs already may be inserting.
  std::atomic<uint64_t>& next = index.header()->arena_next;
  uint64_t now = next.load(std::memory_order_relaxed);
  while (now < end && !next.compare_exchange_weak(now, end, std::memory_order_relaxed)) {
  }
  return true;
}

// Null if the slot does not lead to a whole record: after a power failure the page with the slot may have
// reached the disk and the page with the record not. Such a slot is skipped.
VmIndex::Record* VmIndex::At(uint64_t slot) const {
  const uint64_t offset = (slot & 0xffffffff) * 8;
  if (offset < kArenaStart || offset > kFileBytes - sizeof(Record)) return nullptr;
  auto* record = reinterpret_cast<Record*>(base_ + offset);
  if (record->length == 0 || record->length > (kFileBytes - offset - offsetof(Record, text)) / 2)
    return nullptr;
  return record;
}

template <typename Match, typename Make>
VmIndex::Record* VmIndex::Walk(uint64_t hash, Match&& match, Make&& make) const {
  const uint64_t tag = hash >> 32;
  uint64_t fresh = 0;
  for (int level = 0; level < kLevels; ++level) {
    const uint64_t mixed = hash * kMix[level];
    const uint64_t bucket = mixed >> (64 - (kLevelBits[level] - 4));
    Slot* const slots_of_bucket = slots() + LevelStart(level) + bucket * kBucket;
    for (int i = 0; i < kBucket; ++i) {
      Slot& slot = slots_of_bucket[((mixed >> 24) + i) % kBucket];
      uint64_t value = slot.load(std::memory_order_acquire);
      if (value == 0) {
        if (fresh == 0) {
          const auto at = static_cast<uint64_t>(reinterpret_cast<uint8_t*>(&slot) - base_);
          if (!CanWrite(at, sizeof(Slot)) || (fresh = make()) == 0) return nullptr;
        }
        if (slot.compare_exchange_strong(value, tag << 32 | fresh, std::memory_order_acq_rel,
                                         std::memory_order_acquire)) {
          return At(fresh);
        }
      }
      if (value >> 32 != tag) continue;
      Record* record = At(value);
      if (record && record->hash == hash && match(record->Text())) return record;
    }
  }
  return nullptr;
}

VmIndex::Record* VmIndex::New(uint64_t hash, WView text, uint32_t flags, uint64_t base) const {
  const uint64_t bytes = RecordBytes(text.size());
  // Checked before adding, so that failing writers do not push the counter without end.
  uint64_t offset = header()->arena_next.load(std::memory_order_relaxed);
  do {
    if (offset > kFileBytes - bytes || !CanWrite(offset, bytes)) return nullptr;
  } while (!header()->arena_next.compare_exchange_weak(offset, offset + bytes, std::memory_order_relaxed));
  auto* record = new (base_ + offset) Record;
  record->hash = hash;
  record->flags.store(flags, std::memory_order_relaxed);
  record->base.store(base, std::memory_order_relaxed);
  record->length = static_cast<uint32_t>(text.size());
  for (size_t i = 0; i < text.size(); ++i) record->text[i] = text[i];
  return record;
}

const VmIndex::Record* VmIndex::Find(const VPath& path, int components) const {
  const WView text = path.Prefix(components);
  return Walk(
      path.hash[components], [&](WView t) { return EqualFolded(t, text); }, [] { return uint64_t{0}; });
}

const VmIndex::Record* VmIndex::FindChild(const VPath& directory, WView name) const {
  const WView parent = directory.text;
  const auto match = [&](WView t) {
    return t.size() == parent.size() + 1 + name.size() && t[parent.size()] == u'\\' &&
           EqualFolded(Sub(t, 0, parent.size()), parent) &&
           EqualFolded(Sub(t, parent.size() + 1, name.size()), name);
  };
  return Walk(HashAppend(directory.hash[directory.depth], name), match, [] { return uint64_t{0}; });
}

bool VmIndex::Set(const VPath& path, int components, uint32_t flags, uint64_t base) {
  if ((flags & kWhiteout) != 0 && components > 0 && !Set(path, components - 1, kChildWhiteout)) return false;
  const WView text = path.Prefix(components);
  const uint64_t hash = path.hash[components];
  Record* record = Walk(
      hash, [&](WView t) { return EqualFolded(t, text); },
      [&]() -> uint64_t {
        const Record* r = New(hash, text, flags, base);
        return r ? static_cast<uint64_t>(reinterpret_cast<const uint8_t*>(r) - base_) / 8 : 0;
      });
  if (record == nullptr) return false;
  if (base != 0 && record->base.load(std::memory_order_relaxed) == 0) {
    uint64_t none = 0;
    record->base.compare_exchange_strong(none, base, std::memory_order_release, std::memory_order_relaxed);
  }
  // Read first: a flag already there must not take the cache line from other readers.
  if ((record->flags.load(std::memory_order_acquire) & flags) != flags) {
    record->flags.fetch_or(flags, std::memory_order_acq_rel);
  }
  return true;
}

std::atomic<uint32_t>& VmIndex::Generation() const { return header()->generation; }
std::atomic<uint32_t>& VmIndex::CopyUps() const { return header()->copy_ups; }
std::atomic<uint32_t>& VmIndex::Renames() const { return header()->renames; }

}  // namespace plume::view
