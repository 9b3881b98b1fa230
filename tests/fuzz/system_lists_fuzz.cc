// The system's lists of processes and handles: no crash, no pointer that leads out of what is left, no more
// than there was.
#include <cstring>
#include <vector>

#include "input.h"
#include "view/system_lists.h"

using namespace plume;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  fuzz::Input input(data, size);
  const uintptr_t ids[] = {input.Byte(), 4, input.Number()};
  const uint8_t kind = input.Byte();
  std::vector<uint8_t> list;
  while (!input.empty()) list.push_back(input.Byte());
  if (kind % 3) {
    const size_t left = view::FilterHandleList(list, kind % 3 == 1, kind & 0x10, {ids});
    fuzz::Require(left <= list.size(), "a handle list does not grow");
    return 0;
  }
  // Names that lie in their entries, as the system makes them: the pointer is in units of the list.
  for (size_t at = 0x40; at + 8 <= list.size(); at += 0x100) {
    uint64_t offset;
    std::memcpy(&offset, &list[at], 8);
    offset = reinterpret_cast<uintptr_t>(list.data()) + offset % (list.size() + 1);
    std::memcpy(&list[at], &offset, 8);
  }
  constexpr uintptr_t kHome = 0x10000000;
  const size_t left = view::FilterProcessList(list, {ids}, kHome);
  fuzz::Require(left <= list.size(), "a process list does not grow");
  for (size_t at = 0; left;) {
    uint32_t next;
    uint16_t length;
    uintptr_t name, id;
    std::memcpy(&next, &list[at], 4);
    std::memcpy(&length, &list[at + 0x38], 2);
    std::memcpy(&name, &list[at + 0x40], 8);
    std::memcpy(&id, &list[at + 0x50], 8);
    fuzz::Require(id == ids[0] || id == ids[1] || id == ids[2], "who is left was to stay");
    fuzz::Require(!name || (name >= kHome && name - kHome + length <= left), "a name lies in the list");
    if (!next) break;
    at += next;
    fuzz::Require(at + 0x58 <= left, "the next entry lies in the list");
  }
  return 0;
}
