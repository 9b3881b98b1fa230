// Reads a trace file, finished or still being written. Hosted. Nothing in the file is believed: guests can
// write it.
#pragma once
#include <cstdint>
#include <deque>
#include <string>
#include <string_view>
#include <unordered_set>
#include <vector>

#include "base/result.h"
#include "trace/format.h"

namespace plume::trace {

// A call as it was recorded. Texts are UTF-8 and the reader's: they live until its next Read.
struct Call {
  uint64_t ticks = 0;
  int64_t time = 0;          // FILETIME
  uint64_t since_start = 0;  // 100 ns since the recording began
  uint64_t duration = 0;     // 100 ns, 0 = not measured
  uint32_t pid = 0, parent = 0, thread = 0;
  uint32_t process = 0;  // differs for each process of the recording
  uint8_t bits = 0;
  Space space = Space::kOther;
  Layer layer = Layer::kNone;
  uint8_t mode = kNoMode;
  uint32_t status = 0, detail = 0;
  std::string_view exe, call, name, real, rule, image;

  bool failed() const { return (status & 0x80000000u) != 0; }
};

struct Info {
  uint32_t session = 0, flags = 0, spaces = 0, segments = 0;
  int64_t time_start = 0, time_stopped = 0;
  std::string text;  // JSON
};

class Reader {
 public:
  // `file` is the whole file, mapped or read; it must outlive the reader and may change meanwhile. kInvalid:
  // not a trace.
  static Result<Reader> Open(const uint8_t* file, uint64_t bytes);
  Reader(Reader&&) = default;
  Reader& operator=(Reader&&) = default;

  // Registry names are given as people write them: HKLM\..., and HKCU\... for this user's.
  void SetUser(std::string sid) { user_ = "U\\" + sid; }
  Info ReadInfo() const;
  // The calls that came since the last time, in the order of their ends. A record that is being written holds
  // back those behind it in its segment, until `last`: then nobody writes any more, and what is not whole is
  // passed over.
  std::vector<Call> Read(bool last) &;
  // Records lost: no room, overwritten before they were read, or damaged.
  uint64_t lost() const;
  // Segments that were overwritten before this reader saw them.
  uint32_t overwritten() const { return overwritten_; }

 private:
  struct Position {
    uint32_t claim = 0, offset = 0, waited = 0;
    bool damaged = false;
  };
  Reader(const uint8_t* file, uint64_t bytes, uint32_t segments);
  void ReadSegment(uint32_t index, bool last, std::vector<Call>* out);
  std::string_view Intern(std::string text);
  std::string_view KeyForPeople(std::string_view name);
  std::string_view NameAt(uint16_t place);
  // Copies of one segment and what is known of it while it is read.
  template <typename T>
  T At(uint32_t offset) const;
  uint32_t CheckedBytes(uint32_t offset, uint32_t end, Kind* kind) const;
  bool ReadCall(uint32_t offset, uint32_t bytes, Call* out);

  const uint8_t* file_;
  uint32_t segments_;
  double tenths_per_tick_ = 0;  // 100 ns per tick
  uint64_t ticks_start_ = 0;
  int64_t time_start_ = 0;
  uint32_t overwritten_ = 0, seen_claims_ = 0;
  uint64_t damaged_ = 0;
  std::string user_;
  std::vector<Position> positions_;
  std::unordered_set<std::string> texts_;
  std::vector<uint8_t> segment_;
  std::vector<std::string_view> names_;  // of this segment, by place
  uint32_t claim_ = 0;
};

const char* SpaceName(Space space);
const char* LayerName(Layer layer);
const char* ModeText(uint8_t mode);  // "" if none

}  // namespace plume::trace
