#include "agent/diff.h"

#include <algorithm>
#include <unordered_map>

#include "view/path.h"
#include "view/vm_index.h"

namespace plume::agent {
namespace {

using view::VmIndex;

std::u16string Fold(std::u16string_view text) {
  std::u16string out(text);
  for (char16_t& c : out) c = view::Upcase(c);
  return out;
}

std::u16string Join(std::u16string_view parent, std::u16string_view name) {
  return std::u16string(parent) + u"\\" + std::u16string(name);
}

const std::vector<uint8_t>* FindValue(const capture::KeyContent& key, std::u16string_view name,
                                      uint32_t* type) {
  for (const image::ValueItem& v : key.values) {
    if (!view::EqualFolded(v.name, name)) continue;
    *type = v.type;
    return &v.data;
  }
  return nullptr;
}

class Differ {
 public:
  explicit Differ(const DiffInput& input) : in_(input) {
    for (const IndexRecord& r : in_.records) flags_[Fold(r.path)] |= r.flags;
  }

  Result<std::vector<Change>> Run() {
    auto drives = in_.files->List(in_.upper);
    if (drives.ok()) {
      for (const os::DirectoryEntry& drive : *drives) {
        const std::u16string root = drive.name.u16string() + u":";
        TRY(UpperDirectory(in_.upper / drive.name, root));
      }
    } else if (drives.error().code != Errc::kNotFound) {
      return drives.error();
    }
    if (in_.upper_keys != nullptr) {
      UpperKey(u"M", false);
      UpperKey(u"U", false);
    }
    for (const IndexRecord& r : in_.records) {
      if ((r.flags & VmIndex::kWhiteout) == 0 || HiddenAbove(r.path)) continue;
      if (IsKey(r.path))
        HiddenKey(r.path);
      else
        TRY(HiddenFile(r.path));
    }
    Sort();
    return std::move(changes_);
  }

 private:
  static bool IsKey(std::u16string_view path) { return path.size() < 2 || path[1] != u':'; }

  uint32_t Flags(std::u16string_view path) const {
    const auto it = flags_.find(Fold(path));
    return it == flags_.end() ? 0 : it->second;
  }

  bool HiddenAbove(std::u16string_view path) const {
    for (size_t slash = path.rfind(u'\\'); slash != path.npos && slash > 0;
         slash = path.rfind(u'\\', slash - 1))
      if (Flags(path.substr(0, slash)) & VmIndex::kWhiteout) return true;
    return false;
  }

  void Add(ChangeKind kind, ChangedThing thing, std::u16string path, std::u16string value = {}) {
    changes_.push_back({kind, thing, std::move(path), std::move(value)});
  }

  Status UpperDirectory(const os::Path& real, const std::u16string& path) {
    ASSIGN(const std::vector<os::DirectoryEntry> entries, in_.files->List(real));
    for (const os::DirectoryEntry& e : entries) {
      const std::u16string child = Join(path, e.name.u16string());
      const LowerFile lower = in_.lower_files->Find(child);
      if (e.info.directory) {
        if (!lower.exists)
          Add(ChangeKind::kAdded, ChangedThing::kDirectory, child);
        else if (!lower.directory)
          Add(ChangeKind::kModified, ChangedThing::kDirectory, child);
        TRY(UpperDirectory(real / e.name, child));
        continue;
      }
      if (!lower.exists) {
        Add(ChangeKind::kAdded, ChangedThing::kFile, child);
        continue;
      }
      static constexpr uint32_t kCompared = os::kReadOnly | os::kHidden | os::kSystem;
      bool same = !lower.directory && lower.size == e.info.size &&
                  ((lower.attributes ^ e.info.attributes) & kCompared) == 0;
      if (same) {
        ASSIGN(same, in_.lower_files->SameContent(child, real / e.name));
      }
      if (!same) Add(ChangeKind::kModified, ChangedThing::kFile, child);
    }
    return Ok();
  }

  // `path` is hidden below the upper layer: what the upper does not have there is deleted.
  Status HiddenFile(const std::u16string& path) {
    const LowerFile lower = in_.lower_files->Find(path);
    if (!lower.exists) return Ok();
    const auto upper = in_.files->Stat(Real(path));
    if (!upper.ok()) {
      if (upper.error().code != Errc::kNotFound) return upper.error();
      Add(ChangeKind::kDeleted, lower.directory ? ChangedThing::kDirectory : ChangedThing::kFile, path);
    } else if (lower.directory && upper->directory) {
      for (const std::u16string& name : in_.lower_files->List(path)) TRY(HiddenFile(Join(path, name)));
    }
    return Ok();
  }

  os::Path Real(std::u16string_view path) const {  // "C:\x" -> upper\C\x
    os::Path out = in_.upper / os::FromUtf16(path.substr(0, 1));
    return path.size() > 3 ? out / os::FromUtf16(path.substr(3)) : out;
  }

  // `owned`: an ancestor was renamed here as a whole (kSubtreeUpper), so keys below have no records of their
  // own.
  void UpperKey(const std::u16string& path, bool owned) {
    capture::KeyContent upper;
    if (!in_.upper_keys->Read(path, &upper)) return;
    capture::KeyContent lower;
    const bool below = in_.lower_keys->Read(path, &lower);
    const uint32_t flags = Flags(path);
    if (path.find(u'\\') != path.npos) {
      if (!below) Add(ChangeKind::kAdded, ChangedThing::kKey, path);
      // A key without kUpper only holds keys below it: its values are still those of the lower layer.
      if (owned || (flags & VmIndex::kUpper) || !below) Values(path, upper, lower);
    }
    for (const std::u16string& name : upper.subkeys)
      UpperKey(Join(path, name), owned || (flags & VmIndex::kSubtreeUpper));
  }

  void Values(const std::u16string& path, const capture::KeyContent& upper,
              const capture::KeyContent& lower) {
    uint32_t type = 0;
    for (const image::ValueItem& v : upper.values) {
      const std::vector<uint8_t>* old = FindValue(lower, v.name, &type);
      if (old == nullptr)
        Add(ChangeKind::kAdded, ChangedThing::kValue, path, v.name);
      else if (type != v.type || *old != v.data)
        Add(ChangeKind::kModified, ChangedThing::kValue, path, v.name);
    }
    for (const image::ValueItem& v : lower.values)
      if (FindValue(upper, v.name, &type) == nullptr)
        Add(ChangeKind::kDeleted, ChangedThing::kValue, path, v.name);
  }

  void HiddenKey(const std::u16string& path) {
    capture::KeyContent lower, upper;
    if (!in_.lower_keys->Read(path, &lower)) return;
    if (in_.upper_keys == nullptr || !in_.upper_keys->Read(path, &upper)) {
      Add(ChangeKind::kDeleted, ChangedThing::kKey, path);
      return;
    }
    for (const std::u16string& name : lower.subkeys) HiddenKey(Join(path, name));
  }

  void Sort() {
    std::sort(changes_.begin(), changes_.end(), [](const Change& a, const Change& b) {
      if (IsKey(a.path) != IsKey(b.path)) return IsKey(b.path);
      if (const int c = view::CompareFolded(a.path, b.path)) return c < 0;
      if ((a.thing == ChangedThing::kValue) != (b.thing == ChangedThing::kValue))
        return b.thing == ChangedThing::kValue;
      return view::CompareFolded(a.value, b.value) < 0;
    });
  }

  const DiffInput& in_;
  std::unordered_map<std::u16string, uint32_t> flags_;
  std::vector<Change> changes_;
};

}  // namespace

Result<std::vector<Change>> Diff(const DiffInput& input) { return Differ(input).Run(); }

}  // namespace plume::agent
