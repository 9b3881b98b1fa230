#include "trace/recording.h"

#include <algorithm>
#include <cstring>

#include "os/clock.h"
#include "os/mapped_file.h"
#include "os/random.h"

namespace plume::trace {
namespace {

// How fast the time stamp counter runs. It is the same on all processors of a machine and does not change
// while the machine is up (on processors of the last fifteen years). 20 ms give four good digits.
uint64_t MeasureTicksPerSecond() {
  os::Clock& clock = os::SystemClock();
  const int64_t begin = clock.MonotonicMicros();
  const uint64_t first = __builtin_ia32_rdtsc();
  int64_t now = begin;
  uint64_t last = first;
  while (now - begin < 20000) {
    clock.SleepMillis(5);
    now = clock.MonotonicMicros();
    last = __builtin_ia32_rdtsc();
  }
  return (last - first) * 1000000 / static_cast<uint64_t>(now - begin);
}

uint32_t SegmentsOf(uint32_t megabytes) {
  const uint64_t segments = ((uint64_t{megabytes} << 20) - kHeaderBytes) / kSegmentBytes;
  return static_cast<uint32_t>(std::clamp<uint64_t>(segments, kMinSegments, kMaxSegments));
}

}  // namespace

Status BeginRecording(const os::Path& path, const Recording& recording) {
  os::FileSystem& files = os::SystemFiles();
  TRY(files.MakeDirectories(path.parent_path()));
  const uint32_t segments = SegmentsOf(std::clamp(recording.megabytes, kMinMegabytes, kMaxMegabytes));
  const os::Path temporary = os::TemporaryName(path.parent_path(), "trace");
  {
    ASSIGN(os::MappedFile file,
           os::MappedFile::OpenShared(temporary, FileBytes(segments), nullptr, kHeaderBytes));
    FileHeader h{};
    h.magic = kMagic;
    h.version = kVersion;
    h.file_bytes = FileBytes(segments);
    h.segment_bytes = kSegmentBytes;
    h.segments = segments;
    h.flags = recording.keep_first ? kKeepFirst : 0u;
    h.spaces = recording.spaces;
    h.session = recording.session;
    h.text_bytes = static_cast<uint32_t>(std::min<size_t>(recording.text.size(), kMaxText));
    static const uint64_t ticks_per_second = MeasureTicksPerSecond();
    h.ticks_per_second = ticks_per_second;
    h.time_start = os::SystemClock().NowFiletime();
    h.ticks_start = __builtin_ia32_rdtsc();
    std::memcpy(file.data(), static_cast<const void*>(&h), sizeof(h));
    std::memcpy(file.data() + kTextOffset, recording.text.data(), h.text_bytes);
  }
  if (Status done = files.Rename(temporary, path, true); !done.ok()) {
    (void)files.Remove(temporary);
    return done;
  }
  return Ok();
}

Status EndRecording(const os::Path& path) {
  ASSIGN(os::MappedFile file, os::MappedFile::OpenShared(path, kHeaderBytes, nullptr));
  reinterpret_cast<FileHeader*>(file.data())
      ->time_stopped.store(os::SystemClock().NowFiletime(), std::memory_order_relaxed);
  return Ok();
}

}  // namespace plume::trace
