// Making and ending trace files. Hosted.
#pragma once
#include <string>

#include "base/result.h"
#include "os/file.h"
#include "trace/format.h"

namespace plume::trace {

struct Recording {
  uint32_t session = 0;
  uint32_t megabytes = 64;
  bool keep_first = false;
  uint32_t spaces = (1u << kSpaces) - 1;
  std::string text;  // JSON: what is recorded; at most kMaxText bytes
};
inline constexpr uint32_t kMinMegabytes = 1, kMaxMegabytes = 1024;

// The file is complete before it has its name. It is as large as it will ever be, but empty parts take no
// room on disk.
Status BeginRecording(const os::Path& path, const Recording& recording);
// Notes the end in the file. Guests stop by the VM's trace word, not by this.
Status EndRecording(const os::Path& path);

}  // namespace plume::trace
