// Opening and creating keys.
#include "vl/calls/key_internal.h"

namespace plume::vl {
namespace key {
namespace {

constexpr Ulong kKeptAttributes =
    nt::kObjInherit | nt::kObjCaseInsensitive | nt::kObjOpenLink | nt::kObjExclusive | nt::kObjDontReparse;

// One call of either kind, captured.
struct Call {
  Captured attributes;
  AccessMask access = 0;
  bool create = false;
  WView class_name;
  Ulong title_index = 0, options = 0;
  Ulong disposition = 0;
  Handle handle = nullptr;
};

// Some other hive, or \REGISTRY itself. Making keys there would change the host.
NtStatus PassOn(const Call& call, const Target& target, Call* result) {
  if (call.create && target.kind == Target::kOtherHive) return nt::kAccessDenied;
  nt::ObjectAttributes attributes = call.attributes.own;
  result->disposition = nt::kRegOpenedExistingKey;
  return orig.NtOpenKey(&result->handle, call.access, &attributes);
}

// An existing key: upper, image, host, whichever is on top.
NtStatus OpenExisting(const VlState& vl, CallScratch& scratch, const VPath& path, const view::Lookup& look,
                      Call* call) {
  const uint32_t changes = Changes(vl);
  const Ulong attributes = call->attributes.own.attributes & kKeptAttributes;
  Opened opened;
  NtStatus status = OpenTop(vl, scratch, path, look, call->access, attributes, &opened);
  if (!nt::Ok(status)) return status;
  // Copying up waits for the first change, unless another process inherits the handle and could not do it by
  // itself.
  const bool at_once = opened.source != Source::kUpper && !opened.direct && (attributes & nt::kObjInherit) &&
                       (call->access & kWriteRights);
  if (at_once) {
    orig.NtClose(opened.handle);
    status = CopyUp(vl, scratch, path, path.depth);
    if (!nt::Ok(status)) return status;
    status = OpenTop(vl, scratch, path, LookUp(vl, path), call->access, attributes, &opened);
    if (!nt::Ok(status)) return status;
  }
  call->handle = opened.handle;
  if (Tracing()) TellSource(vl, scratch, path, opened.source, opened.mount);
  Remember(vl, opened.handle, path, opened, call->access, changes);
  return status;
}

NtStatus CreateReal(CallScratch& scratch, WView name, Call* call, Handle root = nullptr) {
  call->attributes.SetName(name);
  nt::ObjectAttributes attributes = call->attributes.own;
  attributes.root_directory = root;
  attributes.attributes |= nt::kObjCaseInsensitive;
  nt::UnicodeString class_string{static_cast<uint16_t>(call->class_name.size() * 2),
                                 static_cast<uint16_t>(call->class_name.size() * 2),
                                 const_cast<char16_t*>(call->class_name.data())};
  return orig.NtCreateKey(&call->handle, UpperAccess(call->access), &attributes, call->title_index,
                          call->class_name.data() ? &class_string : nullptr, call->options,
                          &call->disposition);
}

// `host_visible`: what the host gets at this place would be seen. A key that is made new is the VM's as a
// whole.
NtStatus CreateUpper(const VlState& vl, CallScratch& scratch, const VPath& path, bool host_visible,
                     Call* call) {
  const uint32_t changes = Changes(vl);
  const bool link = (call->options & nt::kRegOptionCreateLink) != 0;
  NtStatus status = SetFlags(vl, path, path.depth, VmIndex::kUpper);
  if (!nt::Ok(status)) return status;
  if (link) MarkLink(vl, path, path.depth);
  if (vl.is_wine && call->attributes.root) {
    // Wine checks that children of volatile keys are volatile only for names below a root directory.
    Handle root = nullptr;
    status = OpenReal(vl.registry_upper, nt::kKeyQueryValue, 0, &root);
    if (!nt::Ok(status)) return status;
    status = CreateReal(scratch, path.text, call, root);
    orig.NtClose(root);
  } else {
    const WView name = UpperName(vl, scratch, path, path.depth);
    status = Failed(name) ? nt::kNoMemory : CreateReal(scratch, name, call);
  }
  if (Tracing()) TellSource(vl, scratch, path, Source::kUpper, -1);
  if (!nt::Ok(status)) return status;
  if (call->disposition == nt::kRegCreatedNewKey) {
    // Not before: a create that the system refuses, or that finds the copy another guest has just made, must
    // not hide anything. Nothing is lost if the index is full: then the host's subkeys show through.
    if (host_visible) (void)SetFlags(vl, path, path.depth, VmIndex::kMade);
    BumpNames(vl);
  }
  Opened opened;
  opened.source = Source::kUpper;
  Remember(vl, call->handle, path, opened, call->access, changes);
  return status;
}

NtStatus CreateResolved(const VlState& vl, CallScratch& scratch, const VPath& path, Call* call) {
  const view::Lookup look = LookUp(vl, path);
  // Wine: the key of the root directory itself is opened, whatever the options.
  const bool itself = vl.is_wine && call->attributes.root && call->attributes.name.empty();
  if (itself) call->options &= ~nt::kRegOptionCreateLink;
  const bool link = (call->options & nt::kRegOptionCreateLink) != 0;
  if (look.mode == view::Mode::kDeny) return nt::kAccessDenied;
  if (look.mode == view::Mode::kHost) {
    const uint32_t changes = Changes(vl);
    const WView name = HostName(vl, scratch, path, path.depth);
    if (Failed(name)) return nt::kNoMemory;
    const AccessMask access = call->access;
    const NtStatus status = CreateReal(scratch, name, call);
    if (Tracing()) TellSource(vl, scratch, path, Source::kHost, -1);
    Opened opened;
    opened.direct = true;
    if (nt::Ok(status)) Remember(vl, call->handle, path, opened, access, changes);
    return status;
  }
  if (link) call->attributes.own.attributes |= nt::kObjOpenLink;
  NtStatus status = OpenExisting(vl, scratch, path, look, call);
  if (nt::Ok(status)) {
    if (link) {
      Handles().Remove(call->handle);
      orig.NtClose(call->handle);
      call->handle = nullptr;
      return nt::kObjectNameCollision;
    }
    call->disposition = nt::kRegOpenedExistingKey;
    // Wine calls the key of the root directory itself a new one.
    if (itself) call->disposition = nt::kRegCreatedNewKey;
    // Wine gives an existing key the new class name; that is a change.
    if (!vl.is_wine || call->class_name.empty()) return status;
    Handles().Remove(call->handle);
    orig.NtClose(call->handle);
    call->handle = nullptr;
    const Ulong disposition = call->disposition;
    status = CopyUp(vl, scratch, path, path.depth);
    if (nt::Ok(status)) status = CreateUpper(vl, scratch, path, false, call);
    call->disposition = disposition;
    return status;
  }
  if (status != nt::kObjectNameNotFound || path.depth == 0) return status;
  status = CopyUp(vl, scratch, path, path.depth - 1);
  return nt::Ok(status) ? CreateUpper(vl, scratch, path, look.host_visible, call) : status;
}

// The one way in for every open and create.
NtStatus OpenOrCreate(const VlState& vl, CallScratch& scratch, Call* call) {
  bool follow_last = call->create ? (call->options & nt::kRegOptionCreateLink) == 0
                                  : (call->attributes.own.attributes & nt::kObjOpenLink) == 0;
  if (call->attributes.root && call->attributes.name.empty()) {
    // The key of the root directory itself, even if it is a link.
    follow_last = false;
    call->attributes.own.attributes |= nt::kObjOpenLink;
  }
  if (TraceNote* note = TraceNow()) {
    note->Name(trace::Space::kRegistry, call->attributes.name);
    note->Detail(call->access);
  }
  auto* target = scratch.New<Target>();
  if (!target) return nt::kNoMemory;
  NtStatus status = kResolveAgain;
  for (int attempt = 0; attempt < kMaxAttempts && status == kResolveAgain; ++attempt) {
    status = ResolveTarget(vl, scratch, call->attributes, call->access, follow_last, target);
    if (!nt::Ok(status)) break;
    if (target->kind != Target::kPath) return PassOn(*call, *target, call);
    const VPath& path = target->path;
    status = call->create ? CreateResolved(vl, scratch, path, call)
                          : OpenExisting(vl, scratch, path, LookUp(vl, path), call);
  }
  return status;
}

NtStatus Open(Handle* handle, AccessMask access, nt::ObjectAttributes* attributes) {
  const VlState& vl = Enter();
  CallScratch scratch;
  auto* call = scratch.New<Call>();
  if (!call) return nt::kNoMemory;
  if (!WriteUser(handle, Handle{nullptr})) return nt::kAccessViolation;
  if (!attributes && vl.is_wine) return nt::kAccessViolation;
  NtStatus status = CaptureAttributes(scratch, attributes, &call->attributes);
  if (!nt::Ok(status)) return status;
  call->access = access;
  status = OpenOrCreate(vl, scratch, call);
  if (!nt::Ok(status)) return status;
  if (WriteUser(handle, call->handle)) return status;
  Handles().Remove(call->handle);
  orig.NtClose(call->handle);
  return nt::kAccessViolation;
}

NtStatus Create(Handle* handle, AccessMask access, nt::ObjectAttributes* attributes, Ulong title_index,
                nt::UnicodeString* class_name, Ulong options, Ulong* disposition) {
  const VlState& vl = Enter();
  CallScratch scratch;
  auto* call = scratch.New<Call>();
  if (!call) return nt::kNoMemory;
  if (!WriteUser(handle, Handle{nullptr})) return nt::kAccessViolation;
  if (!attributes && vl.is_wine) return nt::kAccessViolation;
  NtStatus status = CaptureAttributes(scratch, attributes, &call->attributes);
  if (!nt::Ok(status)) return status;
  if (class_name) {
    status = CaptureString(scratch, class_name, &call->class_name);
    if (!nt::Ok(status)) return status;
  }
  call->access = access;
  call->create = true;
  call->title_index = title_index;
  call->options = options;
  status = OpenOrCreate(vl, scratch, call);
  if (!nt::Ok(status)) return status;
  if (WriteUser(handle, call->handle) && (!disposition || WriteUser(disposition, call->disposition)))
    return status;
  Handles().Remove(call->handle);
  orig.NtClose(call->handle);
  return nt::kAccessViolation;
}

}  // namespace
}  // namespace key

nt::NtStatus PLUME_NTAPI HookNtOpenKey(nt::Handle* handle, nt::AccessMask access,
                                       nt::ObjectAttributes* attributes) {
  return key::Open(handle, access, attributes);
}

// The options (backup, open link) are about rights and a last link; the link flag that counts is in the
// attributes.
nt::NtStatus PLUME_NTAPI HookNtOpenKeyEx(nt::Handle* handle, nt::AccessMask access,
                                         nt::ObjectAttributes* attributes, nt::Ulong options) {
  return key::Open(handle, access, attributes);
}

nt::NtStatus PLUME_NTAPI HookNtCreateKey(nt::Handle* handle, nt::AccessMask access,
                                         nt::ObjectAttributes* attributes, nt::Ulong title_index,
                                         nt::UnicodeString* class_name, nt::Ulong options,
                                         nt::Ulong* disposition) {
  return key::Create(handle, access, attributes, title_index, class_name, options, disposition);
}

// A transaction cannot span the layers. Callers are told that transactions are not to be had here, as on a
// system without the transaction manager (docs/nt-compat.md).
namespace {
constexpr nt::NtStatus kTransactionalConflict = nt::Status(0xC0190001);
}
nt::NtStatus PLUME_NTAPI HookNtOpenKeyTransacted(nt::Handle*, nt::AccessMask, nt::ObjectAttributes*,
                                                 nt::Handle) {
  return Enter().is_wine ? nt::kNotImplemented : kTransactionalConflict;
}
nt::NtStatus PLUME_NTAPI HookNtOpenKeyTransactedEx(nt::Handle*, nt::AccessMask, nt::ObjectAttributes*,
                                                   nt::Ulong, nt::Handle) {
  return Enter().is_wine ? nt::kNotImplemented : kTransactionalConflict;
}
nt::NtStatus PLUME_NTAPI HookNtCreateKeyTransacted(nt::Handle*, nt::AccessMask, nt::ObjectAttributes*,
                                                   nt::Ulong, nt::UnicodeString*, nt::Ulong, nt::Handle,
                                                   nt::Ulong*) {
  return Enter().is_wine ? nt::kNotImplemented : kTransactionalConflict;
}

}  // namespace plume::vl
