// Directories and symbolic links of the object manager.
#include <cstring>

#include "vl/calls/object_space.h"

namespace plume::vl {
namespace {

using view::WView;

// Enters a directory under its real name, so that names relative to it cost no question. The name is asked
// once, of the handle: whatever links led here, it is what the system goes by.
void RememberDirectory(const VlState& vl, CallScratch& scratch, nt::Handle* user) {
  nt::Handle handle;
  auto* path = scratch.New<view::VPath>();
  if (!path || !ReadUser(&handle, user)) return;
  Handles().Remove(handle);
  path->text = DirectoryName(vl, scratch, handle);
  // Without a name it cannot be found by one: nothing relative to it has to be renamed.
  if (path->text.empty()) return;
  Handles().Insert(handle, NewHandleInfo(HandleKind::kObjectDirectory, *path));
}

// OBJECT_DIRECTORY_INFORMATION.
struct Entry {
  nt::UnicodeString name, type;
};

WView TextOf(const nt::UnicodeString& s) { return s.buffer ? WView(s.buffer, s.length / 2) : WView(); }

// The entries that are handed out: gathered, then written as the system lays them out, the structures (closed
// by an empty one) first, then their texts.
class Answer {
 public:
  explicit Answer(size_t length) : length_(length) {}
  static constexpr size_t kMost = 512;

  static size_t Bytes(WView name, WView type) { return sizeof(Entry) + (name.size() + type.size() + 2) * 2; }
  bool Fits(WView name, WView type) const {
    return count_ < kMost && sizeof(Entry) + bytes_ + Bytes(name, type) <= length_;
  }
  bool Add(CallScratch& scratch, WView name, WView type) {
    if (!texts_) texts_ = scratch.Array<WView>(2 * kMost);
    char16_t* copy = scratch.Units(name.size() + type.size() + 1);
    if (!texts_ || !copy) return false;
    std::memcpy(copy, name.data(), name.size() * 2);
    std::memcpy(copy + name.size(), type.data(), type.size() * 2);
    texts_[2 * count_] = WView(copy, name.size());
    texts_[2 * count_ + 1] = WView(copy + name.size(), type.size());
    ++count_;
    bytes_ += Bytes(name, type);
    return true;
  }
  size_t count() const { return count_; }
  size_t size() const { return sizeof(Entry) + bytes_; }

  bool Write(CallScratch& scratch, void* user) const {
    auto* out = static_cast<uint8_t*>(scratch.Alloc(size()));
    if (!out) return false;
    std::memset(out, 0, size());
    size_t at = (count_ + 1) * sizeof(Entry);
    auto put = [&](WView text) {
      const nt::UnicodeString s{static_cast<uint16_t>(text.size() * 2),
                                static_cast<uint16_t>(text.size() * 2 + 2),
                                reinterpret_cast<char16_t*>(static_cast<uint8_t*>(user) + at)};
      std::memcpy(out + at, text.data(), text.size() * 2);
      at += text.size() * 2 + 2;
      return s;
    };
    for (size_t i = 0; i < count_; ++i) {
      const nt::UnicodeString name = put(texts_[2 * i]);
      const Entry e{name, put(texts_[2 * i + 1])};
      std::memcpy(out + i * sizeof(Entry), &e, sizeof(e));
    }
    return CopyOut(user, out, size());
  }

 private:
  size_t length_, bytes_ = 0, count_ = 0;
  WView* texts_ = nullptr;
};

// The target of a new link as it is stored: a private name under its real name. Refused if the link would
// lead past the marks.
nt::NtStatus RenameTarget(const VlState& vl, CallScratch& scratch, WView* target) {
  if (target->empty() || (*target)[0] != u'\\') return nt::kSuccess;  // leads nowhere
  WView real;
  ObjectMeaning meaning;
  const nt::NtStatus s = RenameObject(vl, scratch, nullptr, *target, &real, &meaning);
  if (!nt::Ok(s)) return s;
  if (!view::MayBeLinkTarget(meaning.name, meaning.action)) return nt::kAccessDenied;
  *target = real;
  return nt::kSuccess;
}

bool IsOwn(const VlState& vl, CallScratch& scratch, nt::Handle handle) {
  size_t at;
  return view::FindOwnMark(QueryRealName(scratch, handle), vl.session, vl.object_mark, &at);
}

}  // namespace

nt::NtStatus PLUME_NTAPI HookNtCreateDirectoryObject(nt::Handle* handle, nt::AccessMask access,
                                                     nt::ObjectAttributes* attributes) {
  ObjectCall call(attributes);
  if (!nt::Ok(call.status())) return call.status();
  const nt::NtStatus s = orig.NtCreateDirectoryObject(handle, access, call.attributes());
  if (nt::Ok(s)) RememberDirectory(call.vl(), call.scratch(), handle);
  return s;
}

nt::NtStatus PLUME_NTAPI HookNtCreateDirectoryObjectEx(nt::Handle* handle, nt::AccessMask access,
                                                       nt::ObjectAttributes* attributes, nt::Handle shadow,
                                                       nt::Ulong flags) {
  ObjectCall call(attributes);
  if (!nt::Ok(call.status())) return call.status();
  // Names that are missing here would be looked up there, without a mark.
  if (shadow && !IsOwn(call.vl(), call.scratch(), shadow)) return nt::kAccessDenied;
  const nt::NtStatus s = orig.NtCreateDirectoryObjectEx(handle, access, call.attributes(), shadow, flags);
  if (nt::Ok(s)) RememberDirectory(call.vl(), call.scratch(), handle);
  return s;
}

nt::NtStatus PLUME_NTAPI HookNtOpenDirectoryObject(nt::Handle* handle, nt::AccessMask access,
                                                   nt::ObjectAttributes* attributes) {
  ObjectCall call(attributes);
  if (!nt::Ok(call.status())) return call.status();
  const nt::NtStatus s = orig.NtOpenDirectoryObject(handle, access, call.attributes());
  if (nt::Ok(s)) RememberDirectory(call.vl(), call.scratch(), handle);
  return s;
}

nt::NtStatus PLUME_NTAPI HookNtQueryDirectoryObject(nt::Handle handle, void* buffer, nt::Ulong length,
                                                    uint8_t single, uint8_t restart, nt::Ulong* context,
                                                    nt::Ulong* needed) {
  const VlState& vl = Enter();
  CallScratch scratch;
  const WView directory = DirectoryName(vl, scratch, handle);
  // Wine knows single entries only, and says so.
  if (directory.empty() || (vl.is_wine && !single))
    return orig.NtQueryDirectoryObject(handle, buffer, length, single, restart, context, needed);
  if (TraceNote* note = TraceNow()) note->Name(trace::Space::kObject, directory);
  nt::Ulong index = 0;
  if (!ReadUser(&index, context)) return nt::kAccessViolation;
  if (restart) index = 0;
  constexpr nt::Ulong kRoom = 2 * sizeof(Entry) + 4 * view::kMaxPathUnits;
  auto* one = static_cast<Entry*>(scratch.Alloc(kRoom));
  const size_t look_room = 2 * (directory.size() + view::kMaxPathUnits + view::kObjectPrefixUnits + 1);
  char16_t* look = scratch.Units(look_room);
  if (!one || !look) return nt::kNoMemory;
  Answer answer(length);
  nt::NtStatus s;
  for (;;) {
    nt::Ulong next = index;
    s = orig.NtQueryDirectoryObject(handle, one, kRoom, 1, 0, &next, nullptr);
    if (!nt::Ok(s)) break;
    WView name = TextOf(one->name);
    const WView type = TextOf(one->type);
    switch (
        view::LookOfEntry(directory, name, vl.session, vl.object_mark, vl.object_rules, {look, look_room})) {
      case view::EntryLook::kHidden:
        index = next;
        continue;
      case view::EntryLook::kWithoutMark:
        name = view::Sub(name, 0, name.size() - view::kObjectMarkUnits);
        break;
      case view::EntryLook::kAsIs:
        break;
    }
    if (!answer.Fits(name, type)) {
      const auto want = static_cast<nt::Ulong>(answer.size() + Answer::Bytes(name, type));
      if (answer.count()) {
        s = nt::kMoreEntries;
        break;
      }
      if (needed && !WriteUser(needed, want)) return nt::kAccessViolation;
      return nt::kBufferTooSmall;
    }
    if (!answer.Add(scratch, name, type)) return nt::kNoMemory;
    index = next;
    if (single) break;
  }
  if (answer.count() == 0) {
    if (s == nt::kNoMoreEntries) {
      // As the system closes a listing.
      const Entry none{};
      if (length >= sizeof(none) && !CopyOut(buffer, &none, sizeof(none))) return nt::kAccessViolation;
      if (needed && !WriteUser(needed, static_cast<nt::Ulong>(sizeof(none)))) return nt::kAccessViolation;
    }
    return s;
  }
  if (s != nt::kMoreEntries) s = nt::kSuccess;
  if (!answer.Write(scratch, buffer) || !WriteUser(context, index) ||
      (needed && !WriteUser(needed, static_cast<nt::Ulong>(answer.size()))))
    return nt::kAccessViolation;
  return s;
}

nt::NtStatus PLUME_NTAPI HookNtCreateSymbolicLinkObject(nt::Handle* handle, nt::AccessMask access,
                                                        nt::ObjectAttributes* attributes,
                                                        nt::UnicodeString* target) {
  ObjectCall call(attributes);
  if (!nt::Ok(call.status())) return call.status();
  nt::UnicodeString own;
  if (!ReadUser(&own, target)) return nt::kAccessViolation;
  WView text;
  nt::NtStatus s = CaptureString(call.scratch(), &own, &text);
  if (!nt::Ok(s)) return s;
  if (call.named()) {
    // \??\X: and the like belong to the machine.
    if (call.meaning().name.space == view::ObjectSpace::kOther || call.meaning().name.container)
      return nt::kAccessDenied;
    s = RenameTarget(call.vl(), call.scratch(), &text);
    if (!nt::Ok(s)) return s;
  }
  if (text.data() && own.length) {
    own.buffer = const_cast<char16_t*>(text.data());
    own.length = static_cast<uint16_t>(text.size() * 2);
    own.maximum_length = static_cast<uint16_t>(own.length);
  }
  return orig.NtCreateSymbolicLinkObject(handle, access, call.attributes(), &own);
}

nt::NtStatus PLUME_NTAPI HookNtOpenSymbolicLinkObject(nt::Handle* handle, nt::AccessMask access,
                                                      nt::ObjectAttributes* attributes) {
  ObjectCall call(attributes);
  if (!nt::Ok(call.status())) return call.status();
  return orig.NtOpenSymbolicLinkObject(handle, access, call.attributes());
}

nt::NtStatus PLUME_NTAPI HookNtQuerySymbolicLinkObject(nt::Handle handle, nt::UnicodeString* target,
                                                       nt::Ulong* needed) {
  const VlState& vl = Enter();
  CallScratch scratch;
  constexpr uint16_t kRoom = 0xfffe;
  nt::UnicodeString own{0, kRoom, static_cast<char16_t*>(scratch.Alloc(kRoom))};
  if (!own.buffer) return nt::kNoMemory;
  size_t at;
  if (!nt::Ok(orig.NtQuerySymbolicLinkObject(handle, &own, nullptr)) ||
      !view::FindOwnMark(TextOf(own), vl.session, vl.object_mark, &at))
    return orig.NtQuerySymbolicLinkObject(handle, target, needed);
  const WView text = WithoutMark(scratch, TextOf(own), at);
  nt::UnicodeString user;
  if (!text.data()) return nt::kNoMemory;
  if (!ReadUser(&user, target)) return nt::kAccessViolation;
  const auto bytes = static_cast<uint16_t>(text.size() * 2);
  if (needed && !WriteUser(needed, nt::Ulong{bytes} + 2)) return nt::kAccessViolation;
  if (user.maximum_length < bytes + 2) return nt::kBufferTooSmall;
  if (!CopyOut(user.buffer, text.data(), bytes + size_t{2}) || !WriteUser(&target->length, bytes))
    return nt::kAccessViolation;
  return nt::kSuccess;
}

// Only what belongs to the VM may be made to vanish, and nothing of it may outlive it.
nt::NtStatus PLUME_NTAPI HookNtMakeTemporaryObject(nt::Handle handle) {
  const VlState& vl = Enter();
  CallScratch scratch;
  alignas(8) uint8_t basic[56];
  const nt::NtStatus s =
      orig.NtQueryObject(handle, nt::kObjectBasicInformation, basic, sizeof(basic), nullptr);
  if (!nt::Ok(s)) return s;
  if (IsOwn(vl, scratch, handle)) return orig.NtMakeTemporaryObject(handle);
  return QueryRealName(scratch, handle).empty() ? nt::kSuccess : nt::kAccessDenied;
}

nt::NtStatus PLUME_NTAPI HookNtMakePermanentObject(nt::Handle) {
  Enter();
  return nt::kPrivilegeNotHeld;
}

}  // namespace plume::vl
