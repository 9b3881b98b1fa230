#include "view/start_record.h"

#include <new>

namespace plume::view {
namespace {

constexpr uint32_t kRecordMagic = 0x31534c50;  // "PLS1"
constexpr uint32_t kRecordVersion = 1;

static_assert(std::atomic<uint32_t>::is_always_lock_free && sizeof(std::atomic<uint32_t>) == 4);

}  // namespace

void StartRecord::Format(void* memory, uint64_t slots, const uint32_t* first, uint32_t layers) {
  auto* h = static_cast<Header*>(memory);
  // Guests of the start before may still be at it: they touch what they touch, and it counts for this one.
  h->recording.store(0, std::memory_order_relaxed);
  h->version = kRecordVersion;
  h->slots = static_cast<uint32_t>(slots);
  h->layers = layers < kMaxLayers ? layers : kMaxLayers;
  for (uint32_t i = 0; i < h->layers; ++i) h->first[i] = first[i];
  auto* slot = reinterpret_cast<std::atomic<uint32_t>*>(h + 1);
  for (uint64_t i = 0; i < slots; ++i) slot[i].store(0, std::memory_order_relaxed);
  h->touched.store(0, std::memory_order_relaxed);
  h->recording.store(1, std::memory_order_relaxed);
  std::atomic_ref<uint32_t>(h->magic).store(kRecordMagic, std::memory_order_release);
}

bool StartRecord::Attach(void* memory, uint64_t bytes) {
  auto* h = static_cast<Header*>(memory);
  if (memory == nullptr || bytes < sizeof(Header) ||
      std::atomic_ref<uint32_t>(h->magic).load(std::memory_order_acquire) != kRecordMagic ||
      h->version != kRecordVersion || h->layers > kMaxLayers || h->slots > kMaxSlots ||
      bytes < BytesFor(h->slots)) {
    return false;
  }
  header_ = h;
  return true;
}

std::atomic<uint32_t>* StartRecord::Slot(uint32_t layer, uint32_t entry) const {
  if (layer >= header_->layers) return nullptr;
  const uint64_t slot = uint64_t{header_->first[layer]} + entry;
  const uint64_t end = layer + 1 < header_->layers ? header_->first[layer + 1] : header_->slots;
  return slot < end && end <= header_->slots ? reinterpret_cast<std::atomic<uint32_t>*>(header_ + 1) + slot
                                             : nullptr;
}

void StartRecord::Touch(uint32_t layer, uint32_t entry) {
  if (!Recording()) return;
  std::atomic<uint32_t>* slot = Slot(layer, entry);
  if (slot == nullptr || slot->load(std::memory_order_relaxed) != 0) return;
  const uint32_t number = header_->touched.fetch_add(1, std::memory_order_relaxed) + 1;
  // Of two that are first at once, one counts: a number is missing then.
  uint32_t none = 0;
  slot->compare_exchange_strong(none, number, std::memory_order_release, std::memory_order_relaxed);
}

uint32_t StartRecord::Order(uint32_t layer, uint32_t entry) const {
  const std::atomic<uint32_t>* slot = Slot(layer, entry);
  return slot == nullptr ? 0 : slot->load(std::memory_order_acquire);
}

}  // namespace plume::view
