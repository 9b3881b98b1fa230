// What a VM changed against the layers below it: files and registry. Needs no process of the VM; reads only.
//
// A directory that exists only to hold changed files, a file or key that was copied up but is still equal to
// the one below, is no change. Of a deleted directory or key only the topmost line is reported.
#pragma once
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "capture/capture.h"
#include "os/file.h"

namespace plume::agent {

enum class ChangeKind : char { kAdded = 'A', kModified = 'M', kDeleted = 'D' };
enum class ChangedThing : uint8_t { kFile, kDirectory, kKey, kValue };

struct Change {
  ChangeKind kind;
  ChangedThing thing;
  std::u16string path;   // canonical: "C:\x", "M\Software\X"
  std::u16string value;  // kValue: its name, "" = the default value
};

// The layers below the upper one, by virtual path, whiteouts not applied.
struct LowerFile {
  bool exists = false, directory = false;
  uint64_t size = 0;
  uint32_t attributes = 0;
};
class LowerFiles {
 public:
  virtual ~LowerFiles() = default;
  virtual LowerFile Find(std::u16string_view path) = 0;
  virtual std::vector<std::u16string> List(std::u16string_view directory) = 0;
  // Whether the bytes are those of the real file `upper` of the same size.
  virtual Result<bool> SameContent(std::u16string_view path, const os::Path& upper) = 0;
};

// One record of the VM index.
struct IndexRecord {
  std::u16string path;
  uint32_t flags = 0;  // view::VmIndex::Flag
  uint64_t base = 0;   // what was below when it was copied up (view/base_stamp.h)
};

struct DiffInput {
  std::vector<IndexRecord> records;
  os::FileSystem* files = nullptr;
  os::Path upper;  // below it "C\Program Files\..."
  LowerFiles* lower_files = nullptr;
  const capture::KeySource* upper_keys = nullptr;
  const capture::KeySource* lower_keys = nullptr;  // all lower layers merged
};

// Sorted by path as NTFS sorts; files before keys.
Result<std::vector<Change>> Diff(const DiffInput& input);

}  // namespace plume::agent
