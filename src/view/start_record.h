// What a start touches: one file for each workspace, mapped by its guests and by the agent. For every entry
// of the images' catalogs it has one slot, which the first guest that opens that file fills, once, with the
// number of the opening. No pointers, no locks; a guest killed at any instant leaves it whole.
// docs/formats/start-record.md. Freestanding. Thread-safe and process-safe.
#pragma once
#include <atomic>
#include <cstddef>
#include <cstdint>

namespace plume::view {

class StartRecord {
 public:
  static constexpr uint32_t kMaxLayers = 16;
  static constexpr uint64_t kMaxSlots = 1u << 20;  // images with more entries are not recorded

  // Bytes of a record with this many slots: whole pages.
  static constexpr uint64_t BytesFor(uint64_t slots) {
    return (sizeof(Header) + slots * sizeof(std::atomic<uint32_t>) + 4095) / 4096 * 4096;
  }
  // Initialises `memory` (BytesFor(slots), 8-aligned) for layers whose first slots are `first`, as the agent
  // does before each start: nothing touched, recording.
  static void Format(void* memory, uint64_t slots, const uint32_t* first, uint32_t layers);
  // False if magic, version or size do not fit. The mapping must outlive this object.
  bool Attach(void* memory, uint64_t bytes);

  bool Recording() const { return header_->recording.load(std::memory_order_relaxed) != 0; }
  void Stop() { header_->recording.store(0, std::memory_order_relaxed); }
  // Notes that a guest opens this entry of this layer; only the first time counts.
  void Touch(uint32_t layer, uint32_t entry);
  // Files touched so far.
  uint32_t touched() const { return header_->touched.load(std::memory_order_acquire); }
  // When it was touched, from 1; 0 = not.
  uint32_t Order(uint32_t layer, uint32_t entry) const;

 private:
  struct Header {
    uint32_t magic, version;
    uint32_t slots, layers;
    uint32_t first[kMaxLayers];       // slot of entry 0 of each layer
    std::atomic<uint32_t> recording;  // written by the agent
    std::atomic<uint32_t> touched;    // the last number given out
  };
  std::atomic<uint32_t>* Slot(uint32_t layer, uint32_t entry) const;

  Header* header_ = nullptr;
};

}  // namespace plume::view
