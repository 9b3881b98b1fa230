// What registry calls tell the trace. Reached only while a recording is on.
#include "vl/calls/key_internal.h"

namespace plume::vl::key {

void TellKey(const VlState& vl, const VPath& path) {
  TraceNote* note = FindNote();
  if (!note) return;
  note->Name(trace::Space::kRegistry, path.text);
  note->Rule(vl, LookUp(vl, path), true);
}

void TellSource(const VlState& vl, CallScratch& scratch, const VPath& path, Source source, int mount) {
  TraceNote* note = FindNote();
  if (!note) return;
  switch (source) {
    case Source::kUpper:
      return note->Real(trace::Layer::kUpper, UpperName(vl, scratch, path, path.depth));
    case Source::kImage:
      if (mount < 0) break;
      note->Real(trace::Layer::kImage, ImageName(vl, scratch, path, path.depth, mount));
      return note->Image(vl, mount);
    case Source::kHost:
      return note->Real(trace::Layer::kHost, HostName(vl, scratch, path, path.depth));
  }
}

void TellUse(const VlState& vl, CallScratch& scratch, const Use& use) {
  HandleInfo* info = use.info();
  if (!info) return;
  const VPath* path = PathOf(vl, scratch, info);
  if (!path) return;
  TellKey(vl, *path);
  const Source source = use.lower || info->entry == kDirect ? info->source : Source::kUpper;
  TellSource(vl, scratch, *path, source, info->mount);
}

void TellValue(CallScratch& scratch, const nt::UnicodeString* name) {
  TraceNote* note = FindNote();
  WView value;
  if (!note || !nt::Ok(CaptureString(scratch, name, &value))) return;
  if (value.empty()) value = u"(Default)";
  note->AppendName(u"\\\\", value);
  note->AppendReal(u"\\\\", value);
}

}  // namespace plume::vl::key
