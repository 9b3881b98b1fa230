// What file calls tell the trace. Reached only while a recording is on.
#include "vl/calls/file_space.h"

namespace plume::vl {

using view::VPath;
using view::WView;

void TellPath(const VlState& vl, const VPath& path, const view::Lookup& found) {
  TraceNote* note = FindNote();
  if (!note) return;
  note->Name(trace::Space::kFile, path.text);
  if (path.depth == 0) note->AppendName(u"\\");
  note->Rule(vl, found, false);
}

void TellPlace(const VlState& vl, CallScratch& scratch, const VPath& path, const view::Lookup& found,
               Place place) {
  TraceNote* note = FindNote();
  if (!note) return;
  switch (place) {
    case Place::kUpper:
    case Place::kMountOnly:
      return note->Real(trace::Layer::kUpper, UpperName(vl, scratch, path));
    case Place::kImage:
      if (found.mount < 0) break;
      note->Real(trace::Layer::kImage, ImageName(vl, scratch, found.mount, found.entry, false));
      return note->Image(vl, found.mount);
    case Place::kHost:
      return note->Real(trace::Layer::kHost, HostName(scratch, path));
    case Place::kNone:
      break;
  }
  note->Real(trace::Layer::kNone);
}

void TellHandle(const VlState& vl, CallScratch& scratch, nt::Handle handle) {
  const VPath* path = PathOfHandle(vl, scratch, handle, nullptr);
  if (!path) return;
  view::Lookup found = view::LookUp(vl.space, *path, false);
  TellPath(vl, *path, found);
  Place place = Place::kUpper;
  if (const HandleRef info = Handles().Find(handle); info) {
    if (info->source == Source::kHost) place = Place::kHost;
    if (info->source == Source::kImage) {
      place = Place::kImage;
      found.mount = info->mount;
      found.entry = info->entry;
    }
  }
  TellPlace(vl, scratch, *path, found, place);
}

void TellMove(const VlState& vl, CallScratch& scratch, const VPath& from, const FileTarget& to) {
  TraceNote* note = FindNote();
  if (!note) return;
  note->Name(trace::Space::kFile, from.text);
  note->AppendName(u" -> ", to.path->text);
  note->Rule(vl, to.found, false);
  const bool host = to.found.mode == view::Mode::kHost;
  TellPlace(vl, scratch, *to.path, to.found, host ? Place::kHost : Place::kUpper);
}

}  // namespace plume::vl
