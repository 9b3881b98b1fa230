// The record of a commit that is under way: all that is needed to undo it, or to clean up after it, whoever
// died when. Portable; docs/formats/commit-journal.md.
#pragma once
#include <string>
#include <string_view>
#include <vector>

#include "agent/commit_plan.h"
#include "base/result.h"

namespace plume::agent {

enum class CommitPhase : uint8_t {
  kStaging,   // only names of Plume's own were made on the host
  kApplying,  // things are being exchanged
};

struct JournalFile {
  FileOpKind kind;
  std::u16string path;
  std::u16string staged, old;  // beside `path`: what is to come there, what was there
};
struct JournalKey {
  KeyOpKind kind;
  std::u16string path;
  std::u16string staged, old;  // names beside `path`, likewise
  image::ValueItem value, old_value;
  bool had_value = false;
};

struct CommitJournal {
  CommitPhase phase = CommitPhase::kStaging;
  uint32_t workspace = 0;  // what is committed: while the VM still has it, the commit has not happened
  std::vector<JournalFile> files;
  std::vector<JournalKey> keys;

  std::string ToText() const;
  static Result<CommitJournal> FromText(std::string_view text);
};

}  // namespace plume::agent
