#include "vl/calls/object_names.h"

#include <cstring>

#include "vl/low/guard.h"

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

}  // namespace plume::vl
