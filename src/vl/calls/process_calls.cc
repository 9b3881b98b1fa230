// Processes: children of guests are guests; names of images are virtual.
#include <atomic>

#include "vl/calls/file_resolve.h"
#include "vl/calls/network_space.h"
#include "vl/calls/object_names.h"
#include "vl/calls/process_members.h"
#include "vl/inject/inject.h"
#include "vl/low/fail.h"
#include "vl/low/guard.h"
#include "vl/low/hooks.h"
#include "vl/low/map_file.h"
#include "vl/low/memory.h"
#include "vl/low/trace.h"

namespace plume::vl {
namespace {

constexpr size_t kMaxAttributeBytes = 4096;

// What is started: the captured creation attributes, with the image's name replaced.
struct Start {
  nt::AttributeList* attributes = nullptr;  // own copy
  view::WView exe;                          // virtual DOS path, or the name as given
  bool renamed = false;                     // the file's real name is another
  nt::Handle parent = nullptr;              // chosen by the caller
};

nt::NtStatus CaptureStart(CallScratch& scratch, const nt::AttributeList* user, Start* out,
                          nt::Attribute** image) {
  *image = nullptr;
  size_t bytes;
  if (!user) return nt::kInvalidParameter;
  if (!ReadUser(&bytes, &user->total_length)) return nt::kAccessViolation;
  if (bytes < sizeof(size_t) || bytes > kMaxAttributeBytes) return nt::kInvalidParameter;
  out->attributes = static_cast<nt::AttributeList*>(scratch.Alloc(bytes));
  if (!out->attributes) return nt::kNoMemory;
  if (!CopyIn(out->attributes, user, bytes)) return nt::kAccessViolation;
  out->attributes->total_length = bytes;
  const size_t count = (bytes - sizeof(size_t)) / sizeof(nt::Attribute);
  for (size_t i = 0; i < count; ++i) {
    if (out->attributes->attributes[i].attribute == nt::kAttributeImageName)
      *image = &out->attributes->attributes[i];
    if (out->attributes->attributes[i].attribute == nt::kAttributeParentProcess)
      out->parent = out->attributes->attributes[i].pointer;
  }
  return nt::kSuccess;
}

// Wine runs whatever else is executable as a program of the Unix system, where no layer is: refused.
nt::NtStatus CheckIsWindowsProgram(const nt::Attribute& image) {
  nt::UnicodeString name{static_cast<uint16_t>(image.size), static_cast<uint16_t>(image.size),
                         static_cast<char16_t*>(image.pointer)};
  nt::ObjectAttributes object{sizeof(nt::ObjectAttributes), nullptr, &name,
                              nt::kObjCaseInsensitive,      nullptr, nullptr};
  nt::Handle file;
  nt::IoStatusBlock io;
  nt::NtStatus s =
      orig.NtOpenFile(&file, nt::kFileReadData | nt::kSynchronize, &object, &io,
                      nt::kShareRead | nt::kShareDelete, nt::kSynchronousNonAlert | nt::kNonDirectoryFile);
  if (!nt::Ok(s)) return s;
  char magic[2] = {};
  nt::LargeInteger start = 0;
  s = orig.NtReadFile(file, nullptr, nullptr, nullptr, &io, magic, sizeof(magic), &start, nullptr);
  orig.NtClose(file);
  if (!nt::Ok(s) && s != nt::kEndOfFile) return s;
  return magic[0] == 'M' && magic[1] == 'Z' ? nt::kSuccess : nt::kInvalidImageNotMz;
}

// From the name the caller gave to the file that is really mapped.
nt::NtStatus ResolveImage(const VlState& vl, CallScratch& scratch, nt::Attribute* image, Start* start) {
  const nt::UnicodeString given{static_cast<uint16_t>(image->size), static_cast<uint16_t>(image->size),
                                static_cast<char16_t*>(image->pointer)};
  if (image->size > 0xfffe) return nt::kObjectNameInvalid;
  view::WView name;
  if (const nt::NtStatus s = CaptureString(scratch, &given, &name); !nt::Ok(s)) return s;
  auto* path = scratch.New<view::VPath>();
  char16_t* text = scratch.Units(view::kMaxPathUnits);
  if (!path || !text) return nt::kNoMemory;
  const view::NameKind kind = ParseAbsoluteName(vl, scratch, name, {text, view::kMaxPathUnits}, path);
  if (const nt::NtStatus s = Refusal(vl, kind); !nt::Ok(s)) return s;
  image->pointer = const_cast<char16_t*>(name.data());
  if (TraceNote* note = TraceNow()) note->Name(trace::Space::kProcess, name);
  if (kind != view::NameKind::kDrivePath) {
    // A network path or a device: the host's, under its own name.
    start->exe = name;
    return nt::kSuccess;
  }
  RealName real;
  if (const nt::NtStatus s = ResolveForExecution(vl, scratch, *path, &real); !nt::Ok(s)) return s;
  start->exe = path->text;
  if (!real.host) {
    start->renamed = true;
    image->pointer = const_cast<char16_t*>(real.nt_path.data());
    image->size = real.nt_path.size() * 2;
  }
  return nt::kSuccess;
}

// The layer's own file, opened and mapped once per process, by the first one that starts a child. Never the
// running image: its data has changed since.
struct LayerFile {
  void* base = nullptr;
  size_t size = 0;
  nt::Handle section = nullptr;
};
nt::NtStatus OpenLayer(const VlState& vl, const LayerFile** out) {
  static constinit std::atomic<const LayerFile*> g_file{nullptr};
  *out = g_file.load(std::memory_order_acquire);
  if (*out) return nt::kSuccess;
  auto* file = HeapNew<LayerFile>();
  if (!file) return nt::kNoMemory;
  if (const nt::NtStatus s = MapFile(vl.vl64, false, &file->base, &file->size, &file->section); !nt::Ok(s)) {
    HeapDelete(file);
    return s;
  }
  // The application must not close it by accident: another section under its number would be mapped.
  const uint8_t flags[2] = {0, 1};  // inherit, protect from close
  orig.NtSetInformationObject(file->section, nt::kObjectHandleFlagInformation, const_cast<uint8_t*>(flags),
                              sizeof(flags));
  // A thread that loses the race leaves its own behind; it is the same file.
  const LayerFile* none = nullptr;
  *out = g_file.compare_exchange_strong(none, file, std::memory_order_acq_rel) ? file : none;
  return nt::kSuccess;
}

nt::NtStatus MakeGuest(const VlState& vl, nt::Handle process, const Start& start) {
  InjectRequest request;
  const LayerFile* layer;
  if (const nt::NtStatus s = OpenLayer(vl, &layer); !nt::Ok(s)) {
    Log("opening the layer for a child failed:", s, vl.vl64);
    return s;
  }
  request.layer = {static_cast<const uint8_t*>(layer->base), layer->size};
  request.section = layer->section;
  request.view_path = vl.view_path;
  request.exe = start.exe;
  request.rename = start.renamed;
  request.volumes = {plume_params.volumes, plume_params.volume_count};
  request.flags = plume_params.flags;
  request.ntdll = plume_params.ntdll;
  const InjectResult r = Inject(orig, process, request);
  if (r.ok()) return nt::kSuccess;
  if (r.error == InjectError::kMachine) {
    Log("site 11: 32-bit programs cannot be guests here, as the system does not run them by WoW64:", r.status,
        start.exe);
    return nt::kNotSupported;
  }
  Log("site 9: making a child a guest failed:", r.status, start.exe);
  if (r.function && *r.function) Log(r.function, r.status);
  return nt::Ok(r.status) ? nt::kUnsuccessful : r.status;
}

}  // namespace

nt::NtStatus PLUME_NTAPI HookNtCreateUserProcess(nt::Handle* process, nt::Handle* thread,
                                                 nt::AccessMask process_access, nt::AccessMask thread_access,
                                                 nt::ObjectAttributes* process_attributes,
                                                 nt::ObjectAttributes* thread_attributes,
                                                 nt::Ulong process_flags, nt::Ulong thread_flags,
                                                 void* parameters, nt::CreateInfo* info,
                                                 nt::AttributeList* attributes) {
  const VlState& vl = Enter();
  CallScratch scratch;
  Start start;
  nt::Attribute* image;
  nt::NtStatus s = CaptureStart(scratch, attributes, &start, &image);
  if (!nt::Ok(s)) return s;
  if (!image) {
    // A clone of this process has our memory, and so is a guest already.
    return orig.NtCreateUserProcess(process, thread, process_access, thread_access, process_attributes,
                                    thread_attributes, process_flags, thread_flags, parameters, info,
                                    attributes);
  }
  s = ResolveImage(vl, scratch, image, &start);
  if (TraceNote* note = TraceNow()) note->About(trace::Space::kProcess);
  if (!nt::Ok(s)) return s;
  // A child is in its parent's job: one of a parent outside would not be a guest.
  if (start.parent && MembershipOf(vl, start.parent) == Membership::kOutside) s = nt::kAccessDenied;
  if (nt::Ok(s) && vl.is_wine) s = CheckIsWindowsProgram(*image);
  if (!nt::Ok(s)) return s;
  nt::Handle own_process = nullptr, own_thread = nullptr;
  for (;;) {
    s = orig.NtCreateUserProcess(&own_process, &own_thread, process_access, thread_access, process_attributes,
                                 thread_attributes, process_flags, thread_flags | nt::kThreadCreateSuspended,
                                 parameters, info, start.attributes);
    // The VM's job is not left: it does not allow it. The caller knows nothing of that job; without one
    // nobody minds the flag. Jobs of the guests' own that allow it are left, up to the VM's.
    if (s != nt::kAccessDenied || !(process_flags & nt::kProcessBreakawayFromJob)) break;
    process_flags &= ~nt::kProcessBreakawayFromJob;
  }
  if (!nt::Ok(s)) return s;
  if (TraceNote* note = TraceNow()) {
    nt::ProcessBasicInformation basic{};
    orig.NtQueryInformationProcess(own_process, nt::kProcessBasicInformation, &basic, sizeof(basic), nullptr);
    note->Detail(static_cast<uint32_t>(basic.process_id));
  }
  nt::NtStatus made = MakeGuest(vl, own_process, start);
  if (nt::Ok(made) && (!WriteUser(process, own_process) || !WriteUser(thread, own_thread)))
    made = nt::kAccessViolation;
  if (!nt::Ok(made)) {
    // Never run as a process of the host.
    orig.NtTerminateProcess(own_process, static_cast<nt::NtStatus>(ExitStatus(Site::kChild)));
    orig.NtClose(own_thread);
    orig.NtClose(own_process);
    return made;
  }
  RememberMember(own_process, false);
  RememberMember(own_thread, true);
  if (!(thread_flags & nt::kThreadCreateSuspended)) orig.NtResumeThread(own_thread, nullptr);
  return s;
}

// The old calls start a process from a section, whose virtual name is unknown here; only snapshots and clones
// of processes (no section) are left of their uses.
nt::NtStatus PLUME_NTAPI HookNtCreateProcess(nt::Handle* process, nt::AccessMask access,
                                             nt::ObjectAttributes* attributes, nt::Handle parent,
                                             uint8_t inherit, nt::Handle section, nt::Handle debug_port,
                                             nt::Handle token) {
  Enter();
  if (!section)
    return orig.NtCreateProcess(process, access, attributes, parent, inherit, section, debug_port, token);
  Log("NtCreateProcess from a section is refused", nt::kNotSupported);
  return nt::kNotSupported;
}

nt::NtStatus PLUME_NTAPI HookNtCreateProcessEx(nt::Handle* process, nt::AccessMask access,
                                               nt::ObjectAttributes* attributes, nt::Handle parent,
                                               nt::Ulong flags, nt::Handle section, nt::Handle debug_port,
                                               nt::Handle token, nt::Ulong reserved) {
  Enter();
  if (!section) {
    return orig.NtCreateProcessEx(process, access, attributes, parent, flags, section, debug_port, token,
                                  reserved);
  }
  Log("NtCreateProcessEx from a section is refused", nt::kNotSupported);
  return nt::kNotSupported;
}

nt::NtStatus PLUME_NTAPI HookNtTerminateProcess(nt::Handle process, nt::NtStatus exit_code) {
  if (process && process != nt::CurrentProcess() && MembershipOf(Enter(), process) == Membership::kOutside)
    return nt::kAccessDenied;
  if (TraceNote* note = TraceNow()) {
    if (process == nt::CurrentProcess()) note->Name(trace::Space::kProcess, Enter().exe);
    note->Detail(static_cast<uint32_t>(exit_code));
    if (process == nt::CurrentProcess()) note->Leave(nt::kSuccess);
  }
  const nt::NtStatus s = orig.NtTerminateProcess(process, exit_code);
  // Without a handle it ends every other thread of the caller, as the first step of a process's end. The last
  // thread still closes handles and may wait for a lock of the layer that none of them will release.
  if (!process) g_alone.store(true, std::memory_order_relaxed);
  return s;
}

nt::NtStatus PLUME_NTAPI HookNtQueryInformationProcess(nt::Handle process,
                                                       nt::ProcessInformationClass information, void* buffer,
                                                       nt::Ulong length, nt::Ulong* result_length) {
  const VlState& vl = Enter();
  if (information != nt::kProcessImageFileName && information != nt::kProcessImageFileNameWin32) {
    return orig.NtQueryInformationProcess(process, information, buffer, length, result_length);
  }
  CallScratch scratch;
  void* answer = scratch.Alloc(kNameAnswerBytes);
  if (!answer) return nt::kNoMemory;
  view::WView name;
  const bool ours =
      nt::Ok(orig.NtQueryInformationProcess(process, information, answer, kNameAnswerBytes, nullptr)) &&
      FileNameToVirtual(vl, scratch, AnsweredName(answer), &name);
  if (!ours) return orig.NtQueryInformationProcess(process, information, buffer, length, result_length);
  name = LikeOriginal(vl, scratch, AnsweredName(answer), name);
  if (name.empty()) return nt::kNoMemory;
  size_t needed;
  const nt::NtStatus s = WriteNameAnswer(name, buffer, length, nt::kInfoLengthMismatch, &needed);
  if (result_length && !WriteUser(result_length, static_cast<nt::Ulong>(needed))) return nt::kAccessViolation;
  return s;
}

nt::NtStatus PLUME_NTAPI HookNtQueryVirtualMemory(nt::Handle process, const void* address,
                                                  nt::MemoryInformationClass information, void* buffer,
                                                  size_t length, size_t* result_length) {
  // The memory questions of every allocator come this way: the other classes pass before anything else.
  if (information != nt::kMemoryMappedFilenameInformation) {
    const nt::NtStatus s =
        orig.NtQueryVirtualMemory(process, address, information, buffer, length, result_length);
    if (information == nt::kMemoryWineUnixFunctions && nt::Ok(s) && process == nt::CurrentProcess())
      FilterUnixFunctions(Enter(), address, buffer);
    return s;
  }
  const VlState& vl = Enter();
  CallScratch scratch;
  void* answer = scratch.Alloc(kNameAnswerBytes);
  if (!answer) return nt::kNoMemory;
  view::WView name;
  const bool ours =
      nt::Ok(orig.NtQueryVirtualMemory(process, address, information, answer, kNameAnswerBytes, nullptr)) &&
      FileNameToVirtual(vl, scratch, AnsweredName(answer), &name);
  if (!ours) return orig.NtQueryVirtualMemory(process, address, information, buffer, length, result_length);
  name = LikeOriginal(vl, scratch, AnsweredName(answer), name);
  if (name.empty()) return nt::kNoMemory;
  size_t needed;
  const nt::NtStatus s = WriteNameAnswer(
      name, buffer, length,
      length < sizeof(nt::UnicodeString) ? nt::kInfoLengthMismatch : nt::kBufferOverflow, &needed);
  if (result_length && !WriteUser(result_length, needed)) return nt::kAccessViolation;
  return s;
}

}  // namespace plume::vl
