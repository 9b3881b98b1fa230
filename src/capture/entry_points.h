// What a user can start: from shortcuts, App Paths and programs, ordered so that the best default is first.
// Pure.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "capture/product.h"
#include "image/content.h"

namespace plume::capture {

// Something that could be an entry point. Paths are virtual ("C:\..."), with the real profile folder.
struct Candidate {
  enum class Kind : uint8_t { kStartMenu, kDesktop, kAppPath, kProgram };
  Kind kind = Kind::kProgram;
  std::u16string name;  // as people know it: the shortcut's file name, else the program's
  std::u16string path;  // the program
  std::u16string arguments, working_directory;
  bool console = false;  // kProgram: opens no window of its own
  bool in_image = true;  // the program is part of the image, not of the system
};

struct Names {
  std::string image;  // the image's name
  const Product* product = nullptr;
  std::u16string profile;  // real profile folder, "" if there is none; becomes %PROFILE%
};

// Uninstallers, documents and duplicates are left out; ids are unique, short, lower case.
std::vector<image::EntryPoint> RankEntryPoints(std::vector<Candidate> candidates, const Names& names);

// Moves the entry point that `wanted` means (id, file name with or without .exe, end of the path, or name) to
// the front. kInvalid naming the choices if there is none.
Status ChooseDefault(std::string_view wanted, std::vector<image::EntryPoint>* entries);

// Replaces %ProgramFiles% and the other folders that the system defines; unknown variables stay.
std::u16string ExpandFolders(std::u16string_view text, std::u16string_view profile);

// "C:\users\ann\x" -> "%PROFILE%\x".
std::u16string WithProfile(std::u16string_view path, std::u16string_view profile);

}  // namespace plume::capture
