// The object space inside a guest: what the replaced calls on named objects share. Internal to
// calls/object_*.cc.
//
// Every handler: enter, capture the name, understand it (view/object_name.h), give the original the VM's own
// name for it. Nothing is looked up and nothing is remembered but which handles are directories: the system
// does the rest.
//   object_names.cc      names: capture, relative names, reverse mapping
//   object_calls.cc      handles of any kind       object_kinds.cc   events, mutexes, sections, ...
//   object_directory.cc  directories and links     object_pipe.cc    pipes and mailslots object_port.cc LPC,
//   ALPC
#pragma once
#include "view/object_name.h"
#include "vl/calls/object_names.h"
#include "vl/low/guard.h"
#include "vl/low/handles.h"
#include "vl/low/hooks.h"
#include "vl/low/memory.h"
#include "vl/low/state.h"
#include "vl/low/trace.h"

namespace plume::vl {

// What a name means to this VM.
struct ObjectMeaning {
  view::ObjectName name;
  view::ObjectAction action = view::ObjectAction::kPass;
  view::WView canonical;  // for traces; empty if it is no name of this space
};

// Understands `name` below `root` (null: absolute) and renames it: `*real` is what the original is to get in
// its place. kAccessDenied if the policy refuses it.
nt::NtStatus RenameObject(const VlState& vl, CallScratch& scratch, nt::Handle root, view::WView name,
                          view::WView* real, ObjectMeaning* meaning);

// The same for OBJECT_ATTRIBUTES that are captured already; `captured->own` is changed.
nt::NtStatus RenameCaptured(const VlState& vl, CallScratch& scratch, Captured* captured,
                            ObjectMeaning* meaning);

// The attributes of one call, captured and renamed:
//   ObjectCall call(attributes);
//   if (!nt::Ok(call.status())) return call.status();
//   return orig.NtCreateEvent(handle, access, call.attributes(), type, initial);
class ObjectCall {
 public:
  explicit ObjectCall(const nt::ObjectAttributes* user);
  ObjectCall(const ObjectCall&) = delete;
  ObjectCall& operator=(const ObjectCall&) = delete;
  nt::NtStatus status() const { return status_; }
  // What the original gets: never the caller's own structure, which might change meanwhile.
  nt::ObjectAttributes* attributes() { return given_ ? &captured_.own : nullptr; }
  const VlState& vl() const { return vl_; }
  CallScratch& scratch() { return scratch_; }
  const ObjectMeaning& meaning() const { return meaning_; }
  bool named() const { return captured_.has_name && !captured_.name.empty(); }

 private:
  const VlState& vl_;
  CallScratch scratch_;
  Captured captured_;
  ObjectMeaning meaning_;
  bool given_;
  nt::NtStatus status_ = nt::kSuccess;
};

// The full real name of a directory, from the side table if it was opened by this process. Empty: none, or no
// directory.
view::WView DirectoryName(const VlState& vl, CallScratch& scratch, nt::Handle directory);

// `text` without the mark that begins at `at`, in scratch; null data() when out of memory.
view::WView WithoutMark(CallScratch& scratch, view::WView text, size_t at);
// `text` with the VM's mark put in at `at`.
view::WView WithMark(const VlState& vl, CallScratch& scratch, view::WView text, size_t at);

}  // namespace plume::vl
