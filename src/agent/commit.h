// Carries a commit out, or back. Portable. ADR 10; docs/formats/commit-journal.md.
//
//   Stage      what is to come is put beside its place on the host, under names of Plume's own
//   Apply      each thing there is renamed aside, what is staged is renamed into its place; values are
//   written (decision) the caller gives the VM another workspace: one write CleanUp    what was renamed aside
//   is removed
//
// Until the decision Undo leads back from wherever it stands; it may itself be interrupted and done again.
#pragma once
#include <functional>

#include "agent/commit_journal.h"
#include "agent/commit_plan.h"

namespace plume::agent {

class Commit {
 public:
  // `journal`: where the record is kept, on the VM's side.
  Commit(CommitHost host, os::Path journal) : host_(std::move(host)), journal_file_(std::move(journal)) {}

  using OnItem = std::function<void(uint64_t done, uint64_t total)>;
  // `id`: in the names of what is staged. On failure everything was undone, or what could not be says so.
  Status StageAndApply(const CommitPlan& plan, const os::Path& upper, uint32_t workspace,
                       const std::string& id, const OnItem& progress);

  // What an earlier process left. kNotFound: nothing.
  static Result<CommitJournal> Left(os::FileSystem& files, const os::Path& journal);
  Status Undo(const CommitJournal& journal);
  Status CleanUp(const CommitJournal& journal);
  const CommitJournal& journal() const { return journal_; }

 private:
  Status Stage(const CommitPlan& plan, const os::Path& upper);
  Status StageFile(const FileOp& op, const JournalFile& names, const os::Path& upper);
  Status StageKey(const KeyOp& op, const JournalKey& names);
  Status Apply(const CommitPlan& plan);
  Status ApplyFile(const JournalFile& f, uint64_t stamp);
  Status ApplyKey(const JournalKey& k);
  Status UndoFile(const JournalFile& f, CommitPhase phase);
  Status UndoKey(const JournalKey& k, CommitPhase phase);
  Status Write();
  bool Has(std::u16string_view path) const;
  void Step();

  const CommitHost host_;
  const os::Path journal_file_;
  CommitJournal journal_;
  OnItem progress_;
  uint64_t done_ = 0;
};

}  // namespace plume::agent
