#include "agent/commit.h"

#include <algorithm>

#include "agent/text.h"
#include "view/base_stamp.h"
#include "view/path.h"

namespace plume::agent {
namespace {

constexpr size_t kCommitBytes = 256u << 10;

// Another name in the same directory or key.
std::u16string Beside(std::u16string_view path, std::u16string_view name) {
  return std::u16string(path.substr(0, path.rfind(u'\\') + 1)) + std::u16string(name);
}

std::u16string_view NameOf(std::u16string_view path) { return path.substr(path.rfind(u'\\') + 1); }

const image::ValueItem* ValueOf(const KeyNode& node, std::u16string_view name) {
  for (const image::ValueItem& v : node.values)
    if (view::EqualFolded(v.name, name)) return &v;
  return nullptr;
}

// Bytes, times and attributes; returns when they are on the medium.
Status CopyFile(os::FileSystem& files, const os::Path& from, const os::Path& to) {
  ASSIGN(const os::FileInfo info, files.Stat(from));
  {
    ASSIGN(const auto in, files.Open(from, os::OpenMode::kRead));
    ASSIGN(const auto out, files.Open(to, os::OpenMode::kCreateNew));
    os::Bytes buffer(kCommitBytes);
    for (uint64_t at = 0;;) {
      ASSIGN(const size_t n, in->ReadAt(at, buffer));
      if (n == 0) break;
      TRY(out->WriteAt(at, os::ByteView(buffer.data(), n)));
      at += n;
    }
    TRY(out->Flush());
    TRY(out->SetTimes(info.times));
    TRY(out->Close());
  }
  constexpr uint32_t kKept = os::kReadOnly | os::kHidden | os::kSystem | os::kArchive;
  uint32_t kept = info.attributes & kKept;
  if (os::Utf8(from.filename()).starts_with('.')) kept &= ~os::kHidden;  // Wine calls all of these hidden
  return kept == os::kArchive ? Ok() : files.SetAttributes(to, kept);
}

}  // namespace

Status Commit::StageAndApply(const CommitPlan& plan, const os::Path& upper, uint32_t workspace,
                             const std::string& id, const OnItem& progress) {
  progress_ = progress;
  journal_ = {};
  journal_.workspace = workspace;
  const std::u16string mark = u"~plume-" + ToUtf16(id) + u"-";
  // Keys under such names are shown to no guest, and sort behind all others (win/key_store.cc).
  const std::u16string key_mark = std::u16string(2, kTemporaryKeyMark) + mark;
  uint32_t number = 0;
  for (const FileOp& op : plan.files) {
    const std::u16string name = mark + ToUtf16(std::to_string(number++));
    journal_.files.push_back(
        {op.kind, op.path, Beside(op.path, name + u".new"), Beside(op.path, name + u".old")});
  }
  for (const KeyOp& op : plan.keys) {
    const std::u16string name = key_mark + ToUtf16(std::to_string(number++));
    journal_.keys.push_back({op.kind, op.path, Beside(op.path, name + u"n"), Beside(op.path, name + u"o"),
                             op.value, op.old, op.had_value});
  }
  const auto carry_out = [&]() -> Status {
    TRY(Write());
    TRY(Stage(plan, upper));
    journal_.phase = CommitPhase::kApplying;
    TRY(Write());
    TRY(Apply(plan));
    return host_.keys->Flush();
  };
  Status done = carry_out();
  if (done.ok()) return done;
  const Status undone = Undo(journal_);
  if (undone.ok()) return done;
  return Error{done.error().code, done.error().message + "; undoing it failed too and will be tried again: " +
                                      undone.error().message};
}

Status Commit::Write() {
  return os::WriteAtomic(*host_.files, journal_file_, std::string_view(journal_.ToText()));
}

Result<CommitJournal> Commit::Left(os::FileSystem& files, const os::Path& journal) {
  ASSIGN(const std::string text, os::ReadText(files, journal, 1u << 30));
  return CommitJournal::FromText(text);
}

bool Commit::Has(std::u16string_view path) const { return os::Exists(*host_.files, host_.real(path)); }

void Commit::Step() {
  if (progress_) progress_(++done_, 2 * (journal_.files.size() + journal_.keys.size()));
}

// --- staging
// -------------------------------------------------------------------------------------------------------

Status Commit::Stage(const CommitPlan& plan, const os::Path& upper) {
  for (size_t i = 0; i < plan.files.size(); ++i) {
    TRY(StageFile(plan.files[i], journal_.files[i], upper));
    Step();
  }
  for (size_t i = 0; i < plan.keys.size(); ++i) {
    TRY(StageKey(plan.keys[i], journal_.keys[i]));
    Step();
  }
  return Ok();
}

Status Commit::StageFile(const FileOp& op, const JournalFile& names, const os::Path& upper) {
  os::FileSystem& files = *host_.files;
  const auto staged = [&](const std::u16string& path) {
    return host_.real(names.staged + path.substr(op.path.size()));
  };
  const auto source = [&](const std::u16string& path) {
    return upper / os::FromUtf16(path.substr(0, 1)) / os::FromUtf16(path.substr(3));
  };
  for (const CommitEntry& entry : op.entries) {
    if (entry.directory)
      TRY(files.MakeDirectories(staged(entry.path)));
    else
      TRY(CopyFile(files, source(entry.path), staged(entry.path)));
  }
  // What was put into a directory changed its times.
  for (auto entry = op.entries.rbegin(); entry != op.entries.rend(); ++entry) {
    if (!entry->directory) continue;
    const auto info = files.Stat(source(entry->path));
    if (!info.ok()) continue;
    constexpr uint32_t kShown = os::kReadOnly | os::kHidden | os::kSystem;
    if ((info->attributes & kShown) != 0 && NameOf(entry->path)[0] != u'.')
      TRY(files.SetAttributes(staged(entry->path), info->attributes & kShown));
    TRY(files.SetTimes(staged(entry->path), info->times));
  }
  return Ok();
}

Status Commit::StageKey(const KeyOp& op, const JournalKey& names) {
  for (const auto& [path, node] : op.nodes) {
    KeyNode own = node;
    own.access.clear();  // the host decides who may use its keys
    TRY(host_.keys->Create(names.staged + path.substr(op.path.size()), own));
  }
  return Ok();
}

// --- applying
// ------------------------------------------------------------------------------------------------------

Status Commit::Apply(const CommitPlan& plan) {
  for (size_t i = 0; i < plan.files.size(); ++i) {
    TRY(ApplyFile(journal_.files[i], plan.files[i].stamp));
    Step();
  }
  for (const JournalKey& k : journal_.keys) {
    TRY(ApplyKey(k));
    Step();
  }
  return Ok();
}

Status Commit::ApplyFile(const JournalFile& f, uint64_t stamp) {
  os::FileSystem& files = *host_.files;
  const os::Path place = host_.real(f.path), staged = host_.real(f.staged), old = host_.real(f.old);
  if (f.kind != FileOpKind::kPut) {
    TRY(files.Rename(place, old, false));
    // Nobody can change it any more by its name; did somebody in the meantime?
    ASSIGN(const os::FileInfo info, files.Stat(old));
    if (stamp != 0 && stamp != view::FileStamp(info.size, info.times.modified))
      return Error{Errc::kBusy,
                   "committing " + ToUtf8(f.path) + " failed: it is being changed on the host (try again)"};
  }
  return f.kind == FileOpKind::kRemove ? Ok() : files.Rename(staged, place, false);
}

Status Commit::ApplyKey(const JournalKey& k) {
  switch (k.kind) {
    case KeyOpKind::kPut:
      return host_.keys->Rename(k.staged, NameOf(k.path));
    case KeyOpKind::kRemove:
      return host_.keys->Rename(k.path, NameOf(k.old));
    case KeyOpKind::kSetValue:
      return host_.keys->SetValue(k.path, k.value);
    case KeyOpKind::kDeleteValue:
      return host_.keys->DeleteValue(k.path, k.value.name);
  }
  return Ok();
}

// --- back
// ----------------------------------------------------------------------------------------------------------

// In reverse. Each step sees from what is there how far it had come, so it may be repeated.
Status Commit::Undo(const CommitJournal& journal) {
  Status first = Ok();
  const auto keep = [&first](Status s) {
    if (!s.ok() && first.ok()) first = std::move(s);
  };
  for (auto k = journal.keys.rbegin(); k != journal.keys.rend(); ++k) keep(UndoKey(*k, journal.phase));
  for (auto f = journal.files.rbegin(); f != journal.files.rend(); ++f) keep(UndoFile(*f, journal.phase));
  if (!journal.keys.empty()) keep(host_.keys->Flush());
  TRY(std::move(first));
  return host_.files->Remove(journal_file_);
}

Status Commit::UndoFile(const JournalFile& f, CommitPhase phase) {
  os::FileSystem& files = *host_.files;
  const os::Path place = host_.real(f.path), staged = host_.real(f.staged), old = host_.real(f.old);
  // What is staged leaves its name only by taking the place; so with it there, whatever is in the place is
  // not ours.
  const bool taken = phase == CommitPhase::kApplying && f.kind != FileOpKind::kRemove && !Has(f.staged);
  const bool moved = f.kind != FileOpKind::kPut && Has(f.old);
  if (taken && (f.kind == FileOpKind::kPut || moved) && Has(f.path)) TRY(files.Rename(place, staged, false));
  if (moved) TRY(files.Rename(old, place, false));
  return os::RemoveTree(files, staged);
}

Status Commit::UndoKey(const JournalKey& k, CommitPhase phase) {
  KeyStore& keys = *host_.keys;
  if (k.kind == KeyOpKind::kPut) {
    if (phase == CommitPhase::kApplying && !keys.Has(k.staged)) TRY(keys.RemoveTree(k.path));
    return keys.RemoveTree(k.staged);
  }
  if (phase == CommitPhase::kStaging) return Ok();
  if (k.kind == KeyOpKind::kRemove) return keys.Has(k.old) ? keys.Rename(k.old, NameOf(k.path)) : Ok();
  // Somebody else's value of meanwhile stays.
  KeyNode node;
  if (Status read = keys.Read(k.path, &node, nullptr); !read.ok())
    return read.error().code == Errc::kNotFound ? Ok() : std::move(read);
  const image::ValueItem* now = ValueOf(node, k.value.name);
  const bool ours =
      k.kind == KeyOpKind::kSetValue ? now != nullptr && SameValue(*now, k.value) : now == nullptr;
  if (!ours) return Ok();
  return k.had_value ? keys.SetValue(k.path, k.old_value) : keys.DeleteValue(k.path, k.value.name);
}

// --- forward
// -------------------------------------------------------------------------------------------------------

Status Commit::CleanUp(const CommitJournal& journal) {
  for (const JournalFile& f : journal.files) TRY(os::RemoveTree(*host_.files, host_.real(f.old)));
  for (const JournalKey& k : journal.keys)
    if (k.kind == KeyOpKind::kRemove) TRY(host_.keys->RemoveTree(k.old));
  return host_.files->Remove(journal_file_);
}

}  // namespace plume::agent
