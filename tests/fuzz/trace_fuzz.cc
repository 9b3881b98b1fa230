// A trace file is writable by every guest of its VM: whatever is in it, readers and the guests that write to
// it must get along. Damages a small trace, or puts the input in the place of a segment's records; then reads
// it, writes to it, reads on.
#include <cstdlib>
#include <cstring>
#include <string>

#include "input.h"
#include "trace/query.h"
#include "trace/reader.h"
#include "trace/writer.h"

using namespace plume;
using namespace plume::trace;

namespace {

constexpr uint64_t kBytes = FileBytes(kMinSegments);

// One trace for all runs: what was touched is cleared again.
uint8_t* Memory() {
  static auto* memory = static_cast<uint8_t*>(std::calloc(1, kBytes));
  return memory;
}

void Format(uint8_t* memory, uint32_t flags) {
  FileHeader h{};
  h.magic = kMagic;
  h.version = kVersion;
  h.file_bytes = kBytes;
  h.segment_bytes = kSegmentBytes;
  h.segments = kMinSegments;
  h.flags = flags;
  h.spaces = (1u << kSpaces) - 1;
  h.ticks_start = 1000;
  h.ticks_per_second = 10000000;
  std::memcpy(memory, static_cast<const void*>(&h), sizeof(h));
}

size_t ReadAll(uint8_t* memory, bool last) {
  auto reader = Reader::Open(memory, kBytes);
  if (!reader.ok()) return 0;
  reader->SetUser("S-1");
  Filter filter;
  filter.path = "*x*";
  Summary summary;
  size_t calls = 0;
  for (int round = 0; round < 2; ++round) {
    for (const Call& c : reader->Read(last)) {
      ++calls;
      fuzz::Require(c.name.size() <= kMaxName * 3 + 3, "a name is no longer than names can be");
      fuzz::Require(!Line(c).empty() && JsonLine(c).back() == '}', "every call can be shown");
      (void)filter.Matches(c);
      summary.Add(c);
    }
  }
  fuzz::Require(summary.calls() == calls, "every call is counted");
  (void)summary.Text();
  return calls;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  uint8_t* memory = Memory();
  fuzz::Input input(data, size);
  const uint8_t how = input.Byte();
  Format(memory, how & 1 ? kKeepFirst : 0);
  Writer writer;
  fuzz::Require(writer.Attach(memory, kBytes, {240, 8, 64, u"C:\\a.exe"}), "a fresh trace attaches");
  Event e;
  e.space = Space::kFile;
  e.call = "NtOpenFile";
  e.name = u"C:\\x";
  e.rule = "rule";
  e.ticks = 2000;
  for (int i = 0; i < 3; ++i) writer.Write(e);
  fuzz::Require(ReadAll(memory, true) == 3, "what is written is read");
  uint8_t* segment = memory + kHeaderBytes;
  if (how & 2) {
    // The input itself as records, with checks that fit where it has marks for them.
    const size_t room = kSegmentBytes - sizeof(SegmentHeader);
    const size_t bytes = size - 1 < room ? size - 1 : room;
    std::memcpy(segment + sizeof(SegmentHeader), data + 1, size > 0 ? bytes : 0);
    reinterpret_cast<SegmentHeader*>(segment)->used.store(
        static_cast<uint32_t>(sizeof(SegmentHeader) + bytes));
    for (size_t at = sizeof(SegmentHeader); at + 16 <= sizeof(SegmentHeader) + bytes; at += 8) {
      uint32_t head;
      std::memcpy(&head, segment + at, 4);
      const uint32_t length = (head & 0xffff) * 8;
      if ((head >> 24) != 0xa5 || length < 8 || at + length > sizeof(SegmentHeader) + bytes) continue;
      const uint32_t check =
          Check(reinterpret_cast<const uint64_t*>(segment + at) + 1, length / 8 - 1, head, 1);
      std::memcpy(segment + at + 4, &check, 4);
    }
  } else {
    while (!input.empty()) {
      const uint32_t at = input.Number() % 1024;
      (at < 256 ? memory + at : segment + (at - 256))[0] ^= input.Byte();
    }
  }
  (void)ReadAll(memory, false);
  (void)ReadAll(memory, true);
  // Other guests go on. (Their own mapping was checked when they attached it.)
  for (int i = 0; i < 3; ++i) writer.Write(e);
  Writer other;
  if (other.Attach(memory, kBytes, {241, 8, 32, u"C:\\b.exe"})) other.Write(e);
  (void)ReadAll(memory, true);
  std::memset(memory, 0, kHeaderBytes);
  for (uint32_t i = 0; i < kMinSegments; ++i) {
    uint8_t* at = memory + kHeaderBytes + i * kSegmentBytes;
    std::memset(at, 0, i == 0 ? kSegmentBytes : 8192);
  }
  return 0;
}
