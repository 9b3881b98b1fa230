#include "vl/calls/device_open.h"

#include <cstring>

#include "vl/calls/network_space.h"
#include "vl/calls/object_names.h"
#include "vl/low/hooks.h"
#include "vl/low/trace.h"

namespace plume::vl {
namespace {

using view::Mode;
using view::NameKind;
using view::WView;

constexpr WView kDosDirectory = u"\\??\\";
constexpr nt::AccessMask kOnlyAsking = nt::kFileReadAttributes | nt::kSynchronize | nt::kReadControl;

WView Join(CallScratch& scratch, WView a, WView b) {
  char16_t* text = scratch.Units(a.size() + b.size());
  if (!text) return WView();
  std::memcpy(text, a.data(), a.size() * 2);
  std::memcpy(text + a.size(), b.data(), b.size() * 2);
  return WView(text, a.size() + b.size());
}

// What the link `\??\NAME` leads to, "\Device\Serial0"; empty if it is none.
WView LinkTarget(CallScratch& scratch, WView link) {
  nt::UnicodeString name{static_cast<uint16_t>(link.size() * 2), static_cast<uint16_t>(link.size() * 2),
                         const_cast<char16_t*>(link.data())};
  nt::ObjectAttributes object{sizeof(nt::ObjectAttributes), nullptr, &name,
                              nt::kObjCaseInsensitive,      nullptr, nullptr};
  constexpr nt::AccessMask kSymbolicLinkQuery = 1;
  nt::Handle handle;
  if (!nt::Ok(orig.NtOpenSymbolicLinkObject(&handle, kSymbolicLinkQuery, &object))) return WView();
  constexpr uint16_t kUnits = 1024;
  nt::UnicodeString target{0, kUnits * 2, scratch.Units(kUnits)};
  const bool read = target.buffer && nt::Ok(orig.NtQuerySymbolicLinkObject(handle, &target, nullptr));
  orig.NtClose(handle);
  return read ? WView(target.buffer, target.length / 2) : WView();
}

}  // namespace

Mode DeviceMode(const VlState& vl, CallScratch& scratch, WView name, bool dos) {
  if (TraceNote* note = TraceNow()) note->Rule(vl, nullptr, Mode::kDeny);
  for (int hops = 0; hops < 8; ++hops) {
    const WView text = dos ? Join(scratch, kDosDirectory, name) : name;
    if (text.empty()) return Mode::kDeny;
    if (const view::NameRule* r = view::FindNameRule(vl.device_rules, text)) {
      if (TraceNote* note = TraceNow()) note->Rule(vl, r, Mode::kDeny);
      return r->mode;
    }
    if (!dos) break;
    // "\??\COM1" -> "\Device\Serial0"; only the first component is a link.
    size_t end = 0;
    while (end < name.size() && name[end] != u'\\') ++end;
    const WView target = LinkTarget(scratch, Join(scratch, kDosDirectory, view::Sub(name, 0, end)));
    if (target.empty()) break;
    name = view::DeviceName(Join(scratch, target, view::Sub(name, end, name.size() - end)), &dos);
  }
  return Mode::kDeny;
}

nt::NtStatus CheckDevice(const VlState& vl, CallScratch& scratch, NameKind kind, const Captured& captured,
                         nt::AccessMask access) {
  WView name = captured.name;
  if (TraceNote* server = kind == NameKind::kUnc ? TraceNow() : nullptr) {
    server->Name(trace::Space::kNetwork, name);
    server->Real(trace::Layer::kHost);
  }
  if (kind == NameKind::kUnc) return CheckFileServer(vl, scratch, name);
  if (kind != NameKind::kDevice && kind != NameKind::kDeviceFolder && kind != NameKind::kVolume)
    return nt::kSuccess;
  if (captured.root) {
    // Relative to an open device, that one's rule has decided; to a directory of objects, the whole name's
    // does.
    name = AbsoluteObjectName(vl, scratch, captured.root, name);
  }
  if (name.empty()) return nt::kSuccess;  // the system refuses it
  TraceNote* const note = TraceNow();
  if (note) note->Name(trace::Space::kDevice, name);
  if (kind == NameKind::kVolume && (access & ~kOnlyAsking) == 0) return nt::kSuccess;
  bool dos;
  const WView device = view::DeviceName(name, &dos);
  if (DeviceMode(vl, scratch, device, dos) == Mode::kHost) {
    if (note) note->Real(trace::Layer::kHost);
    return nt::kSuccess;
  }
  return kind == NameKind::kVolume ? nt::kAccessDenied : nt::kObjectNameNotFound;
}

}  // namespace plume::vl
