// The trace file: what the guests of one VM did, call by call. docs/formats/trace.md.
//
//   header (4 KiB) | segment 0 (64 KiB) | segment 1 | ...
//
// Every guest maps the whole file and takes segments by an atomic counter; a segment belongs to one process
// and holds everything that is needed to read it: names are records of the segment, and calls refer to them
// by their place. So segments can be overwritten one by one (the oldest first) and a file can be read while
// it is written, or after its writers were killed. Numbers are little-endian. Guests can write anything into
// the file: readers believe nothing.
#pragma once
#include <atomic>
#include <cstddef>
#include <cstdint>

namespace plume::trace {

inline constexpr uint32_t kMagic = 0x31544c50;  // "PLT1"
inline constexpr uint32_t kVersion = 1;
inline constexpr uint32_t kHeaderBytes = 4096, kSegmentBytes = 64 << 10;
inline constexpr uint32_t kMinSegments = 16, kMaxSegments = 1 << 14;
inline constexpr uint64_t FileBytes(uint32_t segments) {
  return kHeaderBytes + uint64_t{segments} * kSegmentBytes;
}

// What kind of thing a call is about.
enum class Space : uint8_t {
  kOther,
  kFile,
  kRegistry,
  kProcess,
  kObject,
  kWindow,
  kClipboard,
  kDevice,
  kNetwork,
};
inline constexpr uint32_t kSpaces = 9;

// Who answered: a layer for files and keys; for other things kUpper is the VM's own and kHost the machine's.
enum class Layer : uint8_t { kNone, kUpper, kImage, kHost };
inline constexpr uint32_t kLayers = 4;

// Modes as view::Mode; kNoMode: no rule was asked.
inline constexpr uint8_t kNoMode = 255;

enum FileFlag : uint32_t {
  kKeepFirst = 1,  // when the file is full recording stops; else the oldest segments are overwritten
};

// What the agent writes when the recording begins. Below it, from kGuestOffset on, what guests count.
struct FileHeader {
  uint32_t magic, version;
  uint64_t file_bytes;
  uint32_t segment_bytes, segments;
  uint32_t flags;                     // FileFlag
  uint32_t spaces;                    // bit 1 << Space: recorded
  uint64_t ticks_start;               // the time stamp counter, and
  int64_t time_start;                 // the wall clock (FILETIME) at one moment
  uint64_t ticks_per_second;          // of the time stamp counter
  uint32_t session;                   // number of the recording in its VM
  uint32_t text_bytes;                // at kTextOffset: what is recorded, JSON
  std::atomic<int64_t> time_stopped;  // FILETIME, 0 while recording
};
inline constexpr uint32_t kTextOffset = 256, kMaxText = kHeaderBytes - kTextOffset;

struct GuestCounters {
  std::atomic<uint32_t> claims;  // segments taken so far; number n is in segment n % segments
  std::atomic<uint32_t> lost;    // records that could not be written
};
inline constexpr uint32_t kGuestOffset = 128;

struct SegmentHeader {
  std::atomic<uint32_t> claim;  // number + 1; 0 while it is being taken
  std::atomic<uint32_t> used;   // bytes reserved, this header included; may be more than there are
  uint32_t pid, parent;         // of the process, and of the one that started it
  uint32_t process;             // claim of the process's first segment: what tells processes of one pid apart
  uint16_t exe;                 // place of the name of the program
  uint8_t bits;                 // 32 or 64
  uint8_t reserved;
  uint64_t ticks;  // when it was taken
};

// Every record begins on a multiple of 8. `head` is written last: a record that is not whole does not check.
//   head  = bytes / 8 | kind << 16 | kHeadMark
//   check = over all following bytes, the head and the segment's claim
struct RecordHead {
  std::atomic<uint32_t> head;
  uint32_t check;
};
inline constexpr uint32_t kHeadMark = 0xA5000000;
enum class Kind : uint8_t {
  kName = 1,
  kCall = 2,
  kEnd = 3,  // the head alone: the next record did not fit, the rest of the segment is unused
};

// A text; referred to by its place in the segment / 8.
struct NameRecord {
  RecordHead head;
  uint32_t length;  // units or bytes
  uint8_t form;     // NameForm
  uint8_t cut;      // 1: longer than kMaxName, the rest is not here
  uint16_t reserved;
  // then the text, and zeros up to a multiple of 8
};
enum class NameForm : uint8_t {
  kUtf16 = 0,
  kNarrow = 1,  // UTF-16 of units below 256, one byte each
  kUtf8 = 2,
};
inline constexpr uint32_t kMaxName = 2048;

struct CallRecord {
  RecordHead head;
  uint64_t ticks;     // when the call ended
  uint32_t duration;  // in ticks / 16, 0 = not measured
  uint32_t thread;
  uint32_t status;  // NTSTATUS
  uint32_t detail;  // what the call says in one number: access rights, class, message, new process, ...
  Space space;
  Layer layer;
  uint8_t mode;  // of the rule
  uint8_t unused;
  uint16_t call, name, real, rule, image;  // places of names, 0 = none
  uint16_t reserved;
};
inline constexpr uint32_t kDurationUnit = 16;

static_assert(std::atomic<uint32_t>::is_always_lock_free && sizeof(std::atomic<uint32_t>) == 4);
static_assert(offsetof(FileHeader, time_stopped) == 64 && sizeof(FileHeader) <= kGuestOffset);
static_assert(sizeof(SegmentHeader) == 32 && sizeof(RecordHead) == 8 && sizeof(NameRecord) == 16);
static_assert(sizeof(CallRecord) == 48 && offsetof(CallRecord, space) == 32);

// `words`: the record behind its head, in units of 8 bytes.
inline uint32_t Check(const uint64_t* words, uint32_t count, uint32_t head, uint32_t claim) {
  uint64_t h = (uint64_t{claim} << 32 | head) * 0x9E3779B97F4A7C15u;
  for (uint32_t i = 0; i < count; ++i) {
    h = (h ^ words[i]) * 0xD6E8FEB86659FD93u;
    h ^= h >> 32;
  }
  return static_cast<uint32_t>(h ^ h >> 29);
}

}  // namespace plume::trace
