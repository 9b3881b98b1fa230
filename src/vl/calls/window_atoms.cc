// Global atoms: one table per VM. A guest's atom is one of the session's whose name begins with the VM's
// mark, so DDE and whatever else passes atoms in messages works within the VM, and nobody outside finds the
// name. Shared are the names that a rule opens (`Atom\...` in [objects]) and, under Wine, where they live in
// the same table, the names of registered messages and clipboard formats (window_user32.cc).
#include "vl/calls/window_atoms.h"

#include <atomic>
#include <cstring>

#include "view/atom_mark.h"
#include "view/name_rules.h"
#include "vl/calls/clipboard.h"
#include "vl/low/guard.h"
#include "vl/low/guests.h"
#include "vl/low/hooks.h"
#include "vl/low/teb.h"
#include "vl/low/trace.h"
#include "vl/low/user_patch.h"

namespace plume::vl {

#define PLUME_USER_HOOK(name) nt::name##Fn Hook##name;
#include "vl/calls/window_user_hooks.inc"
#undef PLUME_USER_HOOK

namespace {

using view::WView;

constexpr size_t kMaxAtomUnits = 255;
constexpr uint16_t kFirstAtom = 0xc000;

// Threads inside one of user32's functions that look at names of formats, properties and conversations.
constexpr uint32_t kLenientThreads = 16;
constinit std::atomic<uint32_t> g_lenient[kLenientThreads] = {};

constinit std::atomic<bool> g_mark_is_there{false};  // put there by this process

constinit std::atomic<uint32_t> g_noted[0x4000 / 32] = {};

bool IsLenient() {
  const uint32_t tid = CurrentThreadId();
  for (const auto& t : g_lenient)
    if (t.load(std::memory_order_relaxed) == tid) return true;
  return false;
}

struct AtomText {
  char16_t units[kMaxAtomUnits + 1];
  size_t size = 0;
  WView View() const { return WView(units, size); }
  bool Append(WView text) {
    if (text.size() > kMaxAtomUnits - size) return false;
    std::memcpy(units + size, text.data(), text.size() * 2);
    size += text.size();
    return true;
  }
};

bool PutMark(const VlState& vl, AtomText* out) {
  const WView mark(&view::kAtomMark, 1);
  return out->Append(mark) && out->Append(vl.vm_id) && out->Append(mark);
}

// kHost: the name is shared.
view::Mode AtomMode(const VlState& vl, WView name) {
  AtomText full;
  if (!full.Append(u"Atom\\") || !full.Append(name)) return view::Mode::kPrivate;
  const view::NameRule* rule = view::FindNameRule(vl.object_rules, full.View());
  if (TraceNote* note = TraceNow()) {
    note->Name(trace::Space::kObject, full.View());
    note->Rule(vl, rule, view::Mode::kPrivate);
    note->Real(rule && rule->mode == view::Mode::kHost ? trace::Layer::kHost : trace::Layer::kUpper);
  }
  return rule ? rule->mode : view::Mode::kPrivate;
}

struct BasicInformation {
  uint16_t usage, flags, name_bytes;
  char16_t name[kMaxAtomUnits + 1];
};

bool NameOf(uint16_t atom, BasicInformation* out) {
  *out = BasicInformation{};
  return nt::Ok(orig.NtQueryInformationAtom(atom, nt::kAtomBasicInformation, out, sizeof(*out), nullptr)) &&
         out->name_bytes <= kMaxAtomUnits * 2;
}
WView NameView(const BasicInformation& info) { return WView(info.name, info.name_bytes / 2u); }

// What a guest may know of an atom's name: its own ones without the mark, shared ones, and what the system
// itself hands out by number. False: no such atom.
bool VisibleName(const VlState& vl, WView real, WView* out) {
  if (OwnAtomName(vl, real, out)) return true;
  if (!real.empty() && real[0] == view::kAtomMark) return false;  // another VM's
  *out = real;
  return IsLenient() || (!real.empty() && real[0] == u'{') || AtomMode(vl, real) == view::Mode::kHost;
}

// The caller's name, read once. Numbers as names ("#123") and bad pointers are left to the system.
bool Capture(const char16_t* name, nt::Ulong bytes, AtomText* out) {
  if (!name || reinterpret_cast<uintptr_t>(name) <= 0xffff || bytes == 0 || bytes > kMaxAtomUnits * 2)
    return false;
  if (!CopyIn(out->units, name, bytes)) return false;
  out->size = bytes / 2;
  return out->units[0] != u'#';
}

}  // namespace

LenientAtoms::LenientAtoms() : slot_(nullptr) {
  const uint32_t tid = CurrentThreadId();
  for (auto& t : g_lenient) {
    uint32_t none = 0;
    if (!t.compare_exchange_strong(none, tid)) continue;
    slot_ = &t;
    return;
  }
}
LenientAtoms::~LenientAtoms() {
  if (slot_) slot_->store(0, std::memory_order_relaxed);
}

bool OwnAtomName(const VlState& vl, WView real, WView* name) {
  AtomText mark;
  if (!PutMark(vl, &mark) || real.size() <= mark.size) return false;
  if (!view::EqualFolded(view::Sub(real, 0, mark.size), mark.View())) return false;
  *name = view::Sub(real, mark.size, real.size() - mark.size);
  return true;
}

void NoteFormat(uint32_t format) {
  if (format < kFirstAtom || format > 0xffff) return;
  g_noted[(format - kFirstAtom) / 32].fetch_or(1u << (format % 32), std::memory_order_relaxed);
}

bool IsNotedFormat(const VlState& vl, uint32_t format) {
  if (format < kFirstAtom || format > 0xffff || !vl.is_wine) return true;
  return g_noted[(format - kFirstAtom) / 32].load(std::memory_order_relaxed) & (1u << (format % 32));
}

int32_t PLUME_NTAPI HookNtUserGetClipboardFormatName(nt::Ulong format, char16_t* buffer, int32_t units) {
  const VlState& vl = Enter();
  BasicInformation info;
  WView name;
  if (!vl.is_wine || units <= 0 || format < kFirstAtom || format > 0xffff ||
      !NameOf(static_cast<uint16_t>(format), &info)) {
    return user.NtUserGetClipboardFormatName(format, buffer, units);
  }
  const WView real = NameView(info);
  const bool own = OwnAtomName(vl, real, &name);
  if (!own) name = real;
  if (!own &&
      (real.empty() || real[0] == view::kAtomMark ||
       !(IsNotedFormat(vl, format) || ClipboardIsShared(vl) || AtomMode(vl, real) == view::Mode::kHost))) {
    SetLastError(nt::kErrorInvalidHandle);
    return 0;
  }
  const size_t room = static_cast<size_t>(units) - 1, n = name.size() < room ? name.size() : room;
  const char16_t zero = 0;
  if ((n && !CopyOut(buffer, name.data(), n * 2)) || !CopyOut(buffer + n, &zero, 2)) return 0;
  return static_cast<int32_t>(n);
}

const char16_t* PropertyName(const VlState& vl, const char16_t* name, char16_t* room) {
  const auto value = reinterpret_cast<uintptr_t>(name);
  if (value < kFirstAtom || value > 0xffff) return name;
  BasicInformation info;
  WView own;
  if (!NameOf(static_cast<uint16_t>(value), &info) || !OwnAtomName(vl, NameView(info), &own)) return name;
  std::memcpy(room, own.data(), own.size() * 2);
  room[own.size()] = 0;
  return room;
}

namespace {

template <typename Add>
nt::NtStatus AddAtom(const VlState& vl, const char16_t* name, nt::Ulong bytes, Add add) {
  AtomText text, marked;
  if (!Capture(name, bytes, &text)) return add(name, bytes);
  const view::Mode mode = AtomMode(vl, text.View());
  if (mode == view::Mode::kDeny) return nt::kAccessDenied;
  // Some who replace this call themselves rely on a zero behind the name.
  text.units[text.size] = 0;
  if (mode == view::Mode::kHost) return add(text.units, bytes);
  if (!PutMark(vl, &marked)) return nt::kInvalidParameter;
  // Before the first of them: whoever tidies up after the VM looks for the mark alone.
  uint16_t mark = 0;
  if (!g_mark_is_there.load(std::memory_order_relaxed) &&
      nt::Ok(orig.NtAddAtom(marked.units, static_cast<nt::Ulong>(marked.size * 2), &mark)))
    g_mark_is_there.store(true, std::memory_order_relaxed);
  if (!marked.Append(text.View())) return nt::kInvalidParameter;
  marked.units[marked.size] = 0;
  return add(marked.units, static_cast<nt::Ulong>(marked.size * 2));
}

}  // namespace

nt::NtStatus PLUME_NTAPI HookNtAddAtom(const char16_t* name, nt::Ulong bytes, uint16_t* atom) {
  return AddAtom(Enter(), name, bytes,
                 [&](const char16_t* n, nt::Ulong b) { return orig.NtAddAtom(n, b, atom); });
}

nt::NtStatus PLUME_NTAPI HookNtAddAtomEx(const char16_t* name, nt::Ulong bytes, uint16_t* atom,
                                         nt::Ulong flags) {
  return AddAtom(Enter(), name, bytes,
                 [&](const char16_t* n, nt::Ulong b) { return orig.NtAddAtomEx(n, b, atom, flags); });
}

nt::NtStatus PLUME_NTAPI HookNtFindAtom(const char16_t* name, nt::Ulong bytes, uint16_t* atom) {
  const VlState& vl = Enter();
  AtomText text, marked;
  if (!Capture(name, bytes, &text)) return orig.NtFindAtom(name, bytes, atom);
  if (AtomMode(vl, text.View()) == view::Mode::kHost) return orig.NtFindAtom(text.units, bytes, atom);
  if (!PutMark(vl, &marked) || !marked.Append(text.View())) return nt::kObjectNameNotFound;
  marked.units[marked.size] = 0;
  return orig.NtFindAtom(marked.units, static_cast<nt::Ulong>(marked.size * 2), atom);
}

nt::NtStatus PLUME_NTAPI HookNtDeleteAtom(uint16_t atom) {
  const VlState& vl = Enter();
  if (atom < kFirstAtom) return orig.NtDeleteAtom(atom);
  BasicInformation info;
  WView name;
  if (!NameOf(atom, &info)) return orig.NtDeleteAtom(atom);
  if (!OwnAtomName(vl, NameView(info), &name) && AtomMode(vl, NameView(info)) != view::Mode::kHost)
    return nt::kInvalidHandle;
  return orig.NtDeleteAtom(atom);
}

nt::NtStatus PLUME_NTAPI HookNtQueryInformationAtom(uint16_t atom, nt::Ulong information, void* buffer,
                                                    nt::Ulong length, nt::Ulong* result_length) {
  const VlState& vl = Enter();
  if (information != nt::kAtomBasicInformation) return nt::kInvalidInfoClass;  // the list of all atoms
  if (atom < kFirstAtom) return orig.NtQueryInformationAtom(atom, information, buffer, length, result_length);
  BasicInformation info;
  WView name;
  if (!NameOf(atom, &info))
    return orig.NtQueryInformationAtom(atom, information, buffer, length, result_length);
  if (!VisibleName(vl, NameView(info), &name)) return nt::kInvalidHandle;
  if (name.data() == info.name)
    return orig.NtQueryInformationAtom(atom, information, buffer, length, result_length);
  // The own name is shorter than the real one, so what the system writes for the real one has room for it.
  constexpr size_t kHead = offsetof(BasicInformation, name);
  const size_t bytes = name.size() * 2, needed = kHead + 2 + bytes;
  if (result_length && !WriteUser(result_length, static_cast<nt::Ulong>(needed))) return nt::kAccessViolation;
  if (length < kHead + 2) return nt::kInvalidParameter;
  const size_t room = length - kHead - 2 < bytes ? (length - kHead - 2) & ~size_t{1} : bytes;
  info.name_bytes = static_cast<uint16_t>(room ? room : bytes);
  const char16_t zero = 0;
  auto* out = static_cast<uint8_t*>(buffer);
  if (!CopyOut(out, &info, kHead) || !CopyOut(out + kHead, name.data(), room) ||
      !CopyOut(out + kHead + room, &zero, 2)) {
    return nt::kAccessViolation;
  }
  return room ? nt::kSuccess : nt::kBufferTooSmall;
}

}  // namespace plume::vl
