// One process's way into the trace file of its VM. Freestanding; no system call, no lock, no allocation.
// Thread-safe; any process may be killed at any instruction: what is not whole then is not read.
#pragma once
#include <atomic>
#include <cstdint>
#include <string_view>

#include "trace/format.h"
#include "view/path.h"

namespace plume::trace {

// One call, as its handler tells it. Texts are copied.
struct Event {
  Space space = Space::kOther;
  Layer layer = Layer::kNone;
  uint8_t mode = kNoMode;
  std::string_view call;   // "NtCreateFile"
  view::WView name, real;  // virtual and real; real may be empty: not known or the same
  std::string_view rule;   // where the rule that decided is from
  std::string_view image;  // digest of the image that answered
  uint32_t status = 0, detail = 0, thread = 0;
  uint64_t ticks = 0, begin = 0;  // when it ended and began; begin 0: not measured
};

struct Process {
  uint32_t pid, parent;
  uint8_t bits;
  view::WView exe;
};

class Writer {
 public:
  // `file`: the whole file, mapped; it and `process.exe` outlive this object. False: not a trace of this
  // version. The object begins cleared (from the system's zeroed pages, or value-initialised). The file is
  // sparse, and a write to a mapped page for which the disk has no room is a fault. So `clear`, if given,
  // makes the segment at `offset` all zeros by writing to the file; if it cannot, recording ends.
  bool Attach(void* file, uint64_t bytes, const Process& process,
              bool (*clear)(const void* context, uint64_t offset) = nullptr, const void* context = nullptr);
  // Writes the call, if its kind is recorded; counts it as lost if there is no room.
  void Write(const Event& event);
  void Lose() { counters()->lost.fetch_add(1, std::memory_order_relaxed); }

 private:
  struct Text {
    const void* data;
    uint32_t length;
    bool wide;
  };
  static constexpr uint32_t kCache = 2048;

  FileHeader* header() const { return reinterpret_cast<FileHeader*>(file_); }
  GuestCounters* counters() const { return reinterpret_cast<GuestCounters*>(file_ + kGuestOffset); }
  SegmentHeader* SegmentOf(uint32_t claim) const;
  uint8_t* Reserve(SegmentHeader* segment, uint32_t claim, uint32_t bytes);
  uint16_t Name(SegmentHeader* segment, uint32_t claim, const Text& text, bool* full);
  bool WriteTo(uint32_t claim, const Event& event);
  uint32_t Claim(uint64_t ticks);
  bool Advance(uint32_t from, uint64_t ticks);

  uint8_t* file_ = nullptr;
  uint32_t segments_ = 0;
  bool keep_first_ = false;
  Process process_{};
  bool (*clear_)(const void* context, uint64_t offset) = nullptr;
  const void* context_ = nullptr;
  std::atomic<uint32_t> first_{0};    // claim of the first segment
  std::atomic<uint32_t> current_{0};  // claim of the segment in use
  std::atomic<uint32_t> moving_{0};   // 1 while a thread takes the next one
  std::atomic<bool> full_{false};
  // Where a name was written last, by its hash: tag << 40 | claim << 16 | place. Only a hint: what is there
  // is compared.
  std::atomic<uint64_t> cache_[kCache] = {};
};

}  // namespace plume::trace
