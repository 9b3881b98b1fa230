// Deleting and renaming keys.
#include "vl/calls/key_internal.h"

namespace plume::vl {
namespace key {
namespace {

// Watchers hear of a change that happened only in the VM index: something is made and deleted below the
// deepest ancestor that is in the upper layer. (An ancestor that is not there has no watchers.)
void Touch(const VlState& vl, CallScratch& scratch, const VPath& path) {
  for (int depth = path.depth - 1; depth > 0; --depth) {
    if (!(vl.index.Flags(path, depth) & VmIndex::kUpper)) continue;
    const WView parent = UpperName(vl, scratch, path, depth);
    char16_t mark[3] = {kTemporaryMark, kTemporaryMark, u't'};
    const WView name = Failed(parent) ? parent : Join(scratch, {parent, u"\\", WView(mark, 3)});
    if (Failed(name)) return;
    if (!nt::Ok(CreateChain(scratch, name, name.size()))) continue;  // only the flag is there
    Handle key = nullptr;
    if (!nt::Ok(OpenReal(name, nt::kDelete | Native(), 0, &key))) return;
    orig.NtDeleteKey(key);
    orig.NtClose(key);
    return;
  }
}

// Keys that a killed process left half-built would keep their parent alive.
void DeleteTemporaries(CallScratch& scratch, WView parent) {
  Handle key = nullptr;
  if (!nt::Ok(OpenReal(parent, nt::kKeyEnumerateSubKeys | Native(), nt::kObjOpenLink, &key))) return;
  for (Ulong index = 0;;) {
    uint8_t* data = nullptr;
    Ulong size = 0;
    if (!nt::Ok(QueryWhole(scratch, key, index, nt::kKeyBasicInformation, &data, &size))) break;
    const auto* basic = reinterpret_cast<const nt::KeyBasicInformation*>(data);
    const WView name(basic->name, basic->name_length / 2);
    Handle left = nullptr;
    const WView place = IsTemporary(name) ? Join(scratch, {parent, u"\\", name}) : WView();
    if (place.empty() || !nt::Ok(OpenReal(place, nt::kDelete | Native(), 0, &left))) {
      ++index;
      continue;
    }
    const bool gone = nt::Ok(orig.NtDeleteKey(left));
    orig.NtClose(left);
    if (!gone) ++index;
  }
  orig.NtClose(key);
}

NtStatus Delete(const VlState& vl, CallScratch& scratch, Handle handle) {
  Use use;
  NtStatus status = Begin(vl, scratch, handle, 0, &use);
  HandleInfo* info = use.info();
  if (status == nt::kKeyDeleted && info && vl.is_wine) {
    // Wine lets a key be deleted twice.
    return Grants(info->access, nt::kDelete) ? nt::kSuccess : nt::kAccessDenied;
  }
  if (!nt::Ok(status)) return status;
  if (!info || info->entry == kDirect) return orig.NtDeleteKey(handle);
  if (!Grants(info->access, nt::kDelete)) return nt::kAccessDenied;
  VPath* path = PathOf(vl, scratch, info);
  if (!path) return nt::kNoMemory;
  if (path->depth == 0) return nt::kAccessDenied;
  if (!use.lower) {
    // The handle may mean a key that is gone, while another has its name.
    WView name;
    status = RealNameOf(scratch, use.real, &name);
    if (!nt::Ok(status)) return status == nt::kKeyDeleted ? orig.NtDeleteKey(use.real) : status;
  }
  bool has_subkeys = false;
  status = HasSubkeys(vl, scratch, *path, &has_subkeys);
  if (!nt::Ok(status)) return status;
  if (has_subkeys) return vl.is_wine ? nt::kAccessDenied : nt::kCannotDelete;
  // From here on lower layers are hidden; what the upper layer has under this name stays until the next step.
  status =
      SetFlags(vl, *path, path->depth, VmIndex::kWhiteout, use.lower ? BaseOfLower(vl, scratch, *path) : 0);
  if (!nt::Ok(status)) return status;
  if (use.lower) {
    BumpNames(vl);
    Touch(vl, scratch, *path);
    return nt::kSuccess;
  }
  status = orig.NtDeleteKey(use.real);
  if (status == nt::kAccessDenied || status == nt::kCannotDelete) {
    const WView name = UpperName(vl, scratch, *path, path->depth);
    if (!Failed(name)) DeleteTemporaries(scratch, name);
    status = orig.NtDeleteKey(use.real);
  }
  BumpNames(vl);
  return status;
}

// Writes the rename down for handles that are open (see key_handles.cc).
NtStatus LogRename(const VlState& vl, CallScratch& scratch, const VPath& from, const VPath& to) {
  const WView log = Join(scratch, {vl.registry_upper, u"\\R"});
  const char16_t zero = 0;
  const WView entry = Join(scratch, {from.text, WView(&zero, 1), to.text});
  if (Failed(log) || Failed(entry)) return nt::kNoMemory;
  NtStatus status = CreateChain(scratch, log, log.size());
  Handle key = nullptr;
  if (nt::Ok(status)) status = OpenReal(log, nt::kKeySetValue | Native(), 0, &key);
  if (!nt::Ok(status)) return status;
  // The number is taken before the entry is there: a handle that looks in between misses this rename, which
  // is the state it was in anyway. Numbers are never reused.
  const uint32_t number = vl.index.Renames().fetch_add(1, std::memory_order_acq_rel) + 1;
  char16_t digits[8];
  for (int i = 0; i < 8; ++i) digits[i] = u"0123456789abcdef"[(number >> (28 - 4 * i)) & 15];
  nt::UnicodeString name{16, 16, digits};
  status =
      orig.NtSetValueKey(key, &name, 0, nt::kRegBinary, entry.data(), static_cast<Ulong>(entry.size() * 2));
  orig.NtClose(key);
  return status;
}

// Wine's NtRenameKey overwrites the next sibling when the new place is directly behind the old one. A key
// made in between for the moment keeps them apart.
struct Spacer {
  Handle key = nullptr;
  void Make(const VlState& vl, CallScratch& scratch, const VPath& path) {
    if (!vl.is_wine) return;
    const WView real = UpperName(vl, scratch, path, path.depth);
    char16_t last = 1;
    const WView name = Failed(real) ? real : Join(scratch, {real, WView(&last, 1)});
    if (Failed(name) || !nt::Ok(CreateChain(scratch, name, name.size()))) return;
    OpenReal(name, nt::kDelete | Native(), 0, &key);
  }
  ~Spacer() {
    if (!key) return;
    orig.NtDeleteKey(key);
    orig.NtClose(key);
  }
};

NtStatus Rename(const VlState& vl, CallScratch& scratch, Handle handle, WView new_name) {
  Use use;
  NtStatus status = Begin(vl, scratch, handle, 0, &use);
  HandleInfo* info = use.info();
  if (status == nt::kKeyDeleted && info && !Grants(info->access, nt::kKeyWrite)) return nt::kAccessDenied;
  if (!nt::Ok(status)) return status;
  nt::UnicodeString string{static_cast<uint16_t>(new_name.size() * 2),
                           static_cast<uint16_t>(new_name.size() * 2),
                           const_cast<char16_t*>(new_name.data())};
  if (!info || info->entry == kDirect) return orig.NtRenameKey(handle, &string);
  if (!Grants(info->access, nt::kKeyWrite)) return nt::kAccessDenied;
  VPath* path = PathOf(vl, scratch, info);
  if (!path) return nt::kNoMemory;
  if (!use.lower) {
    WView real;
    status = RealNameOf(scratch, use.real, &real);
    if (!nt::Ok(status)) return status;
  }
  bool legal = !new_name.empty() && new_name.size() <= 255;
  for (char16_t c : new_name) legal = legal && c != u'\\';
  if (!legal) return nt::kInvalidParameter;
  if (path->depth == 0) return nt::kAccessDenied;
  VPath* parent = Prefix(scratch, *path, path->depth - 1);
  VPath* renamed = parent ? Child(scratch, *parent, new_name) : nullptr;
  if (!renamed) return nt::kNoMemory;
  if (TraceNote* note = TraceNow()) note->AppendName(u" -> ", renamed->text);
  Opened opened;
  const view::Lookup look = LookUp(vl, *renamed);
  if (look.mode == view::Mode::kDeny) return nt::kAccessDenied;
  status = OpenTop(vl, scratch, *renamed, look, nt::kReadControl, nt::kObjOpenLink, &opened);
  if (nt::Ok(status)) orig.NtClose(opened.handle);
  if (status != nt::kObjectNameNotFound) return nt::Ok(status) ? nt::kCannotDelete : status;
  // The whole merged subtree moves, so it must be in the upper layer as a whole.
  status = CopyUpTree(vl, scratch, *path, renamed);
  if (!nt::Ok(status)) return status;
  status = SetFlags(vl, *path, path->depth, VmIndex::kWhiteout);
  if (!nt::Ok(status)) return status;
  const WView real = UpperName(vl, scratch, *path, path->depth);
  Handle upper = nullptr;
  status = Failed(real) ? nt::kNoMemory : OpenReal(real, nt::kKeyWrite | Native(), nt::kObjOpenLink, &upper);
  if (!nt::Ok(status)) return status;
  {
    Spacer spacer;
    spacer.Make(vl, scratch, *path);
    status = orig.NtRenameKey(upper, &string);
  }
  orig.NtClose(upper);
  if (nt::Ok(status) && look.host_visible) (void)SetFlags(vl, *renamed, renamed->depth, VmIndex::kMade);
  if (nt::Ok(status)) status = LogRename(vl, scratch, *path, *renamed);
  BumpNames(vl);
  return status;
}

}  // namespace
}  // namespace key

nt::NtStatus PLUME_NTAPI HookNtDeleteKey(nt::Handle handle) {
  const VlState& vl = Enter();
  CallScratch scratch;
  return key::Delete(vl, scratch, handle);
}

nt::NtStatus PLUME_NTAPI HookNtRenameKey(nt::Handle handle, nt::UnicodeString* name) {
  const VlState& vl = Enter();
  CallScratch scratch;
  if (!name) return nt::kAccessViolation;
  view::WView captured;
  nt::NtStatus status = CaptureString(scratch, name, &captured);
  if (!nt::Ok(status)) return status;
  for (int attempt = 0; attempt < key::kMaxAttempts; ++attempt) {
    status = key::Rename(vl, scratch, handle, captured);
    if (status != key::kResolveAgain) break;
  }
  return status;
}

}  // namespace plume::vl
