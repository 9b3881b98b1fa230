// What acts on the machine as a whole: controls of devices, drivers, its clock and power, programs of the
// Unix system.
#include <cstring>

#include "vl/calls/device_open.h"
#include "vl/calls/network_space.h"
#include "vl/low/fail.h"
#include "vl/low/hooks.h"
#include "vl/low/trace.h"

namespace plume::vl {
namespace {

using view::Mode;
using view::WView;

constexpr nt::Ulong kMountManagerType = 0x6d;  // 'm'
constexpr nt::Ulong kWriteAccess = 2;
// Not what opening the mount manager is called: a rule must name it, or all of it with a "*".
constexpr WView kMountManagerChange = u"\\Device\\MountPointManager\\Change";

nt::NtStatus Refuse() {
  if (TraceNote* note = TraceNow(); note && !note->told()) {
    note->About(trace::Space::kDevice);
    note->Rule(Mode::kDeny, "system: the machine as a whole");
  }
  return nt::kPrivilegeNotHeld;
}

// "\Driver\" and the last component of a driver's key: how rules name drivers.
Mode DriverMode(const nt::UnicodeString* service) {
  const VlState& vl = Enter();
  CallScratch scratch;
  WView key;
  if (!nt::Ok(CaptureString(scratch, service, &key)) || key.empty()) return Mode::kDeny;
  size_t begin = key.size();
  while (begin && key[begin - 1] != u'\\') --begin;
  constexpr WView kPrefix = u"\\Driver\\";
  const size_t length = key.size() - begin;
  char16_t* name = scratch.Units(kPrefix.size() + length);
  if (!name) return Mode::kDeny;
  std::memcpy(name, kPrefix.data(), kPrefix.size() * 2);
  std::memcpy(name + kPrefix.size(), key.data() + begin, length * 2);
  const WView text(name, kPrefix.size() + length);
  if (TraceNote* note = TraceNow()) note->Name(trace::Space::kDevice, text);
  return DeviceMode(vl, scratch, text, false);
}

}  // namespace

nt::NtStatus PLUME_NTAPI HookNtDeviceIoControlFile(nt::Handle handle, nt::Handle event, nt::ApcRoutine* apc,
                                                   void* context, nt::IoStatusBlock* io, nt::Ulong code,
                                                   void* in, nt::Ulong in_length, void* out,
                                                   nt::Ulong out_length) {
  const IoControl c{handle, event, apc, context, io, code, in, in_length, out, out_length};
  if (IsSocketCode(code)) {
    const VlState& vl = Enter();
    if (Tracing()) TellSocket(vl, c);
    return vl.network.Active() ? SocketControl(vl, c) : c.Original();
  }
  if (code >> 16 == kMountManagerType && (code >> 14 & kWriteAccess)) {
    // Drive letters and mount points are the machine's.
    const VlState& vl = Enter();
    CallScratch scratch;
    if (TraceNote* note = TraceNow()) note->Name(trace::Space::kDevice, kMountManagerChange);
    if (DeviceMode(vl, scratch, kMountManagerChange, false) != Mode::kHost) return nt::kAccessDenied;
  }
  return c.Original();
}

nt::NtStatus PLUME_NTAPI HookNtLoadDriver(nt::UnicodeString* service) {
  return DriverMode(service) == Mode::kHost ? orig.NtLoadDriver(service) : Refuse();
}
nt::NtStatus PLUME_NTAPI HookNtUnloadDriver(nt::UnicodeString* service) {
  return DriverMode(service) == Mode::kHost ? orig.NtUnloadDriver(service) : Refuse();
}

nt::NtStatus PLUME_NTAPI HookNtShutdownSystem(nt::Ulong) { return Refuse(); }
nt::NtStatus PLUME_NTAPI HookNtInitiatePowerAction(nt::Ulong, nt::Ulong, nt::Ulong, uint8_t) {
  return Refuse();
}
nt::NtStatus PLUME_NTAPI HookNtSetSystemPowerState(nt::Ulong, nt::Ulong, nt::Ulong) { return Refuse(); }
nt::NtStatus PLUME_NTAPI HookNtSetSystemTime(const nt::LargeInteger*, nt::LargeInteger*) { return Refuse(); }
nt::NtStatus PLUME_NTAPI HookNtSetSystemInformation(nt::Ulong, void*, nt::Ulong) { return Refuse(); }
nt::NtStatus PLUME_NTAPI HookNtSystemDebugControl(nt::Ulong, void*, nt::Ulong, void*, nt::Ulong, nt::Ulong*) {
  return Refuse();
}

// Wine starts programs of the Unix system for its own ones (a browser for a link): no layer would be in them.
// For rules they are "\??\unix\" and the program as it was called.
nt::NtStatus PLUME_NTAPI Hook__wine_unix_spawnvp(char* const* arguments, int32_t wait) {
  const VlState& vl = Enter();
  CallScratch scratch;
  constexpr WView kPrefix = u"\\??\\unix\\";
  constexpr size_t kMax = 1024;
  char16_t* name = scratch.Units(kMax);
  const char* program;
  if (!name || !ReadUser(&program, const_cast<const char* const*>(arguments)) || !program)
    return nt::kAccessDenied;
  std::memcpy(name, kPrefix.data(), kPrefix.size() * 2);
  size_t n = kPrefix.size();
  for (char c; n < kMax; ++program, ++n) {
    if (!ReadUser(&c, program)) return nt::kAccessDenied;
    if (!c) break;
    name[n] = c == '/' ? u'\\' : static_cast<uint8_t>(c);
  }
  const WView text(name, n);
  const view::NameRule* rule = view::FindNameRule(vl.device_rules, text);
  if (TraceNote* note = TraceNow()) {
    note->Name(trace::Space::kDevice, text);
    note->Rule(vl, rule, Mode::kDeny);
  }
  if (n == kMax || !rule || rule->mode != Mode::kHost) {
    Log("starting a program of the Unix system is refused (a rule in [devices] opens it):", nt::kAccessDenied,
        text);
    return nt::kAccessDenied;
  }
  return orig.__wine_unix_spawnvp(arguments, wait);
}

}  // namespace plume::vl
