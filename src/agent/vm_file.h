// VM files: a VM's workspace with its policy and name in one file. What `plume vm export` writes, and what a
// snapshot is. Portable; docs/formats/vm-file.md.
//
// Paths are canonical ("C:\x", "M\Software"). In the file the user's profile folder and the user's own keys
// have names of their own, so that another user's machine puts them where they belong.
#pragma once
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "agent/control.h"
#include "agent/diff.h"
#include "agent/key_store.h"
#include "base/result.h"
#include "os/file.h"

namespace plume::agent {

// What a file says before its content.
struct VmFileInfo {
  std::string name, policy, policy_text, policy_file, application;
  std::vector<std::string> images;
  std::string tag;       // of the snapshot; empty: the VM as it was
  int64_t created = 0;   // FILETIME, of the file
  std::string user_sid;  // whose keys it has

  Json ToJson() const;
  static Result<VmFileInfo> FromJson(const Json& json);
};

// What differs between machines.
struct VmFilePlaces {
  std::u16string profile;   // "C:\users\ann"
  std::u16string user_sid;  // "S-1-5-21-..."
};

class VmFileWriter {
 public:
  enum class Kind : uint8_t {
    kSnapshot,  // fast; guarded by checksums
    kExport,    // smaller; closed by a SHA-256 of the whole
  };
  // Creates `path`, which must not exist.
  static Result<std::unique_ptr<VmFileWriter>> Create(os::FileSystem& files, const os::Path& path, Kind kind,
                                                      const VmFileInfo& info, const VmFilePlaces& places);
  virtual ~VmFileWriter() = default;
  virtual Status Record(const IndexRecord& record) = 0;
  // After everything that is in it.
  virtual Status Directory(std::u16string_view path, const os::FileInfo& info) = 0;
  // Followed by info.size bytes of Data.
  virtual Status File(std::u16string_view path, const os::FileInfo& info) = 0;
  virtual Status Data(os::ByteView bytes) = 0;
  virtual Status Key(std::u16string_view path, const KeyNode& node) = 0;
  // Returns once everything is on the medium.
  virtual Status Finish() = 0;
};

// Is given what a file has, in the order in which it was written. What it returns ends the reading.
class VmFileVisitor {
 public:
  virtual ~VmFileVisitor() = default;
  virtual Status Info(const VmFileInfo& info) { return Ok(); }
  virtual Status Record(const IndexRecord& record) { return Ok(); }
  virtual Status Directory(std::u16string_view path, const os::FileInfo& info) { return Ok(); }
  virtual Status File(std::u16string_view path, const os::FileInfo& info) { return Ok(); }
  virtual Status Data(os::ByteView bytes) { return Ok(); }
  virtual Status Key(std::u16string_view path, const KeyNode& node) { return Ok(); }
};
// Success means that the file is whole: nothing missing, nothing changed, nothing behind it. Until then, what
// the visitor was given is only well-formed. kCorrupt, or kUnsupported for files of later versions.
Status ReadVmFile(os::File& file, const VmFilePlaces& places, VmFileVisitor& visitor);
// The head alone.
Result<VmFileInfo> ReadVmFileInfo(os::File& file);

}  // namespace plume::agent
