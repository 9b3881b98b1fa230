#include "vl/calls/object_names.h"

#include <cstring>

#include "vl/calls/object_space.h"

namespace plume::vl {
namespace {

constexpr view::WView kDosPrefix = u"\\??\\";
constexpr view::WView kDevicePrefix = u"\\Device\\";

bool StartsWith(view::WView text, view::WView prefix) {
  return text.size() >= prefix.size() && view::EqualFolded(view::Sub(text, 0, prefix.size()), prefix);
}

view::WView Join(CallScratch& scratch, view::WView a, view::WView b) {
  char16_t* text = scratch.Units(a.size() + b.size() + 1);
  if (!text) return view::WView();
  std::memcpy(text, a.data(), a.size() * 2);
  std::memcpy(text + a.size(), b.data(), b.size() * 2);
  text[a.size() + b.size()] = 0;
  return view::WView(text, a.size() + b.size());
}

}  // namespace

view::WView LikeOriginal(const VlState& vl, CallScratch& scratch, view::WView real,
                         view::WView virtual_path) {
  if (StartsWith(real, kDosPrefix)) return Join(scratch, kDosPrefix, virtual_path);
  if (!StartsWith(real, kDevicePrefix)) return virtual_path;
  const char16_t letter = virtual_path.empty() ? u'\0' : view::Upcase(virtual_path[0]);
  for (const view::NameTable::Volume& v : vl.names.volumes) {
    if (v.letter == letter)
      return Join(scratch, v.device, view::Sub(virtual_path, 2, virtual_path.size() - 2));
  }
  // A drive that exists in the view only: the DOS form is the one every reader understands.
  return Join(scratch, kDosPrefix, virtual_path);
}

nt::NtStatus WriteNameAnswer(view::WView name, void* user, size_t length, nt::NtStatus too_small,
                             size_t* needed) {
  const size_t bytes = name.size() * 2;
  *needed = sizeof(nt::UnicodeString) + bytes + 2;
  if (bytes > 0xfffc) return nt::kNameTooLong;
  if (length < *needed) return too_small;
  auto* text = static_cast<uint8_t*>(user) + sizeof(nt::UnicodeString);
  const nt::UnicodeString head{static_cast<uint16_t>(bytes), static_cast<uint16_t>(bytes + 2),
                               reinterpret_cast<char16_t*>(text)};
  const char16_t zero = 0;
  if (!CopyOut(user, &head, sizeof(head)) || (bytes && !CopyOut(text, name.data(), bytes)) ||
      !CopyOut(text + bytes, &zero, 2)) {
    return nt::kAccessViolation;
  }
  return nt::kSuccess;
}

view::WView QueryRealName(CallScratch& scratch, nt::Handle handle) {
  nt::Ulong size = 1024;
  for (int round = 0; round < 3; ++round) {
    auto* text = static_cast<nt::UnicodeString*>(scratch.Alloc(size));
    if (!text) break;
    nt::Ulong needed = 0;
    const nt::NtStatus s = orig.NtQueryObject(handle, nt::kObjectNameInformation, text, size, &needed);
    if (nt::Ok(s)) return text->buffer ? view::WView(text->buffer, text->length / 2) : view::WView();
    if (s != nt::kBufferOverflow && s != nt::kInfoLengthMismatch && s != nt::kBufferTooSmall) break;
    size = needed > size ? needed : size * 16;
  }
  return view::WView();
}

view::WView WithMark(const VlState& vl, CallScratch& scratch, view::WView text, size_t at) {
  constexpr size_t kMost = 0xfffe / 2;
  if (text.size() + view::kObjectMarkUnits > kMost) return view::WView();
  char16_t* out = scratch.Units(text.size() + view::kObjectMarkUnits + 1);
  if (!out) return view::WView();
  std::memcpy(out, text.data(), at * 2);
  std::memcpy(out + at, vl.object_mark.text, sizeof(vl.object_mark.text));
  std::memcpy(out + at + view::kObjectMarkUnits, text.data() + at, (text.size() - at) * 2);
  out[text.size() + view::kObjectMarkUnits] = 0;
  return view::WView(out, text.size() + view::kObjectMarkUnits);
}

view::WView WithoutMark(CallScratch& scratch, view::WView text, size_t at) {
  const size_t behind = at + view::kObjectMarkUnits;
  char16_t* out = scratch.Units(text.size() - view::kObjectMarkUnits + 1);
  if (!out) return view::WView();
  std::memcpy(out, text.data(), at * 2);
  std::memcpy(out + at, text.data() + behind, (text.size() - behind) * 2);
  out[text.size() - view::kObjectMarkUnits] = 0;
  return view::WView(out, text.size() - view::kObjectMarkUnits);
}

// Wine gives the root directory no name, like the directories that have none. (One of those in which somebody
// made this name is taken for the root: then its entries are marked, and found by the same names.)
static bool IsRoot(const VlState& vl, nt::Handle directory) {
  if (!vl.is_wine) return false;
  constexpr view::WView kKnown = u"KernelObjects";
  nt::UnicodeString name{kKnown.size() * 2, kKnown.size() * 2, const_cast<char16_t*>(kKnown.data())};
  nt::ObjectAttributes attributes{sizeof(attributes), directory, &name, 0, nullptr, nullptr};
  nt::Handle found;
  if (!nt::Ok(orig.NtOpenDirectoryObject(&found, 0, &attributes))) return false;
  orig.NtClose(found);
  return true;
}

view::WView DirectoryName(const VlState& vl, CallScratch& scratch, nt::Handle directory) {
  if (const HandleRef known = Handles().Find(directory); known) {
    if (known->kind != HandleKind::kObjectDirectory && known->kind != HandleKind::kPipeDevice)
      return view::WView();
    // The text lives in the entry, which another thread may let go.
    const view::WView path = known->Path();
    char16_t* copy = scratch.Units(path.size() + 1);
    if (!copy) return view::WView();
    std::memcpy(copy, path.data(), path.size() * 2);
    return view::WView(copy, path.size());
  }
  const view::WView real = QueryRealName(scratch, directory);
  return real.empty() && IsRoot(vl, directory) ? view::WView(u"\\", 1) : real;
}

view::WView AbsoluteObjectName(const VlState& vl, CallScratch& scratch, nt::Handle root,
                               view::WView relative) {
  alignas(8) uint8_t type[256];
  if (!nt::Ok(orig.NtQueryObject(root, nt::kObjectTypeInformation, type, sizeof(type), nullptr)) ||
      !view::EqualFolded(AnsweredName(type), u"Directory")) {
    return view::WView();
  }
  const view::WView directory = DirectoryName(vl, scratch, root);
  if (directory.empty()) return view::WView();
  // The root directory's name ends with the separator that the others lack.
  const bool top = directory.back() == u'\\';
  return top ? Join(scratch, directory, relative) : Join(scratch, Join(scratch, directory, u"\\"), relative);
}

nt::NtStatus RenameObject(const VlState& vl, CallScratch& scratch, nt::Handle root, view::WView name,
                          view::WView* real, ObjectMeaning* meaning) {
  *real = name;
  view::WView full = name;
  if (root) {
    const view::WView directory = DirectoryName(vl, scratch, root);
    // Nobody can name what lies in a directory without a name.
    if (directory.empty()) return nt::kSuccess;
    if (!name.empty() && name[0] == u'\\') {
      const bool ours = view::ParseObjectName(directory, vl.session).space != view::ObjectSpace::kOther;
      return ours ? nt::kObjectPathSyntaxBad : nt::kSuccess;
    }
    full = Join(scratch, directory, directory.back() == u'\\' ? view::WView() : view::WView(u"\\", 1));
    if (!full.empty()) full = Join(scratch, full, name);
    if (full.empty()) return nt::kNoMemory;
  }
  const size_t prefix = full.size() - name.size();
  meaning->name = view::ParseObjectName(full, vl.session);
  const view::ObjectName& n = meaning->name;
  if (n.space == view::ObjectSpace::kOther) return nt::kSuccess;
  const size_t room = full.size() + view::kObjectPrefixUnits;
  char16_t* canonical = scratch.Units(room);
  if (!canonical) return nt::kNoMemory;
  const size_t whole = view::WriteObjectName(full, n, full.size(), {canonical, room});
  meaning->canonical = view::WView(canonical, whole);
  TraceNote* const note = TraceNow();
  if (note) note->Name(trace::Space::kObject, meaning->canonical);
  // The system knows no empty names; behind a device's they are the device's own business.
  if (!n.container && n.begin == n.mark && n.begin >= prefix) return nt::kObjectNameInvalid;
  // What lies in a directory is as private as the directory is.
  if (n.begin < prefix) return nt::kSuccess;
  const view::NameRule* rule = nullptr;
  meaning->action = view::DecideObject(n, view::Sub(meaning->canonical, 0, whole - (full.size() - n.mark)),
                                       vl.object_rules, &rule);
  if (note) note->Rule(vl, rule, view::Mode::kPrivate);
  if (meaning->action == view::ObjectAction::kRefuse) return nt::kAccessDenied;
  if (meaning->action == view::ObjectAction::kPass) {
    if (note) note->Real(trace::Layer::kHost);
    return nt::kSuccess;
  }
  *real = WithMark(vl, scratch, name, n.mark - prefix);
  if (note) note->Real(trace::Layer::kUpper, *real);
  return real->data() ? nt::kSuccess : nt::kObjectNameInvalid;
}

nt::NtStatus RenameCaptured(const VlState& vl, CallScratch& scratch, Captured* captured,
                            ObjectMeaning* meaning) {
  if (!captured->has_name || captured->name.empty()) return nt::kSuccess;
  view::WView real;
  const nt::NtStatus s = RenameObject(vl, scratch, captured->root, captured->name, &real, meaning);
  if (!nt::Ok(s) || meaning->action != view::ObjectAction::kMark) return s;
  // Permanent objects would outlive the VM.
  if (captured->own.attributes & nt::kObjPermanent) return nt::kPrivilegeNotHeld;
  captured->SetName(real);
  captured->own.root_directory = captured->root;
  return nt::kSuccess;
}

ObjectCall::ObjectCall(const nt::ObjectAttributes* user) : vl_(Enter()), given_(user != nullptr) {
  if (!user) return;
  status_ = CaptureAttributes(scratch_, user, &captured_);
  if (nt::Ok(status_)) status_ = RenameCaptured(vl_, scratch_, &captured_, &meaning_);
}

}  // namespace plume::vl
