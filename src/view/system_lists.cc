#include "view/system_lists.h"

#include <cstring>

namespace plume::view {
namespace {

// The parts of SYSTEM_PROCESS_INFORMATION that matter here.
struct ProcessEntry {
  uint32_t next, threads;
  uint8_t counters[48];
  uint16_t name_length, name_maximum;
  uintptr_t name;
  int32_t priority;
  uintptr_t id;
};
static_assert(offsetof(ProcessEntry, name_length) == 0x38);
static_assert(sizeof(void*) != 8 ||
              (offsetof(ProcessEntry, name) == 0x40 && offsetof(ProcessEntry, id) == 0x50));
static_assert(sizeof(void*) != 4 ||
              (offsetof(ProcessEntry, name) == 0x3c && offsetof(ProcessEntry, id) == 0x44));

struct HandleEntry {
  uint16_t owner, owner_high;
  uint8_t type, flags;
  uint16_t handle;
  uintptr_t object;
  uint32_t access;
};
struct HandleEntryEx {
  uintptr_t object, owner, handle;
  uint32_t access;
  uint16_t trace, type;
  uint32_t attributes, reserved;
};

template <typename Entry, typename Count, typename Keep>
size_t FilterArray(std::span<uint8_t> list, size_t first, Keep keep) {
  Count count;
  if (list.size() < first) return 0;
  std::memcpy(&count, list.data(), sizeof(count));
  if (count > (list.size() - first) / sizeof(Entry)) return 0;
  uint8_t* const entries = list.data() + first;
  Count kept = 0;
  for (Count i = 0; i < count; ++i) {
    Entry e;
    std::memcpy(&e, entries + i * sizeof(Entry), sizeof(e));
    if (keep(e)) std::memcpy(entries + kept++ * sizeof(Entry), &e, sizeof(e));
  }
  std::memcpy(list.data(), &kept, sizeof(kept));
  return first + kept * sizeof(Entry);
}

}  // namespace

size_t FilterProcessList(std::span<uint8_t> list, const ProcessSet& keep, uintptr_t home) {
  const auto base = reinterpret_cast<uintptr_t>(list.data());
  size_t at = 0, used = 0, last = list.size();
  for (;;) {
    ProcessEntry e;
    if (list.size() - at < sizeof(e)) return 0;
    std::memcpy(&e, list.data() + at, sizeof(e));
    const size_t room = list.size() - at, size = e.next ? e.next : room;
    if (size > room || size < sizeof(e)) return 0;
    if (keep.Has(e.id)) {
      // The name follows its entry; anything else must not become a pointer to somewhere in the caller.
      const uintptr_t offset = e.name - (base + at);
      const bool inside = e.name && offset < size && e.name_length <= size - offset;
      e.name = inside ? home + used + offset : 0;
      if (!inside) e.name_length = e.name_maximum = 0;
      e.next = static_cast<uint32_t>(size);
      std::memmove(list.data() + used, list.data() + at, size);
      std::memcpy(list.data() + used, &e, offsetof(ProcessEntry, priority));
      last = used;
      used += size;
    }
    // `e.next` is the entry's own size by now; the end is where the list ends.
    at += size;
    if (size == room) break;
  }
  if (last == list.size()) return 0;
  const uint32_t none = 0;
  std::memcpy(list.data() + last, &none, sizeof(none));
  return used;
}

size_t FilterHandleList(std::span<uint8_t> list, bool extended, bool short_ids, const ProcessSet& keep) {
  if (extended) {
    return FilterArray<HandleEntryEx, uintptr_t>(list, 2 * sizeof(uintptr_t),
                                                 [&](const HandleEntryEx& e) { return keep.Has(e.owner); });
  }
  return FilterArray<HandleEntry, uint32_t>(list, sizeof(uintptr_t), [&](const HandleEntry& e) {
    if (!short_ids) return keep.Has(e.owner | static_cast<uint32_t>(e.owner_high) << 16);
    for (uintptr_t id : keep.ids)
      if (static_cast<uint16_t>(id) == e.owner) return true;
    return false;
  });
}

}  // namespace plume::view
