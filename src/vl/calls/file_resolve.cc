#include "vl/calls/file_resolve.h"

#include "vl/calls/file_space.h"
#include "vl/low/agent_client.h"
#include "vl/low/start.h"

namespace plume::vl {

using view::Mode;

nt::NtStatus ResolveForExecution(const VlState& vl, CallScratch& scratch, const view::VPath& path,
                                 RealName* out) {
  // Through the same door as an open, so that short names and policy are treated alike.
  FileTarget target;
  nt::NtStatus s = ParseTargetName(vl, scratch, nullptr, HostName(scratch, path), &target);
  if (!nt::Ok(s)) return s;
  if (!target.IsVirtualized() || target.found.mode == Mode::kDeny) return nt::kAccessDenied;
  out->host = false;
  if (target.found.mode == Mode::kHost) {
    if (Tracing()) TellPlace(vl, scratch, *target.path, target.found, Place::kHost);
    out->nt_path = HostName(scratch, *target.path);
    out->host = true;
    return out->nt_path.data() ? nt::kSuccess : nt::kNoMemory;
  }
  Located at;
  s = Locate(vl, scratch, *target.path, target.found, &at);
  if (!nt::Ok(s)) return s;
  if (Tracing()) TellPlace(vl, scratch, *target.path, target.found, at.place);
  switch (at.place) {
    case Place::kNone:
      return MissingStatus(vl, scratch, *target.path);
    case Place::kUpper:
    case Place::kMountOnly:
      out->nt_path = UpperName(vl, scratch, *target.path);
      break;
    case Place::kHost:
      out->nt_path = HostName(scratch, *target.path);
      out->host = true;
      break;
    case Place::kImage: {
      const int mount = target.found.mount;
      out->nt_path = ImageName(vl, scratch, mount, target.found.entry, false);
      if (!out->nt_path.data() || at.directory()) break;
      NoteTouch(vl, vl.space.mounts[mount].layer, target.found.entry);
      OwnAttributes object(out->nt_path);
      nt::FileBasicInformation basic;
      s = orig.NtQueryAttributesFile(&object.attributes, &basic);
      if (IsMissing(s)) s = Hydrate(vl, vl.space.mounts[mount].layer, target.found.entry);
      if (!nt::Ok(s)) return s;
      break;
    }
  }
  return out->nt_path.data() ? nt::kSuccess : nt::kNoMemory;
}

}  // namespace plume::vl
