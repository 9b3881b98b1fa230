// The registry space from inside: what the key_*.cc files share. ARCHITECTURE.md has the rules.
//
// A key handle of a guest is a real handle of the upper key, of a materialised image key, or of the host key.
// The last two are "lower" handles: they never have write rights. The first operation through a lower handle
// that needs them copies the key up and from then on works on a second, upper handle, the shadow, kept in the
// HandleInfo. So opening for write costs nothing until something is written. A read through a lower handle
// moves to the shadow as soon as the VM index says that the key was copied up by anyone in the VM.
#pragma once
#include <initializer_list>

#include "view/base_stamp.h"
#include "vl/low/guard.h"
#include "vl/low/handles.h"
#include "vl/low/hooks.h"
#include "vl/low/layer.h"
#include "vl/low/memory.h"
#include "vl/low/state.h"
#include "vl/low/trace.h"

namespace plume::vl::key {

using nt::AccessMask;
using nt::Handle;
using nt::NtStatus;
using nt::Ulong;
using view::VmIndex;
using view::VPath;
using view::WView;

// Internal: a symbolic link was found on the way; resolve the path again.
inline constexpr NtStatus kResolveAgain = nt::kRetry;
inline constexpr int kMaxAttempts = 16;

inline constexpr AccessMask kWriteRights = nt::kKeySetValue | nt::kKeyCreateSubKey | nt::kKeyCreateLink |
                                           nt::kDelete | nt::kWriteDac | nt::kWriteOwner | nt::kGenericWrite |
                                           nt::kGenericAll | nt::kMaximumAllowed | nt::kAccessSystemSecurity;
inline constexpr AccessMask kWow64Rights = nt::kKeyWow64_64Key | nt::kKeyWow64_32Key;
// The layer computes the 32-bit view by itself and then always names keys of the 64-bit one.
inline AccessMask Native() { return Is32BitProgram() ? nt::kKeyWow64_64Key : 0; }

// --- Names (key_names.cc)
// -------------------------------------------------------------------------------------------

// What a name given to a call means.
struct Target {
  enum Kind : uint8_t { kPath, kRegistryRoot, kOtherHive } kind = kPath;
  VPath path;
};
// Resolves OBJECT_ATTRIBUTES to a target: root handle, parsing, the 32-bit view, links made known so far (the
// last component only if `follow_last`). kOtherHive and kRegistryRoot: pass the captured attributes on as
// they are.
NtStatus ResolveTarget(const VlState& vl, CallScratch& scratch, const Captured& attributes, AccessMask access,
                       bool follow_last, Target* out);

// Concatenates into scratch, zero-terminated. Null data when out of memory.
WView Join(CallScratch& scratch, std::initializer_list<WView> parts);
inline bool Failed(WView made) { return made.data() == nullptr; }

// Real key paths of the first `components` components of a virtual path.
WView UpperName(const VlState& vl, CallScratch& scratch, const VPath& path, int components);
WView HostName(const VlState& vl, CallScratch& scratch, const VPath& path, int components);
WView ImageName(const VlState& vl, CallScratch& scratch, const VPath& path, int components, int mount);
// Components of the mount's prefix.
int MountDepth(const VlState& vl, const VPath& path, int mount);

// Maps a real key name back. `source` says which layer the name lies in; `canonical` is "M\Software\..".
enum class RealKind : uint8_t { kKey, kRegistryRoot, kOtherHive };
RealKind RealToCanonical(const VlState& vl, CallScratch& scratch, WView real, WView* canonical,
                         Source* source, int* mount);
// "M\Software\x" as the system would say it: "\REGISTRY\Machine\Software\x".
WView DisplayName(const VlState& vl, CallScratch& scratch, WView canonical);

// Parses canonical text into a fresh VPath whose storage has `spare` more units.
VPath* ParsePath(CallScratch& scratch, WView canonical);
// The first `components` components as a path of its own.
VPath* Prefix(CallScratch& scratch, const VPath& path, int components);
VPath* Child(CallScratch& scratch, const VPath& parent, WView name);

// Temporary keys of copy-up and materialising are siblings under names no program uses; they sort last
// (wine's NtRenameKey damages the neighbour of a key that moves forward by one place) and are never shown.
inline constexpr char16_t kTemporaryMark = 0xffff;
inline bool IsTemporary(WView name) {
  return name.size() > 1 && name[0] == kTemporaryMark && name[1] == kTemporaryMark;
}

// --- Real keys (key_layers.cc)
// --------------------------------------------------------------------------------------

NtStatus OpenReal(WView name, AccessMask access, Ulong attributes, Handle* out);
// Whatever was asked, as rights of a lower handle: reading only.
AccessMask LowerAccess(AccessMask wanted);
inline AccessMask UpperAccess(AccessMask wanted) { return (wanted & ~kWow64Rights) | Native(); }
// Does a handle opened with `wanted` carry `right`?
bool Grants(AccessMask wanted, AccessMask right);

struct Opened {
  Handle handle = nullptr;
  Source source = Source::kHost;
  int mount = -1;
  bool direct = false;  // policy mode host: a plain host handle with the rights asked for
};
// Opens the topmost layer that has `path`: the upper key with all of `access`, a lower one with LowerAccess.
// kObjectNameNotFound if no layer has it.
NtStatus OpenTop(const VlState& vl, CallScratch& scratch, const VPath& path, const view::Lookup& look,
                 AccessMask access, Ulong attributes, Opened* out);
inline view::Lookup LookUp(const VlState& vl, const VPath& path) {
  return view::LookUp(vl.space, path, true);
}

// The name a real key handle has; with its own buffer in scratch.
NtStatus RealNameOf(CallScratch& scratch, Handle handle, WView* name);
// NtQueryKey / NtEnumerateKey into scratch, as large as it takes. `index` -1: the key itself.
NtStatus QueryWhole(CallScratch& scratch, Handle handle, int64_t index,
                    nt::KeyInformationClass information_class, uint8_t** data, Ulong* size);

// Builds a key with its values under a temporary name next to its place and renames it there. `fill` sets the
// values. kSuccess also when another process was first.
struct KeyBuilder {
  WView parent;  // real name of the parent, which exists
  WView name;
  WView class_name;
  Ulong options = 0;
  NtStatus (*fill)(void* context, Handle key) = nullptr;
  void* context = nullptr;
};
NtStatus BuildKey(const VlState& vl, CallScratch& scratch, const KeyBuilder& builder);
// Creates every missing key of the real path `name` from `from` units on, empty.
NtStatus CreateChain(CallScratch& scratch, WView name, size_t from);
// Copies every value of `from` to `to` (null: only reads them). `stamp` (may be null) gets what was read.
NtStatus CopyValues(CallScratch& scratch, Handle from, Handle to, view::KeyStamp* stamp = nullptr);

// key_image.cc: makes the image key behind `path` (and its ancestors) exist as real keys.
NtStatus Materialise(const VlState& vl, CallScratch& scratch, const VPath& path, int mount);

// --- Links (key_links.cc)
// -------------------------------------------------------------------------------------------

// Replaces `*path` by what its symbolic links lead to. Costs one index probe when no link is known in that
// hive.
NtStatus FollowLinks(const VlState& vl, CallScratch& scratch, VPath* path, bool follow_last);
// Records that component `components` of `path` may be a link.
void MarkLink(const VlState& vl, const VPath& path, int components);

// --- Copy-up (key_copyup.cc)
// ----------------------------------------------------------------------------------------

// Makes the first `components` components of `path` complete keys of the upper layer. kObjectNameNotFound if
// one does not exist, kResolveAgain if one turned out to be a link.
NtStatus CopyUp(const VlState& vl, CallScratch& scratch, const VPath& path, int components);
// The whole merged subtree.
// With `renamed`, the index also learns that each of its keys will be in the upper layer below that path.
NtStatus CopyUpTree(const VlState& vl, CallScratch& scratch, const VPath& path, const VPath* renamed);
// What to remember of a lower key that is about to be hidden (view/base_stamp.h).
uint64_t BaseOfLower(const VlState& vl, CallScratch& scratch, const VPath& path);
// Announce changes (view/vm_index.h).
void BumpNames(const VlState& vl);
void BumpCopyUps(const VlState& vl);
// Sets index flags; kInsufficientResources if the index is full. `base`: see view/base_stamp.h.
NtStatus SetFlags(const VlState& vl, const VPath& path, int components, uint32_t flags, uint64_t base = 0);

// --- Handles (key_handles.cc)
// ---------------------------------------------------------------------------------------

// HandleInfo.entry of handles whose real key is used as it is, whatever happens: policy mode host.
inline constexpr uint32_t kDirect = 0xfffffffe;

struct Listing;  // key_listing.cc
void FreeListing(Listing* listing);

// The extension of a key's HandleInfo.
struct KeyState {
  std::atomic<uint32_t> seen{0};  // value of Changes() when the layers were last looked at
  std::atomic<Handle> shadow{nullptr};
  std::atomic<bool> dead{false};  // the key this lower handle meant was deleted
  uint32_t renames = 0;           // entries of the rename log applied so far
  char16_t* moved = nullptr;      // path after renames, if it changed
  uint32_t moved_units = 0;
  Listing* listing = nullptr;
  ~KeyState();
};

// A handle in use by one call.
struct Use {
  HandleRef ref;          // empty: not a virtual key, pass on
  Handle real = nullptr;  // what the original is given
  bool lower = false;     // real is a lower handle
  HandleInfo* info() const { return ref.get(); }
};
// Finds the handle and brings it up to date. `right` is what the call needs. If that is a write right and the
// handle carries it, the key is copied up first; if it does not, `real` is the handle itself and the original
// will refuse. For a deleted key: kAccessDenied without the right, else kKeyDeleted.
NtStatus Begin(const VlState& vl, CallScratch& scratch, Handle handle, AccessMask right, Use* out);
// The handle given is none, or not a key's: the original is asked all the same, because it may object to
// something else.
inline bool NotAKey(NtStatus status) {
  return status == nt::kInvalidHandle || status == nt::kObjectTypeMismatch;
}
// The current virtual path of a handle from Begin. Null when out of memory.
VPath* PathOf(const VlState& vl, CallScratch& scratch, HandleInfo* info);
// The same for a root directory; kSuccess with *path null: the handle is outside M and U (*root: \REGISTRY
// itself).
NtStatus PathOfHandle(const VlState& vl, CallScratch& scratch, Handle handle, VPath** path, bool* root);
KeyState* StateOf(HandleInfo* info);
// Enters a handle. HandleInfo.hash holds `changes`, HandleInfo.options the renames known when it was opened.
void Remember(const VlState& vl, Handle handle, const VPath& path, const Opened& opened, AccessMask access,
              uint32_t changes);
// Differs from an earlier value when a lower handle may have to look at the layers again. Taken before
// opening.
uint32_t Changes(const VlState& vl);
// Whether an upper handle at `path` may mean a key that is deleted. The whiteout is at the name the key was
// deleted under; a parent renamed since has moved the path away from it.
inline bool MaybeDeleted(const VlState& vl, const VPath& path) {
  return vl.index.Renames().load(std::memory_order_acquire) != 0 ||
         (vl.index.Flags(path, path.depth) & VmIndex::kWhiteout) != 0;
}
// As Changes(), for listings: names come and go, and a subkey that is copied up (with a new class or time) is
// elsewhere.
inline uint32_t ListingStamp(const VlState& vl) {
  return vl.index.Generation().load(std::memory_order_acquire) +
         vl.index.CopyUps().load(std::memory_order_acquire);
}

// --- Trace (key_trace.cc)
// ------------------------------------------------------------------------------------------- All REQUIRE
// Tracing().

void TellKey(const VlState& vl, const VPath& path);
// The layer that answers for the key that was told.
void TellSource(const VlState& vl, CallScratch& scratch, const VPath& path, Source source, int mount);
void TellUse(const VlState& vl, CallScratch& scratch, const Use& use);
// The value of the key that was told.
void TellValue(CallScratch& scratch, const nt::UnicodeString* name);

// --- Listings (key_listing.cc)
// --------------------------------------------------------------------------------------

// The merged subkeys of a key at one moment.
struct ListedKey {
  const char16_t* name;
  uint16_t units;
  uint16_t class_bytes;
  Source source;
  uint32_t index;  // in the real key of its layer, or the catalog key
  int mount;
  WView Name() const { return WView(name, units); }
};
struct Listing {
  uint32_t generation = 0;
  uint32_t count = 0, capacity = 0;
  ListedKey* keys = nullptr;
  struct Block {
    Block* next;
    size_t used, size;
  };
  Block* names = nullptr;
  Handle upper = nullptr, host = nullptr;  // enumerable handles of those layers, or null
  Ulong max_name_bytes = 0, max_class_bytes = 0;
};
// Does the listing of this key need merging?
bool NeedsListing(const VlState& vl, const VPath& path, const view::Lookup& look);
NtStatus MakeListing(const VlState& vl, CallScratch& scratch, const VPath& path, const view::Lookup& look,
                     Listing** out);
// True if the merged key has subkeys.
NtStatus HasSubkeys(const VlState& vl, CallScratch& scratch, const VPath& path, bool* has);

}  // namespace plume::vl::key
