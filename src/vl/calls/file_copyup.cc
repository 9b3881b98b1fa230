// Copy-up: a lower file or directory gets its copy in the upper layer, whole or not at all. The copy is made
// under a name of its own in scratch and renamed into place without replacing, so a process killed half-way
// leaves only a temporary file, and the loser of a race simply uses the winner's copy.
#include <atomic>
#include <cstring>

#include "vl/calls/file_space.h"

namespace plume::vl {
namespace {

using view::VPath;
using view::WView;

constexpr size_t kCopyBuffer = 64 << 10;

void AppendHex(char16_t*& at, uint32_t value) {
  for (int shift = 28; shift >= 0; shift -= 4) *at++ = u"0123456789abcdef"[value >> shift & 15];
}

// "<scratch>\up-<process>-<count>.tmp": unique on this machine while the process lives; leftovers of dead
// processes are skipped by asking for a new file.
nt::NtStatus CreateTemporary(const VlState& vl, CallScratch& scratch, nt::Handle* handle) {
  static constinit std::atomic<uint32_t> counter{0};
  for (int round = 0; round < 100; ++round) {
    char16_t name[32], *end = name;
    *end++ = u'\\';
    *end++ = u'u';
    *end++ = u'p';
    *end++ = u'-';
    AppendHex(end, vl.pid);
    *end++ = u'-';
    AppendHex(end, counter.fetch_add(1, std::memory_order_relaxed));
    const WView path = Concat(scratch, vl.scratch, WView(name, end - name), WView(u".tmp", 4));
    if (!path.data()) return nt::kNoMemory;
    OwnAttributes object(path);
    nt::IoStatusBlock io;
    const nt::NtStatus s =
        orig.NtCreateFile(handle, nt::kGenericRead | nt::kGenericWrite | nt::kDelete | nt::kSynchronize,
                          &object.attributes, &io, nullptr, nt::kAttrNormal, nt::kShareAll, nt::kCreate,
                          nt::kSynchronousNonAlert | nt::kNonDirectoryFile | nt::kSequentialOnly, nullptr, 0);
    if (s != nt::kObjectNameCollision) return s;
  }
  return nt::kObjectNameCollision;
}

nt::NtStatus CopyData(CallScratch& scratch, nt::Handle from, nt::Handle to) {
  void* buffer = scratch.Alloc(kCopyBuffer, 64);
  if (!buffer) return nt::kNoMemory;
  nt::LargeInteger offset = 0;
  for (;;) {
    nt::IoStatusBlock io{};
    nt::NtStatus s =
        orig.NtReadFile(from, nullptr, nullptr, nullptr, &io, buffer, kCopyBuffer, &offset, nullptr);
    if (s == nt::kEndOfFile || (nt::Ok(s) && io.information == 0)) return nt::kSuccess;
    if (!nt::Ok(s)) return s;
    const auto size = static_cast<nt::Ulong>(io.information);
    s = orig.NtWriteFile(to, nullptr, nullptr, nullptr, &io, buffer, size, &offset, nullptr);
    if (!nt::Ok(s)) return s;
    if (io.information != size) return nt::kDiskFull;
    offset += size;
  }
}

// Reading through a caller's handle moves its file position, unseen by the caller.
class KeepPosition {
 public:
  explicit KeepPosition(nt::Handle handle) : handle_(handle) {
    nt::IoStatusBlock io;
    if (handle_ && !nt::Ok(orig.NtQueryInformationFile(handle_, &io, &position_, sizeof(position_),
                                                       nt::kFilePositionInformation))) {
      handle_ = nullptr;
    }
  }
  ~KeepPosition() {
    nt::IoStatusBlock io;
    if (handle_) {
      orig.NtSetInformationFile(handle_, &io, &position_, sizeof(position_), nt::kFilePositionInformation);
    }
  }
  KeepPosition(const KeepPosition&) = delete;
  KeepPosition& operator=(const KeepPosition&) = delete;

 private:
  nt::Handle handle_;
  nt::FilePositionInformation position_{};
};

void Discard(nt::Handle handle) {
  nt::FileDispositionInformation remove{1};
  nt::IoStatusBlock io;
  orig.NtSetInformationFile(handle, &io, &remove, sizeof(remove), nt::kFileDispositionInformation);
}

// Renames the temporary file to its place. kObjectNameCollision: somebody else was first.
nt::NtStatus Publish(CallScratch& scratch, nt::Handle handle, WView name) {
  const size_t size = offsetof(nt::FileRenameInformation, file_name) + name.size() * 2;
  auto* rename = static_cast<nt::FileRenameInformation*>(scratch.Alloc(size + 2));
  if (!rename) return nt::kNoMemory;
  rename->flags = 0;
  rename->root_directory = nullptr;
  rename->file_name_length = static_cast<nt::Ulong>(name.size() * 2);
  std::memcpy(rename->file_name, name.data(), name.size() * 2);
  nt::IoStatusBlock io;
  return orig.NtSetInformationFile(handle, &io, rename, static_cast<nt::Ulong>(size),
                                   nt::kFileRenameInformation);
}

nt::NtStatus OpenLower(const VlState& vl, CallScratch& scratch, const VPath& path, const view::Lookup& found,
                       const Located& lower, nt::Handle* handle) {
  nt::IoStatusBlock io;
  constexpr nt::AccessMask kAccess = nt::kGenericRead | nt::kSynchronize;
  constexpr nt::Ulong kOptions = nt::kSynchronousNonAlert | nt::kNonDirectoryFile | nt::kSequentialOnly;
  if (lower.place == Place::kImage) {
    return OpenImage(vl, scratch, found.mount, found.entry, false, nullptr, handle, kAccess, &io,
                     nt::kShareAll, kOptions);
  }
  OwnAttributes object(HostName(scratch, path));
  return orig.NtOpenFile(handle, kAccess, &object.attributes, &io, nt::kShareAll, kOptions);
}

nt::NtStatus CopyUpFile(const VlState& vl, CallScratch& scratch, const VPath& path, const view::Lookup& found,
                        Located lower, CopyContents contents, bool* made, nt::Handle reader) {
  if (lower.place == Place::kHost) RefineHostInformation(scratch, path, &lower.info);
  nt::NtStatus s = EnsureUpperDirectory(vl, scratch, path, path.depth - 1);
  if (!nt::Ok(s)) return s;
  nt::Handle from = nullptr, to;
  if (contents == CopyContents::kAll) {
    s = OpenLower(vl, scratch, path, found, lower, &from);
    if (s == nt::kSharingViolation) {
      const CopyTurn turn(path);
      s = OpenLower(vl, scratch, path, found, lower, &from);
    }
    if (s == nt::kSharingViolation && reader) {
      from = reader;
    } else if (!nt::Ok(s)) {
      return s;
    }
  }
  s = CreateTemporary(vl, scratch, &to);
  if (nt::Ok(s)) {
    const KeepPosition keep_position(from == reader ? reader : nullptr);
    if (from) s = CopyData(scratch, from, to);
    VPath* place = PrefixPath(scratch, path, path.depth);
    VPath* above = ParentPath(scratch, path);
    if (nt::Ok(s) && place && above) {
      nt::FileBasicInformation basic{lower.info.creation_time, lower.info.last_access_time,
                                     lower.info.last_write_time, 0, lower.info.file_attributes};
      nt::IoStatusBlock io;
      // A file system without some attribute is no reason to refuse the copy.
      orig.NtSetInformationFile(to, &io, &basic, sizeof(basic), nt::kFileBasicInformation);
      place->text = TrueSpelling(vl, scratch, path, found);
      const WView name = place->text.data() ? UpperName(vl, scratch, *place) : WView();
      s = name.data() ? Mark(vl, path, view::VmIndex::kUpper, BaseOf(lower)) : nt::kNoMemory;
      if (nt::Ok(s)) {
        KeepTimes keep(scratch, UpperName(vl, scratch, *above));
        s = Publish(scratch, to, name);
        if (made) *made = nt::Ok(s);
      }
    } else if (nt::Ok(s)) {
      s = nt::kNoMemory;
    }
    if (!nt::Ok(s)) Discard(to);
    orig.NtClose(to);
    if (s == nt::kObjectNameCollision) s = nt::kSuccess;
  }
  if (from && from != reader) orig.NtClose(from);
  return s;
}

struct TreeContext {
  const VlState* vl;
  const VPath* path;
};

nt::NtStatus CopyUpChild(void* context, WView name, bool directory) {
  const auto& tree = *static_cast<TreeContext*>(context);
  const VlState& vl = *tree.vl;
  CallScratch scratch;
  const VPath* child = ChildPath(scratch, *tree.path, name);
  if (!child) return nt::kNameTooLong;
  const view::Lookup found = view::LookUp(vl.space, *child, false);
  if (found.mode != view::Mode::kMerge && found.mode != view::Mode::kPrivate) return nt::kAccessDenied;
  Located at;
  if (const nt::NtStatus s = Locate(vl, scratch, *child, found, &at); !nt::Ok(s)) return s;
  if (at.place != Place::kUpper && at.place != Place::kNone) {
    if (const nt::NtStatus s = CopyUp(vl, scratch, *child, found, at, CopyContents::kAll, nullptr);
        !nt::Ok(s))
      return s;
  }
  return directory ? CopyUpTree(vl, *child) : nt::kSuccess;
}

}  // namespace

nt::NtStatus CopyUp(const VlState& vl, CallScratch& scratch, const VPath& path, const view::Lookup& found,
                    const Located& lower, CopyContents contents, bool* made, nt::Handle reader) {
  if (made) *made = false;
  if (lower.directory()) return EnsureUpperDirectory(vl, scratch, path, path.depth);
  return CopyUpFile(vl, scratch, path, found, lower, contents, made, reader);
}

nt::NtStatus CopyUpTree(const VlState& vl, const VPath& path) {
  TreeContext context{&vl, &path};
  return ForEachChild(vl, path, CopyUpChild, &context);
}

}  // namespace plume::vl
