// What the file space offers to the other kinds of calls. Implemented in calls/file_resolve.cc.
#pragma once
#include "vl/low/memory.h"
#include "vl/low/state.h"

namespace plume::vl {

// What an absolute NT name is: view::ParseFileName, and what it leaves to the system (a Unix name on Wine is
// a drive path in other words). kInvalid and, on Wine, kUnix and kDeviceFolder are never passed on: Refusal()
// is their status.
view::NameKind ParseAbsoluteName(const VlState& vl, CallScratch& scratch, view::WView name,
                                 std::span<char16_t> storage, view::VPath* out);
nt::NtStatus Refusal(const VlState& vl, view::NameKind kind);  // kSuccess: may be passed on

// The real file behind a virtual path, as an NT path in `scratch`.
struct RealName {
  view::WView nt_path;  // "\??\C:\...", zero-terminated
  bool host = false;    // the host's own file under its own name: nothing is renamed
};

// The real file to start or map for `path`: upper, image (hydrated first) or host. kObjectNameNotFound,
// kObjectPathNotFound, kAccessDenied (policy) or kFileIsOffline otherwise.
nt::NtStatus ResolveForExecution(const VlState& vl, CallScratch& scratch, const view::VPath& path,
                                 RealName* out);

// Maps a real name back to the guest's view. `real` is any NT form the system answers ("\??\C:\..",
// "\Device\HarddiskVolume1\..", "C:\.."): if it lies in the upper layer or an image's tree, `virtual_path`
// becomes the canonical virtual path ("C:\Program Files\A\a.dll"; a root as "C:\") in `scratch` and true is
// returned; otherwise false: the name may be shown as it is.
bool FileNameToVirtual(const VlState& vl, CallScratch& scratch, view::WView real, view::WView* virtual_path);

// The virtual name of a file or directory handle for ObjectNameInformation; false: not ours, the original
// answer is right. Same form of result as above.
bool FileHandleToVirtual(const VlState& vl, CallScratch& scratch, nt::Handle handle,
                         view::WView* virtual_path);

// May a request to the file system go on (NtFsControlFile)? `code` may be exchanged for one that changes
// nothing.
nt::NtStatus CheckFileControl(const VlState& vl, nt::Handle handle, nt::Ulong* code, const void* in,
                              nt::Ulong length);

}  // namespace plume::vl
