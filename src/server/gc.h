// Garbage collection: removes blobs that no manifest needs any more. May run in its own process while a
// server uses the same root: what was pushed, mounted, asked for by HEAD or referenced within the grace
// period is spared, and each removal excludes the server for an instant and looks once more (storage.h, Touch
// and HoldOffGc).
#pragma once
#include <cstdint>
#include <functional>
#include <string>

#include "base/result.h"
#include "os/file.h"

namespace plume::server {

struct GcOptions {
  int64_t grace_seconds = 3600;
  bool untagged = false;  // also remove manifests that no tag, index or subject leads to
  bool dry_run = false;
  std::function<void(const std::string& what)> report;  // one line for each thing removed
};

struct GcResult {
  uint64_t blobs_kept = 0, bytes_kept = 0;
  uint64_t blobs_removed = 0, bytes_removed = 0;
  uint64_t manifests_removed = 0;
};

// kNotFound: `root` is not a server's storage. Stops at the first error; what was removed until then was
// garbage.
Result<GcResult> CollectGarbage(const os::Path& root, os::FileSystem& files, const GcOptions& options);

}  // namespace plume::server
