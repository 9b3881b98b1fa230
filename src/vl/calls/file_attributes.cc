// Queries by name: NtQueryAttributesFile, NtQueryFullAttributesFile, NtQueryInformationByName.
#include <cstring>

#include "vl/calls/device_open.h"
#include "vl/calls/file_space.h"

namespace plume::vl {
namespace {

using view::Mode;
using view::WView;

// The facts about a virtualized name.
nt::NtStatus QueryName(const VlState& vl, CallScratch& scratch, const FileTarget& target,
                       nt::FileNetworkOpenInformation* info) {
  if (target.found.mode == Mode::kDeny) return nt::kAccessDenied;
  if (target.found.mode == Mode::kHost) {
    if (Tracing()) TellPlace(vl, scratch, *target.path, target.found, Place::kHost);
    OwnAttributes object(HostName(scratch, *target.path));
    return orig.NtQueryFullAttributesFile(&object.attributes, info);
  }
  Located at;
  const nt::NtStatus s = Locate(vl, scratch, *target.path, target.found, &at);
  if (!nt::Ok(s)) return s;
  if (Tracing()) TellPlace(vl, scratch, *target.path, target.found, at.place);
  if (at.place != Place::kNone && !at.directory() && target.path->trailing_backslash) {
    return vl.is_wine ? nt::kObjectPathNotFound : nt::kObjectNameInvalid;
  }
  if (at.place != Place::kNone) {
    *info = at.info;
    if (at.place == Place::kImage) {
      info->file_attributes = AttributesByName(vl, target.path->Name(), info->file_attributes);
    }
    return nt::kSuccess;
  }
  if (at.status == nt::kObjectNameNotFound && target.found.host_visible) return at.status;
  return MissingStatus(vl, scratch, *target.path, target.found.host_visible ? at.status : nt::kSuccess);
}

}  // namespace

nt::NtStatus PLUME_NTAPI HookNtQueryAttributesFile(nt::ObjectAttributes* attributes,
                                                   nt::FileBasicInformation* basic) {
  const VlState& vl = Enter();
  if (!attributes) return nt::kAccessViolation;  // calls that open find null invalid
  CallScratch scratch;
  FileTarget target;
  nt::NtStatus s = ParseTarget(vl, scratch, attributes, 0, &target);
  if (!nt::Ok(s)) return s;
  if (!target.IsVirtualized()) {
    s = CheckDevice(vl, scratch, target.kind, target.captured, nt::kFileReadAttributes);
    return nt::Ok(s) ? orig.NtQueryAttributesFile(&target.captured.own, basic) : s;
  }
  nt::FileNetworkOpenInformation info;
  s = QueryName(vl, scratch, target, &info);
  if (!nt::Ok(s)) return s;
  const nt::FileBasicInformation out{info.creation_time, info.last_access_time, info.last_write_time,
                                     info.change_time, info.file_attributes};
  return WriteUser(basic, out) ? s : nt::kAccessViolation;
}

nt::NtStatus PLUME_NTAPI HookNtQueryFullAttributesFile(nt::ObjectAttributes* attributes,
                                                       nt::FileNetworkOpenInformation* full) {
  const VlState& vl = Enter();
  if (!attributes) return nt::kAccessViolation;  // calls that open find null invalid
  CallScratch scratch;
  FileTarget target;
  nt::NtStatus s = ParseTarget(vl, scratch, attributes, 0, &target);
  if (!nt::Ok(s)) return s;
  if (!target.IsVirtualized()) {
    s = CheckDevice(vl, scratch, target.kind, target.captured, nt::kFileReadAttributes);
    return nt::Ok(s) ? orig.NtQueryFullAttributesFile(&target.captured.own, full) : s;
  }
  nt::FileNetworkOpenInformation info;
  s = QueryName(vl, scratch, target, &info);
  if (!nt::Ok(s)) return s;
  return WriteUser(full, info) ? s : nt::kAccessViolation;
}

// Newer systems' query of any class by name: opened for attributes, asked by handle, closed; so every class
// is answered, and names come out virtual, by the same code as for handles.
nt::NtStatus PLUME_NTAPI HookNtQueryInformationByName(nt::ObjectAttributes* attributes, nt::IoStatusBlock* io,
                                                      void* buffer, nt::Ulong length,
                                                      nt::FileInformationClass kind) {
  const VlState& vl = Enter();
  CallScratch scratch;
  FileTarget target;
  nt::NtStatus s = ParseTarget(vl, scratch, attributes, 0, &target);
  if (!nt::Ok(s)) return s;
  if (!target.IsVirtualized()) {
    s = CheckDevice(vl, scratch, target.kind, target.captured, nt::kFileReadAttributes);
    return nt::Ok(s) ? orig.NtQueryInformationByName(&target.captured.own, io, buffer, length, kind) : s;
  }
  const OpenArguments arguments{nt::kFileReadAttributes | nt::kSynchronize,
                                nullptr,
                                0,
                                nt::kShareAll,
                                nt::kOpen,
                                nt::kSynchronousNonAlert | nt::kOpenForBackupIntent | nt::kOpenReparsePoint,
                                nullptr,
                                0};
  nt::Handle handle = nullptr;
  nt::IoStatusBlock opened;
  s = OpenTarget(vl, scratch, target, arguments, &handle, &opened);
  if (!nt::Ok(s)) return s;
  s = HookNtQueryInformationFile(handle, io, buffer, length, kind);
  Handles().Remove(handle);
  orig.NtClose(handle);
  return s;
}

}  // namespace plume::vl
