// Wine's Unix names: "\??\unix\..." among NT names, and the two calls that translate between the worlds. A
// Unix path is a drive path in other words, so it means what the drive path means in the VM; a path that no
// drive leads to is refused.
#include "vl/calls/file_resolve.h"
#include "vl/calls/file_space.h"

namespace plume::vl {

using view::NameKind;
using view::VPath;
using view::WView;

namespace {

constexpr WView kNtPrefix = u"\\??\\";

// What follows "...\unix" in a name of that kind.
WView AfterUnix(WView name) {
  constexpr WView kUnix = u"\\unix";
  for (size_t i = 0; i + kUnix.size() <= name.size(); ++i) {
    if (!view::EqualFolded(view::Sub(name, i, kUnix.size()), kUnix)) continue;
    const size_t end = i + kUnix.size();
    if (end == name.size() || name[end] == u'\\' || name[end] == u'/')
      return view::Sub(name, end, name.size() - end);
  }
  return WView();
}

// A zero-terminated Unix path; null when out of memory or malformed.
char* ToUnixText(CallScratch& scratch, WView text) {
  auto* out = static_cast<char*>(scratch.Alloc(text.size() * 3 + 2));
  if (!out) return nullptr;
  char* at = out;
  if (text.empty()) *at++ = '/';
  auto put = [&at](uint32_t bits) { *at++ = static_cast<char>(bits); };
  for (size_t i = 0; i < text.size(); ++i) {
    uint32_t c = text[i];
    if (c == u'\\') c = u'/';
    if (c >= 0xd800 && c < 0xdc00 && i + 1 < text.size() && text[i + 1] >= 0xdc00 && text[i + 1] < 0xe000) {
      c = 0x10000 + ((c - 0xd800) << 10) + (text[++i] - 0xdc00u);
    } else if (c == 0 || (c >= 0xd800 && c < 0xe000)) {
      return nullptr;
    }
    if (c < 0x80) {
      put(c);
    } else if (c < 0x800) {
      put(0xc0 | c >> 6);
      put(0x80 | (c & 63));
    } else if (c < 0x10000) {
      put(0xe0 | c >> 12);
      put(0x80 | (c >> 6 & 63));
      put(0x80 | (c & 63));
    } else {
      put(0xf0 | c >> 18);
      put(0x80 | (c >> 12 & 63));
      put(0x80 | (c >> 6 & 63));
      put(0x80 | (c & 63));
    }
  }
  *at = 0;
  return out;
}

}  // namespace

nt::NtStatus Refusal(const VlState& vl, NameKind kind) {
  switch (kind) {
    case NameKind::kInvalid:
      return nt::kObjectNameInvalid;
    case NameKind::kUnix:
    case NameKind::kDeviceFolder:
      return vl.is_wine ? nt::kObjectPathNotFound : nt::kSuccess;
    default:
      return nt::kSuccess;
  }
}

NameKind ParseAbsoluteName(const VlState& vl, CallScratch& scratch, WView name, std::span<char16_t> storage,
                           VPath* out) {
  const NameKind kind = view::ParseFileName(name, vl.names, storage, out);
  if (kind != NameKind::kUnix || !vl.is_wine || !orig.wine_unix_to_nt_file_name) return kind;
  const char* unix_name = ToUnixText(scratch, AfterUnix(name));
  char16_t* translated = scratch.Units(view::kMaxPathUnits + 1);
  if (!unix_name || !translated) return NameKind::kInvalid;
  nt::Ulong size = view::kMaxPathUnits;
  if (!nt::Ok(orig.wine_unix_to_nt_file_name(unix_name, translated, &size))) return kind;
  size_t length = 0;
  while (length < view::kMaxPathUnits && translated[length]) ++length;
  return view::ParseFileName(WView(translated, length), vl.names, storage, out);
}

// A name for programs outside: the real file's.
nt::NtStatus PLUME_NTAPI Hookwine_nt_to_unix_file_name(const nt::ObjectAttributes* attributes,
                                                       char* unix_name, nt::Ulong* size,
                                                       nt::Ulong disposition) {
  const VlState& vl = Enter();
  CallScratch scratch;
  FileTarget target;
  nt::NtStatus s = ParseTarget(vl, scratch, attributes, 0, &target);
  if (!nt::Ok(s)) return s;
  if (!target.IsVirtualized()) {
    return orig.wine_nt_to_unix_file_name(&target.captured.own, unix_name, size, disposition);
  }
  if (target.found.mode == view::Mode::kDeny) return nt::kAccessDenied;
  RealName real;
  s = ResolveForExecution(vl, scratch, *target.path, &real);
  if (s == nt::kObjectNameNotFound && AfterUnix(target.captured.name).data()) {
    return orig.wine_nt_to_unix_file_name(&target.captured.own, unix_name, size,
                                          disposition);  // a name for a name
  }
  if (s == nt::kObjectNameNotFound && disposition != nt::kOpen && disposition != nt::kOverwrite) {
    // Where it would be made.
    s = EnsureUpperDirectory(vl, scratch, *target.path, target.path->depth - 1);
    real.nt_path = UpperName(vl, scratch, *target.path);
  }
  if (!nt::Ok(s)) return s;
  if (!real.nt_path.data()) return nt::kNoMemory;
  OwnAttributes object(real.nt_path);
  s = orig.wine_nt_to_unix_file_name(&object.attributes, unix_name, size, disposition);
  return s;
}

nt::NtStatus PLUME_NTAPI Hookwine_unix_to_nt_file_name(const char* unix_name, char16_t* nt_name,
                                                       nt::Ulong* size) {
  const VlState& vl = Enter();
  CallScratch scratch;
  char16_t* text = scratch.Units(view::kMaxPathUnits + 1);
  nt::Ulong room, needed = view::kMaxPathUnits;
  if (!text) return nt::kNoMemory;
  if (!ReadUser(&room, size)) return nt::kAccessViolation;
  nt::NtStatus s = orig.wine_unix_to_nt_file_name(unix_name, text, &needed);
  if (!nt::Ok(s)) return orig.wine_unix_to_nt_file_name(unix_name, nt_name, size);
  WView name(text, needed - 1), mapped;
  if (FileNameToVirtual(vl, scratch, name, &mapped)) {
    name = Concat(scratch, kNtPrefix, mapped);
    if (!name.data()) return nt::kNoMemory;
  }
  needed = static_cast<nt::Ulong>(name.size()) + 1;
  if (!WriteUser(size, needed)) return nt::kAccessViolation;
  if (room < needed) return nt::kBufferTooSmall;
  const char16_t zero = 0;
  return CopyOut(nt_name, name.data(), name.size() * 2) && WriteUser(nt_name + name.size(), zero)
             ? nt::kSuccess
             : nt::kAccessViolation;
}

}  // namespace plume::vl
