// Values of the machine that captured, in text files of the application. Files are taken as they are: a
// client verifies their bytes, and nobody but the application knows what they mean. So what was found is
// told, with its place. Pure but for FindInFiles.
#pragma once
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "capture/portable.h"
#include "image/content.h"

namespace plume::capture {

// A file that is read as text: by its name's ending (settings and the like).
bool IsSettingsFile(std::u16string_view path);

// The places in one file's bytes: UTF-8, or UTF-16 with its mark. Nothing if it is no text. `path` is left
// empty.
std::vector<image::MachineText> FindInText(const Machine& machine, std::span<const uint8_t> bytes);

// The places in all settings files of `content` that are not kept ones, in the order of their paths;
// `content` gets them. What cannot be read is an error: its bytes will be needed for the image, too.
Status FindInFiles(const Machine& machine, image::Content* content);

}  // namespace plume::capture
