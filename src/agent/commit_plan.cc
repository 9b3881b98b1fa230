#include "agent/commit_plan.h"

#include <algorithm>
#include <map>
#include <unordered_map>
#include <unordered_set>

#include "agent/text.h"
#include "agent/vm_file_format.h"
#include "view/base_stamp.h"

namespace plume::agent {
namespace {

using vm_file::IsFilePath;

constexpr char kChanged[] = "it changed on the host since the VM copied it";
constexpr char kAppeared[] = "it appeared on the host since, and differs";
constexpr char kVanished[] = "it was deleted on the host since";
constexpr char kCovered[] = "the host has it too, below the VM's image";
constexpr char kNewBelow[] = "it appeared on the host in what the VM deleted";

std::u16string Folded(std::u16string_view text) {
  std::u16string out(text);
  for (char16_t& c : out) c = view::Upcase(c);
  return out;
}

std::u16string Child(std::u16string_view parent, std::u16string_view name) {
  return std::u16string(parent) + u"\\" + std::u16string(name);
}

std::u16string_view Parent(std::u16string_view path) { return path.substr(0, path.rfind(u'\\')); }

uint64_t StampOf(const KeyNode& node) {
  view::KeyStamp stamp;
  for (const image::ValueItem& v : node.values) stamp.Add(v.name, v.type, v.data.data(), v.data.size());
  return stamp.Finish();
}

const image::ValueItem* FindNamed(const KeyNode& node, std::u16string_view name) {
  for (const image::ValueItem& v : node.values)
    if (view::EqualFolded(v.name, name)) return &v;
  return nullptr;
}

class Planner {
 public:
  Planner(const CommitInput& input, bool overwrite) : in_(input), overwrite_(overwrite) {
    for (const IndexRecord& r : in_.records) bases_[Folded(r.path)] = r.base;
  }

  Result<CommitPlan> Run() {
    for (size_t i = 0; i < in_.changes.size(); ++i) {
      const Change& change = in_.changes[i];
      if (IsFilePath(change.path)) {
        TRY(change.kind == ChangeKind::kDeleted ? RemoveFile(change) : PutFile(change));
        continue;
      }
      // All changes of one key together.
      size_t end = i + 1;
      while (end < in_.changes.size() && in_.changes[end].path == change.path) ++end;
      TRY(Key(std::span(in_.changes).subspan(i, end - i)));
      i = end - 1;
    }
    for (auto& [path, op] : puts_) plan_.files.push_back(std::move(op));
    for (auto& [path, op] : key_puts_) plan_.keys.push_back(std::move(op));
    return std::move(plan_);
  }

 private:
  uint64_t Base(std::u16string_view path) const {
    const auto it = bases_.find(Folded(path));
    return it == bases_.end() ? 0 : it->second;
  }

  void Conflict(std::u16string_view path, const char* why) {
    if (!overwrite_) plan_.conflicts.push_back({std::u16string(path), {}, false, why});
  }

  Result<bool> Stat(std::u16string_view path, os::FileInfo* info) const {
    auto stat = in_.host.files->Stat(in_.host.real(path));
    if (!stat.ok() && stat.error().code != Errc::kNotFound) return stat.error();
    if (stat.ok()) *info = *stat;
    return stat.ok();
  }

  os::Path Upper(std::u16string_view path) const {
    const os::Path drive = in_.upper / os::FromUtf16(path.substr(0, 1));
    return path.size() > 3 ? drive / os::FromUtf16(path.substr(3)) : drive;
  }

  // The put that `path` is part of already.
  template <typename Ops>
  static auto* Enclosing(Ops& ops, std::u16string_view path) {
    for (std::u16string_view at = path;; at = Parent(at)) {
      if (const auto it = ops.find(Folded(at)); it != ops.end()) return &it->second;
      if (at.find(u'\\') == at.npos) break;
    }
    return static_cast<typename Ops::mapped_type*>(nullptr);
  }

  Status PutFile(const Change& change) {
    const std::u16string& path = change.path;
    const bool directory = change.thing == ChangedThing::kDirectory;
    FileOp* op = Enclosing(puts_, path);
    if (op == nullptr) {
      os::FileInfo host;
      ASSIGN(const bool there, Stat(path, &host));
      if (there && directory && host.directory) return Ok();
      if (there) {
        bool same = false;
        TRY(MayReplace(path, directory, host, &same));
        if (same) return Ok();
        op = &puts_[Folded(path)];
        *op = {FileOpKind::kReplace,
               path,
               {},
               host.directory ? 0 : view::FileStamp(host.size, host.times.modified)};
      } else {
        if (Base(path) > view::kBaseFromImage) Conflict(path, kVanished);
        ASSIGN(const std::u16string root, TopmostMissing(path));
        op = &puts_[Folded(root)];
        *op = {FileOpKind::kPut, root, {}, 0};
      }
    }
    AddWithParents(op, path, directory);
    return Ok();
  }

  // Directories between the root of the operation and `path` that only an image has come along.
  void AddWithParents(FileOp* op, const std::u16string& path, bool directory) {
    for (size_t end = op->path.size(); end < path.size();
         end = std::min(path.find(u'\\', end + 1), path.size())) {
      const std::u16string above = path.substr(0, end);
      if (planned_.insert(Folded(above)).second) op->entries.push_back({above, true});
    }
    if (planned_.insert(Folded(path)).second) op->entries.push_back({path, directory});
  }

  Result<std::u16string> TopmostMissing(std::u16string_view path) {
    std::u16string_view root = path;
    while (Parent(root).size() > 2) {
      os::FileInfo info;
      ASSIGN(const bool there, Stat(Parent(root), &info));
      if (there && !info.directory)
        Conflict(Parent(root), "it is a file on the host, and a directory in the VM");
      if (there) break;
      root = Parent(root);
    }
    return std::u16string(root);
  }

  // *same: the host has the very thing.
  Status MayReplace(const std::u16string& path, bool directory, const os::FileInfo& host, bool* same) {
    if (host.directory) return MayRemove(path, host, nullptr);
    const uint64_t base = Base(path);
    if (base == view::FileStamp(host.size, host.times.modified)) return Ok();
    if (!directory) {
      ASSIGN(*same, SameBytes(Upper(path), in_.host.real(path)));
      if (*same) return Ok();
    }
    Conflict(path, base == 0 ? kAppeared : base == view::kBaseFromImage ? kCovered : kChanged);
    return Ok();
  }

  Result<bool> SameBytes(const os::Path& a, const os::Path& b) const {
    ASSIGN(const auto one, in_.host.files->Open(a, os::OpenMode::kRead));
    ASSIGN(const auto other, in_.host.files->Open(b, os::OpenMode::kRead));
    ASSIGN(const uint64_t size, one->Size());
    ASSIGN(const uint64_t other_size, other->Size());
    if (size != other_size) return false;
    os::Bytes x(64u << 10), y(64u << 10);
    for (uint64_t at = 0; at < size;) {
      ASSIGN(const size_t n, one->ReadAt(at, x));
      ASSIGN(const size_t m, other->ReadAt(at, y));
      if (n == 0 || n != m || !std::equal(x.begin(), x.begin() + static_cast<ptrdiff_t>(n), y.begin()))
        return n == m && n == 0;
      at += n;
    }
    return true;
  }

  // Everything at and below `path` on the host must be what the VM knew. *unknown (may be null): `path`
  // itself is a file that the VM never knew.
  Status MayRemove(const std::u16string& path, const os::FileInfo& host, bool* unknown) {
    if (host.directory) {
      ASSIGN(const auto entries, in_.host.files->List(in_.host.real(path)));
      for (const os::DirectoryEntry& e : entries)
        TRY(MayRemove(Child(path, e.name.u16string()), e.info, nullptr));
      return Ok();
    }
    const uint64_t base = Base(path);
    if (base == view::FileStamp(host.size, host.times.modified)) return Ok();
    if (base <= view::kBaseFromImage && unknown != nullptr)
      *unknown = true;
    else
      Conflict(path, base <= view::kBaseFromImage ? kNewBelow : kChanged);
    return Ok();
  }

  Status RemoveFile(const Change& change) {
    os::FileInfo host;
    ASSIGN(const bool there, Stat(change.path, &host));
    if (!there) return Ok();
    bool unknown = false;
    TRY(MayRemove(change.path, host, &unknown));
    if (unknown) return Ok();
    plan_.files.push_back({FileOpKind::kRemove,
                           change.path,
                           {},
                           host.directory ? 0 : view::FileStamp(host.size, host.times.modified)});
    return Ok();
  }

  // --- registry
  // -----------------------------------------------------------------------------------------------------

  Status Key(std::span<const Change> changes) {
    const std::u16string& path = changes[0].path;
    KeyNode host;
    Status read = in_.host.keys->Read(path, &host, nullptr);
    if (!read.ok() && read.error().code != Errc::kNotFound) return read;
    const bool there = read.ok();
    if (changes[0].thing == ChangedThing::kKey && changes[0].kind == ChangeKind::kDeleted)
      return there ? RemoveKey(path, host) : Ok();
    if (KeyOp* op = Enclosing(key_puts_, path)) return AddKey(op, path, changes);
    if (there) return Values(path, host, changes);
    if (Base(path) > view::kBaseFromImage) Conflict(path, kVanished);
    std::u16string_view root = path;
    while (Parent(root).find(u'\\') != std::u16string_view::npos && !in_.host.keys->Has(Parent(root)))
      root = Parent(root);
    KeyOp* op = &key_puts_[Folded(root)];
    op->kind = KeyOpKind::kPut;
    op->path = root;
    return AddKey(op, path, changes);
  }

  // With the keys between the root of the operation and itself, which only an image has. What an image has of
  // values is no change of the VM's.
  Status AddKey(KeyOp* op, const std::u16string& path, std::span<const Change> changes) {
    for (size_t end = op->path.size();; end = std::min(path.find(u'\\', end + 1), path.size())) {
      const std::u16string at = path.substr(0, end);
      if (planned_.insert(Folded(at)).second) {
        KeyNode node;
        TRY(in_.upper_keys->Read(at, &node, nullptr));
        std::erase_if(node.values, [&](const image::ValueItem& v) {
          return end != path.size() || std::none_of(changes.begin(), changes.end(), [&](const Change& c) {
                   return c.thing == ChangedThing::kValue && view::EqualFolded(c.value, v.name);
                 });
        });
        op->nodes.emplace_back(at, std::move(node));
      }
      if (end == path.size()) return Ok();
    }
  }

  Status Values(const std::u16string& path, const KeyNode& host, std::span<const Change> changes) {
    KeyNode upper;
    TRY(in_.upper_keys->Read(path, &upper, nullptr));
    // If the host only got more values since, those are what the VM's key lacks: nobody deleted them.
    KeyNode common = host;
    std::erase_if(common.values,
                  [&](const image::ValueItem& v) { return FindNamed(upper, v.name) == nullptr; });
    const uint64_t base = Base(path);
    const bool grown = base != StampOf(host) && base == StampOf(common);
    const bool unchanged = grown || base == StampOf(host);
    for (const Change& change : changes) {
      if (change.thing != ChangedThing::kValue) continue;
      if (grown && change.kind == ChangeKind::kDeleted) continue;
      const image::ValueItem* old = FindNamed(host, change.value);
      const image::ValueItem* wanted = FindNamed(upper, change.value);
      const bool removes = change.kind == ChangeKind::kDeleted || wanted == nullptr;
      if (removes ? old == nullptr : old != nullptr && SameValue(*old, *wanted)) continue;
      // Only additions cannot collide with a change of the host that is not seen.
      if (!unchanged && !overwrite_ && (old != nullptr || change.kind != ChangeKind::kAdded)) {
        plan_.conflicts.push_back({path, change.value, true, old != nullptr ? kChanged : kVanished});
        continue;
      }
      KeyOp op;
      op.kind = removes ? KeyOpKind::kDeleteValue : KeyOpKind::kSetValue;
      op.path = path;
      op.value = removes ? *old : *wanted;
      op.had_value = old != nullptr;
      if (old != nullptr) op.old = *old;
      plan_.keys.push_back(std::move(op));
    }
    return Ok();
  }

  Status RemoveKey(const std::u16string& path, const KeyNode& host) {
    if (Base(path) <= view::kBaseFromImage) return Ok();  // the VM never knew the host's
    TRY(MayRemoveKey(path, host));
    KeyOp op;
    op.kind = KeyOpKind::kRemove;
    op.path = path;
    plan_.keys.push_back(std::move(op));
    return Ok();
  }

  Status MayRemoveKey(const std::u16string& path, const KeyNode& host) {
    const uint64_t base = Base(path);
    if (base != StampOf(host)) Conflict(path, base <= view::kBaseFromImage ? kNewBelow : kChanged);
    if (host.link) return Ok();
    std::vector<std::u16string> subkeys;
    TRY(in_.host.keys->Read(path, nullptr, &subkeys));
    for (const std::u16string& name : subkeys) {
      KeyNode node;
      TRY(in_.host.keys->Read(Child(path, name), &node, nullptr));
      TRY(MayRemoveKey(Child(path, name), node));
    }
    return Ok();
  }

  const CommitInput& in_;
  const bool overwrite_;
  std::unordered_map<std::u16string, uint64_t> bases_;
  std::unordered_set<std::u16string> planned_;
  std::map<std::u16string, FileOp> puts_;     // by folded path of the root
  std::map<std::u16string, KeyOp> key_puts_;  // likewise
  CommitPlan plan_;
};

}  // namespace

Result<CommitPlan> PlanCommit(const CommitInput& input, bool overwrite) {
  return Planner(input, overwrite).Run();
}

}  // namespace plume::agent
