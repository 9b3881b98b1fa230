// Requests to the file system that change more than contents: refused where the change would reach a lower
// layer or the volume, or where the file system would follow a name that means something else here.
#include "vl/calls/file_resolve.h"
#include "vl/calls/file_set.h"
#include "vl/calls/file_space.h"

namespace plume::vl {
namespace {

using view::Mode;

enum Code : nt::Ulong {
  kSetObjectId = 0x90098,
  kGetObjectId = 0x9009c,
  kDeleteObjectId = 0x900a0,
  kSetReparsePoint = 0x900a4,
  kDeleteReparsePoint = 0x900ac,
  kSetObjectIdExtended = 0x900bc,
  kCreateOrGetObjectId = 0x900c0,
  kSetSparse = 0x900c4,
  kSetEncryption = 0x900d7,
  kSetReparsePointEx = 0x9040c,
  kSetCompression = 0x9c040,
};
constexpr nt::Ulong kTagMountPoint = 0xa0000003, kTagSymbolicLink = 0xa000000c;

// Is `handle` one of a file or directory whose name is not simply the host's?
bool IsVirtual(const VlState& vl, CallScratch& scratch, nt::Handle handle) {
  if (Tracing()) TellHandle(vl, scratch, handle);
  const view::VPath* path = PathOfHandle(vl, scratch, handle, nullptr);
  return path && view::LookUp(vl.space, *path, false).mode != Mode::kHost;
}

// Links are resolved by the file system, which would look for the target among the host's names.
bool IsLinkRequest(Code code, const void* in, nt::Ulong length) {
  nt::Ulong head[4] = {};
  const nt::Ulong at = code == kSetReparsePointEx ? 2 : 0;  // behind the flags and the old tag
  return length >= (at + 1) * sizeof(nt::Ulong) && CopyIn(head, in, (at + 1) * sizeof(nt::Ulong)) &&
         (head[at] == kTagMountPoint || head[at] == kTagSymbolicLink);
}

}  // namespace

nt::NtStatus CheckFileControl(const VlState& vl, nt::Handle handle, nt::Ulong* code, const void* in,
                              nt::Ulong length) {
  switch (*code) {
    case kSetReparsePoint:
    case kSetReparsePointEx:
    case kSetObjectId:
    case kDeleteObjectId:
    case kDeleteReparsePoint:
    case kSetObjectIdExtended:
    case kCreateOrGetObjectId:
    case kSetSparse:
    case kSetEncryption:
    case kSetCompression:
      break;
    default:
      return nt::kSuccess;
  }
  CallScratch scratch;
  const bool reparse = *code == kSetReparsePoint || *code == kSetReparsePointEx;
  if (reparse && IsLinkRequest(static_cast<Code>(*code), in, length) && IsVirtual(vl, scratch, handle)) {
    return vl.is_wine ? nt::kNotSupported : nt::kInvalidDeviceRequest;
  }
  // Wine knows none of these; asked for sparseness it says yes and does nothing.
  if (vl.is_wine || !IsLowerHandle(vl, scratch, handle)) return nt::kSuccess;
  if (*code != kCreateOrGetObjectId) return nt::kAccessDenied;
  *code = kGetObjectId;
  return nt::kSuccess;
}

// Labels and quotas are the volume's, so the host's.
nt::NtStatus PLUME_NTAPI HookNtSetVolumeInformationFile(nt::Handle handle, nt::IoStatusBlock* io,
                                                        void* buffer, nt::Ulong length,
                                                        nt::FsInformationClass kind) {
  const VlState& vl = Enter();
  CallScratch scratch;
  if (IsVirtual(vl, scratch, handle)) return nt::kAccessDenied;
  return orig.NtSetVolumeInformationFile(handle, io, buffer, length, kind);
}

}  // namespace plume::vl
