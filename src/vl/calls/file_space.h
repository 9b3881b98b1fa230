// The file space inside a guest: what the replaced file calls share. Internal to calls/file_*.cc.
//
// Every handler: enter, capture and normalise (ParseTarget), look up (view::LookUp, inside ParseTarget), act
// on the real file of the right layer with an original, finish. ARCHITECTURE.md has the rules,
// docs/nt-compat.md the details.
//   file_target.cc    names: capture, relative names, short names, reverse mapping
//   file_layers.cc    real names and existence in each layer, directories of the upper layer and of images
//   file_copyup.cc    copying lower files and directories up; file_turn.cc: one at a time
//   file_open.cc      NtCreateFile, NtOpenFile          file_attributes.cc  queries by name
//   file_remove.cc    deleting                          file_rename.cc      renaming and linking
//   file_listing.cc   directory listings                file_info.cc        queries by handle
//   file_notify.cc    change notification               file_resolve.cc     for other kinds of calls
#pragma once
#include "view/lookup.h"
#include "vl/low/guard.h"
#include "vl/low/handles.h"
#include "vl/low/hooks.h"
#include "vl/low/memory.h"
#include "vl/low/state.h"
#include "vl/low/trace.h"

namespace plume::vl {

// --- Targets
// ---------------------------------------------------------------------------------------------------------

// A file name as a caller gave it, captured and understood.
struct FileTarget {
  Captured captured;
  view::NameKind kind = view::NameKind::kDevice;
  view::VPath* path = nullptr;  // kDrivePath: canonical, long names
  view::Lookup found;           // kDrivePath

  bool IsVirtualized() const { return kind == view::NameKind::kDrivePath; }
};

// Captures OBJECT_ATTRIBUTES, makes the name absolute, expands short names, looks it up. `options` are the
// create options (FILE_OPEN_BY_FILE_ID means there is no name). A failure is the status to return. Names that
// are not on a drive succeed with their kind: pass `captured.own` to the original.
nt::NtStatus ParseTarget(const VlState& vl, CallScratch& scratch, const nt::ObjectAttributes* user,
                         nt::Ulong options, FileTarget* out);

// The same for a name inside a buffer (rename, link): `root` may be null. `name` is captured already.
nt::NtStatus ParseTargetName(const VlState& vl, CallScratch& scratch, nt::Handle root, view::WView name,
                             FileTarget* out);

// The virtual path of an open file or directory: side table, else the real name mapped back. Null: not a file
// on a drive. `of_host` (may be null) becomes true if the handle's real name is its own virtual name.
view::VPath* PathOfHandle(const VlState& vl, CallScratch& scratch, nt::Handle handle, bool* of_host);

// The first `components` components of `path`, as a path of its own; null when out of memory.
view::VPath* PrefixPath(CallScratch& scratch, const view::VPath& path, int components);
inline view::VPath* ParentPath(CallScratch& scratch, const view::VPath& path) {
  return PrefixPath(scratch, path, path.depth - 1);
}
// `directory`\`name`, null when out of memory or too long.
view::VPath* ChildPath(CallScratch& scratch, const view::VPath& directory, view::WView name);

// --- Layers
// ----------------------------------------------------------------------------------------------------------

// Real NT names, zero-terminated, in scratch; null data() when out of memory. A trailing backslash is kept.
view::WView UpperName(const VlState& vl, CallScratch& scratch, const view::VPath& path);
view::WView HostName(CallScratch& scratch, const view::VPath& path);
view::WView ImageName(const VlState& vl, CallScratch& scratch, int mount, uint32_t entry,
                      bool trailing_backslash);
view::WView Concat(CallScratch& scratch, view::WView a, view::WView b, view::WView c = {});

// OBJECT_ATTRIBUTES for the layer's own opens. Points into itself.
struct OwnAttributes {
  explicit OwnAttributes(view::WView nt_name);
  OwnAttributes(const OwnAttributes&) = delete;
  OwnAttributes& operator=(const OwnAttributes&) = delete;
  nt::ObjectAttributes attributes;
  nt::UnicodeString name;
};

// True for the statuses that mean: this layer does not have the name.
bool IsMissing(nt::NtStatus s);

enum class Place : uint8_t { kNone, kUpper, kImage, kHost, kMountOnly };
constexpr Source SourceOf(Place p) {
  return p == Place::kUpper ? Source::kUpper : p == Place::kImage ? Source::kImage : Source::kHost;
}

// Where a path is, and what is there.
struct Located {
  Place place = Place::kNone;
  nt::FileNetworkOpenInformation info{};  // unless kNone
  nt::NtStatus status = nt::kSuccess;     // kNone: why (kObjectNameNotFound or kObjectPathNotFound)
  bool directory() const { return (info.file_attributes & nt::kAttrDirectory) != 0; }
};

// Finds the topmost layer that has `path`. Only modes merge and private. A failure is one of the system's,
// not "missing".
nt::NtStatus Locate(const VlState& vl, CallScratch& scratch, const view::VPath& path,
                    const view::Lookup& found, Located* out);
// The same without the upper layer.
nt::NtStatus LocateLower(const VlState& vl, CallScratch& scratch, const view::VPath& path,
                         const view::Lookup& found, Located* out);
// Attributes of a host file as a handle has them. Wine's queries by name also call names that begin with a
// dot hidden, which must not become an attribute of a copy.
void RefineHostInformation(CallScratch& scratch, const view::VPath& path,
                           nt::FileNetworkOpenInformation* info);
// What a catalog says about an entry.
nt::FileNetworkOpenInformation EntryInformation(const VlState& vl, int mount, uint32_t entry);
// The attributes that a query by name and a listing give for a file with attributes `attributes`: see above.
constexpr nt::Ulong AttributesByName(const VlState& vl, view::WView name, nt::Ulong attributes) {
  return vl.is_wine && name.size() > 1 && name[0] == u'.' && name != view::WView(u"..", 2)
             ? attributes | nt::kAttrHidden
             : attributes;
}

// kObjectNameNotFound if the directory of `path` is visible, kObjectPathNotFound otherwise. `of_host`: what
// the host said, if it was asked for `path`.
nt::NtStatus MissingStatus(const VlState& vl, CallScratch& scratch, const view::VPath& path,
                           nt::NtStatus of_host = nt::kSuccess);

// Makes the real directory of an image directory exist, with the catalog's attributes and times.
nt::NtStatus EnsureImageDirectory(const VlState& vl, CallScratch& scratch, int mount, uint32_t entry);

// Opens a real file of an image for the layer's own use or a guest's: fetches it if it is not there yet.
nt::NtStatus OpenImage(const VlState& vl, CallScratch& scratch, int mount, uint32_t entry,
                       bool trailing_backslash, Captured* like, nt::Handle* handle, nt::AccessMask access,
                       nt::IoStatusBlock* io, nt::Ulong share, nt::Ulong options);

// Makes the first `components` components of `path` exist as directories in the upper layer; what is visible
// of them in lower layers gives their attributes, times and spelling. kUpper is set first. REQUIRES that they
// are visible.
nt::NtStatus EnsureUpperDirectory(const VlState& vl, CallScratch& scratch, const view::VPath& path,
                                  int components);

// Writes the spelling that the topmost lower layer has for `path` into a copy of its text.
view::WView TrueSpelling(const VlState& vl, CallScratch& scratch, const view::VPath& path,
                         const view::Lookup& found);

// Marks a path in the VM index. kDiskFull-like failure when the index is full.
// `base`: see view/base_stamp.h.
nt::NtStatus Mark(const VlState& vl, const view::VPath& path, uint32_t flags, uint64_t base = 0);
// What to remember of a lower file that is about to be copied or hidden.
uint64_t BaseOf(const Located& lower);

// --- Copy-up
// ---------------------------------------------------------------------------------------------------------

// The times of a directory that is about to get a copy, put back when the copy is there: copying up is
// invisible.
class KeepTimes {
 public:
  KeepTimes(CallScratch& scratch, view::WView directory);
  ~KeepTimes();
  KeepTimes(const KeepTimes&) = delete;
  KeepTimes& operator=(const KeepTimes&) = delete;

 private:
  nt::Handle handle_ = nullptr;
  nt::FileBasicInformation basic_{};
};

// The layer opens lower files itself, to copy them and to ask who may have them, and must not be in the way
// of the same in another VM or process: that would be a sharing violation which no guest caused. Only one at
// a time does so with one file. An ordinary open that meets a violation waits for its turn, too, and asks
// again.
class CopyTurn {
 public:
  explicit CopyTurn(const view::VPath& path);
  ~CopyTurn();
  CopyTurn(const CopyTurn&) = delete;
  CopyTurn& operator=(const CopyTurn&) = delete;

 private:
  nt::Handle mutant_ = nullptr;
};

enum class CopyContents : uint8_t { kAll, kNone };
// Copies a lower file or directory (not what is in it) up. Somebody else's copy made meanwhile is as good:
// then `made` (may be null) is false. `reader` may be a handle of the lower file, used if it keeps others
// from reading.
nt::NtStatus CopyUp(const VlState& vl, CallScratch& scratch, const view::VPath& path,
                    const view::Lookup& found, const Located& lower, CopyContents contents, bool* made,
                    nt::Handle reader = nullptr);
// Copies the whole visible tree below a directory up.
nt::NtStatus CopyUpTree(const VlState& vl, const view::VPath& path);

// --- Opening
// ---------------------------------------------------------------------------------------------------------

// The arguments of an open, in memory of the layer.
struct OpenArguments {
  nt::AccessMask access;
  nt::LargeInteger* allocation_size;
  nt::Ulong attributes, share, disposition, options;
  void* ea;
  nt::Ulong ea_length;
};
// Could this open change the file?
bool IsWriteLike(nt::AccessMask access, nt::Ulong disposition, nt::Ulong options);
// Opens a target that ParseTarget made, virtualized or not. Also used by calls that open on behalf of a
// caller.
nt::NtStatus OpenTarget(const VlState& vl, CallScratch& scratch, FileTarget& target,
                        const OpenArguments& arguments, nt::Handle* handle, nt::IoStatusBlock* io);

// --- Directories
// -----------------------------------------------------------------------------------------------------

// A directory is about to be removed. kDirectoryNotEmpty if anything is visible in it; else its lower
// namesakes are hidden, so that the real removal in the upper layer is all that remains to be done.
nt::NtStatus PrepareDirectoryRemoval(const VlState& vl, const view::VPath& path, const view::Lookup& found);

// True (in *empty) if nothing is visible in the directory.
nt::NtStatus IsMergedEmpty(const VlState& vl, const view::VPath& path, bool* empty);

// Calls `visit(context, name, directory)` for every visible child; a child that several layers have may come
// several times. Stops at the first failure, which it returns.
using VisitChild = nt::NtStatus(void* context, view::WView name, bool directory);
nt::NtStatus ForEachChild(const VlState& vl, const view::VPath& path, VisitChild* visit, void* context);

// Could the upper layer have children of this directory? (Also below directories that are not merged
// themselves.)
inline bool UpperMayHaveChildren(const VlState& vl, const view::VPath& path, const view::Lookup& found) {
  return found.upper_possible || (vl.index.Flags(path, path.depth) & view::VmIndex::kUpper);
}

// Reads a real directory, entry by entry, without "." and ".." unless asked for.
class RealDirectory {
 public:
  // `mask` may be empty: everything. The name and the mask must outlive the object.
  nt::NtStatus Open(CallScratch& scratch, view::WView nt_name, view::WView mask = {});
  // Reads through a handle that somebody else owns and that no scan is going on with.
  nt::NtStatus Borrow(CallScratch& scratch, nt::Handle handle);
  void KeepDots() { keep_dots_ = true; }
  ~RealDirectory();
  RealDirectory() = default;
  RealDirectory(const RealDirectory&) = delete;
  RealDirectory& operator=(const RealDirectory&) = delete;
  // The next entry, valid until the next call; null at the end or after an error (see status()).
  const nt::FileIdBothDirectoryInformation* Next();
  nt::NtStatus status() const { return status_; }

 private:
  nt::Handle handle_ = nullptr;
  uint8_t* buffer_ = nullptr;
  nt::UnicodeString mask_{};
  const nt::FileIdBothDirectoryInformation* next_ = nullptr;
  bool first_ = true, keep_dots_ = false, borrowed_ = false;
  nt::NtStatus status_ = nt::kSuccess;
};
inline view::WView NameOf(const nt::FileIdBothDirectoryInformation& e) {
  return view::WView(e.file_name, e.file_name_length / 2);
}

// Finds the entry of the real directory `nt_name` whose long or short name is `name`: its long name into
// `long_name` (256 units), its length, or 0.
size_t FindByAnyName(CallScratch& scratch, view::WView nt_name, view::WView name, char16_t* long_name);

// --- Trace (file_trace.cc)
// ------------------------------------------------------------------------------------------------
// All REQUIRE Tracing().

void TellPath(const VlState& vl, const view::VPath& path, const view::Lookup& found);
// Where the path that was told is, or is looked for.
void TellPlace(const VlState& vl, CallScratch& scratch, const view::VPath& path, const view::Lookup& found,
               Place place);
void TellHandle(const VlState& vl, CallScratch& scratch, nt::Handle handle);
void TellMove(const VlState& vl, CallScratch& scratch, const view::VPath& from, const FileTarget& to);

// --- Handles of lower files
// -------------------------------------------------------------------------------------------

// The entry of a handle that shows a lower file or directory which must not be changed through it.
inline bool IsLower(const HandleInfo& info) { return info.source != Source::kUpper; }

}  // namespace plume::vl
