// A VM's workspace into a VM file and out of one. Portable.
#pragma once
#include <functional>
#include <vector>

#include "agent/vm_file.h"
#include "view/vm_index.h"

namespace plume::agent {

// What a workspace consists of. Nothing may use it meanwhile.
struct WorkspaceParts {
  os::FileSystem* files = nullptr;
  os::Path upper;  // below it "C\Program Files\..."
  view::VmIndex* index = nullptr;
  KeyStore* keys = nullptr;  // "M\...", "U\..."
};

using OnBytes = std::function<void(uint64_t done)>;

// `path` must not exist; it is removed again on failure. Links are left out: `skipped` (may be null) names
// them.
Status PackWorkspace(const WorkspaceParts& from, const os::Path& path, VmFileWriter::Kind kind,
                     const VmFileInfo& info, const VmFilePlaces& places, const OnBytes& progress,
                     std::vector<std::u16string>* skipped);

// Into an empty workspace. On failure it is unusable.
Result<VmFileInfo> UnpackWorkspace(os::File& file, const WorkspaceParts& to, const VmFilePlaces& places,
                                   const OnBytes& progress);

}  // namespace plume::agent
