// Merged listings with any names, then queries of any class and buffer size: nothing outside the buffer is
// touched (the sanitizer watches), records chain correctly, and every entry comes exactly once.
#include <cstring>
#include <deque>
#include <memory>
#include <vector>

#include "input.h"
#include "view/listing.h"

using namespace plume;

namespace {

struct Arena {
  std::deque<std::unique_ptr<uint64_t[]>> blocks;
  static void* Alloc(void* self, size_t bytes) {
    auto* arena = static_cast<Arena*>(self);
    arena->blocks.push_back(std::make_unique<uint64_t[]>(bytes / 8 + 2));
    // 16-aligned, as the listing may expect.
    return reinterpret_cast<void*>((reinterpret_cast<uintptr_t>(arena->blocks.back().get()) + 15) / 16 * 16);
  }
};

uint32_t Get32(const uint8_t* at) {
  uint32_t v;
  std::memcpy(&v, at, sizeof(v));
  return v;
}

// Walks the chain; returns the number of records.
size_t CheckRecords(const uint8_t* bytes, uint32_t written, uint32_t info_class) {
  const uint32_t length_at = info_class == 12 ? 8 : 60;
  size_t records = 0;
  for (uint32_t at = 0;;) {
    fuzz::Require(at + length_at + 4 <= written && at % 8 == 0, "record inside what was written");
    fuzz::Require(at + Get32(bytes + at + length_at) <= written, "name inside what was written");
    ++records;
    const uint32_t next = Get32(bytes + at);
    if (next == 0) return records;
    at += next;
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  fuzz::Input input(data, size);
  static constexpr uint32_t kClasses[] = {1, 2, 3, 12, 37, 38, 50, 60, 63, 4};
  const uint32_t info_class = kClasses[input.Byte() % 10];
  const uint32_t length = input.Number() % 2000;
  const bool single = (input.Byte() & 1) != 0;
  const std::u16string pattern = input.Text(input.Byte() % 8);
  Arena arena;
  view::Listing listing({&Arena::Alloc, &arena}, nullptr);
  std::vector<std::u16string> names;
  while (!input.empty()) {
    const uint8_t how = input.Byte();
    const std::u16string name = input.Text(1 + how % 20), short_name = input.Text(how / 32);
    view::DirEntry e;
    e.name = name;
    e.short_name = short_name;
    e.attributes = input.Byte() << 4;
    e.ea_size = how;
    fuzz::Require(listing.Add(static_cast<view::Source>(how % 3), e), "memory");
  }
  fuzz::Require(listing.Sort(), "memory");
  for (size_t i = 1; i < listing.size(); ++i) {
    fuzz::Require(!view::EqualFolded(listing.at(i - 1).name, listing.at(i).name), "no name twice");
  }
  view::Cursor cursor;
  cursor.pattern = pattern;
  const auto buffer = std::make_unique<uint8_t[]>(length);
  size_t given = 0;
  while (true) {
    uint32_t written = 0;
    const uint32_t status =
        view::QueryListing(listing, &cursor, {info_class, single, false}, buffer.get(), length, &written);
    fuzz::Require(written <= length, "written");
    if (status == view::kBufferOverflow) {
      ++given;
    } else if (status == view::kSuccess) {
      const size_t records = CheckRecords(buffer.get(), written, info_class);
      fuzz::Require(!single || records == 1, "single entry");
      given += records;
    } else {
      const bool refused = status == view::kInvalidInfoClass || status == view::kInfoLengthMismatch;
      fuzz::Require(refused || !pattern.empty() || given == listing.size(), "every entry comes once");
      return 0;
    }
    fuzz::Require(given <= listing.size(), "queries end");
  }
}
