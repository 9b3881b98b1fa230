// What a commit would do to the host, and what speaks against it. Portable; reads only. ADR 10.
//
// A change conflicts if the host has something else at its place than what the VM once copied up or hid: then
// the user's and the VM's change would overwrite each other. What to compare with is in the VM index
// (view/base_stamp.h). What the VM never knew of, it did not delete.
#pragma once
#include <functional>
#include <string>
#include <vector>

#include "agent/diff.h"
#include "agent/key_store.h"
#include "os/file.h"

namespace plume::agent {

// The host as a commit sees it.
struct CommitHost {
  os::FileSystem* files = nullptr;
  std::function<os::Path(std::u16string_view canonical)> real;
  KeyStore* keys = nullptr;
};

struct CommitInput {
  std::vector<Change> changes;       // Diff
  std::vector<IndexRecord> records;  // with their bases
  os::Path upper;                    // below it "C\Program Files\..."
  KeyStore* upper_keys = nullptr;
  CommitHost host;
};

struct CommitConflict {
  std::u16string path;   // canonical
  std::u16string value;  // of a registry value
  bool is_value = false;
  std::string why;  // "it changed on the host since the VM copied it"
};

// One file or directory of a tree that is put in place.
struct CommitEntry {
  std::u16string path;
  bool directory = false;
};

enum class FileOpKind : uint8_t { kPut, kReplace, kRemove };
// On the topmost name that changes: a whole tree at once.
struct FileOp {
  FileOpKind kind;
  std::u16string path;
  std::vector<CommitEntry>
      entries;         // kPut, kReplace: what to copy from the upper layer; each after its directory
  uint64_t stamp = 0;  // kReplace, kRemove of a file: what the host has (FileStamp)
};

enum class KeyOpKind : uint8_t { kPut, kRemove, kSetValue, kDeleteValue };
struct KeyOp {
  KeyOpKind kind;
  std::u16string path;
  std::vector<std::pair<std::u16string, KeyNode>> nodes;  // kPut: the tree, by path, each after its parent
  image::ValueItem value;                                 // kSetValue; kDeleteValue: the name
  bool had_value = false;                                 // the host has a value of that name: `old`
  image::ValueItem old;
};

struct CommitPlan {
  std::vector<CommitConflict> conflicts;
  std::vector<FileOp> files;
  std::vector<KeyOp> keys;
};

// With `overwrite` nothing is a conflict: the VM's side wins.
Result<CommitPlan> PlanCommit(const CommitInput& input, bool overwrite);

}  // namespace plume::agent
