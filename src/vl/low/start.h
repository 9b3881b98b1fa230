// Tells the agent what a start touches (view/start_record.h).
#pragma once
#include "vl/low/state.h"

namespace plume::vl {

// A file of an image is being opened. A few loads after the first call of the process, which maps the record.
void NoteTouch(const VlState& vl, uint16_t layer, uint32_t entry);

}  // namespace plume::vl
