// Answers that hold a name: a UNICODE_STRING followed by its text, as NtQueryObject,
// NtQueryInformationProcess and NtQueryVirtualMemory give it.
#pragma once
#include "vl/low/memory.h"
#include "vl/low/state.h"

namespace plume::vl {

// Scratch for the original answer: the longest name there is.
inline constexpr size_t kNameAnswerBytes = sizeof(nt::UnicodeString) + 0x10000 + 64;

// The text of an original answer in our own memory.
inline view::WView AnsweredName(const void* answer) {
  auto* s = static_cast<const nt::UnicodeString*>(answer);
  return s->buffer ? view::WView(s->buffer, s->length / 2) : view::WView();
}

// The real name of a handle, as the system says it. Empty: not a named object, or not one of a file system.
view::WView QueryRealName(CallScratch& scratch, nt::Handle handle);

// A name relative to an open directory of objects ("\??", "\Device"), made absolute. Empty: `root` is
// something else, or out of memory.
view::WView AbsoluteObjectName(const VlState& vl, CallScratch& scratch, nt::Handle root,
                               view::WView relative);

// `virtual_path` ("C:\x") in the form of `real`, the name it replaces: "\??\C:\x",
// "\Device\HarddiskVolume1\x" or "C:\x". Empty when out of memory.
view::WView LikeOriginal(const VlState& vl, CallScratch& scratch, view::WView real, view::WView virtual_path);

// Writes the answer for `name` to the caller's buffer. `too_small`: what this call says of a short buffer.
nt::NtStatus WriteNameAnswer(view::WView name, void* user, size_t length, nt::NtStatus too_small,
                             size_t* needed);

}  // namespace plume::vl
