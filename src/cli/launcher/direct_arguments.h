// Which command lines of plume the launcher can hand to the agent itself, and what they ask for. Whatever it
// does not know, or what is wrong, is left to plume.exe, which says what is wrong. Pure.
#pragma once
#include <optional>
#include <string>
#include <vector>

namespace plume::launcher {

struct DirectStart {
  bool application = false;  // "run NAME": of a streamed application; else "vm run NAME"
  std::string name, vm, entry, program, cwd;
  std::vector<std::string> environment, arguments, images;
  bool remove = false, offline = false;
};

// `arguments`: without the program's own name. All of plume.exe's forms that it takes mean the same there
// (src/cli/run.cc, src/cli/vm_run.cc).
std::optional<DirectStart> ReadDirectStart(const std::vector<std::string>& arguments);

}  // namespace plume::launcher
